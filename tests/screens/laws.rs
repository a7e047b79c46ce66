//! What holds whatever is pressed, whatever happens, whatever the size.

use std::time::Duration;

use proptest::prelude::*;
use rookery::base::{ByteCount, ByteRate, Instant};
use rookery::console::{Effect, Key, KeyCode, Model, Msg, Signal, Theme, View};
use rookery::control::{Order, Progress, Status, TrackerHealth};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Input, Output, StateName};

use super::acting::deliver;
use super::stage::{Screen, draw};
use super::{disk_full, small};

/// An abort can be taken back for this long.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Keys that mean something, and some that mean nothing.
fn key() -> impl Strategy<Value = Key> {
    let characters = "hjklLgGnNbz123456/:!*vrRaApPfFsStTwq?+-= yYx0w.[]=,~";
    let plain = proptest::sample::select(characters.chars().map(Key::char).collect::<Vec<_>>());
    let control = proptest::sample::select(['c', 'd', 'u', 'l', 'w', 'z'].map(Key::ctrl).to_vec());
    let named = proptest::sample::select(
        [KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace, KeyCode::Up, KeyCode::Down]
            .map(Key::plain)
            .to_vec(),
    );
    prop_oneof![6 => plain, 1 => control, 3 => named]
}

fn msg() -> impl Strategy<Value = Msg> {
    prop_oneof![
        12 => key().prop_map(Msg::Key),
        1 => "\\PC{0,12}".prop_map(Msg::Paste),
        1 => (0..220_u16, 0..70_u16).prop_map(|(columns, rows)| Msg::Resize { columns, rows }),
        2 => Just(Msg::Tick),
        1 => Just(Msg::Signal(Signal::Interrupt)),
        1 => ("[a-z]{1,4}", proptest::option::of("\\PC{0,9}")).prop_map(|(name, problem)| Msg::ThemeLoaded { name, problem }),
        1 => Just(Msg::ReportWritten(Err("disk full".to_owned()))),
        2 => (0..30_u32, any::<bool>()).prop_map(|(host, abort)| {
            let hosts = vec![HostId(host)];
            Msg::Fleet(Input::Operator(if abort { Action::Abort(hosts) } else { Action::Retry(hosts) }))
        }),
    ]
}

/// What aborts hosts or ends the run.
pub(super) fn is_destructive(effect: &Effect) -> bool {
    match effect {
        Effect::Rollout(Output::Order { order: Order::Stop { .. }, .. } | Output::Disconnect { .. })
        | Effect::Quit(_)
        | Effect::Suspend => true,
        Effect::Rollout(_)
        | Effect::Redraw
        | Effect::Bell
        | Effect::Title(_)
        | Effect::Progress(_)
        | Effect::Notify(_)
        | Effect::Copy(_)
        | Effect::Login(_)
        | Effect::LoadTheme(_)
        | Effect::WriteReport => false,
    }
}

/// The numbers of the second line, which is glyphs, numbers and perhaps words.
fn counted(text: &str) -> u32 {
    let line = text.lines().nth(1).unwrap();
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u32>().ok()).sum()
}

fn theme() -> Theme {
    Theme::builtin("ansi").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_pressed_or_happens_is_too_strange(
        msgs in proptest::collection::vec((msg(), 0..900_u64), 0..60),
        size in (1..120_u16, 1..40_u16),
    ) {
        let mut screen = small().at(80, 24);
        for (msg, wait) in msgs {
            screen.now = screen.now + Duration::from_millis(wait);
            screen.send(msg);
            draw(&screen.model, &theme(), size.0, size.1);
        }
        let counts = screen.model.rollout().counts();
        prop_assert_eq!(counts.total(), 24);
        prop_assert_eq!(counted(&screen.text()), 24, "{}", screen.text());
    }

    /// Everything that confirms is left out: `y`, `Y`, the number of hosts, and the release's name, which these keys
    /// cannot spell.
    #[test]
    fn no_keys_but_an_answer_stop_a_host(
        keys in proptest::collection::vec((key(), 0..900_u64), 0..80),
    ) {
        let mut screen = small().at(80, 24);
        for (key, wait) in keys {
            let answer = matches!(key.code, KeyCode::Char('y' | 'Y'));
            let number = matches!(key.code, KeyCode::Char('0'..='9')) && screen.model.is_asking();
            if answer || number {
                continue;
            }
            screen.wait(Duration::from_millis(wait));
            screen.send(Msg::Key(key));
            prop_assert!(!screen.effects.iter().any(is_destructive), "{} did {:?}", key, screen.effects);
        }
        screen.wait(Duration::from_secs(10));
        prop_assert!(!screen.effects.iter().any(is_destructive), "{:?}", screen.effects);
    }
}

