//! The command line as its user meets it: the built program, a clean environment, a home of its own.

#![cfg(feature = "console")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod desk;
mod fleet;
mod interrupt;
mod pages;
mod payload;
mod reader;
mod rehearse;
mod runs;
mod terminal;
mod waves;
