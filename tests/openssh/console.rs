//! A console in a pty: what it shows, and keys for it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use super::lab::{Lab, PATIENCE, user};

/// Between two tries of a key: a dialog takes none at first.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// `rookery` in a pty of 100 by 30.
pub(crate) struct Console {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    master: Box<dyn portable_pty::MasterPty + Send>,
    /// Reads until it is told that the terminal goes away.
    reader: JoinHandle<()>,
    closing: Arc<AtomicBool>,
}

impl Console {
    /// Starts it in the lab.
    pub(crate) fn open(lab: &Lab, arguments: &[&str]) -> Self {
        Self::of(lab, CommandBuilder::new(env!("CARGO_BIN_EXE_rookery")), arguments)
    }

    /// The same behind a shell that takes no notice of hangups: it leads the session, so that nobody tells the console when
    /// its terminal goes away.
    pub(crate) fn open_untold(lab: &Lab, arguments: &[&str]) -> Self {
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", "trap '' HUP; \"$0\" \"$@\"; exit $?", env!("CARGO_BIN_EXE_rookery")]);
        Self::of(lab, shell, arguments)
    }

    fn of(lab: &Lab, mut command: CommandBuilder, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty can be had");
        command.args(arguments);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin")]
        {
            command.env(name, value);
        }
        command.cwd(lab.path(""));
        command.env("HOME", lab.path("home"));
        command.env("USER", user());
        command.env("ROOKERY_INVENTORY", lab.path("inventory.toml"));
        let child = pair.slave.spawn_command(command).expect("rookery was built");
        let mut reader = pair.master.try_clone_reader().expect("a pty can be read");
        let writer = pair.master.take_writer().expect("a pty can be written");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(30, 100, 0)));
        let shared = Arc::clone(&screen);
        let closing = Arc::new(AtomicBool::new(false));
        let close = Arc::clone(&closing);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shared.lock().expect("no reader panics").process(&buffer[..count]);
                if close.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { child, writer, screen, master: pair.master, reader, closing }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("no reader panics").screen().contents()
    }

    /// Waits for a text on the screen.
    pub(crate) fn wait_for(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            assert!(Instant::now() < until, "no `{text}`:\n{}", self.text());
            thread::park_timeout(AGAIN_AFTER);
        }
    }

    /// Presses a key until something holds.
    pub(crate) fn press_until(&mut self, key: &str, what: &str, mut holds: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < until, "{what} does not come:\n{}", self.text());
            // A console that has ended takes no key.
            let _ = self.writer.write_all(key.as_bytes()).and_then(|()| self.writer.flush());
            thread::park_timeout(AGAIN_AFTER);
        }
    }

    /// Takes its terminal away once it has drawn another frame; how long it then takes to end, and its exit code.
    pub(crate) fn lose_terminal(mut self) -> (Duration, u32) {
        drop((self.writer, self.master));
        self.closing.store(true, Ordering::SeqCst);
        self.reader.join().expect("no reader panics");
        let gone = Instant::now();
        let code = self.child.wait().expect("it was started here").exit_code();
        (gone.elapsed(), code)
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
    }

    /// Waits for its end, and leaves it when it asks.
    pub(crate) fn leave(mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.text());
            let _ = self.writer.write_all(b"q").and_then(|()| self.writer.flush());
            thread::park_timeout(AGAIN_AFTER);
        }
    }
}
