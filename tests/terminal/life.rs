//! The terminal is given back on every way out, and a terminal that goes away is noticed at once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rookery::driver::terminal::Terminal;
use rustix::termios::{LocalModes, tcgetattr};

use super::session::{PATIENCE, Session};

/// Set for this test program when it runs inside a pty: which of its endings is wanted.
const ENDING: &str = "ROOKERY_TEST_ENDING";

/// This test program once more, in a pty, as a console that ends in one of these ways.
fn ending(how: &str) -> Session {
    let myself = std::env::current_exe().expect("it runs");
    let myself = myself.to_str().expect("a plain path");
    let words = [myself, "--exact", "life::a_console_that_ends_badly", "--ignored", "--nocapture"];
    Session::of(&words, &[(ENDING, how)], (24, 80))
}

#[test]
#[ignore = "other tests run it in a pty"]
fn a_console_that_ends_badly() {
    let how = std::env::var(ENDING).unwrap_or_default();
    let mut terminal = Terminal::take().expect("there is a terminal");
    terminal.title("a title");
    terminal.draw(|frame| frame.render_widget("on the screen", frame.area())).expect("it is drawn");
    match how.as_str() {
        "panic" => panic!("the console's own fault"),
        "panic elsewhere" => {
            let other = thread::spawn(|| panic!("the fault of a part"));
            assert!(other.join().is_err());
            terminal.draw(|frame| frame.render_widget("still on the screen", frame.area())).expect("it is drawn");
        }
        "keep" => terminal.keep(|frame| frame.render_widget("the last screen", frame.area())).expect("it is drawn"),
        other => panic!("no such ending: {other}"),
    }
}

/// Whether the pty echoes what is typed, as it does when nobody has made it raw.
fn echoes(session: &Session) -> bool {
    let name = session.master.as_ref().and_then(|master| master.tty_name()).expect("a pty has a name");
    let terminal = fs::OpenOptions::new().read(true).write(true).open(name).expect("it is there");
    tcgetattr(terminal).expect("it is a terminal").local_modes.contains(LocalModes::ECHO)
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_speaks() {
    let mut session = ending("panic");
    session.wait_for("the console's own fault");
    session.end();
    assert!(echoes(&session));
    session.assert_given_back();
    let bytes = String::from_utf8_lossy(&session.bytes()).into_owned();
    assert!(bytes.find("the console's own fault") > bytes.find("\x1b[?1049l"), "{bytes:?}");
}

#[test]
fn a_panic_of_a_part_leaves_the_screen_alone_and_is_told_at_the_end() {
    let mut session = ending("panic elsewhere");
    session.wait_for("and the run went on");
    session.end();
    assert!(echoes(&session));
    session.assert_given_back();
    let bytes = String::from_utf8_lossy(&session.bytes()).into_owned();
    let (drawn, told) = (bytes.find("still"), bytes.find("the fault of a part"));
    assert!(drawn < bytes.find("\x1b[?1049l") && told > bytes.find("\x1b[?1049l"), "{bytes:?}");
}

#[test]
fn the_last_screen_can_stay_on_the_terminal() {
    let mut session = ending("keep");
    session.wait_for("test result");
    session.end();
    assert!(session.screen().contains("the last screen"), "{}", session.screen());
    session.assert_given_back();
}

/// The threads of a process and its children, by name.
fn threads(pid: u32) -> Vec<String> {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let children = read(format!("/proc/{pid}/task/{pid}/children"));
    let below = children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(threads);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
    let own = tasks.map(|task| read(task.path().join("comm").display().to_string()).trim().to_owned());
    own.chain(below).collect()
}

fn wait_until(what: &str, within: Duration, is_so: impl Fn() -> bool) {
    let until = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < until, "gave up waiting: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A shell that takes no notice of hangups leads the session, so the program behind it is told of nothing.
fn without_hangups(arguments: &str) -> Session {
    let program = format!("trap '' HUP; {} demo {arguments}; :", env!("CARGO_BIN_EXE_rookery"));
    Session::of(&["sh", "-c", &program], &[], (30, 100))
}

#[test]
fn a_terminal_that_goes_without_a_signal_is_noticed_and_the_run_goes_on() {
    let mut session = without_hangups("--hosts 4 --no-faults");
    session.wait_for("fetching");
    let pid = session.child.process_id().expect("it runs");
    assert!(threads(pid).iter().any(|name| name == "keys"), "{:?}", threads(pid));
    session.hang_up();
    // Whoever read the keys is gone, and spins on nothing.
    wait_until("the thread that reads keys ends", Duration::from_secs(2), || {
        !threads(pid).iter().any(|name| name == "keys")
    });
    session.end_unseen();
    session.assert_gone();
}

/// Processor time of a process and of the children it has waited for, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(4).filter_map(|number| number.parse::<u64>().ok()).sum()
}

#[test]
fn when_the_run_is_over_a_lost_terminal_ends_the_program_and_nothing_spins() {
    let mut session = without_hangups("--hosts 3 --no-faults");
    session.wait_for("nothing is left behind");
    let shell = session.child.process_id().expect("it runs");
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
    let console: u32 =
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the shell has a child");
    let before = ticks(console);
    session.hang_up();
    let (begun, mut after) = (Instant::now(), before);
    while session.child.try_wait().expect("it was started here").is_none() {
        after = after.max(ticks(console));
        // On a machine that does nothing else it is a fraction of a second.
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not end");
        thread::park_timeout(Duration::from_millis(10));
    }
    assert!(after - before < 100, "a second of processor time is what spinning takes: {} ticks", after - before);
    session.assert_gone();
}

#[test]
fn a_rehearsal_ends_with_its_terminal() {
    let program = format!("trap '' HUP; {} rehearse; exit $?", env!("CARGO_BIN_EXE_rookery"));
    let mut session = Session::of(&["sh", "-c", &program], &[], (24, 80));
    session.wait_for("bootstrapping");
    session.hang_up();
    assert_eq!(session.end_unseen(), 129, "nobody could look at it any more");
}

#[test]
fn keys_that_come_all_at_once_are_all_taken() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    // More than is read at once.
    session.press(&["j".repeat(3000).as_str(), "?"].concat());
    session.wait_for("retry every failed");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn a_hangup_lets_the_run_end_without_its_terminal() {
    let mut session = Session::demo(&["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.signal("HUP");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_gone();
}

#[test]
fn a_reader_of_events_that_goes_away_does_not_end_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rookery"))
        .args(["demo", "--hosts", "3", "--no-faults", "--json"])
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("rookery was built");
    drop(child.stdout.take());
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it was started here") {
            break status;
        }
        assert!(Instant::now() < until, "it does not end");
        thread::park_timeout(Duration::from_millis(20));
    };
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("it is piped"), &mut said).expect("it is text");
    assert!(status.code().is_some() && !said.contains("panicked"), "{status:?} {said}");
    assert!(is_empty(folder.path()), "nothing is left behind");
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The state of a process: `T` when it is stopped.
fn state(session: &Session) -> char {
    let pid = session.child.process_id().expect("it runs");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?')
}

