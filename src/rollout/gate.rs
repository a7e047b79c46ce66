//! Between waves: whether the next one opens by itself, the operator is asked, or the run has stopped.

use std::fmt;

use super::machine::Rollout;
use super::session::Slot;
use super::{Finish, Notice, Stage, StateName};
use crate::inventory::{Gate, HostId, Mode, Place, Share};

/// Whether hosts go on having their turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// A wave is under way, or it was the last.
    #[default]
    Underway,
    /// A wave is over: the operator opens the next one.
    Asking,
    /// No more hosts have their turn, until the operator goes on all the same.
    Halted(Halt),
}

/// Why no more hosts have their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// So many failed.
    Failed {
        /// How many.
        count: u32,
        /// The threshold.
        limit: Share,
    },
    /// So many could not be reached.
    Unreachable {
        /// How many.
        count: u32,
        /// The threshold.
        limit: Share,
    },
    /// Hosts of a wave failed and not one of it is done.
    NoneDone {
        /// The wave, from 1.
        wave: usize,
    },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { count, limit } => write!(f, "{count} failed (max_fail is {limit})"),
            Self::Unreachable { count, limit } => write!(f, "{count} not reached (max_unreachable is {limit})"),
            Self::NoneDone { wave } => write!(f, "not one host of wave {wave} is done"),
        }
    }
}

/// What happened to a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveStep {
    /// Its hosts have their turn.
    Opened,
    /// It is over, and the operator is asked for the next one.
    Gate,
    /// No more hosts have their turn.
    Stopped,
}

impl WaveStep {
    /// Its word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Gate => "gate",
            Self::Stopped => "stopped",
        }
    }
}

/// The wave that has its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveView {
    /// Which, from 1.
    pub wave: usize,
    /// How many there are.
    pub waves: usize,
    /// It is that of the canaries.
    pub canary: bool,
    /// Its hosts.
    pub hosts: usize,
    /// Of these, not settled.
    pub unsettled: usize,
    /// Done.
    pub done: usize,
    /// Failed, or not reached.
    pub failed: usize,
    /// Hosts of the next wave; 0 when this is the last.
    pub next: usize,
    /// Hosts that have everything ready and wait for their turn.
    pub staged: usize,
    /// Whether hosts go on having their turn.
    pub standing: Standing,
}

/// What the operator accepted, so that it does not stop the run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    /// So many failed hosts.
    pub failed: u32,
    /// So many that were not reached.
    pub unreachable: u32,
    /// That the waves up to this one went as they did.
    pub waves: usize,
}

impl Rollout {
    /// The wave that has its turn.
    pub fn wave(&self) -> WaveView {
        let open = self.waves.open();
        let (unsettled, done, failed) = self.waves.tally(open - 1);
        WaveView {
            wave: open,
            waves: self.waves.count(),
            canary: open == 1 && self.plan.policy.canaries > 0,
            hosts: self.waves.members(open - 1).len(),
            unsettled,
            done,
            failed,
            next: self.waves.members(open).len(),
            staged: self.turns.staged.len(),
            standing: self.turns.standing.clone(),
        }
    }

    /// Whether hosts go on having their turn.
    pub const fn standing(&self) -> &Standing {
        &self.turns.standing
    }

    /// The wave of a host, from 1; `None` in a run of one wave.
    pub fn wave_of(&self, host: HostId) -> Option<usize> {
        let slot = self.slots.get(&Place::Host(host)).filter(|_| self.waves.count() > 1)?;
        self.waves.of(*slot).map(|wave| wave + 1)
    }

    /// Opens the next wave, asks, or stops, as things stand; hosts whose turn it is are told.
    pub(super) fn review_waves(&mut self) {
        match &self.stage {
            Stage::Finishing { .. } | Stage::Ended(_) => return,
            Stage::Preparing { .. } | Stage::Distributing | Stage::Settled => {}
        }
        // Each turn of the loop opens a wave.
        loop {
            let standing = match self.halt() {
                Some(halt) => Standing::Halted(halt),
                None if self.may_open() => match self.gate() {
                    Gate::Auto => {
                        self.open_next();
                        continue;
                    }
                    Gate::Ask => Standing::Asking,
                },
                None => Standing::Underway,
            };
            self.stand(standing);
            break;
        }
        self.switch_ready();
        if self.launcher.halted && self.config.finish == Finish::AtOnce && self.waits_for_operator() {
            self.begin_finish();
        }
    }

    /// Whether nothing happens any more unless the operator decides something: a gate, or a stop or a pause with nobody
    /// under way.
    pub fn waits_for_operator(&self) -> bool {
        if matches!(self.stage, Stage::Finishing { .. } | Stage::Ended(_)) {
            return false;
        }
        if self.preflight.is_held() {
            return matches!(self.turns.standing, Standing::Halted(_));
        }
        let open = (self.counts.total() - self.counts.settled()) as usize;
        let staged = self.turns.staged.len();
        match self.turns.standing {
            Standing::Underway => {
                let held = self.counts.of(StateName::Waiting) as usize + staged;
                self.launcher.paused && open > 0 && open == held
            }
            Standing::Asking => true,
            Standing::Halted(_) => open == self.waves.fresh() + staged,
        }
    }

