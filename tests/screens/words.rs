//! What the screen says, and how long it says it.

use std::time::Duration;

use rookery::console::{Msg, View};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Failure, Input, StateName};

use super::stage::{Fate, Screen};
use super::{key_changed, small};

#[test]
fn a_key_without_a_meaning_says_so_and_names_the_key_that_explains_the_others() {
    let mut screen = small().at(80, 24);
    screen.press("x");
    assert!(screen.text().contains("x does nothing: ? shows the keys"), "{}", screen.text());
    screen.press("g x");
    assert!(screen.text().contains("x does nothing"), "{}", screen.text());
    screen.press("4 enter");
    assert!(screen.text().contains("hosts are opened in the grid (1)"), "{}", screen.text());
}

#[test]
fn why_a_key_did_nothing_is_gone_with_the_next_one_that_does_something() {
    let mut screen = small().at(80, 24);
    screen.press("s");
    assert!(screen.text().contains("only the table is sorted: 2 shows it"), "{}", screen.text());
    screen.press("2");
    assert!(!screen.text().contains("only the table is sorted"), "{}", screen.text());
    screen.press("R j");
    assert!(screen.text().contains("retrying 3 hosts"), "what was done stays for a while: {}", screen.text());
}

#[test]
fn a_range_of_hosts_that_are_done_says_that_nothing_is_marked() {
    let mut screen = Screen::of(6).done(6).at(80, 24);
    screen.press("v l v");
    assert!(screen.text().contains("nothing marked: hosts that are done"), "{}", screen.text());
}

#[test]
fn a_range_counts_what_it_will_mark() {
    let mut screen = small().at(80, 24);
    screen.press("home v end");
    let done = screen.model.rollout().counts().of(StateName::Done);
    let rest = screen.model.rollout().counts().total() - done;
    assert!(screen.text().contains(&format!("range {rest}")), "{}", screen.text());
    screen.press("v");
    assert_eq!(screen.model.marks().len() as u32, rest);
    assert!(screen.text().contains(&format!("{rest} marked")) && !screen.text().contains("range"), "{}", screen.text());
}

#[test]
fn a_map_without_hosts_says_why() {
    let mut screen = small().at(80, 24);
    screen.enter("/nosuch").press("enter");
    assert!(screen.text().contains("no host passes the filter (esc clears it)"), "{}", screen.text());
}

#[test]
fn what_a_key_does_to_one_host_it_does_to_one_of_the_cause_that_is_looked_at() {
    let mut screen = small().at(80, 24);
    screen.press("home 3 j");
    let cause_of = |screen: &Screen| {
        let host = screen.model.rollout().host(screen.model.cursor().unwrap()).unwrap();
        host.state.failure().unwrap().cause()
    };
    let second = screen.model.rollout().failures()[1].cause;
    assert_eq!(cause_of(&screen), second);
    screen.press("5");
    assert_eq!((screen.model.view(), cause_of(&screen)), (View::Host, second));
}

#[test]
fn a_host_that_is_tried_again_has_not_taken_any_time_yet() {
    let mut screen = small().at(120, 40);
    screen.press("n");
    assert!(screen.text().contains("  took "), "{}", screen.text());
    let HostId(failed) = screen.model.cursor().unwrap();
    screen.fate(failed, Fate::Fetching(100));
    screen.press("r");
    assert!(!screen.text().contains("  took "), "{}", screen.text());
}

#[test]
fn the_first_look_is_not_said_to_be_a_wait_for_the_seeder() {
    let screen = Screen::of(24).done(16).on_the_way(2).looked_at_first().at(120, 40);
    assert!(screen.text().contains("looking at 2 hosts first"), "{}", screen.text());
}

#[test]
fn what_the_first_look_found_is_said_once() {
    let mut screen = Screen::of(24).done(23).failed(1, &key_changed()).looked_at_first().at(200, 60);
    screen.press("4").enter("/warning").press("enter");
    let text = screen.text();
    assert!(text.contains("23 of 24 hosts are ready") && text.contains("! web-"), "{text}");
    assert!(text.contains("host key changed: SHA256") && !text.contains("changed: host key"), "{text}");
    screen.press("esc n l");
    assert!(!screen.text().contains("changed: host key"), "{}", screen.text());
}

#[test]
fn what_is_looked_for_in_the_help_stays_to_be_seen() {
    let mut screen = small().at(80, 24);
    screen.press("?").enter("/mark").press("enter");
    assert!(screen.text().contains("/mark  in the help"), "{}", screen.text());
    screen.enter("/nosuch").press("enter");
    assert!(screen.text().contains("no key, action or word of these has that"), "{}", screen.text());
}

#[test]
fn hosts_that_stall_are_not_looked_for_among_the_failures() {
    let mut screen = Screen::of(24).done(2).stalled(22).at(80, 24);
    assert!(screen.text().contains("more: 2 lists them"), "{}", screen.text());
    screen.press("3");
    assert!(screen.text().contains("no host has failed"), "{}", screen.text());
    let mut screen = Screen::of(24).stalled(12).failed(12, &key_changed()).at(80, 24);
    screen.press("T");
    assert!(screen.text().contains("3 shows failures by cause"), "{}", screen.text());
}

#[test]
fn nobody_knows_how_long_it_takes_when_nothing_is_heard() {
    let mut screen = small().at(120, 40);
    assert!(!screen.text().contains("ETA last --:--"), "{}", screen.text());
    screen.wait(Duration::from_secs(11));
    assert!(screen.text().contains("ETA last --:--") && screen.text().contains("NOTHING HEARD"), "{}", screen.text());
}

#[test]
fn dialling_in_vain_and_keys_are_not_heard_from_a_host() {
    let mut screen = Screen::of(2).fetching(2).at(120, 40);
    for _ in 0..11 {
        screen.wait(Duration::from_secs(1));
        let failure = Failure::ConnectionLost { why: "Connection refused".to_owned() };
        screen.send(Msg::Fleet(Input::Lost { at: Place::Host(HostId(0)), attempt: 1, failure }));
        screen.press("p");
    }
    assert!(screen.text().contains("ETA last --:--") && screen.text().contains("NOTHING HEARD"), "{}", screen.text());
}

#[test]
fn a_host_that_stalls_says_what_can_be_done() {
    let mut screen = small().at(80, 24);
    screen.enter("/stalled").press("enter");
    assert!(screen.text().contains("→ its agent or the host stands still"), "{}", screen.text());
    screen.press("enter");
    assert!(screen.text().contains("look at the host (! logs in)"), "{}", screen.text());
}

#[test]
fn an_order_is_told_whatever_is_said_of_the_host_under_the_cursor() {
    let mut screen = small().at(80, 24);
    screen.press("n 2 s s s s");
    assert!(screen.text().contains("sorted: longest without a piece first"), "{}", screen.text());
    screen.press("S");
    assert!(screen.text().contains("sorted: longest without a piece first, reversed"), "{}", screen.text());
}
