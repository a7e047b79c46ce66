//! What the operator does to the run: what asks, what counts as a yes, and what can be taken back.

use std::time::Duration;

use rookery::console::{Effect, Key, Msg};
use rookery::control::Status;
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Input, Stage, StateName};

use super::laws::{GRACE, is_destructive};
use super::stage::{Fate, Screen, lost};
use super::{disk_full, small};

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
        screen.press(ask).enter(answer).press(if answer == "y" { "l" } else { "enter" });
        screen.wait(Duration::from_secs(2)).press("z");
        assert!(screen.text().contains("taken back: aborting"), "{ask}: {}", screen.text());
        screen.wait(Duration::from_secs(60));
        assert!(!screen.effects.iter().any(is_destructive), "{ask}");
        screen.press("4");
        assert!(screen.text().contains("taken back: aborting"), "the events have it: {}", screen.text());
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
    screen.press("y enter").wait(Duration::from_secs(1));
    assert!(screen.model.is_asking(), "12 hosts take their number");
    screen.press("ctrl-u").enter("12").press("enter").wait(Duration::from_secs(2));
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
pub(super) fn deliver(screen: &mut Screen, host: u32) {
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
fn a_live_run_is_left_by_typing_its_release() {
    let mut screen = small().at(80, 24);
    screen.press("ctrl-c ctrl-c");
    assert!(!screen.model.is_asking() && !screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))));
    screen.press("q").enter("web-2026.08.1").press("enter").wait(Duration::from_secs(60));
    assert!(screen.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))), "{}", screen.text());
}
