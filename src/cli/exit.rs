//! How the program ends.

use std::fmt::Display;
use std::process::ExitCode;

use crate::rollout::{Outcome, Summary};

/// The contract's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Every selected host is done.
    Done,
    /// Something nobody planned for.
    Unexpected,
    /// The arguments are off.
    Usage,
    /// Some hosts failed.
    HostsFailed,
    /// No host is selected.
    NoHost,
    /// Retried hosts are done, but others still failed.
    PartlyHealed,
    /// The operator ended the run.
    Aborted,
    /// Inventory or configuration cannot be used.
    Invalid,
    /// A check found something that has to be mended.
    CheckFailed,
    /// A signal ended the run.
    Signal(u8),
}

impl Exit {
    /// The code for a run that ended like this.
    pub(super) fn of(summary: &Summary) -> Self {
        match summary.outcome {
            Outcome::Complete => Self::Done,
            Outcome::Aborted => Self::Aborted,
            Outcome::Partial | Outcome::Failed if summary.healed.is_empty() => Self::HostsFailed,
            Outcome::Partial | Outcome::Failed => Self::PartlyHealed,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::HostsFailed => 3,
            Self::NoHost => 4,
            Self::PartlyHealed => 5,
            Self::Aborted => 6,
            Self::Invalid => 7,
            Self::CheckFailed => 8,
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An ending with something to say.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Ending {
    pub(super) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

/// What a subcommand comes to.
pub(super) type Ended = Result<Exit, Ending>;

/// Turns an error into an ending.
pub(super) trait Or<T> {
    /// With this exit code, and the error's own words.
    fn or_exit(self, exit: Exit) -> Result<T, Ending>;
    /// With exit code 1: failed to do `what`.
    fn or_unexpected(self, what: impl Display) -> Result<T, Ending>;
}

impl<T, E: Display> Or<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Ending> {
        self.map_err(|error| Ending::new(exit, error))
    }

    fn or_unexpected(self, what: impl Display) -> Result<T, Ending> {
        self.map_err(|error| Ending::new(Exit::Unexpected, format!("failed to {what}: {error}")))
    }
}
