//! Rookery deploys files to a whole fleet of servers by `BitTorrent`, over SSH.
//!
//! This is the map. Everything that decides is a **machine**: plain data with `handle_input(now, input)`, then
//! `poll_output()` until empty, and `deadline()` for the next wake-up. Everything that acts is a **driver**, which moves
//! inputs in and outputs out. `docs/ARCHITECTURE.md` has the same in prose.
//!
//! * **Vocabulary**: [`base`].
//! * **Formats**, bytes to values and back: [`metainfo`], [`wire`], [`announce`], [`control`], `inventory`.
//! * **Who is told of whom**: [`roster`].
//! * **What is deployed and what happened**: [`payload`], [`release`], `journal`.
//! * **Machines**: [`swarm`] (one host), [`tracker`], `rollout` (the fleet), `console` (the screen).
//! * **What waits**: `driver` on real hosts, `sim` in a simulated world, `demo` with hosts of its own.
//! * **Programs**: `cli`, and the two files in `src/bin`.

pub mod announce;
pub mod base;
pub mod control;
pub mod metainfo;
pub mod payload;
pub mod release;
pub mod roster;
pub mod swarm;
pub mod tracker;
pub mod wire;

#[cfg(feature = "machines")]
pub mod console;
#[cfg(feature = "machines")]
pub mod inventory;
#[cfg(feature = "machines")]
pub mod journal;
#[cfg(feature = "machines")]
pub mod rollout;
#[cfg(feature = "machines")]
pub mod sim;

#[cfg(feature = "agent")]
pub mod driver;

#[cfg(feature = "console")]
pub mod cli;
#[cfg(feature = "console")]
pub mod demo;
