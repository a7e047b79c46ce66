//! Signals while a payload is packaged.

#![expect(clippy::disallowed_methods, reason = "a test has patience with a real program")]

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

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

#[test]
fn what_a_console_killed_while_packaging_left_is_removed_by_clean() {
    let desk = Desk::with_key(NOBODY);
    File::create(desk.path("work/src/large")).unwrap().set_len(SOURCE_BYTES).unwrap();
    let mut child = desk.command(&["run", "src", "--compress", "none"]).spawn().unwrap();
    let begun = Instant::now();
    let payload = || desk.left().into_iter().find(|path| path.ends_with("/payload"));
    while payload().is_none() {
        assert!(begun.elapsed() < PATIENCE, "it never began to package");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = Path::new(&payload().unwrap()).parent().unwrap().to_owned();
    let removed = format!("console: removed {}\n", folder.display());
    assert!(!desk.run("clean").out.contains(&removed), "it might be about to begin");
    File::open(&folder).unwrap().set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let said = desk.run("clean");
    assert_eq!((said.code, said.out.contains(&removed)), (8, true), "{said:?}");
    assert!(said.out.ends_with("1 place is proved clean, 0 not clean, 4 not known\n"), "{said:?}");
    assert!(!folder.exists());
}
