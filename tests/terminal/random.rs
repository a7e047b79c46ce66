//! Keys, clicks, pastes and sizes by chance, on a live swarm.
//!
//! `ROOKERY_RANDOM_SECONDS=60` makes it a minute, some thousand keys; `ROOKERY_RANDOM_SEED` makes it another one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use super::session::Session;

/// What is typed by chance. All that is a yes is left out: no `y`, large or small or in a word, and no letters that make
/// up the name of the release. The
/// number of hosts is no yes either, because it is asked for with more than there are.
const WORDS: &[&str] = &[
    "\r",
    "\t",
    " ",
    "\x1b",
    "\x1b\x1b",
    "\x7f",
    "\x15",
    "\x04",
    "\x0c",
    "\x03",
    "\x1a",
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[H",
    "\x1b[F",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[Z",
    "\x1b[3~",
    "\x1b[1;5C",
    "\x1bOP",
    "\x1b[M !!",
    "\x1b]0;x\x07",
    "\x1b[200~y\rdemo-1\r8\r\x1b[201~",
    "\x1b[200~",
    "\x1b[201~",
    "\u{0}",
    "é",
    "🦀",
    "\u{200d}",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "8",
    "a",
    "A",
    "r",
    "R",
    "p",
    "+",
    "-",
    "-",
    "/",
    ":",
    ":abort ",
    ":mark ",
    "!",
    "*",
    "v",
    "z",
    "Q",
    "j",
    "k",
    "l",
    "h",
    "L",
    "G",
    "gg",
    "n",
    "N",
    "t",
    "T",
    "b",
    "s",
    "S",
    "f",
    "w",
    "?",
    "~[",
    "x",
    ",",
    "failed",
    "web0",
    "@web",
    "rack=",
];

/// Sizes that a terminal has, from none to speak of to a wall.
const SIZES: &[(u16, u16)] =
    &[(1, 1), (5, 29), (6, 30), (15, 60), (24, 80), (30, 100), (60, 200), (200, 500), (3, 200)];

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn whatever_is_typed_nothing_breaks_and_nothing_is_aborted_that_was_not_confirmed() {
    let (seconds, seed) = (number("ROOKERY_RANDOM_SECONDS", 3), number("ROOKERY_RANDOM_SEED", 42));
    let tools = tempfile::tempdir().expect("a folder");
    let ssh = tools.path().join("ssh");
    fs::write(&ssh, "#!/bin/sh\nexit 0\n").expect("it is ours");
    fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    // A host that is never found well is never done, so the run outlasts whatever is done to it.
    let endless = ["--health", "/bin/sleep", "--health", "3000", "--health-timeout", "1h"];
    let swarm = [&["--hosts", "8", "--mouse", "--seed", "3"][..], &endless].concat();
    let mut session = Session::with(&[("PATH", &path)], &swarm);
    session.wait_for("fetching");
    let mut random = fastrand::Rng::with_seed(seed);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        for _ in 0..random.usize(1..40) {
            if random.u8(..) < 20 {
                let (column, row) = (random.u8(1..120), random.u8(1..40));
                session.press(&format!("\x1b[<{};{column};{row}M", [0, 0, 1, 2, 64, 65][random.usize(..6)]));
            } else {
                session.press(WORDS[random.usize(..WORDS.len())]);
            }
        }
        let usual = SIZES[random.usize(..SIZES.len())];
        let (rows, columns) = if random.bool() { usual } else { (random.u16(1..61), random.u16(1..201)) };
        session.resize(rows, columns);
        // As far apart as hands are, and sometimes as a cable is that comes back.
        thread::park_timeout(Duration::from_millis(random.u64(..40)));
        let ended = session.child.try_wait().expect("it was started here");
        assert!(ended.is_none(), "seed {seed}: it ended with {ended:?}:\n{}", session.screen());
    }
    session.resize(30, 100);
    // A paste that began is over, and so is whatever was open; a visitor to ssh is back.
    session.press("\x1b[201~\r\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b1\x0c");
    session.wait("the map", |screen| screen.contains("seeder up"));
    let journal = session.journal();
    for never in ["\"verb\":\"abort\"", "\"verb\":\"abort-run\"", "\"verb\":\"finish\"", "\"aborted\"", "run.end"] {
        assert!(!journal.contains(never), "seed {seed}: {never} is in the journal:\n{journal}");
    }
    session.stop();
}
