//! Another host takes over when the seeder or the tracker is lost, or keeps the fleet waiting.
//!
//! Only where any host will do, and only while somebody needs a seeder: once a copy of every piece is out, the swarm
//! goes on by itself. There are at most as many elections as hosts.

use std::cmp::Reverse;

use super::machine::{Rollout, Seeder, Tracker};
use super::plan::Choice;
use super::schedule::Timer;
use super::session::{Link, Purpose, Slot};
use super::{BootStep, Duty, HostState, Notice, Source, Stage};
use crate::base::Bitfield;

impl Rollout {
    /// Replaces a seeder that is lost, or that is not there while others wait for it, and a tracker that is lost.
    pub(super) fn review_stations(&mut self) {
        if !self.is_distributing() {
            return;
        }
        let heir = if !self.may_elect() || !self.is_short() {
            self.watch_for_seeder(false);
            None
        } else if self.seeder.lost.is_some() {
            self.ready_heir().or_else(|| self.next_heir())
        } else if self.watch_for_seeder(true) {
            self.ready_heir()
        } else {
            None
        };
        if let Some(heir) = heir {
            self.elect(heir);
        }
        let apart = self.tracker.slot != self.seeder.slot;
        if apart && self.tracker.lost.is_some() && self.may_move_tracker() && self.is_ready(self.seeder.slot) {
            let (before, lost) = (self.tracker.slot, self.tracker.lost.clone());
            self.move_tracker();
            let why = lost.map_or_else(String::new, |failure| failure.to_string());
            let reason = format!("{} is lost: {why}", self.name_of(before));
            self.assigned(self.tracker.slot, Duty::Tracks, reason);
            self.track(self.tracker.slot);
        }
    }

    /// Whether another host could seed in the place of the seeder.
    pub(super) fn has_heir(&self) -> bool {
        self.is_distributing() && self.may_elect() && self.next_heir().is_some()
    }

    /// Whether some host still wants the release.
    fn is_distributing(&self) -> bool {
        let under_way = match self.stage {
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => true,
            Stage::Finishing { .. } | Stage::Ended(_) => false,
        };
        under_way && (self.counts.settled() as usize) < self.plan.hosts.len()
    }

    /// Whether any host of the fleet may seed, and not too many did.
    fn may_elect(&self) -> bool {
        match (&self.plan.source, self.plan.seeder_choice) {
            (Source::Packed(_), Choice::Any) => self.seeder.elections < self.plan.hosts.len(),
            (Source::Packed(_), Choice::Named) | (Source::OnSeeder(_), _) => false,
        }
    }

    fn may_move_tracker(&self) -> bool {
        match self.plan.tracker_choice {
            Choice::Any => self.payload.is_some(),
            Choice::Named => false,
        }
    }

    /// Whether an agent is there and takes orders.
    fn is_ready(&self, slot: Slot) -> bool {
        let session = &self.sessions[slot.0];
        let waits = matches!(self.records[slot.0].state, HostState::Waiting { .. });
        session.link == Link::Attached && session.greeted && !waits
    }

    /// Says whether the seeder was waited for long enough: one that failed is not waited for at all.
    fn watch_for_seeder(&mut self, is_needed: bool) -> bool {
        let slot = self.seeder.slot;
        if !is_needed || self.is_ready(slot) {
            self.seeder.missed = None;
            self.schedule.set(Timer::SeederWait, None);
            return false;
        }
        let due = *self.seeder.missed.get_or_insert(self.now) + self.config.seeder_wait_max;
        let again = self.sessions[slot.0].retry_at.is_some();
        let failed = again || matches!(self.records[slot.0].state, HostState::Waiting { not_before: Some(_) });
        if failed || due <= self.now {
            return true;
        }
        self.schedule.set(Timer::SeederWait, Some(due));
        false
    }

