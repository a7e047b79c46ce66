//! The operator's terminal: taken, drawn on from a thread of its own, and given back on every way out.
//!
//! crossterm speaks to it and understands its keys. What is said is made whole in memory and written by [`screen`], so that
//! a slow or stopped terminal never stops the run. What is drawn and what a key means is the console's business.

mod input;
mod keys;
mod mode;
mod paste;
mod probe;
mod screen;
mod transcript;

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crossterm::event::DisableMouseCapture;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{TerminalOptions, Viewport};

pub use input::{Listener, hush, listen};
pub use mode::Mouse;
pub use probe::{Answers, probe};
use screen::Delivery;
pub use screen::{FrameBuffer, Screen};

/// Whether the terminal is ours now: it is given back exactly once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The thread that draws. Only its panic is the end of the console.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// What other threads said when they panicked while the terminal was ours.
static LAST_WORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Panics of other threads that are told at the end.
const LAST_WORDS_MAX: usize = 8;

/// The terminal while it is ours. Dropping it gives it back.
#[derive(Debug)]
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<FrameBuffer>>,
    frame: FrameBuffer,
    screen: Screen,
    mouse: Mouse,
    /// What stays on the terminal when it is given back.
    kept: String,
}

impl Terminal {
    /// Takes the terminal: raw mode, the alternate screen, bracketed paste, no cursor, a title to give back.
    ///
    /// # Errors
    /// Whatever the terminal answers; it is given back in that case.
    pub fn take() -> io::Result<Self> {
        install_panic_hook();
        // The theme decides on colours; with NO_COLOR crossterm would leave reverse and bold out with them.
        crossterm::style::force_color_output(true);
        mode::raw()?;
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Screen::start().and_then(|screen| {
            screen.send(mode::enter().into_bytes());
            let frame = screen.buffer();
            let options = TerminalOptions { viewport: Viewport::Fixed(area()?) };
            let inner = ratatui::Terminal::with_options(CrosstermBackend::new(frame.clone()), options)?;
            Ok(Self { inner, frame, screen, mouse: Mouse::Left, kept: String::new() })
        });
        if taken.is_err() {
            give_back();
        }
        taken
    }

    /// Has the terminal report clicks and the wheel, or not.
    pub fn mouse(&mut self, mouse: Mouse) {
        self.mouse = mouse;
        self.say(&mouse.enter());
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
        self.fit()?;
        self.inner.draw(render)?;
        self.frame.send();
        Ok(())
    }

    /// Follows the terminal's size.
    fn fit(&mut self) -> io::Result<()> {
        let area = area()?;
        if self.inner.get_frame().area() == area { Ok(()) } else { self.clear(area) }
    }

    /// Takes the terminal again, which another program or a stop may have changed, and forgets what is on it: the next
    /// frame draws every cell.
    ///
    /// # Errors
    /// When the terminal's size cannot be asked.
    pub fn redraw(&mut self) -> io::Result<()> {
        mode::raw()?;
        self.say(&[mode::enter_again(), self.mouse.enter()].concat());
        self.clear(area()?)
    }

    /// Has the next frame draw every cell. It is not ratatui's `clear`: that asks the terminal where its cursor is, and the
    /// answer goes to who reads the keys.
    fn clear(&mut self, area: Rect) -> io::Result<()> {
        self.frame.forget();
        self.inner.resize(area)
    }

    /// Leaves the terminal to another program, as it was before it was ours.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn lend(&mut self) -> io::Result<()> {
        self.screen.finish([self.mouse.leave(), mode::leave()].concat().into_bytes());
        mode::restore()
    }

    /// Takes the terminal back; the next frame draws every cell.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn take_back(&mut self) -> io::Result<()> {
        mode::raw()?;
        mode::forget_typed();
        self.say(&[mode::enter(), self.mouse.enter()].concat());
        self.clear(area()?)
    }

    /// How long the last frame took to reach the terminal.
    pub fn last_flush(&self) -> Duration {
        self.screen.last_flush()
    }

    /// Sends a sequence that draws nothing (a bell, a title), behind the frame under way.
    pub fn say(&mut self, sequence: &str) {
        self.screen.send(sequence.as_bytes().to_vec());
    }

    /// Sets the title, and not the icon's name, as crossterm's command would. Control characters are left out.
    pub fn title(&mut self, title: &str) {
        let title: String = title.chars().filter(|c| !c.is_control()).take(120).collect();
        self.say(&format!("\x1b]2;{title}\x07"));
    }

    /// Draws a last frame, and leaves it on the terminal when that is given back.
    ///
    /// # Errors
    /// When the terminal's size cannot be asked.
    pub fn keep(&mut self, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.fit()?;
        self.kept = transcript::transcript(self.inner.draw(render)?.buffer);
        self.frame.send();
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !TAKEN.swap(false, Ordering::SeqCst) {
            return;
        }
        let delivery = self.screen.finish([self.mouse.leave(), mode::leave(), self.kept.clone()].concat().into_bytes());
        let _ = mode::restore();
        match delivery {
            // Whatever is said from now on would wait for ever.
            Delivery::Stopped => hush(),
            Delivery::Delivered => tell_last_words(),
        }
    }
}

/// Columns and rows of the terminal.
///
/// # Errors
/// When there is no terminal.
pub fn size() -> io::Result<(u16, u16)> {
    mode::size()
}

fn area() -> io::Result<Rect> {
    let (columns, rows) = size()?;
    Ok(Rect::new(0, 0, columns, rows))
}

/// Gives the terminal back, if it is ours. Errors are left alone: there is nobody to tell.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    screen::close();
    let mut out = io::stdout();
    let _ =
        out.write_all([mode::ansi(DisableMouseCapture), mode::leave()].concat().as_bytes()).and_then(|()| out.flush());
    let _ = mode::restore();
    tell_last_words();
}

fn tell_last_words() {
    let words = std::mem::take(&mut *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner));
    let mut err = io::stderr();
    for words in words {
        let _ = writeln!(err, "rookery: a part of it failed, and the run went on: {words}");
    }
}

/// A panic of the thread that draws gives the terminal back before it speaks. One of another thread is a fault of that
/// thread's work: the console goes on, and tells it at the end.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let owner = *OWNER.lock().unwrap_or_else(PoisonError::into_inner);
            if TAKEN.load(Ordering::SeqCst) && owner != Some(thread::current().id()) {
                tracing::error!("{info}");
                let mut words = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
                if words.len() < LAST_WORDS_MAX {
                    words.push(info.to_string());
                }
                return;
            }
            give_back();
            before(info);
        }));
    });
}
