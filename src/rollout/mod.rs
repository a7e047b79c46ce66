//! The fleet: carries a run through every host.
//!
//! `Rollout` admits hosts under limits, orders their agents about, retries, aborts, and knows when it is over. It opens
//! no connection, draws nothing, and knows neither the time nor a random number that it was not given. What a host's
//! swarm does is not its business: it sees statuses only.

mod agent;
mod availability;
mod counts;
mod directory;
mod election;
mod ending;
mod failure;
mod gate;
mod health;
mod host;
mod io;
mod launcher;
mod lifecycle;
mod lost;
mod machine;
mod operator;
mod orders;
mod overdue;
mod plan;
mod policy;
mod preflight;
mod report;
mod resume;
mod retry;
mod schedule;
mod session;
mod silence;
mod speed;
mod spread;
mod stall;
mod stations;
mod turn;
mod waves;
mod ways;

pub use counts::Counts;
pub use failure::{Failure, Phase, Station, Whole};
pub use gate::{Accepted, Halt, Standing, WaveStep, WaveView};
pub use host::{Attempt, Detail, HostRecord, HostState, Said, Stall, StateName, Transition};
pub use io::{Action, BootStep, Caps, Duty, HostFacts, Input, Notice, Outcome, Output, Summary};
pub use lost::SSH_LOST;
pub use machine::Rollout;
pub use plan::{Choice, Config, DEADLINE, Finish, LEASE, Payload, Plan, PlannedHost, Source};
pub use policy::{HealthCheck, Policy};
pub use preflight::Fault;
pub use report::{CauseGroup, Pushed, Stage, StationState, StationView};
pub use resume::{Past, PastHost, TAKEN_OVER};
pub use speed::{Eta, Totals};
pub use turn::STAGED;
pub use waves::Candidate;
pub use ways::Post;
