//! Signals while a payload is packaged.

#![expect(clippy::disallowed_methods, reason = "a test has patience with a real program")]

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, NOBODY, Said};

/// Long enough that packaging is under way when the signal comes.
const SOURCE_BYTES: u64 = 64 << 30;

/// For everything; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn interrupted(desk: &Desk, args: &[&str], signal: Signal) -> Said {
    let child = desk.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !desk.state().join("runs").exists() {
        assert!(begun.elapsed() < PATIENCE, "it never began to package");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    assert!(begun.elapsed() < PATIENCE, "it took too long to end");
    said
}

#[test]
fn a_signal_while_packaging_ends_with_its_code_and_leaves_no_file() {
    let desk = Desk::with_key(NOBODY);
    File::create(desk.path("work/src/large")).unwrap().set_len(SOURCE_BYTES).unwrap();
    for (args, signal, code) in [
        (["run", "src", "--json"], Signal::INT, 130),
        (["run", "src", "--dry-run"], Signal::TERM, 143),
        (["run", "src/large", "--plain"], Signal::HUP, 129),
    ] {
        interrupted(&desk, &args, signal).fails(code, &["interrupted: nothing was started"]);
        assert!(desk.left().is_empty() && !desk.state().exists(), "{:?}", desk.left());
    }
}
