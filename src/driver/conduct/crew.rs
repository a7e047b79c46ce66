//! What acts during a run.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc as queue;

use super::{Parting, signals};
use crate::base::Instant;
use crate::console::{Msg, Signal};
use crate::driver::Clock;
use crate::driver::fleet::Fleet;
use crate::rollout::{Input, Notice, Output, Rollout, Summary};

/// Messages that wait to be handled; who sends more waits.
const MESSAGES_MAX: usize = 4096;

/// Longest sleep without a deadline.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Somebody who is told everything: the journal, the printer of lines.
pub trait Watcher {
    /// Something worth remembering was said.
    fn notice(&mut self, rollout: &Rollout, notice: &Notice);
    /// The console leaves, and the agents go on.
    fn left(&mut self, signal: Signal);
    /// The run is over.
    fn ended(&mut self, rollout: &Rollout, summary: &Summary);
}

/// What carries out the rollout's outputs: a fleet over SSH, or one that is played.
pub trait Hands: std::fmt::Debug {
    /// Begins to do it; never waits.
    fn execute(&mut self, now: Instant, output: Output);
    /// What has come of it by now, where it is not sent as a message.
    fn poll(&mut self, now: Instant) -> Option<Input>;
    /// When there is something to [`poll`](Self::poll).
    fn deadline(&self) -> Option<Instant>;
    /// Ends whatever is still under way, and waits for it, but no longer than `after`.
    fn finish(self: Box<Self>, after: Duration);
    /// Lets go of whatever is still under way, which goes on by itself.
    fn leave(self: Box<Self>, after: Duration);
}

impl Hands for Fleet {
    fn execute(&mut self, _now: Instant, output: Output) {
        Self::execute(self, output);
    }

    fn poll(&mut self, _now: Instant) -> Option<Input> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn finish(self: Box<Self>, after: Duration) {
        self.end_all(after);
    }

    fn leave(self: Box<Self>, after: Duration) {
        self.leave_all(after);
    }
}

/// The hands, the messages they and the operator send, and the watchers.
pub struct Crew {
    hands: Box<dyn Hands>,
    clock: Clock,
    messages: Receiver<Msg>,
    sender: SyncSender<Msg>,
    watchers: Vec<Box<dyn Watcher>>,
    parting: Parting,
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("hands", &self.hands).finish_non_exhaustive()
    }
}

impl Crew {
    /// Listens to the fleet, which tells what it does through `heard`, and to signals.
    ///
    /// # Errors
    /// When the operating system gives no thread or takes no signal handler.
    pub fn new(
        fleet: Fleet,
        mut heard: queue::Receiver<Input>,
        watchers: Vec<Box<dyn Watcher>>,
        parting: Parting,
    ) -> io::Result<Self> {
        let crew = Self::with(Box::new(fleet), watchers, parting)?;
        let inputs = crew.sender();
        thread::Builder::new().name("fleet".to_owned()).spawn(move || {
            while let Some(input) = heard.blocking_recv() {
                if inputs.send(Msg::Fleet(input)).is_err() {
                    return;
                }
            }
        })?;
        Ok(crew)
    }

    /// Listens to signals, and to hands that are polled.
    ///
    /// # Errors
    /// When the operating system gives no thread or takes no signal handler.
    pub fn with(hands: Box<dyn Hands>, watchers: Vec<Box<dyn Watcher>>, parting: Parting) -> io::Result<Self> {
        let (sender, messages) = mpsc::sync_channel(MESSAGES_MAX);
        signals::listen(sender.clone())?;
        Ok(Self { hands, clock: Clock::start(), messages, sender, watchers, parting })
    }

    /// Goes by another clock: that of a run which began before this console.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// A way to send messages.
    pub(super) fn sender(&self) -> SyncSender<Msg> {
        self.sender.clone()
    }

    /// Whether a signal has the console leave, with the agents at work.
    pub(super) fn leaves(&self, signal: Signal) -> bool {
        self.parting == Parting::Leaves && matches!(signal, Signal::Terminate | Signal::Hangup)
    }

    /// Tells the watchers that the console leaves.
    pub(super) fn leave(&mut self, signal: Signal) {
        self.watchers.iter_mut().for_each(|watcher| watcher.left(signal));
    }

    /// The moment it is.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Waits for a message until `deadline`, and never long.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Option<Msg> {
        if let Some(message) = self.at_hand() {
            return Some(message);
        }
        let deadline = deadline.into_iter().chain(self.hands.deadline()).min();
        let wait = deadline.map_or(SLEEP_MAX, |deadline| deadline.since(self.now())).min(SLEEP_MAX);
        match self.messages.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the crew holds a sender itself"),
        }
    }

    /// A message that is there already.
    pub(super) fn at_hand(&mut self) -> Option<Msg> {
        let now = self.now();
        self.messages.try_recv().ok().or_else(|| self.hands.poll(now).map(Msg::Fleet))
    }

    /// Carries out one output; the last one is returned.
    pub(super) fn act(&mut self, rollout: &Rollout, output: Output) -> Option<Summary> {
        match output {
            Output::Notice(notice) => {
                self.watchers.iter_mut().for_each(|watcher| watcher.notice(rollout, &notice));
                None
            }
            Output::Ended(summary) => {
                self.watchers.iter_mut().for_each(|watcher| watcher.ended(rollout, &summary));
                Some(summary)
            }
            Output::Connect { .. }
            | Output::Look { .. }
            | Output::Rejoin { .. }
            | Output::Order { .. }
            | Output::Push { .. }
            | Output::Disconnect { .. } => {
                let now = self.now();
                self.hands.execute(now, output);
                None
            }
        }
    }

    /// Ends whatever the fleet has still under way, and waits for it, but no longer than `after`.
    pub fn finish(self, after: Duration) {
        self.hands.finish(after);
    }

    /// Lets go of the fleet, whose agents go on.
    pub fn part(self, after: Duration) {
        self.hands.leave(after);
    }
}
