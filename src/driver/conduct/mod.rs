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

/// How a run ended, and whether a signal had to do with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The run, looked back on; `None` when a second signal did not let it end.
    pub summary: Option<Summary>,
    /// The signal that ended it before its time.
    pub signal: Option<Signal>,
}
