//! Keys and pastes, read by a thread of their own, which also sees the end of the terminal: it waits for the terminal and
//! for nothing else, so a terminal that goes away wakes it once and is never asked again.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::decode::{Decoder, MouseAct, Typed};
use crate::console::{Key, KeyCode, Msg, Signal};

/// An escape that is followed by nothing for this long is the key of that name.
const ESCAPE_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Bytes read at once.
const READ_MAX: usize = 1024;

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
    Nothing,
    Gone,
    Dropped,
}

impl Ears {
    fn read(&self, to: &SyncSender<Msg>) -> End {
        let mut decoder = Decoder::default();
        let mut buffer = [0; READ_MAX];
        loop {
            let typed = match self.wait(&decoder) {
                Heard::Gone => return End::Gone,
                Heard::Dropped => return End::Unheard,
                Heard::Nothing => decoder.settle(),
                Heard::Pause => {
                    let _ = self.pausing.try_send(());
                    if self.resumed.recv().is_err() {
                        return End::Unheard;
                    }
                    continue;
                }
                Heard::Keys => match rustix::io::read(io::stdin(), &mut buffer) {
                    Ok(0) => return End::Gone,
                    Ok(length) => decoder.feed(&buffer[..length]),
                    Err(Errno::INTR | Errno::AGAIN) => continue,
                    Err(_) => return End::Gone,
                },
            };
            for message in typed.into_iter().map(message) {
                if to.send(message).is_err() {
                    return End::Unheard;
                }
            }
        }
    }

    fn wait(&self, decoder: &Decoder) -> Heard {
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
        loop {
            match poll(&mut fds, decoder.is_undecided().then_some(&ESCAPE_WAIT)) {
                Ok(0) => return Heard::Nothing,
                Ok(_) => break,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Heard::Gone,
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

fn message(typed: Typed) -> Msg {
    match typed {
        Typed::Key(key) => Msg::Key(key),
        Typed::Paste(text) => Msg::Paste(text),
        Typed::Mouse(MouseAct::WheelUp, ..) => Msg::Key(Key::plain(KeyCode::Up)),
        Typed::Mouse(MouseAct::WheelDown, ..) => Msg::Key(Key::plain(KeyCode::Down)),
        Typed::Mouse(MouseAct::Press, column, row) => Msg::Click { column, row },
    }
}

/// Writes nothing to the terminal any more: it is gone, or stopped and whoever wrote to it would wait for ever.
pub fn hush() {
    if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
}
