//! What can be asked of a rollout at any time: nothing here changes it.

use std::time::Duration;

use super::machine::Rollout;
use super::session::{Link, Slot};
use super::speed::estimate;
use super::{Caps, Counts, Eta, Failure, HostRecord, HostState, Payload, Plan, StateName, Summary, Totals};
use crate::base::{ByteCount, ByteRate, Instant, PieceIndex};
use crate::control::Tag;
use crate::inventory::{HostId, Place};

/// Where the run as a whole stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Nobody can be served yet.
    Preparing {
        /// The payload is known.
        payload: bool,
        /// The tracker answers.
        tracker: bool,
        /// The seeder is in the swarm.
        seeder: bool,
    },
    /// Hosts are served.
    Distributing,
    /// Every host is settled; the operator has the word.
    Settled,
    /// Agents are stopped and what they left is removed.
    Finishing {
        /// Places that are not proved clean yet.
        left: usize,
    },
    /// The run is over.
    Ended(Summary),
}

/// The seeder or the tracker.
#[derive(Debug, Clone, PartialEq)]
pub struct StationView {
    /// Where it is.
    pub place: Place,
    /// What it is doing.
    pub state: StationState,
    /// It does its work now.
    pub alive: bool,
}

/// What a seeder or tracker is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum StationState {
    /// Not dialled yet, or waiting to be dialled again.
    Waiting,
    /// Connecting, starting, or hashing what is there.
    Starting,
    /// The seeder packages the source: bytes read so far.
    Packing(ByteCount),
    /// The seeder is in the swarm and still gets pieces from the console.
    Receiving,
    /// It does its work.
    Ready,
    /// It did when it was last heard, which is too long ago.
    Silent {
        /// When that was.
        since: Instant,
    },
    /// It failed.
    Failed(Failure),
    /// It is gone, and nobody needs it.
    Gone,
}

/// How far the push to the seeder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// Bytes the seeder has, those it had before included.
    pub sent: ByteCount,
    /// The payload's bytes.
    pub total: ByteCount,
}

/// Hosts that failed for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseGroup {
    /// The cause, in a few words.
    pub cause: &'static str,
    /// What the operator can do.
    pub next_step: &'static str,
    /// The hosts, in fleet order.
    pub hosts: Vec<HostId>,
    /// The first host's failure in full.
    pub example: String,
}

impl Rollout {
    /// What the run is going to do.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The fleet, in the order of the plan.
    pub fn hosts(&self) -> &[HostRecord] {
        &self.records[..self.plan.hosts.len()]
    }

    /// One host of the fleet, or a helper that only seeds or tracks.
    pub fn host(&self, host: HostId) -> Option<&HostRecord> {
        self.slots.get(&Place::Host(host)).map(|slot| &self.records[slot.0])
    }

    /// What the inventory calls a host of the plan; empty for any other.
    pub fn name(&self, host: HostId) -> &str {
        self.slots.get(&Place::Host(host)).and_then(|slot| self.planned(*slot)).map_or("", |host| &host.name)
    }

    /// Hosts by state; they always sum to the fleet.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Where the run stands.
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether launching is paused.
    pub const fn is_paused(&self) -> bool {
        self.launcher.paused
    }

    /// The caps in force: the operator's, or those of the plan's first host.
    pub fn caps(&self) -> Caps {
        self.caps.or_else(|| self.plan.hosts.first().map(|host| host.caps)).unwrap_or_default()
    }

    /// What is distributed, once it is known.
    pub const fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The release's name, once it is known.
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The fleet's traffic and progress. Rates are 0 when nothing was heard for ten seconds.
    pub fn totals(&self, now: Instant) -> Totals {
        let mut totals = self.totals;
        totals.seeder_bytes_up = self.seeder.bytes_up;
        totals.seeder_rate_up = self.records[self.seeder.slot.0].progress.rate_up;
        totals.seeder_share = totals.seeder_bytes_up.0 as f64 / (totals.bytes_up.0.max(1)) as f64;
        let silent = self.last_heard.is_none_or(|at| now.since(at) > Duration::from_secs(10));
        if silent {
            totals.rate_down = ByteRate(0);
            totals.rate_up = ByteRate(0);
            totals.seeder_rate_up = ByteRate(0);
        }
        let total = self.payload.as_ref().map_or(0, |payload| payload.layout.total());
        totals.bytes_total = ByteCount(total.saturating_mul(self.plan.hosts.len() as u64));
        totals
    }

