//! Settings of operator and project, and what the terminal is asked.

use std::fs;
use std::path::Path;

use super::session::Session;

/// A rehearsal with the operator's settings, in a folder with those of a project.
fn set(folder: &Path, own: &str, project: &str, arguments: &str) -> Session {
    fs::create_dir_all(folder.join("rookery")).expect("it is ours");
    fs::write(folder.join("rookery/config.toml"), own).expect("it is ours");
    fs::write(folder.join("rookery.toml"), project).expect("it is ours");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/console.toml");
    let program = env!("CARGO_BIN_EXE_rookery");
    let line = format!("cd {} && exec {program} {arguments}", folder.display()).replace("SCENARIO", scenario);
    Session::of(&["sh", "-c", &line], &[("XDG_CONFIG_HOME", folder.to_str().expect("a plain path"))], (24, 80))
}

#[test]
fn keys_that_are_saved_are_in_use_and_a_mistake_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = set(folder.path(), "[keys]\nhelp = [\"x\"]\n", "", "rehearse SCENARIO");
    session.wait_for("6 failed");
    session.press_for("x", "retry every failed");
    session.press("\x1b");
    session.wait_without("retry every failed");
    fs::write(folder.path().join("rookery/config.toml"), "[keys]\nhelp = [\"r\"]\n").expect("it is ours");
    session.wait_for("config.toml:2:9: `r` is `retry` already");
    session.press_for("x", "retry every failed");
    session.press("\x1b");
    session.wait_without("retry every failed");
    fs::write(folder.path().join("rookery/config.toml"), "theme = \"nord\"\n[keys]\nhelp = [\"X\"]\n")
        .expect("it is ours");
    session.wait_for("theme: nord");
    session.press_for("X", "retry every failed");
    session.stop();
}

#[test]
fn a_projects_settings_go_before_the_operators_and_a_flag_before_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, project) = ("ascii = false\n[keys]\nmark = [\"x\"]\n", "ascii = true\n[keys]\nhelp = [\"X\"]\n");
    let mut session = set(folder.path(), own, project, "rehearse SCENARIO --theme nosuch");
    session.wait_for("no theme `nosuch`");
    assert_eq!(session.end(), 7);
    let mut session = set(folder.path(), own, project, "rehearse SCENARIO");
    session.wait_for("6 failed");
    assert!(session.screen().is_ascii(), "{}", session.screen());
    session.press_for("ggx", "1 marked");
    session.press_for("X", "retry every failed");
    session.stop();
}

#[test]
fn a_project_names_no_program_to_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = set(folder.path(), "", "notify = [\"touch\", \"bad\"]\n", "rehearse SCENARIO");
    session.wait_for("rookery.toml:1:1: `notify` names a program");
    assert_eq!(session.end(), 7);
}

#[test]
fn the_background_chooses_the_theme() {
    let by_background = "theme = { dark = \"nosuch\", light = \"light\" }\n";
    for (answer, text) in [
        ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\", "6 failed"),
        ("\x1b]11;rgb:0/0/0\x07", "no theme `nosuch`"),
        ("", "no theme `nosuch`"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = set(folder.path(), by_background, "", "rehearse SCENARIO");
        session.wait("a question", |_| session.count("\x1b]11;?") == 1);
        session.press(&format!("{answer}\x1b[?62;22c"));
        session.wait_for(text);
        if text == "6 failed" {
            session.stop();
        } else {
            assert_eq!(session.end(), 7);
        }
    }
}

#[test]
fn a_terminal_that_answers_late_types_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = set(folder.path(), "", "", "rehearse SCENARIO --probe");
    session.wait_for("6 failed");
    session.press("\x1b]11;rgb:1a1a/2b2b/3c3c\x1b\\\x1bP1$r48:2:1:2:3m\x1b\\\x1b[?62;22c");
    session.press_for("?", "retry every failed");
    session.press("\x1b");
    session.wait_without("retry every failed");
    assert!(!session.screen().contains("2b2b"), "{}", session.screen());
    session.press_for("4", "g g oldest");
    assert!(!session.screen().contains("operator"), "{}", session.screen());
    session.stop();
}

#[test]
fn the_doctor_tells_what_the_terminal_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = set(folder.path(), "", "", "doctor");
    session.wait("a question", |_| session.count("\x1b]11;?") == 1);
    session.press("\x1b]11;rgb:1d1d/1f1f/2121\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?62c");
    session.wait_for("background #1d1f21, dark");
    session.wait_for("24-bit colours are kept");
    session.end();
}

#[test]
fn a_run_that_is_to_end_with_its_terminal_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = set(folder.path(), "on_hangup = \"abort\"\n", "", "demo --hosts 4 --no-faults");
    session.wait_for("fetching");
    session.hang_up();
    assert_eq!(session.end(), 6, "aborted, and cleaned up");
    session.assert_gone();
}

#[test]
fn nobody_is_asked_unless_it_is_wanted() {
    let mut session = Session::rehearsal((24, 80), &[]);
    assert_eq!(session.count("\x1b]11;?") + session.count("\x1b[c"), 0);
    session.stop();
}
