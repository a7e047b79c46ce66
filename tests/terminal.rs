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
        Self::with_locale("C.UTF-8", arguments)
    }

    fn with_locale(locale: &str, arguments: &[&str]) -> Self {
        let (rows, cols) = (30, 100);
        let folder = tempfile::tempdir().expect("a folder for the demo");
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pty can be had");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_rookery"));
        command.arg("demo");
        command.args(arguments);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", locale), ("PATH", "/usr/local/bin:/usr/bin:/bin")] {
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

    fn end(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end; the screen was\n{}", self.screen());
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
    let pid = session.child.process_id().expect("it runs");
    let killed = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    assert!(killed.expect("kill is everywhere").success());
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn a_terminal_without_utf_8_gets_ascii_only() {
    let mut session = Session::with_locale("C", &["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    assert!(session.screen().is_ascii(), "{}", session.screen());
    session.leave();
    assert_eq!(session.end(), 0);
}
