//! A rehearsal on the console: the keys are real, the hosts are not.

use super::session::Session;

const SCENARIO: &str = "\
seed = 5
hosts = 31
pieces = 64
piece_length = '256KiB'
[host]
up = '4M/s'
down = '4M/s'
[[mishap]]
trouble = 'disk-full'
hosts = 3
heals_after = 1
";

#[test]
fn a_rehearsal_is_practised_on_as_a_run_is_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("small.toml");
    std::fs::write(&file, SCENARIO).expect("it is ours");
    let file = file.to_str().expect("a plain path");
    let mut session = Session::of(&[env!("CARGO_BIN_EXE_rookery"), "rehearse", file], &[], (24, 80));
    session.wait_for("fetching");
    session.press("w");
    session.wait_for("a rehearsal leaves nothing behind");
    session.press("!");
    session.wait_for("enter goes back");
    session.press("\n");
    session.wait_for("3 failed");
    session.press("3");
    session.wait_for("3 × disk full");
    session.press("r");
    session.wait_for("30/30 done");
    session.wait_for("all settled");
    session.press("q");
    assert_eq!(session.end(), 0, "{}", session.screen());
    session.wait_for("rehearsed: 30 of 30 done, 0 failed");
    session.assert_tidy();
}
