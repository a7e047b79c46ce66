//! The terminal's modes: what the console wants of it, and all of that given back.

use std::io;

use crossterm::Command;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};

/// Has the terminal keep its title; crossterm has no command for that.
const KEEP_TITLE: &str = "\x1b[22;0t";

/// The title that was kept comes back.
const TITLE_BACK: &str = "\x1b[23;0t";

/// Whose the mouse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// The terminal's own: it selects text.
    Left,
    /// The console's.
    Taken,
}

impl Mouse {
    pub(super) fn enter(self) -> String {
        match self {
            Self::Left => String::new(),
            Self::Taken => ansi(EnableMouseCapture),
        }
    }

    pub(super) fn leave(self) -> String {
        match self {
            Self::Left => String::new(),
            Self::Taken => ansi(DisableMouseCapture),
        }
    }
}

/// Makes it raw: every key arrives at once and none is echoed. crossterm leaves alone what it has made raw before, even if
/// a stop or another program has changed it since; so it is given back first.
pub(super) fn raw() -> io::Result<()> {
    terminal::disable_raw_mode()?;
    terminal::enable_raw_mode()
}

/// Makes it what it was before [`raw`].
pub(super) fn restore() -> io::Result<()> {
    terminal::disable_raw_mode()
}

/// Forgets what was typed so far: another program had the terminal, and it was meant for that.
pub(super) fn forget_typed() {
    // A terminal that cannot forget is asked nothing worse.
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Columns and rows. A terminal that does not know them, such as a serial line, has the usual ones. It is not
/// `terminal::size`, which runs another program (`tput`) when there is no terminal.
pub(super) fn size() -> io::Result<(u16, u16)> {
    let size = terminal::window_size()?;
    Ok(if size.columns == 0 || size.rows == 0 { (80, 24) } else { (size.columns, size.rows) })
}

/// A title to give back, the alternate screen, bracketed paste, no cursor.
pub(super) fn enter() -> String {
    [KEEP_TITLE, &enter_again()].concat()
}

/// The same again for a terminal that may have lost it; the title is not kept twice.
pub(super) fn enter_again() -> String {
    [ansi(EnterAlternateScreen), ansi(EnableBracketedPaste), ansi(Hide), ansi(Clear(ClearType::All))].concat()
}

/// All of it given back. The end of a synchronized update comes first: a frame may have been cut off.
pub(super) fn leave() -> String {
    let modes = [ansi(SetAttribute(Attribute::Reset)), ansi(DisableBracketedPaste), ansi(LeaveAlternateScreen)];
    [ansi(EndSynchronizedUpdate), modes.concat(), TITLE_BACK.to_owned(), ansi(Show)].concat()
}

/// A frame that is shown all at once.
pub(super) fn synchronized(frame: &[u8]) -> Vec<u8> {
    [ansi(BeginSynchronizedUpdate).as_bytes(), frame, ansi(EndSynchronizedUpdate).as_bytes()].concat()
}

/// What a command says to the terminal.
pub(super) fn ansi(command: impl Command) -> String {
    let mut text = String::new();
    // A text takes everything.
    let _ = command.write_ansi(&mut text);
    text
}
