//! A host's turn: to be launched, or, when all it needs lies ready aside, to have the release put in its place.

use std::collections::BTreeSet;
use std::time::Duration;

use super::gate::{Accepted, Standing};
use super::launcher::Rank;
use super::machine::Rollout;
use super::session::{Link, Slot};
use super::{Detail, HostState, StateName};
use crate::base::Instant;
use crate::control::{Order, Placing};
use crate::inventory::Mode;

/// What a host is said to be that waits for its turn with everything ready.
pub const STAGED: &str = "staged";

/// For putting a release in its place: one rename, and what it takes to have it on the disk.
pub(super) const SWITCH_MAX: Duration = Duration::from_secs(120);

/// Hosts whose release lies ready, and how the waves stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    pub(super) standing: Standing,
    pub(super) accepted: Accepted,
    /// Everything is verified and unpacked aside there; it is not in its place.
    pub(super) staged: BTreeSet<Slot>,
    /// Of these, those whose turn it is.
    ready: BTreeSet<Slot>,
}

impl Turns {
    /// The host's state is another.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.staged.remove(&slot);
        self.ready.remove(&slot);
    }
}

impl Rollout {
    /// Whether a place may be lined up to be launched; it is lined up later otherwise.
    pub(super) fn may_launch(&mut self, slot: Slot, rank: Rank) -> bool {
        match (rank, self.plan.policy.mode) {
            (Rank::Station, Mode::WaveByWave) => {
                // What it does for others comes before its own turn, which it takes if that is free.
                if self.waves.is_open(slot) {
                    self.spread.take(slot);
                }
                true
            }
            (Rank::Station | Rank::Operator | Rank::Again | Rank::Fleet | Rank::Look, Mode::StageThenSwitch) => true,
            (Rank::Operator | Rank::Again, Mode::WaveByWave) => self.spread.take(slot),
            (Rank::Fleet | Rank::Look, Mode::WaveByWave) => self.waves.is_open(slot) && self.spread.take(slot),
        }
    }

    /// It is the host's turn as far as its wave or its set goes.
    pub(super) fn turn(&mut self, slot: Slot) {
        self.line_up(slot);
        if self.turns.staged.contains(&slot) && self.waves.is_open(slot) && self.spread.take(slot) {
            self.turns.ready.insert(slot);
        }
    }

    /// When the release is put in its place: at once only where the host has its turn already.
    pub(super) fn placing(&mut self, slot: Slot) -> Placing {
        let waits = match self.plan.policy.mode {
            Mode::StageThenSwitch => true,
            // A host that is settled, and serves others, takes no turn of its set: it would never give it back.
            Mode::WaveByWave => !(self.is_at_rest(slot) || self.waves.is_open(slot) && self.spread.take(slot)),
        };
        if waits && self.in_fleet(slot) { Placing::Held } else { Placing::AtOnce }
    }

    /// Everything is verified and unpacked aside.
    pub(super) fn handle_staged(&mut self, slot: Slot) {
        let under_way = match self.records[slot.0].state.name() {
            StateName::Bootstrapping
            | StateName::Fetching
            | StateName::Stalled
            | StateName::Verifying
            | StateName::Unpacking => true,
            StateName::Waiting
            | StateName::Connecting
            | StateName::Done
            | StateName::Failed
            | StateName::Unreachable
            | StateName::Aborted
            | StateName::Skipped => false,
        };
        if !under_way || !self.sessions[slot.0].served || !self.in_fleet(slot) {
            return;
        }
        let reason = match self.waves.of(slot) {
            Some(wave) if !self.waves.is_open(slot) => format!("{STAGED}: waits for the turn of wave {}", wave + 1),
            Some(_) | None => STAGED.to_owned(),
        };
        self.enter(slot, HostState::Unpacking, Some(reason));
        self.records[slot.0].detail = Detail::Staged;
        self.turns.staged.insert(slot);
        self.clear_host_deadline(slot);
        self.rearm(slot);
        self.turn(slot);
    }

    /// Tells hosts whose turn it is to put the release in its place.
    pub(super) fn switch_ready(&mut self) {
        if self.launcher.paused || self.launcher.halted {
            return;
        }
        for slot in std::mem::take(&mut self.turns.ready) {
            let attached = self.sessions[slot.0].link == Link::Attached;
            if attached && self.turns.staged.remove(&slot) {
                self.records[slot.0].detail = Detail::Switching;
                self.sessions[slot.0].since = self.now;
                self.order(slot, Order::Place);
                self.rearm(slot);
            }
        }
    }

    /// When a delivery's time is up.
    pub(super) fn delivery_due(&self, slot: Slot) -> Option<Instant> {
        let since = self.sessions[slot.0].since;
        match self.records[slot.0].detail {
            Detail::None => Some(since + self.config.deliver_max),
            Detail::Switching => Some(since + SWITCH_MAX),
            Detail::Staged => None,
            Detail::Checking { .. } => Some(since + self.check_max()),
            Detail::Unwell { again, .. } => Some(again),
        }
    }
}
