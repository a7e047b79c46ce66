//! How fast it goes, and how long it will take.

use std::time::Duration;

use crate::base::{ByteCount, ByteRate, Instant};

/// Time constant of the smoothing.
const SMOOTHING: f64 = 5.0;

/// A rate that was watched for less time than this is a guess: pieces come in lumps.
const SOUND_AFTER: Duration = Duration::from_secs(3);

/// Without a new piece the last rate stands for this long, which is longer than it takes for a host to count as stalled.
const HELD: Duration = Duration::from_secs(20);

/// Verified bytes a second of one host, smoothed over the pieces that came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Speed {
    rate: f64,
    since: Option<Instant>,
    measured: Option<Instant>,
}

impl Speed {
    /// Takes `bytes` verified since the last call.
    pub(super) fn advance(&mut self, now: Instant, bytes: u64) {
        let Some(before) = self.measured.filter(|before| now.since(*before) <= HELD) else {
            // How fast it is when it moves has nothing to do with how long it did not.
            *self = Self { rate: 0.0, since: Some(now), measured: Some(now) };
            return;
        };
        if bytes == 0 {
            // How slow a piece is can be told once it is there.
            return;
        }
        self.measured = Some(now);
        let seconds = now.since(before).as_secs_f64();
        if seconds <= 0.0 {
            self.rate += bytes as f64 / SMOOTHING;
            return;
        }
        let kept = (-seconds / SMOOTHING).exp();
        self.rate = self.rate * kept + bytes as f64 / seconds * (1.0 - kept);
    }

    /// The rate now. `None` until it was watched for long enough to be sound, and when the last piece was long ago.
    pub(super) fn at(&self, now: Instant) -> Option<f64> {
        let (since, measured) = (self.since?, self.measured?);
        let watched = measured.since(since);
        if watched < SOUND_AFTER || now.since(measured) > HELD {
            return None;
        }
        // The smoothing began at 0, which is no measurement: its share is taken out.
        Some(self.rate / (1.0 - (-watched.as_secs_f64() / SMOOTHING).exp()))
    }
}

/// The fleet's traffic and progress, all hosts together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Received from peers, now.
    pub rate_down: ByteRate,
    /// Sent to peers, now; the seeder's included.
    pub rate_up: ByteRate,
    /// Sent by the seeder, now.
    pub seeder_rate_up: ByteRate,
    /// The seeder's share of everything sent so far, 0.0 to 1.0.
    pub seeder_share: f64,
    /// Received from peers so far.
    pub bytes_down: ByteCount,
    /// Sent to peers so far; the seeder's included.
    pub bytes_up: ByteCount,
    /// Sent by the seeder so far.
    pub seeder_bytes_up: ByteCount,
    /// Verified on the fleet's hosts.
    pub bytes_done: ByteCount,
    /// To be verified on the fleet's hosts in the end; 0 while the payload is not known.
    pub bytes_total: ByteCount,
}

/// When hosts will have every piece, counted from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eta {
    /// Half of the hosts under way.
    pub p50: Duration,
    /// 95 in a hundred.
    pub p95: Duration,
    /// The last one.
    pub last: Duration,
}

/// Estimates from (bytes left, bytes a second) of every host under way; hosts without a sound rate count as the median.
pub(super) fn estimate(hosts: &[(u64, Option<f64>)]) -> Option<Eta> {
    let sound = |rate: Option<f64>| rate.filter(|rate| *rate >= 1.0);
    let mut rates: Vec<f64> = hosts.iter().filter_map(|(_, rate)| sound(*rate)).collect();
    if rates.is_empty() {
        return None;
    }
    let middle = rates.len() / 2;
    let (_, median, _) = rates.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median;
    let seconds = |(left, rate): &(u64, Option<f64>)| *left as f64 / sound(*rate).unwrap_or(median);
    let mut times: Vec<f64> = hosts.iter().map(seconds).collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (times.len() as f64 * share).ceil() as usize;
        Duration::try_from_secs_f64(times[index.clamp(1, times.len()) - 1]).unwrap_or(Duration::MAX)
    };
    Some(Eta { p50: at(0.5), p95: at(0.95), last: at(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_estimated_from_nothing() {
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[(100, Some(0.0)), (100, None)]), None);
    }

    #[test]
    fn a_waiting_host_counts_as_fast_as_the_median() {
        let eta = estimate(&[(100, Some(10.0)), (100, Some(50.0)), (100, Some(20.0)), (400, None)]).unwrap();
        assert_eq!(eta.p50, Duration::from_secs(5));
        assert_eq!(eta.last, Duration::from_secs(20));
    }

    #[test]
    fn a_steady_rate_is_found_and_stands_until_the_next_piece_or_for_a_while() {
        let mut speed = Speed::default();
        for second in 0..60 {
            speed.advance(Instant::after(Duration::from_secs(second)), 1000);
        }
        let now = Instant::after(Duration::from_secs(59));
        speed.advance(now + Duration::from_secs(5), 0);
        assert!((speed.at(now).unwrap() - 1000.0).abs() < 1.0);
        assert!((speed.at(now + Duration::from_secs(15)).unwrap() - 1000.0).abs() < 1.0);
        assert_eq!(speed.at(now + Duration::from_secs(60)), None);
    }

    #[test]
    fn the_first_rate_that_is_told_is_sound() {
        let mut speed = Speed::default();
        let at = |second| Instant::after(Duration::from_secs(second));
        for second in 0..3 {
            speed.advance(at(second), if second == 0 { 0 } else { 1000 });
            assert_eq!(speed.at(at(second)), None);
        }
        speed.advance(at(3), 1000);
        assert!((speed.at(at(3)).unwrap() - 1000.0).abs() < 1.0);
    }
}
