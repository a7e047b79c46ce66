//! Misfortune: what is wrong with hosts happens to them when it is time.

use std::time::Duration;

use super::host::{Host, Life};
use super::{HostSpec, Trouble, World};
use crate::base::Instant;

impl World {
    /// Lets what is wrong with a host happen, if it is time.
    pub(super) fn suffer(&mut self, index: usize) {
        let host = &self.hosts[index];
        let (count, first_life) = (host.disk.verified().count(), host.life_number == 1);
        for trouble in host.troubles.clone() {
            match trouble {
                Trouble::Killed { pieces, restart_after } if count >= pieces && first_life => {
                    self.kill(index, restart_after);
                }
                Trouble::Frozen { pieces } if count >= pieces => self.freeze(index),
                Trouble::Suspended { pieces, lasts } if count == pieces && first_life => {
                    self.hosts[index].asleep_until = self.now + lasts;
                }
                Trouble::ClockJumps { pieces, by } if count == pieces => self.hosts[index].ahead += by,
                Trouble::Killed { .. }
                | Trouble::Frozen { .. }
                | Trouble::Suspended { .. }
                | Trouble::ClockJumps { .. }
                | Trouble::Slow { .. }
                | Trouble::Corrupt { .. }
                | Trouble::Selfish
                | Trouble::Absent
                | Trouble::KilledAfterOneCopy
                | Trouble::DiskFull { .. }
                | Trouble::Resumed { .. }
                | Trouble::Mute
                | Trouble::SlowLoris
                | Trouble::OtherRun
                | Trouble::Stranger => {}
            }
        }
    }

    /// Whether a host's disk takes no more.
    pub(super) fn is_disk_full(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let full = |trouble: &Trouble| matches!(trouble, Trouble::DiskFull { pieces } if host.disk.verified().count() >= *pieces);
        host.troubles.iter().any(full)
    }

    /// Kills those who were to die once every piece is somewhere else as well.
    pub(super) fn kill_the_dispensable(&mut self) {
        if self.mortal.is_empty() || self.copies.contains(&0) {
            return;
        }
        for index in self.mortal.clone() {
            if self.hosts[index].is_there() {
                self.kill(index, None);
            }
        }
    }

    pub(super) fn kill(&mut self, index: usize, restart_after: Option<Duration>) {
        self.give_up_on(index, restart_after);
        self.hosts[index].die();
        for connection in self.network.links_of(index) {
            self.hang_up(index, connection);
        }
    }

    fn freeze(&mut self, index: usize) {
        self.give_up_on(index, None);
        self.hosts[index].life = Life::Frozen;
    }

    fn give_up_on(&mut self, index: usize, restart_after: Option<Duration>) {
        self.hosts[index].timer = None;
        match restart_after {
            Some(after) => self.restart(index, self.now + after),
            None => self.await_no_more(index),
        }
    }

    pub(super) fn await_no_more(&mut self, index: usize) {
        self.unfinished -= usize::from(std::mem::take(&mut self.hosts[index].awaited));
    }

    /// The network is cut, here and now: what goes over connections across is lost from now on.
    pub(super) fn cut(&mut self, partition: usize) {
        if let Some(partition) = self.scenario.partitions.get(partition) {
            self.network.sever(|one, other| partition.divides(one, other));
        }
    }

    /// Whether nothing gets from one host to another at present.
    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.scenario.partitions.iter().any(|partition| partition.is_at(self.now) && partition.divides(one, other))
    }
}

/// What a host's place in the network is like.
pub(super) fn spec_of(host: &Host, spec: HostSpec) -> HostSpec {
    let slow = host.troubles.iter().find_map(|trouble| trouble.rate());
    slow.map_or(spec, |rate| HostSpec { up: rate, down: rate, ..spec })
}

/// A moment of a clock that is ahead, as the world calls it.
pub(super) fn of_the_world(moment: Instant, ahead: Duration) -> Instant {
    Instant::after(moment.since(Instant::after(ahead)))
}
