//! Bound: how soon the last host can have everything, at the very best.

use std::time::Duration;

use super::{HostSpec, Scenario, Trouble};
use crate::base::{ByteCount, ByteRate};

/// What one host wants of a swarm, and what it can do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    up: ByteRate,
    down: ByteRate,
    missing: u64,
}

impl Scenario {
    /// Payload in bytes.
    pub fn payload(&self) -> ByteCount {
        ByteCount(u64::from(self.pieces).saturating_mul(self.piece_length.0))
    }

    /// The time before which no swarm whatever can have the payload on the last host that lives to see it.
    ///
    /// With F bytes of payload, N hosts that want it and d, u for what a host can receive and send, it is
    /// max(F ÷ u of the seeder, F ÷ d of the slowest, N × F ÷ (u of the seeder + Σ u)): the seeder must give every byte
    /// once, every host must receive all of them, and all that is received was sent by somebody. Pieces that are there
    /// from the start are taken off. A payload that is pushed to the seeder is not there before F ÷ the push's rate. Latency,
    /// handshakes, hashing and late starts are not counted, so it is never reached.
    pub fn optimum(&self) -> Duration {
        let shares: Vec<Share> = (0..self.hosts).map(|host| self.share(host)).collect();
        let Some((seeder, others)) = shares.split_first() else { return Duration::ZERO };
        let unique = self.payload().0 - self.elsewhere();
        let slowest = others.iter().map(|share| takes(share.missing, share.down)).max().unwrap_or_default();
        let missing = others.iter().map(|share| share.missing).sum();
        let unlimited = shares.iter().any(|share| share.up == ByteRate::UNLIMITED);
        let all: ByteRate = shares.iter().map(|share| share.up).sum();
        let together = takes(missing, if unlimited { ByteRate::UNLIMITED } else { all });
        let pushed = takes(self.payload().0, self.push);
        takes(unique, seeder.up).max(slowest).max(together).max(pushed)
    }

    /// Bytes that are on another host than the seeder from the start: resumed hosts all have the first pieces.
    fn elsewhere(&self) -> u64 {
        let pieces = self.faults.iter().filter(|fault| fault.host > 0).filter_map(|fault| resumed(fault.trouble));
        u64::from(pieces.max().unwrap_or(0).min(self.pieces)) * self.piece_length.0
    }

    fn share(&self, host: u32) -> Share {
        let troubles = self.faults.iter().filter(|fault| fault.host == host).map(|fault| fault.trouble);
        let HostSpec { up, down, max_upload, max_download, .. } = self.host;
        let all = self.payload().0;
        let whole = Share { up: lower(up, max_upload), down: lower(down, max_download), missing: all };
        troubles.fold(whole, |share, trouble| {
            if let Trouble::Slow { rate } = trouble {
                return Share { up: lower(share.up, rate), down: lower(share.down, rate), ..share };
            }
            let there = u64::from(resumed(trouble).unwrap_or(0)) * self.piece_length.0;
            let missing = if is_out(trouble) { 0 } else { all.saturating_sub(there).min(share.missing) };
            Share { missing, ..share }
        })
    }
}

/// Pieces that are there from the start.
const fn resumed(trouble: Trouble) -> Option<u32> {
    if let Trouble::Resumed { pieces } = trouble { Some(pieces) } else { None }
}

/// Whether a host with that trouble never has everything: what it sends meanwhile counts, what it still wants does not.
const fn is_out(trouble: Trouble) -> bool {
    trouble.is_impostor()
        || matches!(
            trouble,
            Trouble::Absent
                | Trouble::Killed { restart_after: None, .. }
                | Trouble::KilledAfterOneCopy
                | Trouble::Frozen { .. }
                | Trouble::DiskFull { .. }
        )
}

/// The lower of two rates, of which 0 means none.
fn lower(one: ByteRate, other: ByteRate) -> ByteRate {
    match (one.cap(), other.cap()) {
        (Some(a), Some(b)) => ByteRate(a.min(b)),
        (Some(a), None) => ByteRate(a),
        (None, _) => other,
    }
}

fn takes(bytes: u64, rate: ByteRate) -> Duration {
    rate.cap().map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64))
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::*;

    /// Five hosts, 1 MiB, a MiB a second both ways.
    fn even() -> Scenario {
        let mut scenario = Scenario::of(5, 64);
        (scenario.host.up, scenario.host.down) = (ByteRate(1 << 20), ByteRate(1 << 20));
        scenario
    }

    fn with(trouble: Trouble) -> Scenario {
        Scenario { faults: vec![Fault { host: 1, trouble }], ..even() }
    }

    #[test]
    fn on_equal_links_it_is_one_copy_at_full_rate() {
        assert_eq!(even().optimum(), Duration::from_secs(1));
    }

    #[test]
    fn the_slowest_host_sets_it() {
        assert_eq!(with(Trouble::Slow { rate: ByteRate(1 << 18) }).optimum(), Duration::from_secs(4));
    }

    #[test]
    fn what_all_can_send_together_sets_it_when_they_send_slowly() {
        let mut scenario = even();
        scenario.host.max_upload = ByteRate(1 << 19);
        scenario.host.down = ByteRate::UNLIMITED;
        assert_eq!(scenario.optimum(), Duration::from_secs(2));
        scenario.hosts = 2;
        assert_eq!(scenario.optimum(), Duration::from_secs(2));
    }

    #[test]
    fn what_is_pushed_slowly_sets_it() {
        let pushed = |push| Scenario { push, ..even() }.optimum();
        assert_eq!(
            (pushed(ByteRate(1 << 19)), pushed(ByteRate(1 << 24))),
            (Duration::from_secs(2), Duration::from_secs(1))
        );
    }

    #[test]
    fn what_is_there_or_never_wanted_is_not_counted() {
        let slow = Fault { host: 1, trouble: Trouble::Slow { rate: ByteRate(1 << 18) } };
        let mut scenario = with(Trouble::Resumed { pieces: 48 });
        scenario.faults.push(slow);
        assert_eq!(scenario.optimum(), Duration::from_secs(1));
        let mut scenario = with(Trouble::Frozen { pieces: 3 });
        scenario.faults.push(slow);
        assert_eq!(scenario.optimum(), Duration::from_secs(1));
    }
}
