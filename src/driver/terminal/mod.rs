//! The operator's terminal: taken, drawn on from a thread of its own, and given back on every way out.
//!
//! Frames are made into bytes here and written by [`screen`], so that a slow or stopped terminal never stops the run.
//! What is drawn and what a key means is the console's business.

mod input;
mod keys;
mod screen;

use std::io::{self, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

pub use input::{Heard, hush, listen, silence};
use screen::Delivery;
pub use screen::{FrameBuffer, Screen};

/// What the console wants of a terminal: a title to give back, the alternate screen, bracketed paste, no cursor.
const ENTER: &str = "\x1b[22;0t\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[2J";

/// The same again for a terminal that may have lost it; the title is not kept twice.
const ENTER_AGAIN: &str = "\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[2J";

/// All of it given back. The end of a synchronized update comes first: a frame may have been cut off.
const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?1049l\x1b[23;0t\x1b[?25h";

/// Whether the terminal is ours now: it is given back exactly once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours. Dropping it gives it back.
#[derive(Debug)]
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<FrameBuffer>>,
    screen: Screen,
}

impl Terminal {
    /// Takes the terminal: raw mode, the alternate screen, bracketed paste, no cursor, a title to give back.
    ///
    /// # Errors
    /// Whatever the terminal answers; it is given back in that case.
    pub fn take() -> io::Result<Self> {
        install_panic_hook();
        // The theme decides on colours; crossterm's own NO_COLOR would take reverse and bold away with them.
        crossterm::style::force_color_output(true);
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Screen::start().and_then(|screen| {
            screen.send(ENTER.as_bytes().to_vec());
            let inner = ratatui::Terminal::new(CrosstermBackend::new(screen.buffer()))?;
            Ok(Self { inner, screen })
        });
        if taken.is_err() {
            give_back();
        }
        taken
    }

    /// Whether a frame may be drawn: the one before has reached the terminal.
    pub fn is_ready(&self) -> bool {
        self.screen.is_idle()
    }

    /// Whether the terminal took a write with an error: it is gone.
    pub fn is_gone(&self) -> bool {
        self.screen.is_gone()
    }

    /// Draws one frame.
    ///
    /// # Errors
    /// When the terminal's size cannot be asked.
    pub fn draw(&mut self, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.inner.draw(render).map(|_| ())
    }

    /// Takes the terminal again, which another program or a stop may have changed, and forgets what is on it: the next
    /// frame draws every cell.
    ///
    /// # Errors
    /// When the terminal's size cannot be asked.
    pub fn redraw(&mut self) -> io::Result<()> {
        terminal::disable_raw_mode()?;
        terminal::enable_raw_mode()?;
        self.screen.send(ENTER_AGAIN.as_bytes().to_vec());
        // Not `clear`: that asks the terminal where its cursor is, and the answer goes to who reads the keys.
        let (columns, rows) = size()?;
        self.inner.resize(Rect::new(0, 0, columns, rows))
    }

    /// Rings the bell, behind the frame under way.
    pub fn bell(&mut self) {
        self.screen.send(b"\x07".to_vec());
    }

    /// Sets the title, behind the frame under way. Control characters are left out.
    pub fn title(&mut self, title: &str) {
        let title: String = title.chars().filter(|c| !c.is_control()).take(120).collect();
        self.screen.send(format!("\x1b]2;{title}\x07").into_bytes());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !TAKEN.swap(false, Ordering::SeqCst) {
            return;
        }
        let delivery = self.screen.finish(LEAVE.as_bytes().to_vec());
        let _ = terminal::disable_raw_mode();
        if delivery == Delivery::Stopped {
            // Whatever is said from now on would wait for ever.
            hush();
        }
    }
}

/// Columns and rows of the terminal.
///
/// # Errors
/// When there is no terminal.
pub fn size() -> io::Result<(u16, u16)> {
    terminal::size()
}

/// Gives the terminal back, if it is ours. Errors are left alone: there is nobody to tell.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    let _ = terminal::disable_raw_mode();
}

/// A panic of any thread gives the terminal back before it speaks.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}
