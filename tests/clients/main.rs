//! Other clients in one swarm with ours: aria2 and libtorrent as seeder, as leecher and mixed, by our tracker.

#![cfg(feature = "agent")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod aria2;
#[cfg(feature = "console")]
mod created;
mod exchange;
mod folders;
mod foreign;
mod libtorrent;
mod mixed;
#[path = "../support/mod.rs"]
mod support;
mod tree;
