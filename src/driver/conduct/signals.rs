//! Signals as messages.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console::{Msg, Signal};

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
