//! Signals as messages.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use crate::console::{Msg, Signal};
use crate::driver::terminal;

/// From now on SIGINT, SIGTERM and SIGHUP are messages to `to`.
///
/// # Errors
/// When the operating system takes no handler or gives no thread.
pub(super) fn listen(to: SyncSender<Msg>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for number in signals.forever() {
            let signal = match number {
                SIGINT => Signal::Interrupt,
                SIGTERM => Signal::Terminate,
                _ => Signal::Hangup,
            };
            if to.send(Msg::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// From now on a request to stop is a message to `to` and stops nothing, and so are the end of a stop that nobody could
/// refuse, and a terminal's new size. For a process that has the terminal in its hands.
///
/// # Errors
/// When the operating system takes no handler or gives no thread.
pub(super) fn stay(to: SyncSender<Msg>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTSTP, SIGCONT, SIGWINCH])?;
    thread::Builder::new().name("stops".to_owned()).spawn(move || {
        for number in signals.forever() {
            let message = match number {
                SIGTSTP => Msg::Suspend,
                SIGWINCH => match terminal::size() {
                    Ok((columns, rows)) => Msg::Resize { columns, rows },
                    Err(_) => continue,
                },
                _ => Msg::Resumed,
            };
            if to.send(message).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
