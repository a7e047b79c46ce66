//! The line that is typed: commands, completion, history, and the search in the help.

use rookery::console::{Effect, View};
use rookery::inventory::HostId;
use rookery::rollout::StateName;

use super::stage::{Screen, lost};
use super::{disk_full, small};

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

fn large_enough() -> super::script::Script {
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