    /// Hosts that could seed: all others that did not fail.
    fn heirs(&self) -> impl Iterator<Item = Slot> + '_ {
        let others = (0..self.plan.hosts.len()).map(Slot).filter(|slot| *slot != self.seeder.slot);
        others.filter(|slot| match self.records[slot.0].state {
            HostState::Waiting { .. }
            | HostState::Connecting
            | HostState::Bootstrapping { .. }
            | HostState::Fetching
            | HostState::Stalled { .. }
            | HostState::Verifying
            | HostState::Unpacking
            | HostState::Done { .. } => true,
            HostState::Failed { .. } | HostState::Unreachable { .. } | HostState::Aborted | HostState::Skipped => false,
        })
    }

    /// The one with most pieces among those that are there.
    fn ready_heir(&self) -> Option<Slot> {
        let pieces = |slot: Slot| self.records[slot.0].pieces.as_ref().map_or(0, Bitfield::count);
        let ready = self.heirs().filter(|slot| self.is_ready(*slot));
        ready.max_by_key(|slot| (pieces(*slot), !self.is_at_rest(*slot), Reverse(*slot)))
    }

    /// The first of the plan that still wants the release, or else that has it.
    fn next_heir(&self) -> Option<Slot> {
        self.heirs().min_by_key(|slot| (self.is_at_rest(*slot), *slot))
    }

    fn elect(&mut self, heir: Slot) {
        let before = self.seeder.slot;
        let name = self.name_of(before);
        let why = match &self.seeder.lost {
            Some(failure) => format!("{name} is lost: {failure}"),
            None => format!("{name} is not there yet"),
        };
        self.seeder = Seeder {
            opened: self.seeder.opened,
            elections: self.seeder.elections + 1,
            bytes_up: self.seeder.bytes_up,
            ..Seeder::at(heir)
        };
        let tracks = self.tracker.slot;
        let is_gone = self.tracker.lost.is_some() || !self.is_ready(tracks);
        let moves = tracks != heir && !self.tracker.alive && is_gone && self.may_move_tracker();
        if moves {
            self.move_tracker();
        }
        self.assigned(heir, if moves { Duty::Both } else { Duty::Seeds }, why);
        self.step_down(before);
        self.take_over(heir);
    }

    fn name_of(&self, slot: Slot) -> &str {
        self.planned(slot).map_or("console", |host| &host.name)
    }

    fn assigned(&mut self, slot: Slot, duty: Duty, reason: String) {
        let at = self.sessions[slot.0].place;
        self.notice(Notice::Role { at, duty, reason });
    }

    fn move_tracker(&mut self) {
        let before = std::mem::replace(&mut self.tracker, Tracker::at(self.seeder.slot)).slot;
        self.step_down(before);
    }

    /// A place that was seeder or tracker goes on as any other.
    fn step_down(&mut self, slot: Slot) {
        self.sessions[slot.0].seeds_only = false;
        if self.is_station(slot) {
            return;
        }
        let session = &mut self.sessions[slot.0];
        if session.purpose == Purpose::Station {
            session.purpose = Purpose::Work;
            session.retry_at = None;
            self.launcher.withdraw(slot);
            if self.sessions[slot.0].link == Link::Dialing {
                self.hang_up(slot);
            }
        }
        self.line_up(slot);
        self.rearm(slot);
    }

    /// The new seeder is launched, or told to seed with what it has: it leaves the swarm and joins it again.
    fn take_over(&mut self, slot: Slot) {
        let is_ready = self.is_ready(slot);
        if self.is_at_rest(slot) {
            self.sessions[slot.0].purpose = Purpose::Station;
            if self.sessions[slot.0].link == Link::Off {
                self.sessions[slot.0].retry_at = Some(self.now);
            }
        }
        if self.sessions[slot.0].served {
            self.leave_swarm(slot);
            self.sessions[slot.0].served = false;
            self.sessions[slot.0].serving = false;
        }
        let starts = matches!(self.records[slot.0].state, HostState::Bootstrapping { .. });
        if is_ready && !starts && !self.is_at_rest(slot) {
            let why = Some("it seeds from now on".to_owned());
            self.enter(slot, HostState::Bootstrapping { step: BootStep::Starting }, why);
        }
        self.waiting.remove(&slot);
        if is_ready {
            self.advance(slot);
        } else {
            self.line_up(slot);
        }
        self.rearm(slot);
    }
}
