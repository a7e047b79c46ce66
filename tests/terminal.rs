//! The console in a real pty, against the demo's real SSH servers and agents.

#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a dialog takes no answer, with some to spare: pressing earlier must do nothing.
const GUARD: Duration = Duration::from_millis(450);

/// `rookery demo` in a pty.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Seen>>,
    /// Set when nobody reads the terminal any more.
    closed: Arc<AtomicBool>,
    folder: TempDir,
}

/// What the terminal got.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Session {
    fn demo(arguments: &[&str]) -> Self {
        Self::with(&[], arguments)
    }

    fn with(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let (rows, cols) = (30, 100);
        let folder = tempfile::tempdir().expect("a folder for the demo");
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pty can be had");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_rookery"));
        command.arg("demo");
        command.args(arguments);
        command.env_clear();
        let usual = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
        for (name, value) in usual.iter().chain(environment) {
            command.env(name, value);
        }
        command.env("HOME", folder.path());
        command.env("TMPDIR", folder.path());
        let child = pair.slave.spawn_command(command).expect("rookery was built");
        let mut reader = pair.master.try_clone_reader().expect("a pty can be read");
        let writer = pair.master.take_writer().expect("a pty can be written");
        let seen = Arc::new(Mutex::new(Seen { screen: vt100::Parser::new(rows, cols, 0), bytes: Vec::new() }));
        let shared = Arc::clone(&seen);
        let closed = Arc::new(AtomicBool::new(false));
        let close = Arc::clone(&closed);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut seen = shared.lock().expect("no reader panics");
                seen.screen.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
                if close.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { child, master: Some(pair.master), writer: Some(writer), seen, closed, folder }
    }

    fn screen(&self) -> String {
        self.seen.lock().expect("no reader panics").screen.screen().contents()
    }

    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(&self.screen()) {
            assert!(Instant::now() < until, "gave up waiting for {what}; the screen was\n{}", self.screen());
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    fn press(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("the terminal is there");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("the terminal takes keys");
    }

    /// Answers a dialog once it takes answers.
    fn answer(&mut self, dialog: &str, keys: &str) {
        self.wait_for(dialog);
        let shown = Instant::now();
        while shown.elapsed() < GUARD {
            thread::park_timeout(GUARD.saturating_sub(shown.elapsed()));
        }
        self.press(keys);
    }

    /// Leaves a run that is over.
    fn leave(&mut self) {
        self.wait_for("nothing is left behind");
        self.press("q");
    }

    /// Tells the program alone: what is kept of its screen keeps its size.
    fn resize(&self, rows: u16, cols: u16) {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the terminal is there").resize(size).expect("a pty has any size");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().expect("it runs");
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
        assert!(sent.expect("kill is everywhere").success());
    }

    /// What the run has written down so far.
    fn journal(&self) -> String {
        let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|at| at.path());
        let runs = folders(self.folder.path()).flat_map(|demo| folders(&demo.join("state/runs")).collect::<Vec<_>>());
        runs.filter_map(|run| fs::read_to_string(run.join("journal.jsonl")).ok()).collect()
    }

    fn end(&mut self) -> u32 {
        let screen = |session: &Self| session.screen();
        self.end_or(screen)
    }

    /// The end, without a look at the screen.
    fn end_unseen(&mut self) -> u32 {
        self.end_or(|_| String::new())
    }

    fn end_or(&mut self, screen: impl Fn(&Self) -> String) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end; the screen was\n{}", screen(self));
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The terminal is as it was, and nothing is left on this machine.
    fn assert_tidy(&self) {
        let after = |on: &str, off: &str| {
            let until = Instant::now() + PATIENCE;
            loop {
                let seen = self.seen.lock().expect("no reader panics").bytes.clone();
                let last = |code: &str| seen.windows(code.len()).rposition(|window| window == code.as_bytes());
                if last(off) > last(on) {
                    return;
                }
                assert!(Instant::now() < until, "{off:?} does not follow {on:?}");
                thread::park_timeout(Duration::from_millis(20));
            }
        };
        after("\x1b[?1049h", "\x1b[?1049l");
        after("\x1b[?2004h", "\x1b[?2004l");
        after("\x1b[22;0t", "\x1b[23;0t");
        self.assert_gone();
    }

    fn assert_gone(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).expect("it is ours").filter_map(Result::ok).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        assert_eq!(processes_below(self.folder.path()), 0, "no agent is left");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn processes_below(folder: &Path) -> usize {
    let entries = fs::read_dir("/proc").expect("this is Linux").filter_map(Result::ok);
    entries.filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.starts_with(folder))).count()
}

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
    for key in ["q", "\x03", "a", "A", "r", "R", "p", "+", "-", ":pause\r", ":max-upload 1M\r"] {
        session.press(key);
        session.wait_for("read-only");
    }
    session.wait_for("nothing is left behind");
    assert!(!session.journal().contains("\"action\""), "{}", session.journal());
    session.press("q");
    assert_eq!(session.end(), 0, "{}", session.screen());
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
fn a_terminal_that_goes_away_does_not_end_the_run() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.closed.store(true, Ordering::SeqCst);
    session.writer = None;
    session.master = None;
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
    session.wait_for("a run is not suspended");
    session.signal("STOP");
    session.signal("CONT");
    session.wait_for("fetching");
    session.signal("TSTP");
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
