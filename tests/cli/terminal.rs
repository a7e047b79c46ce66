//! The question before a run, on a real pty.

use std::io::{Read, Write};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::desk::{Desk, NOBODY};

/// Runs on a terminal, types `keys` when it is asked, and returns what was shown and the exit code.
fn asked(desk: &Desk, words: &str, keys: &str) -> (String, u32) {
    let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 200, ..PtySize::default() }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_rookery"));
    command.args(words.split_whitespace());
    command.env_clear();
    command.env("HOME", desk.path("home"));
    command.cwd(desk.path("work"));
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let (mut reader, mut writer) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
    let (mut shown, mut buffer, mut typed) = (String::new(), [0; 4096], false);
    // A pty whose other side is closed reads as an error.
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
        if !typed && shown.contains("go? [y/N] ") {
            typed = true;
            writer.write_all(keys.as_bytes()).unwrap();
        }
    }
    (shown, child.wait().unwrap().exit_code())
}

#[test]
fn a_run_of_several_hosts_asks_first() {
    let desk = Desk::with_key(NOBODY);
    for no in ["n\n", "\n", "\x04"] {
        let (shown, code) = asked(&desk, "run src --plain", no);
        assert_eq!(code, 6, "{shown}");
        for words in
            ["src to 4 hosts: 127.0.0.[2-5] (4)", "seeder console", "/srv/releases/src-", "nothing was started"]
        {
            assert!(shown.contains(words), "{words} in\n{shown}");
        }
        assert!(desk.left().is_empty(), "{:?}", desk.left());
    }
    let (shown, code) = asked(&desk, "run src --plain", "y\n");
    assert_eq!(code, 3, "{shown}");
}

#[test]
fn one_host_and_scripts_are_not_asked() {
    let desk = Desk::with_key(NOBODY);
    for words in ["run src --plain --yes", "run src --plain --limit 127.0.0.2", "run src --json"] {
        let (shown, code) = asked(&desk, words, "n\n");
        assert!(code == 3 && !shown.contains("go?"), "{shown}");
    }
}
