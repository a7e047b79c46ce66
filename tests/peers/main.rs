//! Whom a swarm tells of whom, who gets its connections, how fast it sends, and how much of what peers send it takes.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one message among all")]

mod border;
mod bounds;
mod exchange;
mod pace;
mod priority;
mod room;
mod spread;
