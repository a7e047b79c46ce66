//! Keys, pastes and sizes, read by a thread of their own; and the end of the terminal, which that thread cannot see.
//!
//! crossterm 0.29 spins for ever when its terminal goes away (crossterm #793), so a second thread asks the terminal once
//! a second whether it is still there, and [`silence`] takes the dead terminal from under the first.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::keys;
use crate::console::{Msg, Signal};

/// Between two looks at the terminal.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a listener tells.
pub type Heard = Msg;

/// Starts to listen: messages go to `to` until nobody takes them any more.
///
/// # Errors
/// When the operating system gives no thread.
pub fn listen(to: SyncSender<Heard>) -> io::Result<()> {
    let keys = to.clone();
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        while let Ok(event) = event::read() {
            if let Some(message) = message(event)
                && keys.send(message).is_err()
            {
                return;
            }
        }
    })?;
    thread::Builder::new().name("hangup".to_owned()).spawn(move || {
        while is_there() {
            thread::park_timeout(LOOK_INTERVAL);
        }
        let _ = to.send(Msg::Signal(Signal::Hangup));
    })?;
    Ok(())
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(event) => keys::key(event).map(Msg::Key),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize { columns, rows }),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}

fn is_there() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::PRI)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => !fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(error) => error == rustix::io::Errno::INTR || error == rustix::io::Errno::AGAIN,
    }
}

/// Puts something quiet in the place of a terminal that is gone: nothing more is read from it or written to it.
pub fn silence() {
    if let Ok((quiet, open)) = rustix::pipe::pipe() {
        let _ = rustix::stdio::dup2_stdin(&quiet);
        // The other end stays open for the rest of the process: a read waits instead of ending.
        std::mem::forget(open);
    }
    hush();
}

/// Writes nothing to the terminal any more: it is gone, or stopped and whoever wrote to it would wait for ever.
pub fn hush() {
    if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
}
