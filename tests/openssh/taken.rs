//! Runs that another console takes up where they were: at which gate, with which seeder, and with a look at hosts first.

use std::fs;

use serde_json::Value;

use super::console::Console;
use super::lab::{Lab, LabHost, wait_until};
use super::life::journal;
use super::{deployed, kill, new_role, source};

/// Waits beside the release as long as there is a file for that.
const HEALTH: &str = "health = [\"/bin/sh\", \"-c\", \"while test -e \\\"$1.wait\\\"; do sleep 0.05; done\", \"health\", \
                      \"{release}\"]\nhealth_timeout = \"10m\"\n";

fn hold(host: &LabHost) {
    fs::write(host.releases().join("v1.wait"), "").expect("the lab's folder takes files");
}

fn let_go(host: &LabHost) {
    fs::remove_file(host.releases().join("v1.wait")).expect("it was made");
}

/// The steps of waves since the run was taken up the last time.
fn steps(journal: &str) -> Vec<String> {
    let events: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect();
    let since = events.iter().rposition(|event| event["event"] == "run.resume").unwrap_or_default();
    let waves = events[since..].iter().filter(|event| event["event"] == "wave");
    waves.map(|event| format!("{} {}", event["step"].as_str().unwrap_or_default(), event["wave"])).collect()
}

#[test]
fn a_gate_that_was_opened_is_not_asked_again() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 1);
    lab.write_inventory(&format!("[rollout]\nwaves = [1, 2, 3]\n{HEALTH}"));
    hold(&lab.hosts[1]);
    let mut console = Console::open(&lab, &["run", &source.display().to_string(), "--tag", "v1", "--yes"]);
    console.wait_for("Wave 1 of 3 is over");
    console.press_until("\r", "the second wave", || lab.hosts[1].releases().join("v1").is_dir());
    console.kill();
    assert_eq!(steps(&journal(&lab).1), ["opened 1", "gate 1", "opened 2"]);

    let refused = lab.rookery(&["resume", "--json"]).output().expect("rookery was built");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && why.contains("give --gate auto"), "{why}");
    let mut console = Console::open(&lab, &["resume"]);
    wait_until("it is taken up", || journal(&lab).1.contains("\"run.resume\""));
    let_go(&lab.hosts[1]);
    console.wait_for("Wave 2 of 3 is over");
    console.press_until("\r", "the third wave", || journal(&lab).1.contains("\"run.end\""));
    assert_eq!(console.leave(), 0);
    assert_eq!(steps(&journal(&lab).1), ["gate 2", "opened 3"]);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn the_host_that_seeded_seeds_on() {
    let Some(mut lab) = Lab::of(4) else { return };
    let source = source(&lab, 8);
    lab.hosts[0].stop_sshd();
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "1M"]);
    let seeds = run.until("another host seeds", |event| event["event"] == "role");
    run.until("a host has a piece of it", |event| {
        event["event"] == "host.progress" && event["pieces"].as_u64() > Some(0) && event["host"] != seeds["place"]
    });
    kill(&[run.child.id()]);
    drop(run.finish());
    lab.reload(0);
    let resumed = lab.resume(&[]).expect_code(0);
    assert_eq!(new_role(&resumed.events), None, "{}", resumed.story);
    let first = lab.hosts[0].name.as_str();
    let down = resumed.events.iter().rfind(|event| event["event"] == "host.progress" && event["host"] == first);
    let down = down.and_then(|event| event["bytes_down"].as_u64());
    assert!(down.is_some_and(|down| down > 0), "it fetches from peers, and nothing is pushed to it\n{}", resumed.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn hosts_that_were_never_launched_are_looked_at_first() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 1);
    lab.write_inventory(&format!("[rollout]\nwaves = [1, 3]\ngate = \"auto\"\n{HEALTH}"));
    hold(&lab.hosts[0]);
    let mut run = lab.start(&source, &["--tag", "v1"]);
    run.until("the first host is looked at", |event| event["state"] == "verifying" && event.get("reason").is_some());
    kill(&[run.child.id()]);
    drop(run.finish());
    let_go(&lab.hosts[0]);
    let bad = &lab.hosts[2];
    fs::remove_dir(bad.releases()).expect("nothing is there yet");
    fs::write(bad.releases(), "").expect("it takes files");
    let resumed = lab.resume(&[]).expect_code(3);
    assert!(resumed.reason(bad).contains("is no folder"), "{}", resumed.reason(bad));
    assert!(!bad.work_dir().join("agents").exists(), "an agent was brought there");
    assert_eq!(resumed.end()["counts"]["done"], 2, "{}", resumed.story);
    fs::remove_file(bad.releases()).expect("it was made");
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[2]);
    lab.assert_clean();
}
