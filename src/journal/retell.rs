//! What happened in a run before this console took it up, for whoever watches from now on.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::event::{Event, Happening};
use super::journal_path;
use super::reader::{ReadError, Story, each_event};
use crate::base::Instant;

/// The last events of a run, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Retold {
    /// Each with its moment on the clock of the run.
    pub events: Vec<(Instant, Happening)>,
    /// How many there were before these.
    pub forgotten: u64,
}

/// Tells the last events of a run again, at most `max`: all but what comes every second.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn retell(state: &Path, story: &Story, max: usize) -> Result<Retold, ReadError> {
    let path = journal_path(state, &story.run);
    let (mut last, mut forgotten) = (VecDeque::new(), 0);
    let told = File::open(&path).and_then(|file| {
        each_event(BufReader::new(file), |event| {
            let Some(event) = event.filter(Event::is_urgent) else { return };
            if last.len() >= max {
                last.pop_front();
                forgotten += 1;
            }
            last.push_back((story.moment(event.time), event.what));
        })
    });
    told.map_err(|error| ReadError::Io { path, error })?;
    Ok(Retold { events: last.into(), forgotten })
}
