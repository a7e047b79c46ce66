//! Whom a swarm tells of whom, who gets its connections, and how much of what peers send it takes.

mod bounds;
mod exchange;
mod priority;
mod room;
