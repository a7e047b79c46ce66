//! The terminal's line discipline: raw while it is ours, as it was before afterwards.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What the terminal was like before it was made raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Makes it raw: every key arrives at once and none is echoed.
pub(super) fn raw() -> io::Result<()> {
    let terminal = io::stdin();
    let mut mode = tcgetattr(&terminal)?;
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| mode.clone());
    mode.make_raw();
    Ok(tcsetattr(&terminal, OptionalActions::Now, &mode)?)
}

/// Makes it what it was before the first [`raw`].
pub(super) fn restore() -> io::Result<()> {
    match &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(mode) => Ok(tcsetattr(io::stdin(), OptionalActions::Now, mode)?),
        None => Ok(()),
    }
}

/// Columns and rows. A terminal that does not know them, such as a serial line, has the usual ones.
pub(super) fn size() -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(io::stdout())?;
    Ok(if size.ws_col == 0 || size.ws_row == 0 { (80, 24) } else { (size.ws_col, size.ws_row) })
}
