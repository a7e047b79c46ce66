//! What the console writes, and how often.

use std::thread;
use std::time::{Duration, Instant};

use super::session::Session;

/// Bytes written in so long.
fn written(session: &Session, during: Duration) -> usize {
    let (before, until) = (session.bytes().len(), Instant::now() + during);
    while Instant::now() < until {
        thread::park_timeout(until - Instant::now());
    }
    session.bytes().len() - before
}

#[test]
fn every_frame_is_a_synchronized_update_and_nothing_is_drawn_outside_of_one() {
    let mut session = Session::demo(&["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    session.press("2345");
    session.press("\x0c");
    session.leave();
    assert_eq!(session.end(), 0);
    let bytes = String::from_utf8_lossy(&session.bytes()).into_owned();
    let screen =
        bytes.split("\x1b[?1049h").nth(1).and_then(|rest| rest.split("\x1b[?1049l").next()).unwrap_or_default();
    let mut outside = String::new();
    for (at, part) in screen.split("\x1b[?2026h").enumerate() {
        let (inside, after) = if at == 0 { ("", part) } else { part.split_once("\x1b[?2026l").unwrap_or((part, "")) };
        assert!(!inside.contains("\x1b]"), "titles are no part of a frame");
        outside.push_str(after);
    }
    assert!(screen.matches("\x1b[?2026h").count() > 3, "{screen:?}");
    assert!(!outside.contains("fetching") && !outside.contains("seeder"), "{outside:?}");
}

#[test]
fn a_console_that_waits_writes_next_to_nothing() {
    let mut session = Session::demo(&["--hosts", "8"]);
    session.wait_for("SETTLED");
    // Toasts fade, and statuses stop to come.
    let mut quiet = usize::MAX;
    for _ in 0..10 {
        quiet = written(&session, Duration::from_secs(3));
        if quiet < 300 {
            break;
        }
    }
    assert!(quiet < 300, "{quiet} bytes in three seconds");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn frames_are_as_many_as_were_asked_for() {
    let mut session = Session::demo(&["--hosts", "6", "--no-faults", "--fps", "1"]);
    session.wait_for("fetching");
    let before = session.count("\x1b[?2026h");
    written(&session, Duration::from_secs(3));
    let frames = session.count("\x1b[?2026h") - before;
    assert!(frames <= 4, "{frames} frames in three seconds");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}
