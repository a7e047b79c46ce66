//! `/announce` and `/scrape` over HTTP, both ends.
//!
//! [`TrackerServer`] moves requests into the tracker machine and its answers out; [`announce`] asks a tracker once. Who
//! is in a swarm is the machine's to know, and when to ask again the swarm's. No name is ever resolved.

mod client;
mod server;

#[cfg(test)]
mod tests;

pub use client::{AnnounceError, announce};
pub use server::{TrackerHandle, TrackerServer};