#[test]
fn a_stop_asks_first_gives_the_terminal_back_and_takes_it_again() {
    let mut session = Session::demo(&["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    let taken = session.count("\x1b[?1049h");
    session.signal("TSTP");
    session.answer("Stop this console", "y");
    wait_until("the process stops", PATIENCE, || state(&session) == 'T');
    session.assert_given_back();
    assert!(echoes(&session));
    session.signal("CONT");
    wait_until("the terminal is taken again", PATIENCE, || session.count("\x1b[?1049h") > taken);
    session.wait_for("demo-1");
    session.press("?");
    session.wait_for("retry every failed");
    session.press("\x1b");
    session.leave();
    assert_eq!(session.end(), 0);
    session.assert_tidy();
}

#[test]
fn an_ssh_session_has_the_terminal_for_a_while_and_the_run_goes_on() {
    let tools = tempfile::tempdir().expect("a folder");
    let ssh = tools.path().join("ssh");
    fs::write(&ssh, "#!/bin/sh\necho \"arguments: $*\"\nread line\necho \"read: $line\"\nread line\nexit 3\n")
        .expect("it is ours");
    fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let mut session = Session::with(&[("PATH", &path)], &["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    session.press("!");
    session.wait_for("arguments: -p");
    assert!(session.screen().contains("-- 127."), "{}", session.screen());
    assert!(echoes(&session));
    // Keys are the guest's, and so is a stop.
    session.press("Aq\n");
    session.wait_for("read: Aq");
    session.signal("TSTP");
    session.signal("INT");
    wait_until("the run goes on meanwhile", PATIENCE, || session.journal().matches("\"state\":\"done\"").count() >= 6);
    session.press("\n");
    session.wait_for("enter goes back");
    session.press("\n");
    session.wait_for("ssh ended with exit status: 3");
    session.wait_for("demo-1");
    session.leave();
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_demo_host_obeys_whoever_logs_in() {
    if !Path::new("/usr/bin/ssh").exists() {
        assert!(std::env::var_os("CI").is_none(), "no ssh: install openssh-client");
        return;
    }
    let mut session = Session::demo(&["--hosts", "3", "--no-faults"]);
    session.wait_for("fetching");
    session.press("!");
    session.wait_for("ssh to web01: its exit comes back");
    session.wait_for("a line is a command");
    session.press("echo $((6 * 7)) of $USER\n");
    session.wait_for("42 of demo");
    session.press("exit\n");
    session.wait_for("seeder up");
    session.signal("TERM");
    assert_eq!(session.end(), 143, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn what_is_told_outside_of_the_screen_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let settings = format!("notify = [\"sh\", \"-c\", \"echo \\\"$1\\\" >> {}\", \"sh\"]\n", told.display());
    fs::create_dir_all(folder.path().join("rookery")).expect("it is ours");
    fs::write(folder.path().join("rookery/config.toml"), settings).expect("it is ours");
    let environment = [("XDG_CONFIG_HOME", folder.path().to_str().expect("a plain path")), ("WT_SESSION", "1")];
    let mut session = Session::with(&environment, &["--hosts", "8"]);
    session.wait_for("SETTLED");
    session.press("y");
    session.wait_for("copied 1 host");
    assert!(session.count("\x1b]52;c;") == 1 && session.count("\x1b]9;4;1;") > 0 && session.count("\x1b]9;4;2;") > 0);
    assert!(session.count("\x1b]2;demo-1 ") > 0 && session.count("failed\x07") > 0);
    session.press("Q");
    session.answer("End the run?", "y");
    session.end();
    session.assert_tidy();
    let said = fs::read_to_string(&told).expect("it was told");
    assert!(said.contains("demo-1 has failures: ") && said.contains("demo-1 is settled: "), "{said}");
    assert!(session.count("\x1b]9;4;0;0") > 0, "the task bar is left empty");
    assert!(session.screen().contains("SETTLED") || session.screen().contains("demo-1"), "{}", session.screen());
}
