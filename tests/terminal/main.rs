//! The console in a real pty, against the demo's real SSH servers and agents.

#![cfg(feature = "console")]
#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]

mod cost;
mod life;
mod live;
mod looks;
mod pictures;
mod places;
mod practice;
mod random;
mod script;
mod session;
mod settings;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use session::{PATIENCE, Session, signal};

#[test]
fn an_operator_aborts_one_host_and_retries_the_failed_while_the_others_go_on() {
    let mut session = Session::demo(&["--hosts", "10"]);
    session.wait_for("disk full");
    session.wait_for("host key");

    // The cursor goes to a host that fetches, and one stray key does nothing to it.
    session.press("j");
    session.press("a");
    session.answer("y", "\r");
    session.press("\x1b");
    session.wait_for("nothing was done");
    session.press("a");
    session.answer("y", "y");
    session.wait_for("aborted");

    session.wait_for("agent died");
    session.press("R");
    session.wait("the host whose disk was full and the one whose agent died", |screen| {
        screen.contains("SETTLED") && !screen.contains("disk full") && !screen.contains("agent died")
    });
    session.press("q");
    session.answer("End the run?", "y");
    assert_eq!(session.end(), 5, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn the_whole_run_is_aborted_by_its_name_only() {
    let mut session = Session::demo(&["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    session.press("A");
    session.answer("type demo-1", "y\r");
    session.press("\x1b");
    session.wait("the dialog to close", |screen| !screen.contains("type demo-1"));
    session.press("A");
    session.answer("type demo-1", "demo-1\r");
    session.wait_for("the run is over");
    session.press("4");
    session.wait_for("abort-run");
    assert!(session.screen().contains("nothing is left behind"), "{}", session.screen());
    session.press("q");
    assert_eq!(session.end(), 6, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn what_was_confirmed_is_taken_back_with_z_and_never_happens() {
    let mut session = Session::demo(&["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    session.press(":abort-run\r");
    session.answer("type demo-1", "demo-1\r");
    session.wait_for("z takes it back");
    session.press("z");
    session.wait_for("taken back: aborting the run");
    session.wait_for("nothing is left behind");
    assert!(!session.journal().contains("abort-run"), "{}", session.journal());
    session.press("q");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_watcher_presses_every_key_and_the_run_goes_on_to_its_end() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults", "--read-only"]);
    session.wait_for("fetching");
    let acts = ["q", "Q", "\x03", "\x1a", "!", "a", "A", "o", "r", "R", "p", "+", "-"];
    for key in acts.into_iter().chain([":pause\r", ":max-upload 1M\r", ":abort web01\r", ":retry web01\r"]) {
        session.press_for(key, "read-only");
        // Another remark in its place, so that the next one is seen.
        session.press_for("\x1b\x1b", "q quits");
    }
    session.press_for("?", "not now: read-only");
    session.press("\x1b\x1b");
    session.wait_for("nothing is left behind");
    assert!(!session.journal().contains("\"action\""), "{}", session.journal());
    session.press("q");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_run_is_left_while_it_is_on_by_its_name_only_and_cleaned_up() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.press("q");
    session.answer("The run is not over", "y\r");
    session.wait_for("not what is asked for");
    session.press("\x15demo-1\r");
    session.wait_for("aborting the run and leaving in ");
    assert_eq!(session.end(), 6, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_clean_up_that_hangs_is_left_with_a_y() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    // An agent that is stopped answers nothing, and so is not proved clean.
    session.wait("an agent of web02", |_| !session.agents("web02").is_empty());
    for agent in session.agents("web02") {
        signal(agent, "STOP");
    }
    session.press("A");
    session.answer("type demo-1", "demo-1\r");
    session.wait_for("cleaning up 1 host");
    session.press("q");
    session.answer("Leave before everything is cleaned up?", "\x1b");
    session.wait_for("nothing was done");
    session.press("q");
    session.answer("Leave before everything is cleaned up?", "y");
    session.wait_for("not proved clean");
    session.end();
    session.assert_tidy();
}

#[test]
fn a_run_that_went_well_stays_in_the_scrollback() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    for key in ["2", "3", "4", "5", "1", "t", "T", "f", "f", "p", "p", "+", "-", "/web\r", "G", "gg"] {
        session.press(key);
    }
    session.press("?");
    session.wait_for("retry every failed");
    session.press("\x1b");
    session.wait("the help to close", |screen| !screen.contains("retry every failed"));
    session.leave();
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.wait_for("demo-1: complete");
    session.assert_tidy();
}

#[test]
fn a_gate_is_opened_with_enter() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults", "--wave", "1,100%"]);
    session.answer("Wave 1 of 2 is over", "\r");
    session.wait_for("wave 2/2");
    session.leave();
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.wait_for("demo-1: complete");
    session.assert_tidy();
}

#[test]
fn a_terminal_that_goes_away_at_a_gate_ends_the_run_there() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults", "--wave", "1,100%"]);
    session.wait_for("Wave 1 of 2 is over");
    session.hang_up();
    assert_eq!(session.end(), 3);
    session.assert_gone();
}

#[test]
fn a_terminal_that_goes_away_does_not_end_the_run() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.hang_up();
    assert_eq!(session.end(), 0);
    session.assert_gone();
}

#[test]
fn a_signal_gives_the_terminal_back_and_cleans_up() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn a_terminal_without_utf_8_gets_ascii_only() {
    let mut session = Session::with(&[("LANG", "C")], &["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    assert!(session.screen().is_ascii(), "{}", session.screen());
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn a_terminal_without_colours_gets_none_and_still_tells_failures_apart() {
    let mut session = Session::with(&[("NO_COLOR", "1")], &["--hosts", "4"]);
    session.wait_for("host key changed");
    let seen = session.seen.lock().expect("no reader panics");
    let (rows, columns) = seen.screen.screen().size();
    let cells: Vec<_> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter_map(|(row, column)| seen.screen.screen().cell(row, column))
        .collect();
    let plain = |color| color == vt100::Color::Default;
    assert!(cells.iter().all(|cell| plain(cell.fgcolor()) && plain(cell.bgcolor())));
    assert!(cells.iter().any(|cell| cell.contents() == "✗" && cell.inverse()));
    drop(seen);
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    let mut session = Session::with(&[("TERM", "dumb")], &["--hosts", "3", "--no-faults"]);
    session.wait_for("web02                fetching");
    assert!(!session.seen.lock().expect("no reader panics").bytes.contains(&0x1b));
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_gone();
}

#[test]
fn a_terminal_that_is_resized_stopped_and_drawn_anew_shows_the_run_all_the_same() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    for round in 0..60 {
        for (rows, cols) in [(24, 80), (1, 1), (5, 20), (60, 200), (3, 200), (60, 3)] {
            session.resize(rows, cols);
            // Some are seen one by one, some all at once.
            thread::park_timeout(Duration::from_millis(round % 3 * 4));
        }
    }
    session.resize(30, 100);
    session.press("?");
    session.wait_for("retry every failed");
    session.press("\x1b");
    session.wait("the help to close", |screen| !screen.contains("retry every failed"));
    // Drawing anew writes over what does not belong there, and asks the terminal nothing.
    session.press("\x0c");
    session.wait_for("seeder up");
    session.press("\x1a");
    session.answer("Stop this console", "n");
    session.wait_for("nothing was done");
    session.signal("STOP");
    session.signal("CONT");
    session.wait_for("fetching");
    session.signal("TSTP");
    session.answer("Stop this console", "n");
    session.press("4");
    session.wait_for("the seeder is up");
    assert!(!session.seen.lock().expect("no reader panics").bytes.windows(4).any(|bytes| bytes == b"\x1b[6n"));
    session.signal("TERM");
    assert_eq!(session.end(), 143, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_terminal_that_nobody_reads_holds_up_neither_the_run_nor_its_end() {
    let mut session = Session::demo(&["--hosts", "3", "--no-faults"]);
    session.resize(60, 200);
    session.wait_for("fetching");
    let seen = Arc::clone(&session.seen);
    let stopped = seen.lock().expect("no reader panics");
    // More than a pty keeps.
    for _ in 0..60 {
        session.press("\x0c");
        thread::park_timeout(Duration::from_millis(50));
    }
    let until = Instant::now() + PATIENCE;
    while !session.journal().contains("run.end") {
        assert!(Instant::now() < until, "the run does not end:\n{}", session.journal());
        thread::park_timeout(Duration::from_millis(100));
    }
    session.signal("TERM");
    let status = session.end_unseen();
    drop(stopped);
    assert_eq!(status, 143);
    session.assert_gone();
}
