//! The rehearsal as a machine: outputs of the rollout in, inputs for it out, at their times.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::puppet::{Life, Puppet};
use crate::base::{Bitfield, ByteCount, Instant, Layout, LayoutError, PieceIndex};
use crate::control::{Status, TrackerHealth};
use crate::inventory::{HostId, Place};
use crate::rollout::{Failure, Input, Output};
use crate::sim::{Scenario, TrackerEnd};

/// What happens to a rehearsal.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is looked at at a time")]
pub enum Cue {
    /// The deadline has passed.
    Elapsed,
    /// The rollout said something.
    Told(Output),
}

/// A fleet of puppets. Whatever is due is said by [`poll_output`](Self::poll_output) after the next [`Cue`].
#[derive(Debug)]
pub struct Rehearsal {
    pub(super) scenario: Scenario,
    pub(super) layout: Layout,
    /// Number 0 is the console, number n the scenario's host n.
    pub(super) puppets: Vec<Puppet>,
    pub(super) rng: fastrand::Rng,
    pub(super) now: Instant,
    /// Quarter seconds of swarm so far.
    pub(super) turns: u64,
    /// When the next one is, while there is a swarm.
    pub(super) turn_at: Option<Instant>,
    /// Pieces that have left the seeder, in the order of `order`; only these are in the swarm.
    pub(super) out: Bitfield,
    pub(super) order: Vec<PieceIndex>,
    /// Bytes of the next of them that have left.
    pub(super) sent: f64,
    agenda: BTreeMap<(Instant, u64), Input>,
    sequence: u64,
    ready: VecDeque<Input>,
}

/// Between two turns of the swarm: as often as an agent says how far it is.
pub(super) const TURN: Duration = Duration::from_millis(250);

impl Rehearsal {
    /// A fleet that waits to be called.
    ///
    /// # Errors
    /// When the scenario's pieces cannot be.
    pub fn new(scenario: &Scenario) -> Result<Self, LayoutError> {
        let layout = scenario.layout()?;
        let pieces = layout.piece_count();
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let troubles = |number: u32| {
            let faults = scenario.faults.iter().filter(|fault| fault.host == number);
            faults.map(|fault| fault.trouble).collect::<Vec<_>>()
        };
        let mut puppets: Vec<Puppet> =
            (0..scenario.hosts).map(|number| Puppet::new(pieces, troubles(number))).collect();
        if let Some(console) = puppets.first_mut() {
            console.pieces = Bitfield::full(pieces);
        }
        // The first host is spared: it may be the only one.
        let mut free: Vec<usize> = (2..puppets.len()).filter(|number| puppets[*number].troubles.is_empty()).collect();
        rng.shuffle(&mut free);
        for mishap in &scenario.mishaps {
            for number in free.split_off(free.len().saturating_sub(mishap.hosts as usize)) {
                puppets[number].mishap = Some(*mishap);
            }
        }
        let mut order: Vec<PieceIndex> = layout.pieces().collect();
        rng.shuffle(&mut order);
        Ok(Self {
            scenario: scenario.clone(),
            layout,
            puppets,
            rng,
            now: Instant::ZERO,
            turns: 0,
            turn_at: None,
            out: Bitfield::empty(pieces),
            order,
            sent: 0.0,
            agenda: BTreeMap::new(),
            sequence: 0,
            ready: VecDeque::new(),
        })
    }

    /// Takes a cue. Time never runs backwards: an older `now` counts as the newest so far.
    pub fn handle_input(&mut self, now: Instant, cue: Cue) {
        self.now = self.now.max(now);
        if let Cue::Told(output) = cue {
            self.answer(output);
        }
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let input = entry.remove();
            if self.is_current(&input) {
                self.ready.push_back(input);
            }
        }
        if self.turn_at.is_some_and(|at| at <= self.now) {
            // A turn that comes late is one turn: nobody catches up in a burst.
            self.turn_at = Some(self.now + TURN);
            self.turn();
        }
    }

    /// What a host says next.
    pub fn poll_output(&mut self) -> Option<Input> {
        self.ready.pop_front()
    }

    /// When [`Cue::Elapsed`] is due; at once while something waits to be polled.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        let said = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [said, self.turn_at].into_iter().flatten().min()
    }

    /// The number of a place, if it is in the scenario.
    pub(super) fn number(&self, at: Place) -> Option<usize> {
        let number = match at {
            Place::Console => 0,
            Place::Host(id) => id.0 as usize + 1,
        };
        (number < self.puppets.len()).then_some(number)
    }

    /// The place of a number.
    pub(super) fn place(number: usize) -> Place {
        number.checked_sub(1).map_or(Place::Console, |host| Place::Host(HostId(host as u32)))
    }

    /// Has something happen after so many milliseconds, and some more as chance has it.
    pub(super) fn later(&mut self, after: u64, jitter: u64, input: Input) {
        let micros = after * 1000 + self.rng.u64(0..=jitter * 1000);
        self.sequence += 1;
        self.agenda.insert((self.now + Duration::from_micros(micros), self.sequence), input);
    }

    /// Has an agent say something.
    pub(super) fn say(&mut self, number: usize, (after, jitter): (u64, u64), status: Status) {
        let attempt = self.puppets[number].attempt;
        self.later(after, jitter, Input::Status { at: Self::place(number), attempt, status });
    }

    /// Has an agent say something now.
    pub(super) fn tell(&mut self, number: usize, status: Status) {
        let attempt = self.puppets[number].attempt;
        self.ready.push_back(Input::Status { at: Self::place(number), attempt, status });
    }

    /// Its agent is gone, and with it everything it was about to say.
    pub(super) fn end(&mut self, number: usize, failure: Option<Failure>) {
        let attempt = self.puppets[number].attempt;
        self.puppets[number].leave(Life::Away);
        let ended = Input::Ended { at: Self::place(number), attempt, failure, left_behind: Vec::new() };
        self.later(20, 200, ended);
    }

    /// The tracker, as a host sees it.
    pub(super) fn tracker(&self, number: usize) -> TrackerHealth {
        let gone = match self.scenario.tracker_gone_after {
            None => false,
            Some(TrackerEnd::After(after)) => Instant::after(after) <= self.now,
            Some(TrackerEnd::FirstAnnounces) => self.puppets.iter().skip(1).all(|puppet| puppet.attempt > 0),
        };
        if gone || self.is_cut(0, number) { TrackerHealth::Silent } else { TrackerHealth::Answering }
    }

    /// Bytes a host needs for payload and release.
    pub(super) const fn needed(&self) -> ByteCount {
        ByteCount(self.layout.total() * 4)
    }

    /// Whether who was about to say it is still there: what an agent was about to say goes with it.
    fn is_current(&self, input: &Input) -> bool {
        match input {
            Input::Status { at, attempt, .. }
            | Input::Connected { at, attempt, .. }
            | Input::Bootstrapping { at, attempt, .. }
            | Input::Attached { at, attempt, .. }
            | Input::Lost { at, attempt, .. }
            | Input::Rejoined { at, attempt }
            | Input::Pushed { at, attempt, .. } => self.number(*at).is_some_and(|number| {
                let puppet = &self.puppets[number];
                puppet.attempt == *attempt && puppet.life != Life::Away
            }),
            Input::Elapsed
            | Input::Operator(_)
            | Input::Looked { .. }
            | Input::Transcript { .. }
            | Input::Ended { .. } => true,
        }
    }
}
