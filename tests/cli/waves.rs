//! Waves on the command line: what a dry run says of them, and who is asked between them.

use serde_json::Value;

use super::desk::{Desk, NOBODY};

fn in_racks() -> String {
    let rollout = r#"
[rollout]
canary = "role=canary"
waves = ["50%", "100%"]
max_fail = "30%"
health = ["/usr/local/bin/check", "{release}"]
host_deadline = "30m"
[host."127.0.0.[2-3]"]
tags = { rack = "r1" }
[host."127.0.0.4"]
tags = { role = "canary", rack = "r2" }
"#;
    format!("{NOBODY}{rollout}")
}

fn rows(shown: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    shown.lines().map(words).collect()
}

#[test]
fn a_dry_run_names_the_hosts_of_each_wave() {
    let shown = Desk::new(&in_racks()).run("run src --dry-run --spread rack").works();
    let rows = rows(&shown);
    for row in [
        "waves 3, the operator opens each but the first",
        "wave 1 canaries: 127.0.0.4 (1)",
        "wave 2 127.0.0.2 (1)",
        "wave 3 127.0.0.[3,5] (2)",
        "spread one host at a time of each of 2 sets",
        "max fail 30%: 2 hosts stop the launch of more",
        "health /usr/local/bin/check {release} (3 tries of 30 s)",
        "host time 1800 s at most",
    ] {
        assert!(rows.iter().any(|other| other == row), "{row} in\n{shown}");
    }
}

#[test]
fn options_beat_the_inventory_and_a_selection_without_canaries_has_none() {
    let desk = Desk::new(&in_racks());
    let shown = desk.run("run src --dry-run --wave 1,100% --gate auto --mode stage-then-switch --limit 127.0.0.[2-3]");
    let rows = rows(&shown.works());
    let mode = "waves 2, each opens by itself; all fetch at once, a wave puts the release in place";
    for row in [mode, "wave 1 127.0.0.2 (1)", "canary none: role=canary names no host of the selection"] {
        assert!(rows.iter().any(|other| other == row), "{row} in\n{rows:#?}");
    }
}

#[test]
fn without_a_console_somebody_must_say_that_waves_follow_by_themselves() {
    let desk = Desk::with_key(&in_racks());
    let why = ["the run has 3 waves, and without a console there is nobody to ask between them: give --gate auto"];
    desk.run("run src --plain --yes").fails(2, &why);
    desk.run("run src --json --yes --gate ask").fails(2, &why);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
    let gone = desk.run("run src --plain --yes --gate auto --max-unreachable 1");
    assert_eq!(gone.code, 3, "{gone:?}");
    assert!(gone.out.contains("wave 1/3             stopped: 1 not reached (max_unreachable is 1)"), "{}", gone.out);
    assert!(gone.out.contains("3 skipped"), "{}", gone.out);
}

#[test]
fn a_run_on_real_hosts_stages_switches_in_waves_and_looks_at_their_health() {
    let desk = Desk::new(NOBODY);
    let health = "--health /usr/bin/test --health -d --health {release}";
    let words = "demo --json --hosts 3 --no-faults --mode stage-then-switch --wave 1,100% --gate auto --spread rack";
    let ran = desk.run(&format!("{words} {health}")).works();
    let events: Vec<Value> = ran.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |wanted: &dyn Fn(&Value) -> bool| events.iter().position(wanted).unwrap_or_else(|| panic!("{ran}"));
    let opened =
        |wave: u64| at(&|event| event["event"] == "wave" && event["wave"] == wave && event["step"] == "opened");
    let state = |state: &str, reason: &str| {
        let is = move |event: &&Value| {
            let why = event["reason"].as_str().unwrap_or_default();
            event["event"] == "host.state" && event["state"] == state && why.starts_with(reason)
        };
        events.iter().filter(is).count()
    };
    assert_eq!((state("unpacking", "staged"), state("verifying", "health check"), state("done", "")), (3, 3, 3));
    let first_done = at(&|event| event["state"] == "done");
    assert!(opened(1) < first_done && first_done < opened(2), "{ran}");
    assert_eq!(events.last().unwrap()["outcome"], "complete");
}

#[test]
fn what_cannot_be_is_told_before_anything_is_done() {
    let desk = Desk::with_key(&in_racks());
    for (words, code, why) in [
        ("--wave 10%,5%", 2, "`5%` holds no more hosts than `10%` before it"),
        ("--wave 1,x", 2, "`x` is no number of hosts and no share of them; write `5` or `10%`"),
        ("--max-fail 0", 2, "0 hosts are reached before anything begins"),
        ("--canary 127.0.0.5 --limit 127.0.0.2", 4, "none of these hosts is selected for the run"),
        ("--canary nobody", 4, "no group or host `nobody`"),
        ("--spread rakc", 2, "no selected host has this tag"),
        ("--health check", 2, "begin the program with `/` or `~/`"),
        ("--deadline 0s", 2, "nothing is done in no time"),
    ] {
        desk.run(&format!("run src --plain --yes {words}")).fails(code, &[why]);
    }
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
