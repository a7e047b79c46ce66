//! What a frame costs: ten thousand hosts on a large terminal. `cargo bench --bench console` runs it;
//! docs/performance.md has the numbers.

#![expect(clippy::unwrap_used, reason = "the scripted fleet of the tests is what is drawn")]

use divan::Bencher;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use rookery::console::{Msg, Theme, update, view};
use rookery::rollout::Input;
use stage::Screen;

#[path = "../tests/screens/script.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod script;
#[path = "../tests/screens/stage.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod stage;

fn main() {
    divan::main();
}

/// Ten thousand hosts in the middle of their run.
fn fleet(keys: &str) -> Screen {
    let mut screen = Screen::of(10_000).done(4000).fetching(1000).stalled(30).on_the_way(8).at(200, 60);
    screen.press(keys);
    screen
}

/// A frame of each view: the map one to one, grouped, filtered, the table, failures, events, a host, the help.
#[divan::bench(args = ["1", "b", "/ r a c k = r 1 enter", "2", "3", "4", "5", "?"])]
fn draw(bencher: Bencher<'_, '_>, keys: &str) {
    let screen = fleet(keys);
    let theme = Theme::builtin("ansi").expect("it is built in");
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("it cannot fail");
    bencher.bench_local(|| terminal.draw(|frame| view(&screen.model, &theme, frame)).map(|frame| frame.count));
}

/// From a key to the model it changes: one host on in the map, one down in the table, the next failed host.
#[divan::bench(args = ["l", "2 j", "n"])]
fn press(bencher: Bencher<'_, '_>, keys: &str) {
    let mut screen = fleet("1");
    screen.press(keys);
    let last = keys.rsplit(' ').next().unwrap_or(keys).parse().expect("a key");
    bencher.bench_local(|| update(&mut screen.model, screen.now, Msg::Key(last)));
}

/// Nothing new: what every deadline costs.
#[divan::bench]
fn elapse(bencher: Bencher<'_, '_>) {
    let mut screen = fleet("1");
    bencher.bench_local(|| update(&mut screen.model, screen.now, Msg::Fleet(Input::Elapsed)));
}