#[test]
fn every_area_can_be_drawn_on() {
    let mut screen = small().at(80, 24);
    for keys in ["1", "b", "2", "3", "4", "5", "?", "esc", "a", "esc q", "esc : r e", "esc / f"] {
        screen.press(keys);
        for columns in (1..100).step_by(3) {
            for rows in 1..30 {
                draw(&screen.model, &theme(), columns, rows);
            }
        }
        for (columns, rows) in [(1, 200), (500, 1), (500, 200), (300, 80), (499, 3), (2, 199)] {
            draw(&screen.model, &theme(), columns, rows);
        }
    }
}

#[test]
fn the_counts_on_the_screen_sum_to_the_fleet() {
    for (columns, rows) in [(80, 24), (200, 60), (60, 15), (30, 6)] {
        assert_eq!(counted(&small().at(columns, rows).text()), 24, "{columns}x{rows}");
        assert_eq!(counted(&super::large().at(columns.max(50), rows).text()), 1400, "{columns}x{rows}");
    }
}

/// The glyph of a host's state is where its place in the inventory puts it, whatever happens meanwhile.
#[test]
fn a_host_never_moves_on_the_map() {
    let mut screen = super::large().at(80, 24);
    let theme = theme();
    for keys in ["1", "f f", "2 s 1", "g g 1", "G", "n", "5 1", "R 2 0 enter", "3 1"] {
        screen.press(keys);
        screen.progress(9);
        let buffer = screen.buffer();
        for (at, host) in (0_u16..).zip(screen.model.rollout().hosts()) {
            let state = host.state.name();
            if state != StateName::Fetching {
                let cell = &buffer[(at % 80, 3 + at / 80)];
                assert_eq!(cell.symbol(), theme.glyph(state).to_string(), "host {at} {state} after {keys}");
            }
        }
    }
}

/// Grouped, too: the cursor goes through every host of the fleet, in the same order before and after things happened.
#[test]
fn a_grouped_map_holds_every_host_once_in_a_fixed_order() {
    let mut screen = small().at(80, 24);
    screen.press("b g g");
    let walk = |screen: &mut Screen| {
        screen.press("g g");
        (0..24).map(|_| (screen.model.cursor().unwrap(), screen.press("l").model.cursor()).0).collect::<Vec<_>>()
    };
    let before = walk(&mut screen);
    assert_eq!(before.iter().collect::<std::collections::BTreeSet<_>>().len(), 24);
    assert!(before.is_sorted_by_key(|host| (host.0 % 8, host.0)), "{before:?}");
    screen.progress(30);
    screen.press("R");
    screen.wait(Duration::from_secs(20));
    assert_eq!(walk(&mut screen), before);
    screen.press("b");
    assert!(screen.text().contains("in the order of the inventory"), "{}", screen.text());
    assert!(walk(&mut screen).is_sorted());
}

#[test]
fn a_cause_opens_the_grid_on_its_hosts() {
    let mut screen = small().at(80, 24);
    screen.press("3 j enter");
    assert_eq!(screen.model.view(), View::Grid);
    let text = screen.text();
    assert!(text.contains("/cause="), "{text}");
    screen.press("esc");
    assert!(!screen.text().contains("/cause="));
}

#[test]
fn a_settled_run_shows_no_rate_and_a_young_one_no_estimate() {
    let mut screen = Screen::of(2).fetching(1).failed(1, &disk_full()).asking_at_the_end().at(80, 24);
    assert!(screen.text().contains("iB/s ("), "{}", screen.text());
    let fetching = screen.of_state(StateName::Fetching);
    deliver(&mut screen, fetching);
    let header: Vec<_> = screen.text().lines().take(3).map(str::to_owned).collect();
    assert!(!header.concat().contains("/s"), "{header:?}");
    let young = Screen::of(3).stalled(1).at(80, 24);
    assert!(young.text().contains("ETA --:--"), "{}", young.text());
}

