//! What holds whatever is pressed, whatever happens, whatever the size.

use std::time::Duration;

use proptest::prelude::*;
use rookery::base::Instant;
use rookery::console::{Effect, Key, KeyCode, Model, Msg, Signal, Theme, View};
use rookery::control::{Order, Status};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Input, Output, Stage, StateName};

use super::stage::{Fate, Screen, draw};
use super::{disk_full, lost, small};

/// An abort can be taken back for this long.
const GRACE: Duration = Duration::from_secs(5);

/// Keys that mean something, and some that mean nothing.
fn key() -> impl Strategy<Value = Key> {
    let characters = "hjklgGnNbz12345/:!*vrRaApPfFsStTwq?+-= yYx0w.[]=,";
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
fn is_destructive(effect: &Effect) -> bool {
    match effect {
        Effect::Rollout(Output::Order { order: Order::Stop { .. }, .. } | Output::Disconnect { .. })
        | Effect::Quit(_) => true,
        Effect::Rollout(_)
        | Effect::Redraw
        | Effect::Bell
        | Effect::Title(_)
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
    for keys in ["1", "2", "3", "4", "5", "?", "esc", "a", "esc q"] {
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
    for keys in ["1", "f f", "2 s 1", "g g 1", "G", "n", "5 1", "R y", "3 1"] {
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
fn an_abort_takes_its_answer_and_stops_just_that_host() {
    let mut screen = small().at(80, 24);
    let host = screen.model.cursor().unwrap();
    screen.press("a");
    assert!(screen.model.is_asking());
    screen.now = screen.now + Duration::from_millis(100);
    assert!(!screen.send(Msg::Key(Key::char('y'))).iter().any(is_destructive), "too early");
    screen.now = screen.now + Duration::from_millis(300);
    assert!(!screen.send(Msg::Key(Key::char('y'))).iter().any(is_destructive), "it can still be taken back");
    assert!(screen.text().contains("aborting 1 host in 5 s: z takes it back"), "{}", screen.text());
    screen.wait(GRACE);
    assert!(screen.effects.iter().any(is_destructive));
    assert_eq!(screen.model.rollout().host(host).unwrap().state.name(), StateName::Aborted);
    assert_eq!(screen.model.rollout().counts().of(StateName::Aborted), 1);
}

#[test]
fn many_hosts_are_aborted_by_their_number_and_never_by_a_paste() {
    let mut screen = Screen::of(40).fetching(20).at(80, 24);
    screen.press("/ f e t c h i n g enter * a");
    screen.now = screen.now + Duration::from_secs(1);
    screen.send(Msg::Paste("20\n".to_owned()));
    screen.press("enter y enter");
    assert!(screen.model.is_asking());
    screen.press("ctrl-u").enter("20").press("enter").wait(GRACE);
    assert_eq!(screen.model.rollout().counts().of(StateName::Aborted), 20);
    assert!(screen.model.marks().is_empty());
}

#[test]
fn a_run_is_aborted_by_the_name_of_its_release() {
    let mut screen = small().at(80, 24);
    screen.press("A").enter("web-2026.08").press("enter");
    assert!(screen.model.is_asking(), "half a name is none");
    screen.enter(".1").press("enter").wait(GRACE);
    assert!(!screen.model.is_asking());
    let counts = screen.model.rollout().counts();
    assert_eq!(counts.settled(), 24);
    assert!(counts.of(StateName::Aborted) > 5, "{counts:?}");
}

#[test]
fn an_abort_is_taken_back_within_its_grace_and_never_happens() {
    for (ask, answer) in [("g g a", "y"), ("A", "web-2026.08.1"), ("q", "web-2026.08.1")] {
        let mut screen = small().at(80, 24);
        screen.press(ask).enter(answer).press(if answer == "y" { "f" } else { "enter" });
        screen.wait(Duration::from_secs(2)).press("z");
        assert!(screen.text().contains("taken back: aborting"), "{ask}: {}", screen.text());
        screen.wait(Duration::from_secs(60));
        assert!(!screen.effects.iter().any(is_destructive), "{ask}");
        screen.press("4");
        assert!(screen.text().contains("> taken back"), "the events have it: {}", screen.text());
    }
}

#[test]
fn a_second_abort_does_not_wait_for_the_first() {
    let mut screen = small().at(80, 24);
    screen.press("g g a y l a");
    assert!(screen.model.is_asking(), "{}", screen.text());
    screen.press("y");
    assert_eq!(screen.model.rollout().counts().of(StateName::Aborted), 1, "{}", screen.text());
    screen.press("z").wait(Duration::from_secs(10));
    assert_eq!(screen.model.rollout().counts().of(StateName::Aborted), 1, "{}", screen.text());
}

#[test]
fn marks_come_back_one_change_after_the_other() {
    let mut screen = small().at(80, 24);
    screen.press("n space n space esc");
    assert!(screen.model.marks().is_empty());
    for marks in [2, 1, 0] {
        screen.press("z");
        assert_eq!(screen.model.marks().len(), marks);
    }
    screen.press("z");
    assert!(screen.text().contains("there is nothing to take back"), "{}", screen.text());
}

#[test]
fn a_watcher_changes_nothing_and_is_told_so() {
    let mut screen = small().watched().at(80, 24);
    let before = *screen.model.rollout().counts();
    for keys in [
        "r",
        "R",
        "n r",
        "a",
        "A",
        "p",
        "+",
        "-",
        "q",
        "ctrl-c",
        ": p a u s e enter",
        ": m a x - u p l o a d space 1 M enter",
    ] {
        let sent = screen.effects.len();
        screen.press(keys);
        assert!(!screen.model.is_asking(), "{keys}");
        assert!(
            screen.effects[sent..].iter().all(|effect| !matches!(effect, Effect::Rollout(_) | Effect::Quit(_))),
            "{keys}"
        );
        assert!(screen.text().contains("read-only"), "{keys}: {}", screen.text());
    }
    assert_eq!(*screen.model.rollout().counts(), before);
}

#[test]
fn a_command_does_what_its_key_does_and_asks_what_its_key_asks() {
    let mut screen = large_enough().at(80, 24);
    screen.enter(":pause").press("enter");
    assert!(screen.model.rollout().is_paused());
    screen.enter(":resume").press("enter");
    assert!(!screen.model.rollout().is_paused());
    screen.enter(":max-upload 2M").press("enter");
    assert_eq!(screen.model.rollout().caps().upload.0, 2 << 20);
    screen.enter(":show table").press("enter");
    assert_eq!(screen.model.view(), View::Table);
    screen.enter(":host web-0007").press("enter");
    assert_eq!((screen.model.view(), screen.model.cursor()), (View::Host, Some(HostId(7))));
    screen.enter(":group rack").press("enter");
    assert!(screen.text().contains("by rack"), "{}", screen.text());
    screen.enter(":abort rack=r1").press("enter");
    assert!(screen.model.is_asking());
    screen.press("esc").enter(":abort-run").press("enter");
    assert!(screen.model.is_asking() && screen.text().contains("type web-2026.08.1"), "{}", screen.text());
    screen.press("esc").enter(":mark failed").press("enter");
    assert_eq!(screen.model.marks().len() as u32, screen.model.rollout().counts().of(StateName::Failed));
    screen.enter(":exclude failed").press("enter");
    assert!(screen.text().contains("/!failed"), "{}", screen.text());
}

fn large_enough() -> super::stage::Script {
    Screen::of(40).done(10).fetching(16).failed(3, &disk_full()).failed(1, &lost())
}

#[test]
fn a_command_that_is_none_says_so_and_does_nothing() {
    let mut screen = small().at(80, 24);
    for (line, why) in [
        ("abrot", "no command `abrot`"),
        ("sort sideways", "`sideways` is none of: worst"),
        ("retry nobody", "no host is meant by `nobody`"),
        ("max-upload fast", "fast"),
        ("host web", "is a part of the names of 24 hosts"),
        ("pause now", "takes no more words"),
        ("group", "group the grid"),
    ] {
        let sent = screen.effects.len();
        screen.enter(&format!(":{line}")).press("enter");
        if line != "group" {
            assert!(screen.text().contains(why), "{line}: {}", screen.text());
        }
        assert!(screen.effects[sent..].iter().all(|effect| matches!(effect, Effect::Title(_))), "{line}");
    }
}

#[test]
fn the_help_is_searched_by_word_key_and_action() {
    let mut screen = small().at(80, 24);
    for (sought, found) in [("rate cap", "raise the rate cap"), ("Z", "take back"), ("next-failed", "next failed host")]
    {
        screen.press("?").enter(&format!("/{sought}")).press("enter");
        let text = screen.text();
        assert!(text.contains(found) && !text.contains("next theme"), "{text}");
        screen.press("esc");
        assert!(!screen.text().contains(found), "{}", screen.text());
    }
}

#[test]
fn tab_completes_and_the_arrows_bring_back_what_was_typed() {
    let mut screen = small().at(120, 40);
    screen.enter(":retry-").press("tab");
    assert!(screen.text().contains(" :retry-all"), "{}", screen.text());
    screen.press("ctrl-u").enter("so").press("tab").enter(" w").press("tab enter");
    assert!(screen.text().contains("worst first"), "{}", screen.text());
    screen.enter(":show grid").press("enter").enter(":").press("up");
    assert!(screen.text().contains(" :show grid"), "{}", screen.text());
    screen.press("up");
    assert!(screen.text().contains(" :sort worst"), "{}", screen.text());
    screen.press("down down");
    assert!(!screen.text().contains(" :show grid"), "{}", screen.text());
    screen.press("esc").enter("/rack=r").press("tab tab");
    assert!(screen.text().contains(" /rack=r1"), "{}", screen.text());
}

#[test]
fn a_retry_heals_a_host_at_once_without_a_question() {
    let mut screen = Screen::of(12).done(11).failed(1, &disk_full()).at(80, 24);
    screen.press("n");
    let host = screen.model.cursor().unwrap();
    screen.fate(host.0, Fate::Done);
    screen.press("r");
    assert!(!screen.model.is_asking());
    screen.wait(Duration::from_secs(1));
    assert_eq!(screen.model.rollout().host(host).unwrap().state.name(), StateName::Done);
}

#[test]
fn a_retry_of_many_hosts_asks_first() {
    let mut screen = Screen::of(30).failed(12, &lost()).done(18).at(80, 24);
    screen.press("R");
    assert!(screen.model.is_asking());
    for host in 0..30 {
        screen.fate(host, Fate::Done);
    }
    screen.press("y").wait(Duration::from_secs(2));
    assert_eq!(screen.model.rollout().counts().of(StateName::Done), 30);
}

#[test]
fn a_mark_goes_when_its_host_is_done() {
    let mut screen = Screen::of(12).done(11).failed(1, &disk_full()).at(80, 24);
    screen.press("n space");
    assert_eq!(screen.model.marks().len(), 1);
    let host = *screen.model.marks().first().unwrap();
    screen.fate(host.0, Fate::Done);
    screen.send(Msg::Fleet(Input::Operator(Action::Retry(vec![host]))));
    screen.wait(Duration::from_secs(1));
    assert!(screen.model.marks().is_empty());
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
fn a_settled_run_ends_with_q_and_leaves_when_it_is_clean() {
    let mut screen = Screen::of(6).done(5).failed(1, &disk_full()).asking_at_the_end().at(80, 24);
    assert!(screen.text().contains("R retries"), "{}", screen.text());
    screen.press("q");
    assert!(screen.text().contains("1 host has not got the release"), "{}", screen.text());
    screen.press("esc");
    assert_eq!(*screen.model.rollout().stage(), Stage::Settled);
    screen.press("q y");
    screen.wait(Duration::from_secs(30));
    assert!(screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))), "{}", screen.text());
}

/// The host's release is in place.
fn deliver(screen: &mut Screen, host: u32) {
    let status = Status::Delivered { already: false };
    screen.send(Msg::Fleet(Input::Status { at: Place::Host(HostId(host)), attempt: 1, status }));
}

#[test]
fn a_question_that_the_run_has_answered_goes_away() {
    for key in ["A", "a"] {
        let mut screen = Screen::of(2).fetching(1).failed(1, &disk_full()).asking_at_the_end().at(80, 24);
        let fetching = screen.of_state(StateName::Fetching);
        screen.press("g g").press(if fetching == 0 { "h" } else { "l" }).press(key);
        assert!(screen.model.is_asking(), "{}", screen.text());
        deliver(&mut screen, fetching);
        assert!(!screen.model.is_asking(), "{}", screen.text());
    }
}

#[test]
fn the_question_about_a_live_run_becomes_the_one_about_a_settled_run() {
    let mut screen = Screen::of(2).fetching(1).failed(1, &disk_full()).asking_at_the_end().at(80, 24);
    screen.press("q");
    assert!(screen.text().contains("1 of 2 hosts is still under way"), "{}", screen.text());
    let fetching = screen.of_state(StateName::Fetching);
    deliver(&mut screen, fetching);
    assert!(screen.text().contains("Every host is settled, and 1 host has not got"), "{}", screen.text());
    screen.press("q").wait(Duration::from_secs(30));
    assert!(screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))), "{}", screen.text());
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
fn keys_act_on_what_is_seen() {
    let mut screen = small().at(80, 24);
    let states = |screen: &Screen| screen.model.rollout().counts().of(StateName::Failed);
    let failed = states(&screen);
    screen.press("n 4 r");
    assert!(screen.text().contains("no host is chosen here"), "{}", screen.text());
    assert_eq!(states(&screen), failed);
    screen.press("3 g g r");
    assert!(screen.text().contains("retrying 1 host"), "{}", screen.text());
}

#[test]
fn a_run_is_not_suspended_and_says_so() {
    let mut screen = small().at(80, 24);
    for message in [Msg::Key(Key::ctrl('z')), Msg::Suspend] {
        let effects = screen.send(message);
        assert!(effects.is_empty(), "{effects:?}");
        assert!(screen.text().contains("a run is not suspended"), "{}", screen.text());
    }
    assert_eq!(screen.send(Msg::Resumed), [Effect::Redraw]);
}

#[test]
fn a_live_run_is_left_by_typing_its_release() {
    let mut screen = small().at(80, 24);
    screen.press("ctrl-c ctrl-c");
    assert!(!screen.model.is_asking() && !screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))));
    screen.press("q").enter("web-2026.08.1").press("enter").wait(Duration::from_secs(60));
    assert!(screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))), "{}", screen.text());
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
