//! Every key, every question and what they do to a live swarm: real servers, real agents, real bytes.
//!
//! A swarm is started once and lives through many scenarios, slowed down so that it outlasts them. Which scenario presses
//! a key is in the scenarios themselves, and [`every_key_is_pressed_on_a_live_swarm`] fails for a key that none presses.

mod acting;
mod gates;
mod looking;
mod picking;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rookery::console::Keymap;
use tempfile::TempDir;

use super::script::{Scenario, Step};
use super::session::Session;

/// All scenarios of this module.
fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [looking::SCENARIOS, picking::SCENARIOS, acting::SCENARIOS, gates::OPENED, gates::STOPPED].into_iter().flatten()
}

/// In the place of ssh: it says what it was given, and ends badly after a line.
const SSH: &str = "#!/bin/sh\necho \"ssh got: $*\"\nread line\nexit 7\n";

/// A swarm of 16 hosts on which three have failed, each for a reason of its own: db02, db03 and web12. The others fetch, so
/// slowly that they go on for minutes.
fn swarm(tools: &Path) -> Session {
    let ssh = tools.join("ssh");
    fs::write(&ssh, SSH)
        .and_then(|()| fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)))
        .expect("it is ours");
    let path = format!("{}:/usr/bin:/bin", tools.display());
    let mut session = Session::with(&[("PATH", &path)], &["--hosts", "16", "--mouse"]);
    session.wait_for("bootstrapping");
    session.press_for(":max-download 64K\r", "download 64 KiB/s");
    session.wait("three failures, and a swarm that runs", |screen| {
        screen.contains("agent died") && screen.contains("3 failed") && screen.contains("12 fetching")
    });
    session
}

/// Plays these on one swarm.
fn play(scenarios: &[Scenario]) {
    let tools = tools();
    let mut session = swarm(tools.path());
    for scenario in scenarios {
        scenario.play(&mut session);
    }
    session.stop();
}

fn tools() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn an_operator_looks_at_a_live_swarm_in_every_way() {
    play(looking::SCENARIOS);
}

#[test]
fn an_operator_picks_hosts_of_a_live_swarm_in_every_way() {
    play(picking::SCENARIOS);
}

#[test]
fn an_operator_acts_on_a_live_swarm_in_every_way() {
    play(acting::SCENARIOS);
}

#[test]
fn a_live_swarm_goes_through_gates_in_every_way() {
    let mut session = Session::demo(&["--hosts", "5", "--no-faults", "--wave", "1,3,100%"]);
    session.wait_for("bootstrapping");
    session.press_for(":max-download 0\r", "download none");
    session.wait_for("Wave 1 of 3 is over");
    for scenario in gates::OPENED {
        scenario.play(&mut session);
    }
    session.wait_for("the run is over");
    session.press("q");
    assert_eq!(session.end(), 6, "{}", session.screen());
    session.assert_tidy();
}

#[test]
fn a_live_swarm_that_has_stopped_goes_on_when_it_is_told_to() {
    // Every host finds itself ill: the first one stops the run before the others have their turn.
    let ill = ["--health", "/bin/false", "--health-tries", "1", "--max-fail", "1", "--wave", "1,100%"];
    let mut session = Session::demo(&[&["--hosts", "4", "--no-faults"][..], &ill].concat());
    session.wait_for("The run has stopped");
    for scenario in gates::STOPPED {
        scenario.play(&mut session);
    }
    session.stop();
}

#[test]
fn every_key_is_pressed_on_a_live_swarm() {
    let steps: BTreeMap<_, _> =
        scenarios().flat_map(|scenario| scenario.pressed().map(|keys| (keys, scenario.0))).collect();
    let presses = |wanted: &[_]| steps.keys().any(|keys| keys.windows(wanted.len()).any(|window| window == wanted));
    let keymap = Keymap::default();
    let keys = keymap.bindings().iter().flat_map(|binding| binding.keys.iter().map(|keys| (binding.name, keys)));
    let missing: Vec<_> = keys.filter(|(_, keys)| !presses(keys)).collect();
    assert!(missing.is_empty(), "no scenario presses {missing:?}");
}

#[test]
fn every_question_is_answered_on_a_live_swarm() {
    let answered = |question: &str| {
        scenarios().flat_map(|scenario| scenario.1).any(|step| {
            matches!(step, Step::Answers(asked, ..) | Step::Shows(_, asked) | Step::Gets(_, asked) if asked.contains(question))
        })
    };
    // "End the run?" and the question before a clean-up is left are at the end of a run, each in a test of its own.
    for question in [
        "Retry ",
        "Abort 1 host?",
        "hosts?",
        "Abort the whole run?",
        "Wave ",
        "The run has stopped",
        "The run is not over",
        "Stop this console",
    ] {
        assert!(answered(question), "no scenario answers {question}");
    }
}

#[test]
fn scenarios_are_many_and_no_two_are_called_the_same() {
    let mut names: Vec<_> = scenarios().map(|scenario| scenario.0).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all >= 60, "{all} scenarios on a live swarm");
}
