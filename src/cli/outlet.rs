//! stdout of a run, for a reader that may stop reading: a pager, a stopped terminal, a pipe that nobody empties.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::exit::{Ending, Or};
use super::out::{count, tell};
use crate::control::RunId;

/// Bytes of lines that wait for the reader: half a minute of what ten thousand hosts tell at most, most of an hour of what a hundred do.
const WAITING_MAX: usize = 64 << 20;

/// Between two looks whether a signal came while the reader is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Lines for stdout, written by a thread of their own, so that no reader holds up the run; and what is to be said on stderr
/// when the run is over.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: String,
    /// Lines that are with the reader.
    on_the_way: u64,
    /// Nobody reads any more, or there is nothing more to read.
    closed: bool,
    left_out: u64,
    remarks: Vec<String>,
}

impl Outlet {
    /// Starts the thread that writes to `target`.
    pub(super) fn open(target: impl Write + Send + 'static) -> Result<Self, Ending> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let thread = thread::Builder::new().name("stdout".to_owned()).spawn(move || writer.write_all(target));
        thread.or_unexpected("start a thread for stdout")?;
        Ok(Self(shared))
    }

    /// Takes a line. One for which there is no room, since nobody has read for long, is counted instead.
    pub(super) fn say(&self, line: &str) {
        let mut state = self.0.lock();
        if state.closed {
            return;
        }
        if state.waiting.len() + line.len() < WAITING_MAX {
            state.waiting.push_str(line);
            state.waiting.push('\n');
            self.0.changed.notify_all();
        } else {
            state.left_out += 1;
        }
    }

    /// Keeps something to be said on stderr when the run is over.
    pub(super) fn remark(&self, text: String) {
        self.0.lock().remarks.push(text);
    }

    /// Waits until everything is read, nobody reads any more, `patience` is over, or `is_told_to_go`; then says what is
    /// left to say.
    pub(super) fn finish(&self, run: &RunId, patience: Option<Duration>, is_told_to_go: impl Fn() -> bool) {
        let begun = Instant::now();
        let mut state = self.0.lock();
        while !(state.closed || state.is_read() || is_told_to_go())
            && patience.is_none_or(|patience| begun.elapsed() < patience)
        {
            state = self.0.changed.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        let unread = lines_of(&state.waiting) + state.on_the_way + state.left_out;
        state.closed = true;
        self.0.changed.notify_all();
        let remarks = std::mem::take(&mut state.remarks);
        drop(state);
        for remark in remarks {
            tell(format_args!("rookery: {remark}"));
        }
        if unread > 0 {
            let lines = count(unread, "line of stdout was", "lines of stdout were");
            tell(format_args!("rookery: {lines} not read in time; `rookery runs show {run}` has every event"));
        }
    }
}

impl State {
    const fn is_read(&self) -> bool {
        self.waiting.is_empty() && self.on_the_way == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, until there is nothing more to read or nobody reads.
    fn write_all(&self, mut target: impl Write) {
        let mut state = self.lock();
        loop {
            state.on_the_way = 0;
            self.changed.notify_all();
            // A thread that has nothing to do may wait for ever: the run ends without it.
            while state.waiting.is_empty() && !state.closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            let lines = std::mem::take(&mut state.waiting);
            state.on_the_way = lines_of(&lines);
            drop(state);
            let written = target.write_all(lines.as_bytes()).and_then(|()| target.flush());
            state = self.lock();
            if let Err(error) = written {
                state.closed = true;
                state.waiting.clear();
                // A reader that went away (`| head`) has seen what it wanted.
                if error.kind() != io::ErrorKind::BrokenPipe {
                    state.remarks.push(format!("failed to write to stdout: {error}; nothing more was said there"));
                }
            }
        }
    }
}

fn lines_of(text: &str) -> u64 {
    text.lines().count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn run() -> RunId {
        "a".parse().unwrap()
    }

    #[test]
    fn a_reader_that_reads_late_holds_nobody_up_and_gets_everything() {
        let (mut reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::open(writer).unwrap();
        let line = "x".repeat(999);
        (0..1000).for_each(|_| outlet.say(&line));
        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        outlet.finish(&run(), None, || false);
        assert_eq!(reading.join().unwrap().unwrap(), format!("{line}\n").repeat(1000));
    }

    #[test]
    fn nobody_waits_for_a_reader_that_never_reads_or_is_gone() {
        let (reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::open(writer).unwrap();
        outlet.say(&"x".repeat(1 << 20));
        outlet.finish(&run(), Some(Duration::ZERO), || false);
        drop(reader);
        let (_reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::open(writer).unwrap();
        outlet.say(&"x".repeat(1 << 20));
        outlet.finish(&run(), None, || true);

        let (gone, writer) = io::pipe().unwrap();
        drop(gone);
        let outlet = Outlet::open(writer).unwrap();
        outlet.say("nobody hears that");
        outlet.finish(&run(), None, || false);
        outlet.say("nor that");
        assert!(outlet.0.lock().waiting.is_empty() && outlet.0.lock().remarks.is_empty());
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let (_reader, writer) = io::pipe().unwrap();
        let outlet = Outlet::open(writer).unwrap();
        let line = "x".repeat(WAITING_MAX / 4);
        (0..8).for_each(|_| outlet.say(&line));
        let state = outlet.0.lock();
        assert!(state.left_out >= 2 && state.waiting.len() < WAITING_MAX, "{}", state.left_out);
    }
}
