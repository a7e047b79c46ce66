//! What a run says, where nobody takes it.

#![expect(clippy::disallowed_methods, reason = "a reader that reads late is waited for, with a deadline")]

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::desk::{Desk, NOBODY, Said};

#[test]
fn a_reader_that_reads_nothing_until_the_end_holds_up_no_run() {
    let desk = Desk::with_key(NOBODY);
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut child = desk.command(&["run", "src", "--json"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let ended = || {
        let journal = desk.left().into_iter().find(|path| path.ends_with("journal.jsonl"));
        journal.and_then(|path| std::fs::read_to_string(path).ok()).filter(|text| text.contains("\"run.end\""))
    };
    let journal = loop {
        assert!(Instant::now() < deadline, "the run waits for its reader");
        match ended() {
            Some(journal) => break journal,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(journal.len() > 4096, "the pipe was full");
    assert!(child.try_wait().unwrap().is_none(), "who reads late gets everything");
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!((child.wait().unwrap().code(), text), (Some(3), journal));
}

#[test]
fn who_is_told_to_go_waits_for_no_reader() {
    let desk = Desk::with_key(NOBODY);
    let (_reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut child = desk.command(&["run", "src", "--json"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !desk.run("runs").out.contains("failed") {
        assert!(Instant::now() < deadline, "the run waits for its reader");
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_child(&child);
    let mut asked = None::<Instant>;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it goes");
        // The first may come before it listens again; a second one too soon would end it at once.
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            asked = Some(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("not read in time; `rookery runs show 20"), "{told}");
}

#[test]
fn a_journal_that_finds_no_room_is_told_of() {
    let desk = Desk::with_key(NOBODY);
    // Files of at most eight blocks of 512 bytes: the journal ends in its middle.
    let script = "ulimit -f 8; trap '' XFSZ; exec \"$0\" run src/app --quiet";
    let output = desk.command_of("/bin/sh", &["-c", script, env!("CARGO_BIN_EXE_rookery")]).output().unwrap();
    let said = Said::of(&output);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("failed to write the journal of run 20"), "{said:?}");
    assert!(desk.run("runs").works().contains("unfinished"), "{said:?}");
}
