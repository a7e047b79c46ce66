//! The tracker: who is in which swarm, who has gone silent, and which peers to hand out.
//!
//! A machine: it is told of announces and time, and says what to answer. It speaks no HTTP, opens no port and writes
//! nothing down; a tracker that starts again knows everybody after one interval.

mod config;
mod io;
mod machine;
mod members;

pub use config::TrackerConfig;
pub use io::{Input, Output, Refusal, RequestId};
pub use machine::Tracker;

#[cfg(test)]
mod tests;
