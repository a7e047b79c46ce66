//! Every question of the console, and that nothing but its answer is one.

use super::session::Session;

const USUAL: (u16, u16) = (24, 80);

#[test]
fn one_host_is_aborted_by_a_y_and_by_nothing_else() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("gg");
    session.press("a");
    session.answer("Abort 1 host?", "\r");
    session.press_for(" ", "press y for yes");
    session.press_for("n", "nothing was done");
    session.press("a");
    session.answer("Abort 1 host?", "y");
    session.wait_for("z takes it back");
    session.wait_for("1 abort");
    session.stop();
}

#[test]
fn keys_of_the_first_moments_answer_nothing() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("gg");
    session.press_for("ay", "came too early");
    session.press("\x1b");
    session.wait_for("nothing was done");
    session.stop();
}

#[test]
fn more_than_ten_hosts_are_aborted_by_their_number() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press(":abort web[41-52]\r");
    session.answer("Abort 12 hosts?", "y\r");
    session.wait_for("not what is asked for");
    session.press("\x1512\r");
    session.wait_for("aborting 12 hosts in ");
    session.press_for("z", "taken back: aborting 12 hosts");
    session.stop();
}

#[test]
fn pasted_text_answers_no_question() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("A");
    session.answer("type rehearsal-1", "\x1b[200~rehearsal-1\x1b[201~");
    session.wait_for("pasted text does not count");
    session.press("\r");
    session.wait_for("not what is asked for");
    session.press_for("\x1b", "nothing was done");
    session.press("\x1b[200~Ay\rq\x1b[201~");
    session.wait_for("pasted text is ignored");
    session.press("/\x1b[200~web0[1-2]\nA\x1b[201~");
    session.wait_for("2 hosts");
    session.stop();
}

#[test]
fn the_whole_run_is_aborted_by_its_release() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("A");
    session.answer("type rehearsal-1", "rehearsal-2\r");
    session.wait_for("not what is asked for");
    session.press("\x7f1\r");
    session.wait_for("aborting the run in ");
    session.wait_for("ABORTED");
    session.press("q");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn leaving_a_live_run_asks_and_goes_when_it_is_answered() {
    let mut session = Session::rehearsal(USUAL, &[]);
    for key in ["q", "Q", "\x03"] {
        session.press(key);
        session.answer("The run is not over", "y\r");
        session.press("\x1b");
        session.wait_without("The run is not over");
    }
    session.press("q");
    session.answer("type rehearsal-1", "rehearsal-1\r");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn many_retries_are_asked_for_and_few_are_not() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press(":abort web[41-51]\r");
    session.answer("Abort 11 hosts?", "11\r");
    session.wait_for("11 abort");
    session.press(":retry aborted\r");
    session.answer("Retry 11 hosts?", "y");
    session.wait_for("retrying 11 hosts");
    session.stop();
}

#[test]
fn a_stop_is_asked_for_while_the_run_is_on() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("\x1a");
    session.answer("Stop this console", "n");
    session.wait_for("nothing was done");
    session.signal("TSTP");
    session.answer("Stop this console", "\x1b");
    session.wait_for("nothing was done");
    session.stop();
}

#[test]
fn a_watcher_has_no_question_to_answer() {
    let mut session = Session::rehearsal(USUAL, &["--read-only"]);
    for key in ["r", "R", "a", "A", "p", "+", "-", "q", "Q", "!", "\x1a", ":abort web01\r", ":retry failed\r"] {
        session.press(key);
        session.wait_for("read-only");
        session.press_for("2", "host   state");
        session.press_for("gg1", "web60");
    }
    session.press_for("?", "not now: read-only");
    session.stop();
}

/// The next of some numbers that look like chance.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// What is typed by chance. All that is a yes is left out: y, q, and the enter after a
/// number or a name.
const WORDS: &[&str] = &[
    "a",
    "A",
    "Q",
    "\x03",
    "\x1a",
    "p",
    "/",
    ":",
    "abort ",
    "x",
    "j",
    "k",
    "l",
    "h",
    "L",
    "G",
    "gg",
    "v",
    "*",
    " ",
    "z",
    "\t",
    "\x1b",
    "\x1b[A",
    "\x1b[200~y\rrehearsal-1\r\x1b[201~",
    "\x1b[<0;5;9M",
    "\x1b[M !!",
    "\x1b[1;5C",
    "\x1b]0;x\x07",
    "é",
    "🦀",
    "\u{0}",
    "\x1b[",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "t",
    "T",
    "b",
    "s",
    "S",
    "f",
    "n",
    "N",
    "?",
    "\x7f",
    "\x15",
    "+",
    "-",
    "~[",
    "\x0c",
];

/// `ROOKERY_RANDOM_SECONDS` makes it longer; a minute is some thousand keys.
#[test]
fn whatever_is_typed_nothing_breaks_and_nothing_is_aborted_that_was_not_confirmed() {
    let seconds = std::env::var("ROOKERY_RANDOM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut session = Session::rehearsal((30, 100), &[]);
    let mut seed = 42;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while std::time::Instant::now() < until {
        for _ in 0..20 {
            let word = WORDS[next(&mut seed) as usize % WORDS.len()];
            session.press(word);
        }
        let (rows, columns) = (1 + next(&mut seed) % 60, 1 + next(&mut seed) % 200);
        session.resize(rows as u16, columns as u16);
        std::thread::park_timeout(std::time::Duration::from_millis(20));
        assert!(session.child.try_wait().expect("it was started here").is_none(), "it ended:\n{}", session.screen());
    }
    session.resize(30, 100);
    session.press("\x1b\x1b\x1b\x1b");
    std::thread::park_timeout(std::time::Duration::from_millis(500));
    session.press("\x1b\x1b\x1b1");
    session.press_for(":filter aborted\r", "no host is meant by `aborted`");
    session.stop();
}
