//! A run from its first input to its last output: the rollout on one side, the fleet on the other, and whoever watches.
//!
//! [`Crew`] holds what acts; [`headless`] runs without a terminal, [`show`] with one. Neither decides anything: inputs go
//! in, outputs come out, and everything said on the way goes to the [`Watcher`]s.

mod crew;
mod headless;
mod login;
mod outside;
mod pacer;
mod show;
mod signals;

pub use crew::{Crew, Hands, Watcher};
pub use headless::headless;
pub use show::{Display, LoginSource, ReportSink, show};

use crate::console::Signal;
use crate::rollout::Summary;

/// What a console that is told to go by a signal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It aborts the run and cleans up; without its terminal it carries the run to its end.
    Ends,
    /// It leaves the agents at work: another console can take the run up.
    Leaves,
}

/// How a run ended, and whether a signal had to do with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The run, looked back on; `None` when it was left to be resumed, or a second signal did not let it end.
    pub summary: Option<Summary>,
    /// The signal that ended it before its time.
    pub signal: Option<Signal>,
}

impl Finished {
    /// Whether the agents were left at work.
    pub const fn is_left(&self, parting: Parting) -> bool {
        let told_to_go = matches!(self.signal, Some(Signal::Terminate | Signal::Hangup));
        self.summary.is_none() && told_to_go && matches!(parting, Parting::Leaves)
    }
}
