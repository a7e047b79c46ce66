//! `rookery check` of the demo's hosts: their faults are found, and nothing stays there.

use std::fs;
use std::process::Command;

use rookery::demo::{DemoFleet, DemoOptions, Fault};
use serde_json::Value;

use crate::desk::{Desk, NOBODY};

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_the_demos_hosts_finds_the_changed_key_and_leaves_nothing() {
    let options = DemoOptions { hosts: 8, seed: 3, faults: true, dir: None };
    let fleet = DemoFleet::start(options).await.expect("loopback has room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
    command.args(["check", "--json", "-i"]).arg(fleet.inventory()).env("HOME", fleet.folder());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
    let output = output.expect("rookery was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(8), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let end: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("lines are JSON");
    let changed = fleet.hosts().iter().find(|host| host.fault == Some(Fault::KeyChanged)).expect("one has it");
    assert_eq!(end["causes"], serde_json::json!({ "host key changed": [changed.name] }), "{text}");
    assert_eq!((&end["ready"], &end["untried"]), (&7.into(), &serde_json::json!([])), "{text}");
    for host in fleet.hosts() {
        let left: Vec<_> = fs::read_dir(&host.home).expect("it is there").filter_map(Result::ok).collect();
        assert!(left.is_empty(), "{}: {left:?}", host.name);
    }
    fleet.stop().expect("it can be removed");
}

#[test]
fn two_names_of_one_host_are_told_before_anything_begins() {
    let twins = format!("{NOBODY}[host.twin]\naddress = \"127.0.0.5\"\nport = 1\n");
    let desk = Desk::with_key(&twins);
    let told =
        "rookery: 127.0.0.5, twin (2) are one host, 127.0.0.5:1, with one folder, /srv/releases: all but one will fail";
    for words in ["check --quiet", "run src --quiet"] {
        let said = desk.run(words);
        assert!(said.err.lines().any(|line| line == told), "{words}: {said:?}");
    }
    assert!(!desk.run("check --limit web").err.contains("one host"));
}
