//! A program in a pty, what it has shown, and what can be done to it.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a dialog takes no answer, with some to spare: pressing earlier must do nothing.
const GUARD: Duration = Duration::from_millis(450);

/// `rookery demo` in a pty.
pub(crate) struct Session {
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) master: Option<Box<dyn MasterPty + Send>>,
    pub(crate) writer: Option<Box<dyn Write + Send>>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// Set when nobody reads the terminal any more.
    pub(crate) closed: Arc<AtomicBool>,
    pub(crate) folder: TempDir,
    /// What is being done, for whoever reads why it failed.
    pub(crate) doing: &'static str,
}

/// What the terminal got.
pub(crate) struct Seen {
    pub(crate) screen: vt100::Parser,
    pub(crate) bytes: Vec<u8>,
}

impl Session {
    /// `rookery demo` on a terminal of 100 by 30.
    pub(crate) fn demo(arguments: &[&str]) -> Self {
        Self::with(&[], arguments)
    }

    /// The same in another environment.
    pub(crate) fn with(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let program = [&[env!("CARGO_BIN_EXE_rookery"), "demo"], arguments].concat();
        Self::of(&program, environment, (30, 100))
    }

    /// `rookery rehearse` with the scenario of these tests, on a terminal of so many rows and columns: everything is real but
    /// the hosts, and nothing is started.
    pub(crate) fn rehearsal(size: (u16, u16), arguments: &[&str]) -> Self {
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/console.toml");
        let program = [&[env!("CARGO_BIN_EXE_rookery"), "rehearse", scenario], arguments].concat();
        let session = Self::of(&program, &[], size);
        session.wait_for("6 failed");
        session
    }

    /// The end of a rehearsal that nobody waits for.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        assert_eq!(self.end(), 143, "{}", self.screen());
        self.assert_tidy();
    }

    /// Presses keys, and waits for a text that comes of them.
    pub(crate) fn press_for(&mut self, keys: &str, text: &str) {
        self.press(keys);
        self.wait_for(text);
    }

    /// Waits for a text to go.
    pub(crate) fn wait_without(&self, text: &str) {
        self.wait(&format!("no {text}"), |screen| !screen.contains(text));
    }

    /// Any program on a terminal of so many rows and columns.
    pub(crate) fn of(program: &[&str], environment: &[(&str, &str)], (rows, cols): (u16, u16)) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the program");
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
            .expect("a pty can be had");
        let mut command = CommandBuilder::new(program[0]);
        command.args(&program[1..]);
        command.env_clear();
        let usual = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
        for (name, value) in usual.iter().chain(environment) {
            command.env(name, value);
        }
        command.env("HOME", folder.path());
        command.env("TMPDIR", folder.path());
        let child = pair.slave.spawn_command(command).expect("the program is there");
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
        Self { child, master: Some(pair.master), writer: Some(writer), seen, closed, folder, doing: "" }
    }

    /// Takes the terminal away.
    pub(crate) fn hang_up(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        self.writer = None;
        self.master = None;
    }

    /// Everything the terminal got so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().expect("no reader panics").bytes.clone()
    }

    /// How often the terminal got these bytes.
    pub(crate) fn count(&self, bytes: &str) -> usize {
        self.bytes().windows(bytes.len()).filter(|window| *window == bytes.as_bytes()).count()
    }

    /// A cell's text, colour, and whether it is bold and reversed.
    pub(crate) fn cell(&self, row: u16, column: u16) -> (String, vt100::Color, (bool, bool)) {
        let seen = self.seen.lock().expect("no reader panics");
        let cell = seen.screen.screen().cell(row, column).expect("it is on the screen");
        (cell.contents().to_owned(), cell.fgcolor(), (cell.bold(), cell.inverse()))
    }

    /// Where a text is on the screen.
    pub(crate) fn find(&self, text: &str) -> Option<(u16, u16)> {
        let screen = self.screen();
        let found = (0_u16..).zip(screen.lines()).find_map(|(row, line)| line.find(text).map(|at| (row, &line[..at])));
        found.map(|(row, before)| (row, u16::try_from(before.chars().count()).expect("screens are small")))
    }

    pub(crate) fn screen(&self) -> String {
        self.seen.lock().expect("no reader panics").screen.screen().contents()
    }

    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(&self.screen()) {
            assert!(
                Instant::now() < until,
                "{} gave up waiting for {what}; the screen was\n{}",
                self.doing,
                self.screen()
            );
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("the terminal is there");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("the terminal takes keys");
    }

    /// Answers a dialog once it takes answers.
    pub(crate) fn answer(&mut self, dialog: &str, keys: &str) {
        self.wait_for(dialog);
        let shown = Instant::now();
        while shown.elapsed() < GUARD {
            thread::park_timeout(GUARD.saturating_sub(shown.elapsed()));
        }
        self.press(keys);
    }

    /// Leaves a run that is over.
    pub(crate) fn leave(&mut self) {
        self.wait_for("nothing is left behind");
        self.press("q");
    }

    /// Tells the program alone: what is kept of its screen keeps its size.
    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().expect("the terminal is there").resize(size).expect("a pty has any size");
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.process_id().expect("it runs"), name);
    }

    /// The agents of a demo's host, without those who only wait for them.
    pub(crate) fn agents(&self, host: &str) -> Vec<u32> {
        let serves =
            |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"--detached\0"));
        let processes = processes_below(self.folder.path()).into_iter();
        processes.filter(|(pid, exe)| exe.iter().any(|part| part == host) && serves(*pid)).map(|(pid, _)| pid).collect()
    }

    /// What the run has written down so far.
    pub(crate) fn journal(&self) -> String {
        self.kept("journal.jsonl")
    }

    /// A file of the run's folder.
    pub(crate) fn kept(&self, name: &str) -> String {
        let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|at| at.path());
        let runs = folders(self.folder.path()).flat_map(|demo| folders(&demo.join("state/runs")).collect::<Vec<_>>());
        runs.filter_map(|run| fs::read_to_string(run.join(name)).ok()).collect()
    }

    pub(crate) fn end(&mut self) -> u32 {
        let screen = |session: &Self| session.screen();
        self.end_or(screen)
    }

    /// The end, without a look at the screen.
    pub(crate) fn end_unseen(&mut self) -> u32 {
        self.end_or(|_| String::new())
    }

    pub(crate) fn end_or(&mut self, screen: impl Fn(&Self) -> String) -> u32 {
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
    pub(crate) fn assert_tidy(&self) {
        self.assert_given_back();
        self.assert_gone();
    }

    /// The terminal is as it was.
    pub(crate) fn assert_given_back(&self) {
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
        after("\x1b[?25l", "\x1b[?25h");
    }

    pub(crate) fn assert_gone(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path()).expect("it is ours").filter_map(Result::ok).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        assert!(processes_below(self.folder.path()).is_empty(), "no agent is left");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Sends a process a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.expect("kill is everywhere").success());
}

/// The processes whose programs are below a folder, and those programs.
fn processes_below(folder: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir("/proc").expect("this is Linux").filter_map(Result::ok);
    let processes = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let exe = fs::read_link(entry.path().join("exe")).ok()?;
        exe.starts_with(folder).then_some((pid, exe))
    });
    processes.collect()
}