    /// The operator goes on.
    pub(super) fn proceed(&mut self) {
        let was = self.turns.standing.clone();
        let why = match &was {
            Standing::Underway => return,
            Standing::Asking => String::new(),
            Standing::Halted(halt) => format!("in spite of this: {halt}; "),
        };
        let (unreachable, failed) = self.missed();
        self.turns.accepted = Accepted { failed, unreachable, waves: self.waves.open() };
        let opens = self.may_open();
        let what = if opens { self.describe(self.waves.open()) } else { "hosts are launched again".to_owned() };
        self.acted("proceed", Vec::new(), format!("{why}{what}"));
        if opens {
            self.open_next();
        }
    }

    /// Whether every host that had its turn is settled, and others wait for theirs.
    fn may_open(&self) -> bool {
        let anybody = self.counts.settled() < self.counts.total();
        anybody && self.waves.are_over() && !self.waves.is_last() && !self.launcher.paused
    }

    /// Who opens the next wave.
    const fn gate(&self) -> Gate {
        match self.plan.policy.force {
            Some(_) => Gate::Auto,
            None => self.plan.policy.gate,
        }
    }

    /// Hosts that could not be reached and that failed, those included that were only looked at.
    fn missed(&self) -> (u32, u32) {
        let (absent, ailing) = self.preflight.withheld();
        (self.counts.of(StateName::Unreachable) + absent, self.counts.of(StateName::Failed) + ailing)
    }

    fn halt(&self) -> Option<Halt> {
        let (policy, accepted) = (&self.plan.policy, self.turns.accepted);
        let anything_held = self.waves.fresh() + self.turns.staged.len() > 0 || self.preflight.is_held();
        if policy.force.is_some() || !anything_held {
            return None;
        }
        let (unreachable, failed) = self.missed();
        let reached = |limit: Option<Share>, count, before| {
            let limit = limit?;
            let reached = count as usize >= limit.of(self.plan.hosts.len()).max(1);
            (reached && count > before).then_some((count, limit))
        };
        if let Some((count, limit)) = reached(policy.max_fail, failed, accepted.failed) {
            return Some(Halt::Failed { count, limit });
        }
        if let Some((count, limit)) = reached(policy.max_unreachable, unreachable, accepted.unreachable) {
            return Some(Halt::Unreachable { count, limit });
        }
        let wave = self.waves.open();
        let (_, done, bad) = self.waves.tally(wave - 1);
        let none_done = self.may_open() && done == 0 && bad > 0 && accepted.waves < wave;
        none_done.then_some(Halt::NoneDone { wave })
    }

    fn stand(&mut self, standing: Standing) {
        self.launcher.halted = matches!(standing, Standing::Halted(_));
        if standing == self.turns.standing {
            return;
        }
        match &standing {
            Standing::Underway => {}
            Standing::Asking => {
                let (_, done, failed) = self.waves.tally(self.waves.open() - 1);
                let next = self.describe(self.waves.open());
                self.tell_wave(WaveStep::Gate, format!("{done} done, {failed} failed; next is {next}"));
            }
            Standing::Halted(halt) => self.tell_wave(WaveStep::Stopped, halt.to_string()),
        }
        self.turns.standing = standing;
    }

    fn open_next(&mut self) {
        let wave = self.waves.open();
        self.waves.open_next();
        self.tell_opened();
        for slot in self.waves.members(wave).to_vec() {
            self.turn(slot);
        }
    }

    /// The wave that was opened last has its turn: an event, where there are several.
    pub(super) fn tell_opened(&mut self) {
        if self.waves.count() > 1 {
            let hosts = self.waves.members(self.waves.open() - 1).len();
            let does = match self.plan.policy.mode {
                Mode::WaveByWave => "launched",
                Mode::StageThenSwitch => "switched",
            };
            let noun = if hosts == 1 { "host is" } else { "hosts are" };
            self.tell_wave(WaveStep::Opened, format!("{hosts} {noun} {does}"));
        }
    }

    fn tell_wave(&mut self, step: WaveStep, detail: String) {
        let (wave, waves) = (self.waves.open(), self.waves.count());
        self.notice(Notice::Wave { wave, waves, step, detail });
    }

    /// A wave in words, by its place from 0.
    fn describe(&self, wave: usize) -> String {
        let hosts = self.waves.members(wave).len();
        let noun = if hosts == 1 { "host" } else { "hosts" };
        format!("wave {} of {}, {hosts} {noun}", wave + 1, self.waves.count())
    }

    /// A place changed its state: what waves and sets count follows, and the next of its set has its turn.
    pub(super) fn moved(&mut self, slot: Slot, from: StateName, to: StateName) {
        self.turns.forget(slot);
        self.waves.moved(slot, from, to);
        if to.is_settled()
            && let Some(next) = self.spread.release(slot)
        {
            self.turn(next);
        }
    }
}
