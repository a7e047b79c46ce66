//! What happened in a run, in order: one JSON object a line, on disk and on stdout.
//!
//! [`Scribe`] makes numbered [`Event`]s of what a rollout says, [`Writer`] appends them to the run's journal, and a
//! [`Story`] is a journal read back. It decides nothing, and is told the time.

mod event;
mod past;
mod reader;
mod retell;
mod scribe;
mod writer;

pub use event::{CapFields, Event, FailedHost, Happening, LeftBehind, PayloadFields, SCHEMA, SlowHost};
pub use reader::{LastState, ReadError, Story, newest, read, read_run, runs};
pub use retell::{Retold, retell};
pub use scribe::Scribe;
pub use writer::{Writer, journal_path};
