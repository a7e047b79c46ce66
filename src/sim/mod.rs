//! The machines of a fleet with no world around them: a seeded, single-threaded simulation of hosts, network and tracker.
//!
//! [`Scenario`] says what there is and what goes wrong, [`World`] runs it, [`Report`] says how it went. The very `Swarm`
//! and `Tracker` that run on hosts run here, thousands of them, faster than time; checkers watch every step. The same
//! seed gives the same run. [`Figures`] hold what came of it against what would have been possible.
//!
//! [`Rehearsal`] plays the fleet of a scenario to a real rollout, for people to practise on.
//!
//! It does **not** wait, open a socket or touch a file, and moves no payload: blocks are slices of one page of zeroes.

mod announces;
mod bound;
mod checks;
mod events;
mod figures;
mod host;
mod impostor;
mod misfortune;
mod network;
mod place;
mod push;
mod rehearsal;
mod report;
mod scenario;
mod trouble;
mod world;

pub use checks::Violation;
pub use figures::Figures;
pub use rehearsal::{Cue, Mishap, MishapKind, Rehearsal};
pub use report::{HostReport, Report};
pub use scenario::{HostSpec, Scenario, ScenarioError, Weights};
pub use trouble::{Fault, Partition, TrackerEnd, Trouble};
pub use world::{Progress, World};