    /// The seeder.
    pub fn seeder(&self) -> StationView {
        let slot = self.seeder.slot;
        let alive = self.sessions[slot.0].serving && self.seeder.lost.is_none();
        let state = match &self.seeder.lost {
            Some(failure) if !alive => StationState::Failed(failure.clone()),
            Some(_) | None if self.sessions[slot.0].packing => StationState::Packing(self.seeder.packed),
            Some(_) | None if alive && !self.is_full(slot) && self.silent_since(slot).is_none() => {
                StationState::Receiving
            }
            Some(_) | None => self.station_state(slot, alive),
        };
        StationView { place: self.sessions[slot.0].place, state, alive }
    }

    /// The tracker.
    pub fn tracker(&self) -> StationView {
        let alive = self.tracker.alive;
        let state = match &self.tracker.lost {
            Some(failure) if !alive => StationState::Failed(failure.clone()),
            Some(_) | None => self.station_state(self.tracker.slot, alive),
        };
        StationView { place: self.sessions[self.tracker.slot.0].place, state, alive }
    }

    /// Hosts that have not answered the first look; 0 when the payload no longer waits for them.
    pub fn unheard(&self) -> usize {
        self.preflight.unheard()
    }

    /// Copies of the rarest piece among the agents in the swarm, the seeder's included.
    pub fn rarest(&self) -> u32 {
        self.availability.rarest()
    }

    /// Copies of one piece among the agents in the swarm.
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        self.availability.copies(piece)
    }

    /// When the hosts under way will have every piece, counted from `now`; `None` while that cannot be told. Nobody can
    /// tell of those that are stalled: they do not count.
    pub fn eta(&self, now: Instant) -> Option<Eta> {
        let total = self.payload.as_ref()?.layout.total();
        let under_way = |(record, session): (&HostRecord, &super::session::Session)| {
            let state = record.state.name();
            let moves = !state.is_settled() && state != StateName::Stalled;
            moves.then(|| (total.saturating_sub(session.bytes_done), session.speed.at(now)))
        };
        let hosts: Vec<_> = self.hosts().iter().zip(&self.sessions).filter_map(under_way).collect();
        estimate(&hosts)
    }

    /// When one host will have every piece, counted from `now`; `None` while that cannot be told.
    pub fn eta_of(&self, host: HostId, now: Instant) -> Option<Duration> {
        let total = self.payload.as_ref()?.layout.total();
        let slot = self.slots.get(&Place::Host(host))?.0;
        if self.records[slot].state.name() == StateName::Stalled {
            return None;
        }
        let session = &self.sessions[slot];
        let rate = session.speed.at(now).filter(|rate| *rate >= 1.0)?;
        Duration::try_from_secs_f64(total.saturating_sub(session.bytes_done) as f64 / rate).ok()
    }

    /// Failed and unreachable hosts by cause, the largest group first.
    pub fn failures(&self) -> Vec<CauseGroup> {
        let group = |(cause, slots): (&&'static str, &std::collections::BTreeSet<Slot>)| {
            let first = self.records[slots.first()?.0].state.failure()?;
            Some(CauseGroup {
                cause,
                next_step: first.next_step(),
                hosts: slots.iter().map(|slot| self.records[slot.0].id).collect(),
                example: first.to_string(),
            })
        };
        let mut groups: Vec<_> = self.causes.iter().filter_map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.hosts.len()));
        groups
    }

    /// When anything was last heard of any place.
    pub const fn last_heard(&self) -> Option<Instant> {
        self.last_heard
    }

    /// How far the push to the seeder is; `None` when nothing is pushed.
    pub const fn pushed(&self) -> Option<Pushed> {
        self.seeder.pushed
    }

    /// Whether a host's agent is attached, so that orders reach it at once.
    pub fn is_attached(&self, host: HostId) -> bool {
        self.slots.get(&Place::Host(host)).is_some_and(|slot| self.sessions[slot.0].link == Link::Attached)
    }

    fn station_state(&self, slot: Slot, alive: bool) -> StationState {
        if alive {
            // An agent that only tracks has nothing to tell.
            let silent = self.silent_since(slot).filter(|_| self.sessions[slot.0].serving);
            return silent.map_or(StationState::Ready, |since| StationState::Silent { since });
        }
        let state = &self.records[slot.0].state;
        match (self.sessions[slot.0].link, state) {
            (_, HostState::Failed { failure } | HostState::Unreachable { failure }) => {
                StationState::Failed(failure.clone())
            }
            (Link::Dialing | Link::Attached | Link::Lost, _) => StationState::Starting,
            (Link::Off | Link::Stopping | Link::Hanging, state) if state.name() == StateName::Waiting => {
                StationState::Waiting
            }
            (Link::Off | Link::Stopping | Link::Hanging, _) => StationState::Gone,
        }
    }
}
