//! Carries out what the rollout says, on all hosts at once, and tells it what happens.
//!
//! [`Fleet::execute`] takes a [`rollout::Output`](crate::rollout::Output), [`rollout::Input`](crate::rollout::Input)s come
//! back through a queue. Every attempt at a place is a task of its own with deadlines of its own, so that a host that
//! fails or hangs concerns nobody else. It decides nothing: who is dialled, when and how often is the rollout's business.

mod attempt;
mod clean;
mod dispatch;
mod ending;
mod ledger;
mod limits;
mod look;
mod push;
mod talk;
mod target;
mod writer;

pub use clean::{Clean, Told};
pub(super) use dispatch::raise_file_limit;
pub use dispatch::{Fleet, Setup};
pub use limits::Limits;
pub use push::PushSource;
pub use target::{Surroundings, Target, TargetError, Targets};
