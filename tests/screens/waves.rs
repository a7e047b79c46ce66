//! Waves on the screen: the gate that asks, the stop, and keys that were meant for something else.

use std::time::Duration;

use rookery::console::{Effect, Key, KeyCode, Msg};
use rookery::inventory::{Gate, HostId, Mode, Share};
use rookery::rollout::{Action, Failure, Input, Output, Policy, Standing, StateName, Station};

use super::script::Script;
use super::stage::{Screen, lost};
use super::{every_size, keep};

/// Three canaries, a quarter, and all others.
fn policy() -> Policy {
    let wave = |from: u32, to: u32| (from..to).map(HostId).collect();
    Policy { waves: vec![wave(0, 3), wave(3, 9), wave(9, 24)], canaries: 3, gate: Gate::Ask, ..Policy::default() }
}

fn canaries() -> Script {
    Screen::of(24).done(24).under(policy())
}

fn launched(screen: &Screen) -> usize {
    screen.model.rollout().hosts().iter().filter(|host| host.attempt.number > 0).count()
}

#[test]
fn a_gate_says_what_came_of_the_wave_and_what_is_next() {
    every_size("gate", canaries, "");
}

#[test]
fn a_gate_that_was_put_off_is_still_to_be_seen() {
    every_size("gate_later", canaries, "esc 2");
}

#[test]
fn a_stop_says_which_threshold_was_reached() {
    let stopped = || {
        let policy = Policy { max_unreachable: Some(Share::Count(2)), ..Policy::default() };
        Screen::of(24).failed(2, &lost()).on_the_way(1).under(policy)
    };
    every_size("halted", stopped, "");
}

#[test]
fn hosts_that_are_staged_say_so() {
    let staged = || canaries().under(Policy { mode: Mode::StageThenSwitch, ..policy() });
    every_size("staged", staged, "esc 2 s");
}

#[test]
fn enter_opens_the_next_wave_and_a_stray_enter_does_not() {
    let mut screen = canaries().at(80, 24);
    assert_eq!((launched(&screen), screen.model.is_asking()), (3, true));
    screen.press("enter");
    assert_eq!(
        (launched(&screen), screen.model.is_asking()),
        (9, true),
        "the next gate asks at once: its wave is over"
    );
    // Meant for a host that was on the screen before.
    screen.send(Msg::Key(Key::plain(KeyCode::Enter)));
    assert_eq!(launched(&screen), 9);
    screen.press("esc").wait(Duration::from_secs(9));
    assert!(screen.text().contains("wave 2 is over: o opens wave 3 (15 hosts)"), "{}", screen.text());
    screen.wait(Duration::from_secs(600));
    assert_eq!((launched(&screen), screen.model.is_asking()), (9, false));
    screen.press("enter esc");
    assert_eq!(launched(&screen), 9, "enter opens hosts again");
    screen.press("o enter");
    assert_eq!(launched(&screen), 24);
    assert_eq!(screen.model.rollout().counts().of(StateName::Done), 24);
}

#[test]
fn a_at_a_gate_asks_before_it_aborts() {
    let mut screen = canaries().at(80, 24);
    screen.press("a");
    assert!(screen.model.is_asking() && screen.text().contains("Abort the whole run?"), "{}", screen.text());
    screen.press("enter y esc");
    assert_eq!(screen.model.rollout().counts().of(StateName::Done), 3);
    assert!(!screen.effects.iter().any(super::laws::is_destructive));
    screen.press("A").enter("web-2026.08.1").press("enter").wait(super::laws::GRACE);
    assert_eq!(screen.model.rollout().counts().of(StateName::Skipped), 21);
}

#[test]
fn a_gate_waits_until_nothing_else_is_typed_and_rings() {
    let mut policy = policy();
    policy.waves.remove(0);
    let mut screen = canaries().under(Policy { canaries: 0, ..policy }).at(80, 24);
    screen.press("esc :");
    screen.send(Msg::Fleet(Input::Operator(Action::Proceed)));
    assert!(!screen.model.is_asking() && *screen.model.rollout().standing() == Standing::Asking);
    screen.press("esc");
    assert!(screen.model.is_asking());
    let rings = screen.effects.iter().filter(|effect| matches!(effect, Effect::Notify(text) if text.contains("gate")));
    assert_eq!(rings.count(), 2);
}

#[test]
fn a_watcher_is_not_asked() {
    let mut screen = canaries().watched().at(80, 24);
    assert!(!screen.model.is_asking());
    screen.press("o");
    assert_eq!(launched(&screen), 3);
}

#[test]
fn going_on_past_a_stop_takes_a_yes_and_is_journalled() {
    let policy = Policy { max_unreachable: Some(Share::Count(2)), ..Policy::default() };
    let mut screen = Screen::of(24).failed(2, &lost()).on_the_way(1).under(policy).at(80, 24);
    screen.press("enter");
    assert!(matches!(screen.model.rollout().standing(), Standing::Halted(_)));
    screen.press("y");
    assert_eq!(*screen.model.rollout().standing(), Standing::Underway);
    let journalled = screen.effects.iter().any(|effect| {
        matches!(effect, Effect::Rollout(Output::Notice(rookery::rollout::Notice::Action { verb: "proceed", .. })))
    });
    assert!(journalled);
}

#[test]
fn what_the_first_look_found_is_one_table_with_the_way_out() {
    let no_way = Failure::NoWay {
        station: Station::Seeder,
        address: ([10, 0, 0, 1], 6881).into(),
        why: "connection timed out".to_owned(),
    };
    for (columns, rows) in [(80, 24), (200, 60)] {
        let script = Screen::of(24).done(18).failed(2, &no_way).failed(4, &lost()).under(policy());
        let mut screen = script.looked_at_first().at(columns, rows);
        screen.play();
        screen.press("esc 3");
        keep("first_look", &screen, (columns, rows));
    }
}
