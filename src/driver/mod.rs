//! The only code that waits: it moves inputs into the machines and their outputs out, on real hosts.
//!
//! On a host: [`agent`], with `member` (the swarm's machine), `peers` and `line` (TCP), `disk`, `tally`, `scribe` and
//! `storage`, and [`tracker`]. On the jump box: [`fleet`](self::fleet) over [`ssh`], [`known_hosts`] and [`bootstrap`], each
//! host a [`channel::Channel`]. It decides nothing that a machine decides: which piece, which peer and which host is asked
//! next is said in the layers below; what is here is sockets, files, clocks and processes.

#![expect(clippy::disallowed_methods, reason = "drivers read the clock for the machines")]

pub mod agent;
mod bell;
mod clock;
mod disk;
mod failures;
mod line;
mod member;
mod pace;
mod packed;
mod peers;
mod scribe;
mod segment;
mod storage;
mod tally;
pub mod tracker;

#[cfg(feature = "console")]
pub mod account;
#[cfg(feature = "console")]
pub mod bootstrap;
#[cfg(feature = "console")]
pub mod channel;
#[cfg(feature = "console")]
pub mod check;
#[cfg(feature = "console")]
pub mod conduct;
#[cfg(feature = "console")]
pub mod fleet;
#[cfg(feature = "console")]
pub mod known_hosts;
#[cfg(feature = "console")]
pub mod ssh;
#[cfg(feature = "console")]
pub mod ssh_config;
#[cfg(feature = "console")]
pub mod terminal;

pub use clock::Clock;
