//! Where the console is drawn: sizes, storms of sizes, tmux and GNU screen.

use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use super::session::{PATIENCE, Session};

#[test]
fn small_usual_and_large_terminals_show_the_fleet() {
    for (size, texts) in [
        ((15, 60), &["6 failed", "web01"][..]),
        ((24, 80), &["6 failed", "seeder up", "web60"]),
        ((60, 200), &["6 failed", "ETA last", "web60"]),
    ] {
        let mut session = Session::rehearsal(size, &[]);
        for text in texts {
            session.wait_for(text);
        }
        session.stop();
    }
}

#[test]
fn a_storm_of_sizes_ends_with_the_right_screen() {
    let mut session = Session::rehearsal((24, 80), &[]);
    for round in 0..500_u16 {
        session.resize(1 + round * 7 % 60, 1 + round * 13 % 200);
    }
    session.resize(24, 80);
    session.press_for("\x0c", "seeder up");
    session.press_for("3", "4 × disk full");
    session.stop();
}

/// A console in a terminal inside another program. It ends with that.
struct Inside<'a> {
    folder: tempfile::TempDir,
    program: &'a str,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        match self.program {
            "tmux" => drop(self.tmux(&["kill-server"])),
            _ => drop(self.screen(&["-X", "quit"])),
        }
    }
}

impl Inside<'_> {
    /// `None` without that program; on a build machine it must be there.
    fn start(program: &str, (columns, rows): (u16, u16)) -> Option<Inside<'_>> {
        if Command::new(program).arg("-V").output().is_err() && Command::new(program).arg("-v").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing");
            return None;
        }
        let inside = Inside { folder: tempfile::tempdir().expect("a folder"), program };
        let rookery = env!("CARGO_BIN_EXE_rookery");
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/console.toml");
        let line =
            format!("exec env HOME={} LANG=C.UTF-8 {rookery} rehearse {scenario}", inside.folder.path().display());
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let started = if program == "tmux" {
            inside.tmux(&["-u", "new-session", "-d", "-x", &columns, "-y", &rows, &line])
        } else {
            let sized = format!("stty cols {columns} rows {rows}; {line}");
            inside.screen(&["-U", "-d", "-m", "sh", "-c", &sized])
        };
        assert!(started.status.success(), "{started:?}");
        inside.wait_for("6 failed");
        Some(inside)
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.env_remove("TMUX").arg("-S").arg(self.folder.path().join("socket")).args(words);
        command.output().expect("it is there")
    }

    fn screen(&self, words: &[&str]) -> Output {
        let sockets = self.folder.path().join("sockets");
        std::fs::create_dir_all(&sockets).expect("it is ours");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&sockets, private).expect("it is ours");
        let mut command = Command::new("screen");
        command.env("SCREENDIR", sockets).env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.args(["-S", "rookery"]).args(words).output().expect("it is there")
    }

    fn text(&self) -> String {
        if self.program == "tmux" {
            return String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned();
        }
        let copy = self.folder.path().join("hardcopy");
        self.screen(&["-X", "hardcopy", copy.to_str().expect("a plain path")]);
        read(&copy)
    }

    fn press(&self, keys: &str) {
        match self.program {
            "tmux" => drop(self.tmux(&["send-keys", "-l", keys])),
            _ => drop(self.screen(&["-X", "stuff", keys])),
        }
    }

    fn wait_for(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            assert!(Instant::now() < until, "no {text} in {}:\n{}", self.program, self.text());
            thread::park_timeout(Duration::from_millis(100));
        }
    }
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}

#[test]
fn in_tmux_the_console_is_whole_and_takes_its_keys() {
    for size in [(80, 24), (200, 60)] {
        let Some(tmux) = Inside::start("tmux", size) else { return };
        tmux.wait_for("seeder up");
        tmux.press("3");
        tmux.wait_for("4 × disk full");
        tmux.press("r");
        tmux.wait_for("retrying 4 hosts");
        tmux.press("q");
        tmux.wait_for("type rehearsal-1");
        thread::park_timeout(Duration::from_millis(450));
        tmux.press("rehearsal-1\r");
        let until = Instant::now() + PATIENCE;
        while tmux.tmux(&["has-session"]).status.success() {
            assert!(Instant::now() < until, "it does not end:\n{}", tmux.text());
            thread::park_timeout(Duration::from_millis(50));
        }
    }
}

#[test]
fn in_gnu_screen_the_console_is_whole_and_takes_its_keys() {
    let Some(screen) = Inside::start("screen", (80, 24)) else { return };
    screen.wait_for("seeder up");
    screen.press("3");
    screen.wait_for("disk full");
    screen.press("r");
    screen.wait_for("retrying 4 hosts");
    screen.press("1");
    screen.wait_for("web60");
}
