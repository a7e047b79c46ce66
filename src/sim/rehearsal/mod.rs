//! A fleet to practise on: answers the outputs of a real rollout as hosts and agents would, in real time.
//!
//! [`Rehearsal`] is a machine: what the rollout says goes in, what its hosts say comes out. Its hosts are puppets: SSH,
//! bootstrap, swarm and delivery are played, not done, so that ten thousand of them cost less than the screen that shows
//! them. What is measured of a swarm is measured by [`World`](super::World), which runs the real one.

mod answers;
mod cast;
mod cut;
mod machine;
mod mishap;
mod puppet;
mod turn;

pub use machine::{Cue, Rehearsal};
pub use mishap::{Mishap, MishapKind};
