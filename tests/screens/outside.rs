//! What goes beyond the screen: the mouse, stops, the clipboard, the title.

use std::time::Duration;

use rookery::base::Instant;
use rookery::console::{Effect, Key, LastScreen, Msg, Progress};
use rookery::inventory::HostId;
use rookery::journal::{Happening, Retold};
use rookery::rollout::StateName;

use super::small;
use super::stage::{Screen, name};

#[test]
fn a_run_is_suspended_only_when_it_was_asked_for_and_meant() {
    let mut screen = small().at(80, 24);
    for message in [Msg::Key(Key::ctrl('z')), Msg::Suspend] {
        let effects = screen.send(message);
        assert!(effects.is_empty(), "{effects:?}");
        assert!(screen.text().contains("Stop this console"), "{}", screen.text());
        screen.press("esc");
        assert!(!screen.model.is_asking());
    }
    screen.press("ctrl-z").wait(Duration::from_secs(1)).press("y");
    assert_eq!(screen.effects.iter().filter(|effect| **effect == Effect::Suspend).count(), 1);
    assert_eq!(screen.send(Msg::Resumed), [Effect::Redraw]);
}

#[test]
fn a_click_selects_what_is_under_it() {
    for view in ["1", "2"] {
        let mut screen = small().at(100, 30);
        screen.press(view);
        let text = screen.text();
        let on = |name: &str| (0_u16..).zip(text.lines()).skip(3).find_map(|(row, line)| Some((row, line.find(name)?)));
        let (row, at) = on("web-0009").unwrap();
        let column = text.lines().nth(usize::from(row)).unwrap()[..at].chars().count() as u16;
        screen.send(Msg::Click { column, row });
        assert_eq!(screen.model.cursor(), Some(HostId(9)), "{text}");
        screen.send(Msg::Click { column: 3, row: 0 });
        assert_eq!(screen.model.cursor(), Some(HostId(9)), "the header is no host");
    }
}

#[test]
fn title_and_task_bar_say_how_far_it_is_and_how_many_failed() {
    let screen = small().at(80, 24);
    let title = screen
        .effects
        .iter()
        .rev()
        .find_map(|effect| if let Effect::Title(title) = effect { Some(title.clone()) } else { None });
    let title = title.unwrap();
    assert!(title.starts_with("web-2026.08.1 ") && title.ends_with("% 3 failed"), "{title}");
    let last = screen.effects.iter().rev().find(|effect| matches!(effect, Effect::Progress(_)));
    assert!(matches!(last, Some(Effect::Progress(Progress::Failing(1..=99)))), "{last:?}");
    let told = screen.effects.iter().any(|effect| matches!(effect, Effect::Notify(text) if text.contains("failures")));
    assert!(told, "somebody is told of the first failure");
}

#[test]
fn what_is_copied_is_shown_too() {
    let mut screen = small().at(120, 40);
    screen.press("g g y");
    let copied = |screen: &Screen| {
        let last = screen.effects.iter().rev();
        let text =
            last.clone().find_map(|effect| if let Effect::Copy(text) = effect { Some(text.clone()) } else { None });
        text.unwrap_or_else(|| panic!("nothing was copied:\n{}", screen.text()))
    };
    assert_eq!(copied(&screen), "web-0000.dc1.example.net");
    assert!(screen.text().contains("copied 1 host"), "{}", screen.text());
    assert!(screen.text().lines().any(|line| line.trim_end() == "web-0000.dc1.example.net"), "the text stands alone");
    screen.press("* y");
    assert!(screen.text().contains("copied "), "a key closes the text, and does what it does");
    assert_eq!(copied(&screen).lines().count(), screen.model.marks().len(), "every marked host, a line each");
    let marked = screen.model.marks().len();
    screen.press("esc");
    assert!(!screen.text().contains("copied ") && screen.model.marks().len() == marked, "esc only closes it");
    screen.press("esc n Y");
    let reason = copied(&screen);
    assert!(reason.starts_with("web-") && reason.contains(": ") && reason.contains("; "), "{reason}");
}

#[test]
fn only_the_large_q_keeps_the_last_screen() {
    let mut screen = small().at(80, 24);
    screen.press("Q");
    assert_eq!(screen.model.last_screen(), LastScreen::Stays);
    screen.press("esc q");
    assert_eq!(screen.model.last_screen(), LastScreen::Goes);
    let login = screen.send(Msg::Key(Key::char('!')));
    assert!(login.is_empty(), "a question is in the way");
    screen.press("esc !");
    assert!(matches!(screen.effects.last(), Some(Effect::Login(_))), "{:?}", screen.effects.last());
    screen.send(Msg::LoginEnded(Err("ssh ended with exit status: 255".to_owned())));
    assert!(screen.text().contains("exit status: 255"), "{}", screen.text());
}

#[test]
fn a_question_is_asked_anew_when_another_program_had_the_terminal() {
    for back in [Msg::LoginEnded(Ok(())), Msg::Resumed] {
        let mut screen = small().at(80, 24);
        screen.press("a");
        screen.wait(Duration::from_secs(5));
        screen.send(back);
        screen.send(Msg::Key(Key::char('y')));
        assert!(screen.text().contains("came too early"), "{}", screen.text());
        screen.press("y");
        assert!(screen.text().contains("takes it back"), "{}", screen.text());
    }
}

#[test]
fn what_happened_before_this_console_is_told_again() {
    let text = |text: &str| text.to_owned();
    let at = |seconds| Instant::after(Duration::from_secs(seconds));
    let events = vec![
        (at(0), Happening::RunResume { operator: text("bob") }),
        (
            at(1),
            Happening::HostState {
                host: name(2),
                state: StateName::Failed,
                from: StateName::Fetching,
                attempt: 2,
                reason: Some(text("/srv is full")),
                cause: Some(text("disk full")),
            },
        ),
        (at(2), Happening::Note { place: name(1), text: text("SSH lost, transfer goes on: reset") }),
        (at(3), Happening::RunLeft { reason: text("SIGHUP") }),
    ];
    let mut screen = Screen::of(4).done(4).after(Retold { events, forgotten: 7 }).at(100, 60);
    screen.press("4");
    let shown = screen.text();
    for told in [
        "the run is taken up by bob",
        "disk full: /srv is full (attempt 2)",
        "SSH lost, transfer goes on: reset",
        "the console left (SIGHUP); the agents go on",
    ] {
        assert!(shown.contains(told), "{told}:\n{shown}");
    }
}
