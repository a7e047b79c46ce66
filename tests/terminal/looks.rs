//! Colours, themes and keys on a real terminal.

use std::fs;

use tempfile::TempDir;

use super::session::Session;

/// A config folder with these files.
fn config(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("rookery/themes")).expect("it is ours");
    for (name, text) in files {
        write(&folder, name, text);
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join("rookery").join(name), text).expect("it is ours");
}

fn configured(folder: &TempDir, environment: &[(&str, &str)], arguments: &[&str]) -> Session {
    let home = folder.path().to_str().expect("a plain path");
    Session::with(&[&[("XDG_CONFIG_HOME", home)], environment].concat(), arguments)
}

#[test]
fn a_theme_that_is_saved_is_drawn_and_a_broken_one_says_where() {
    let theme = |color: &str| format!("inherits = \"dark\"\n[ui]\ntitle = {{ fg = \"{color}\" }}\n");
    let folder = config(&[("config.toml", "theme = \"mine\"\n"), ("themes/mine.toml", &theme("#112233"))]);
    let mut session = configured(&folder, &[("COLORTERM", "truecolor")], &["--hosts", "4", "--no-faults"]);
    let title = |session: &Session| session.find("demo-1").map(|(row, column)| session.cell(row, column).1);
    session.wait_for("fetching");
    assert_eq!(title(&session), Some(vt100::Color::Rgb(0x11, 0x22, 0x33)));
    write(&folder, "themes/mine.toml", &theme("#445566aa"));
    session.wait_for("mine.toml:3:16");
    assert_eq!(title(&session), Some(vt100::Color::Rgb(0x11, 0x22, 0x33)), "the old one stays in use");
    write(&folder, "themes/mine.toml", &theme("#445566"));
    session.wait("the new colour", |_| title(&session) == Some(vt100::Color::Rgb(0x44, 0x55, 0x66)));
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    session.assert_tidy();
}

#[test]
fn gnu_screen_is_never_given_24_bit_colours() {
    let environment = [("TERM", "screen-256color"), ("COLORTERM", "truecolor")];
    let mut session = Session::with(&environment, &["--hosts", "4", "--no-faults", "--theme", "nord"]);
    session.wait_for("fetching");
    assert_eq!(session.count("38;2;"), 0);
    assert!(session.count("38;5;") > 0);
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn without_colours_the_selection_can_still_be_seen() {
    let mut session = Session::with(&[("NO_COLOR", "1")], &["--hosts", "6", "--no-faults"]);
    session.wait_for("fetching");
    let (row, column) = session.find("web02").expect("it is on the screen");
    assert!(!session.cell(row, column).2.1, "it is not selected");
    session.press("j");
    session.press("2");
    session.wait("a reversed name", |_| {
        session.find("▸").is_some_and(|(row, _)| (0..40).any(|column| session.cell(row, column).2.1))
    });
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn keys_are_what_the_settings_say() {
    let folder = config(&[("config.toml", "[keys]\nquit = [\"x y\"]\nretry = []\nhelp = [\"q\", \"f1\"]\n")]);
    let mut session = configured(&folder, &[], &["--hosts", "4", "--no-faults"]);
    session.wait_for("fetching");
    session.press("q");
    session.wait_for("retry every failed");
    session.press("\x1b");
    session.wait("the help to close", |screen| !screen.contains("retry every failed"));
    session.press("xy");
    session.wait_for("type demo-1");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn a_small_terminal_is_usable_and_a_tiny_one_says_what_it_needs() {
    let demo = [env!("CARGO_BIN_EXE_rookery"), "demo", "--hosts", "9"];
    let mut session = Session::of(&demo, &[], (15, 60));
    session.wait("the counts and a failure", |screen| screen.contains("/9") && screen.contains("failed"));
    session.press("3");
    session.wait_for("host key");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
    let mut session = Session::of(&demo, &[], (5, 29));
    session.wait_for("29x5; 30x6 shows more");
    session.signal("TERM");
    assert_eq!(session.end(), 143);
}
