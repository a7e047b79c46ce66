//! Keys, pastes and clicks, read by a thread of their own, which also sees the end of the terminal.
//!
//! crossterm reads and understands them, but is asked only while there is something to read: it would try again for ever on
//! a terminal that is gone, and could not be told to leave the terminal to another program.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::keys::message;
use super::paste::Torn;
use super::probe::Late;
use crate::console::{Msg, Signal};

/// How long crossterm looks for one more event. It keeps what it has read and not told, so it is asked until it finds
/// nothing; asked for no time at all it does not even look there.
const LOOK: Duration = Duration::from_millis(20);

/// Longest wait for the thread to let go of the terminal; it has nothing else to do.
const LET_GO_MAX: Duration = Duration::from_secs(1);

/// The thread that reads the terminal. It ends when this is dropped.
#[derive(Debug)]
pub struct Listener {
    wake: OwnedFd,
    paused: Receiver<()>,
    resume: SyncSender<()>,
}

/// Starts to listen: messages go to `to` until nobody takes them any more.
///
/// # Errors
/// When the operating system gives no thread or no pipe.
pub fn listen(to: SyncSender<Msg>) -> io::Result<Listener> {
    let (woken, wake) = rustix::pipe::pipe()?;
    let (pausing, paused) = mpsc::sync_channel(1);
    let (resume, resumed) = mpsc::sync_channel(1);
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let ears = Ears { woken, pausing, resumed };
        if ears.read(&to).is_gone() {
            let _ = to.send(Msg::Signal(Signal::Hangup));
        }
    })?;
    Ok(Listener { wake, paused, resume })
}

impl Listener {
    /// Leaves the terminal to another program; returns once nothing is read from it any more.
    pub fn pause(&self) {
        if rustix::io::write(&self.wake, b"!").is_ok() {
            let _ = self.paused.recv_timeout(LET_GO_MAX);
        }
    }

    /// Listens again.
    pub fn resume(&self) {
        let _ = self.resume.try_send(());
    }
}

/// Why the thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The terminal is gone.
    Gone,
    /// Nobody listens.
    Unheard,
}

impl End {
    fn is_gone(self) -> bool {
        self == Self::Gone
    }
}

struct Ears {
    woken: OwnedFd,
    pausing: SyncSender<()>,
    resumed: Receiver<()>,
}

/// What there is to do.
enum Heard {
    Keys,
    Pause,
    Gone,
    Dropped,
}

impl Ears {
    fn read(&self, to: &SyncSender<Msg>) -> End {
        let mut late = Late::new();
        loop {
            match self.wait() {
                Heard::Gone => return End::Gone,
                Heard::Dropped => return End::Unheard,
                Heard::Keys => {
                    if let ControlFlow::Break(end) = take(to, &mut late) {
                        return end;
                    }
                }
                Heard::Pause => {
                    let _ = self.pausing.try_send(());
                    if self.resumed.recv().is_err() {
                        return End::Unheard;
                    }
                }
            }
        }
    }

    fn wait(&self) -> Heard {
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        while let Err(error) = poll(&mut fds, None) {
            if error != Errno::INTR && error != Errno::AGAIN {
                return Heard::Gone;
            }
        }
        let (terminal, woken) = (fds[0].revents(), fds[1].revents());
        if terminal.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            Heard::Gone
        } else if woken.contains(PollFlags::IN) {
            let _ = rustix::io::read(&self.woken, &mut [0; 1]);
            Heard::Pause
        } else if woken.intersects(PollFlags::HUP | PollFlags::ERR) {
            Heard::Dropped
        } else {
            Heard::Keys
        }
    }
}

/// Passes on everything that has been typed. Of a terminal that goes away meanwhile crossterm has an error to tell, or
/// nothing, and the next look at the terminal says why.
fn take(to: &SyncSender<Msg>, late: &mut Late) -> ControlFlow<End> {
    let mut torn = Torn::default();
    loop {
        match event::poll(LOOK) {
            Ok(true) => {}
            Ok(false) => return pass(torn.settle(), to),
            Err(_) => return ControlFlow::Break(End::Gone),
        }
        let Ok(event) = event::read() else { return ControlFlow::Break(End::Gone) };
        if !late.takes(&event) {
            pass(torn.take(event), to)?;
        }
    }
}

fn pass(events: Vec<Event>, to: &SyncSender<Msg>) -> ControlFlow<End> {
    let heard = events.into_iter().filter_map(message).all(|message| to.send(message).is_ok());
    if heard { ControlFlow::Continue(()) } else { ControlFlow::Break(End::Unheard) }
}

/// Writes nothing to the terminal any more: it is gone, or stopped and whoever wrote to it would wait for ever.
pub fn hush() {
    if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
}