#[test]
fn the_estimate_says_which_hosts_it_is_not_about() {
    let mut screen = small().at(120, 40);
    assert!(screen.text().contains("  without 1 stalled  "), "{}", screen.text());
    screen = Screen::of(3).done(2).stalled(1).at(80, 24);
    assert!(screen.text().contains("ETA unknown  1 stalled"), "{}", screen.text());
}

#[test]
fn a_frozen_display_stays_while_the_run_goes_on() {
    let mut screen = small().at(80, 24);
    screen.press("f");
    let before = screen.text();
    screen.progress(60);
    let after = screen.text();
    let body = |text: &str| text.lines().skip(3).take(12).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&before), body(&after));
    assert!(after.contains("FROZEN"), "{after}");
    screen.press("f");
    assert_ne!(body(&before), body(&screen.text()));
}

#[test]
fn a_stall_says_what_the_host_waits_for() {
    let waiting = Progress { peers: 4, unchoking: 2, tracker: TrackerHealth::Answering, ..Progress::default() };
    for (progress, reason) in [
        (Progress { peers: 0, ..waiting.clone() }, "no peers"),
        (Progress { peers: 0, tracker: TrackerHealth::Silent, ..waiting.clone() }, "no peers, tracker silent"),
        (Progress { unchoking: 0, ..waiting.clone() }, "choked by every peer"),
        (Progress { unwritten: ByteCount(5 << 20), ..waiting.clone() }, "its disk takes nothing"),
        (Progress { rate_down: ByteRate(900), ..waiting.clone() }, "slow: bytes arrive, no piece is whole"),
        (waiting, "no piece arrives"),
    ] {
        let mut screen = Screen::of(1).fetching(1).at(120, 24);
        for _ in 0..16 {
            let status = Status::Progress(progress.clone());
            screen.send(Msg::Fleet(Input::Status { at: Place::Host(HostId(0)), attempt: 1, status }));
            screen.wait(Duration::from_secs(1));
        }
        let text = screen.text();
        assert!(text.contains("! 1 stalled") && text.contains(&format!("s: {reason}")), "{text}");
    }
    let mut screen = Screen::of(1).fetching(1).at(120, 24);
    screen.wait(Duration::from_secs(16));
    assert!(screen.text().contains("s: agent silent"), "{}", screen.text());
}

#[test]
fn a_small_screen_says_when_the_feed_is_dead() {
    let mut screen = small().at(60, 15);
    assert!(!screen.text().contains("SILENT"));
    screen.wait(Duration::from_secs(12));
    assert!(screen.text().contains("SILENT 12s"), "{}", screen.text());
}

#[test]
fn frozen_events_stay_and_what_happened_meanwhile_is_told_afterwards() {
    let mut screen = small().at(80, 24);
    screen.press("4 f p p");
    assert!(!screen.text().contains("> pause"), "{}", screen.text());
    screen.press("f");
    assert!(screen.text().contains("> pause"), "{}", screen.text());
}

/// Ten times what it takes here in a debug build: a guard against drawing what is not seen, not a benchmark.
#[test]
fn ten_thousand_hosts_cost_what_is_visible() {
    let screen = Screen::of(10_000).at(200, 60);
    let theme = theme();
    let cells = draw(&screen.model, &theme, 200, 60).content().len();
    assert_eq!(cells, 12_000);
    assert!(screen.text().lines().skip(3).take(50).all(|line| line.chars().count() >= 190));
}

#[test]
fn signals_leave_a_run_that_can_be_resumed() {
    let mut screen = small().at(80, 24);
    for signal in [Signal::Terminate, Signal::Hangup] {
        let effects = screen.send(Msg::Signal(signal));
        assert!(effects.iter().all(|effect| matches!(effect, Effect::Quit(_))), "{effects:?}");
    }
    let open: &Model = &screen.model;
    assert_eq!(open.rollout().counts().of(StateName::Aborted), 0);
    assert!(open.deadline().is_some_and(|due| due > Instant::ZERO));
}
