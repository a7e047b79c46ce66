//! What the console writes to a terminal, in bytes: little when nothing happens, bounded when everything does.
#![cfg(feature = "console")]
#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

#[path = "screens/script.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod script;
#[path = "screens/stage.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod stage;

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rookery::console::{ColorDepth, Glyphs, Theme, view};
use stage::Screen;

/// A terminal that only counts.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of each second, with ten frames in it.
fn bytes(screen: &mut Screen, theme: &Theme, seconds: u32, mut second: impl FnMut(&mut Screen)) -> Vec<usize> {
    let counter = Counter::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, 200, 60));
    let options = TerminalOptions { viewport };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(counter.clone()), options).unwrap();
    terminal.draw(|frame| view(&screen.model, theme, frame)).unwrap();
    let mut all = Vec::new();
    for _ in 0..seconds {
        counter.0.set(0);
        second(screen);
        for _ in 0..10 {
            let drawn = screen.effects.len();
            let due = screen.model.deadline().is_some_and(|due| due <= screen.now + Duration::from_millis(100));
            screen.wait(Duration::from_millis(100));
            if due || screen.effects.len() > drawn {
                terminal.draw(|frame| view(&screen.model, theme, frame)).unwrap();
            }
        }
        all.push(counter.0.get());
    }
    all
}

/// Between two terminals' depths: the default, and the one that takes most bytes a cell among those we recommend.
fn themes() -> [Theme; 2] {
    let theme = |name, depth| Theme::builtin(name).unwrap().shown_on(depth, Glyphs::Unicode);
    [theme("ansi", ColorDepth::Ansi16), theme("dark", ColorDepth::Ansi256)]
}

#[test]
fn a_run_that_waits_for_its_operator_writes_less_than_100_bytes_a_second() {
    for theme in themes() {
        let mut screen = Screen::of(1000).done(990).failed(10, &stage::lost()).asking_at_the_end().at(200, 60);
        let all = bytes(&mut screen, &theme, 20, |_| {});
        let mean = all.iter().sum::<usize>() / all.len();
        assert!(mean < 100, "{}: {all:?}", theme.name());
    }
}

#[test]
fn a_thousand_hosts_at_work_write_at_most_60_kilobytes_a_second() {
    for theme in themes() {
        let mut screen = Screen::of(1000).fetching(1000).at(200, 60);
        let mut more = 4;
        let all = bytes(&mut screen, &theme, 10, |screen| {
            more += 20;
            screen.progress(more);
        });
        assert!(all.iter().all(|second| *second <= 60_000), "{}: {all:?}", theme.name());
    }
}
