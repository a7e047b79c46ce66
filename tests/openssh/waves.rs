//! Waves, health commands and staged releases on real hosts.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::lab::{Lab, wait_until};
use super::{deployed, source};

fn is_state(event: &Value, state: &str, reason: &str) -> bool {
    let why = event["reason"].as_str().unwrap_or_default();
    event["event"] == "host.state" && event["state"] == state && why.starts_with(reason)
}

/// Processes whose command line has a word.
fn running(word: &str) -> usize {
    let is = |folder: &Path| {
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|other| other == word.as_bytes())
    };
    let all = fs::read_dir("/proc").expect("this is Linux").filter_map(Result::ok);
    all.filter(|entry| is(&entry.path())).count()
}

#[test]
fn a_sick_canary_stops_the_run_and_a_well_one_opens_the_next_wave() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 2);
    let sick = lab.path("sick");
    fs::write(&sick, "").expect("the lab's folder takes files");
    let health = format!(
        "[rollout]\ncanary = \"127.0.0.4\"\ngate = \"auto\"\nhealth_tries = 2\nhealth = [\"/bin/sh\", \"-c\", \"test -d \\\"$1\\\" || \
         exit 7; ! test -e {}\", \"health\", \"{{release}}\"]\n",
        sick.display()
    );
    lab.write_inventory(&health);
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = ended.reason(&lab.hosts[2]);
    assert!(why.starts_with("failed: not well with the release in place: the command ended with status 1"), "{why}");
    assert_eq!(ended.end()["counts"]["skipped"], 3, "{}", ended.story);
    let stopped = ended.events.iter().find(|event| event["event"] == "wave" && event["step"] == "stopped");
    assert_eq!(stopped.map(|event| &event["detail"]), Some(&"not one host of wave 1 is done".into()));
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[0, 1, 3]);
    lab.assert_clean();

    fs::remove_file(&sick).expect("it was made");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(0);
    assert_eq!(ended.end()["counts"]["done"], 4, "{}", ended.story);
    lab.assert_delivered(&lab.path("expected"), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn an_abort_before_the_switch_leaves_nothing_of_the_release_and_no_health_command() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 2);
    // A time that nobody else sleeps for.
    let time = format!("86{}", std::process::id());
    lab.write_inventory(&format!(
        "[rollout]\nwaves = [1, \"100%\"]\nmode = \"stage-then-switch\"\ngate = \"auto\"\nhealth = [\"/bin/sleep\", \"{time}\"]\n\
         health_timeout = \"1h\"\n"
    ));
    let mut run = lab.start(&source, &["--tag", "v1"]);
    let mut staged = 0;
    let mut checking = false;
    while staged < 2 || !checking {
        let event = run.until("hosts are staged", |event| event["event"] == "host.state");
        staged += usize::from(is_state(&event, "unpacking", "staged: waits for the turn of wave 2"));
        checking |= is_state(&event, "verifying", "health check");
    }
    wait_until("the health command runs", || running(&time) == 1);
    assert!(lab.hosts[0].releases().join("v1").exists());
    assert!(!lab.hosts[1].releases().join("v1").exists() && !lab.hosts[2].releases().join("v1").exists());
    let told = Command::new("kill").args(["-INT", &run.child.id().to_string()]).status();
    assert!(told.expect("kill is everywhere").success());
    let ended = run.finish().expect_code(130);
    assert_eq!(ended.end()["left_behind"], Value::Array(Vec::new()), "{}", ended.story);
    assert_eq!(running(&time), 0, "the health command still runs");
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[1, 2]);
    lab.assert_clean();
}

#[test]
fn hosts_of_later_waves_are_looked_at_before_the_payload_moves() {
    let Some(mut lab) = Lab::of(5) else { return };
    let source = source(&lab, 1);
    lab.write_inventory("[rollout]\nwaves = [2, \"100%\"]\ngate = \"auto\"\n");
    lab.configure(3, "AuthorizedKeysFile none");
    let releases = lab.hosts[4].releases();
    let _ = fs::remove_dir_all(&releases);
    fs::write(&releases, "no folder").expect("the lab's folder takes files");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let at = |wanted: &dyn Fn(&Value) -> bool| ended.events.iter().position(wanted).expect(&ended.story);
    let told = at(&|event| event["event"] == "preflight");
    let moved = at(&|event| is_state(event, "verifying", ""));
    assert!(told < moved, "{}", ended.story);
    let faults = ended.events[told]["faults"].as_array().expect("it is an array");
    let of = |cause: &str| faults.iter().find(|fault| fault["cause"] == cause).map(|fault| fault["hosts"].clone());
    assert!(of("permission denied").is_some_and(|hosts| hosts[&lab.hosts[3].name].is_string()), "{faults:?}");
    assert!(of("folder not to be used").is_some_and(|hosts| hosts[&lab.hosts[4].name].is_string()), "{faults:?}");
    assert_eq!((&ended.events[told]["ready"], &ended.end()["counts"]["done"]), (&3.into(), &3.into()));
    fs::remove_file(&releases).expect("it was made");
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[3, 4]);
    lab.assert_clean();
}
