//! How fast it goes, and how long it will take.

use std::time::Duration;

use crate::base::{ByteCount, ByteRate, Instant};

/// Time constant of the smoothing.
const SMOOTHING: f64 = 5.0;

/// Verified bytes a second of one host, smoothed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Speed {
    rate: f64,
    measured: Option<Instant>,
}

impl Speed {
    /// Takes `bytes` verified since the last call.
    pub(super) fn advance(&mut self, now: Instant, bytes: u64) {
        let Some(before) = self.measured.replace(now) else { return };
        let seconds = now.since(before).as_secs_f64();
        if seconds <= 0.0 {
            self.rate += bytes as f64 / SMOOTHING;
            return;
        }
        let kept = (-seconds / SMOOTHING).exp();
        self.rate = self.rate * kept + bytes as f64 / seconds * (1.0 - kept);
    }

    /// The rate now: it fades while nothing is heard.
    pub(super) fn at(&self, now: Instant) -> f64 {
        let silent = self.measured.map_or(0.0, |at| now.since(at).as_secs_f64());
        if silent <= SMOOTHING { self.rate } else { self.rate * ((SMOOTHING - silent) / SMOOTHING).exp() }
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

/// Estimates from (bytes left, bytes a second) of every host under way; hosts without a rate count as the median.
pub(super) fn estimate(hosts: &[(u64, f64)]) -> Option<Eta> {
    let mut rates: Vec<f64> = hosts.iter().map(|(_, rate)| *rate).filter(|rate| *rate >= 1.0).collect();
    if rates.is_empty() {
        return None;
    }
    let middle = rates.len() / 2;
    let (_, median, _) = rates.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median;
    let seconds = |(left, rate): &(u64, f64)| *left as f64 / if *rate >= 1.0 { *rate } else { median };
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
        assert_eq!(estimate(&[(100, 0.0)]), None);
    }

    #[test]
    fn a_waiting_host_counts_as_fast_as_the_median() {
        let eta = estimate(&[(100, 10.0), (100, 50.0), (100, 20.0), (400, 0.0)]).unwrap();
        assert_eq!(eta.p50, Duration::from_secs(5));
        assert_eq!(eta.last, Duration::from_secs(20));
    }

    #[test]
    fn a_steady_rate_is_found_and_fades_in_silence() {
        let mut speed = Speed::default();
        for second in 0..60 {
            speed.advance(Instant::after(Duration::from_secs(second)), 1000);
        }
        let now = Instant::after(Duration::from_secs(59));
        assert!((speed.at(now) - 1000.0).abs() < 1.0);
        assert!(speed.at(now + Duration::from_secs(60)) < 1.0);
    }
}
