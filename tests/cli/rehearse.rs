//! `rookery rehearse`.

use crate::desk::{Desk, NOBODY};

const SCENARIO: &str = "seed = 4\nhosts = 6\npieces = 32\n[host]\nup = '1M/s'\ndown = '1M/s'\n";

#[test]
fn a_rehearsal_reports_how_close_to_the_optimum_it_came() {
    let desk = Desk::new(NOBODY);
    desk.write("s.toml", SCENARIO);
    let report = desk.run("rehearse s.toml").works();
    let row = |name: &str| report.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!(row("hosts"), "6");
    assert_eq!(row("payload"), "512 KiB, 32 pieces of 16 KiB");
    assert_eq!(row("optimum"), "0.500 s");
    assert_eq!(row("seed "), "4");
    assert_eq!(row("complete"), "6 of 6 alive");
    let ratio: f64 = row("ratio").split(' ').next().unwrap().parse().unwrap();
    assert!((1.0..4.0).contains(&ratio), "{report}");
}

#[test]
fn several_seeds_are_summed_up_and_each_is_told() {
    let desk = Desk::new(NOBODY);
    desk.write("s.toml", SCENARIO);
    let said = desk.run("rehearse s.toml --seeds 3 --seed 7");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.err.lines().filter(|line| line.contains("6/6 complete")).count(), 3, "{}", said.err);
    assert!(said.out.contains("3, from 7") && said.out.contains("median"), "{}", said.out);
    assert_eq!(desk.run("rehearse s.toml --seeds 3 --quiet").err, "");
}

#[test]
fn json_is_one_object_and_the_same_seed_the_same_run() {
    let desk = Desk::new(NOBODY);
    desk.write("s.toml", SCENARIO);
    let told = || -> serde_json::Value { serde_json::from_str(&desk.run("rehearse s.toml --json").works()).unwrap() };
    let (one, other) = (told(), told());
    assert_eq!((&one["schema"], &one["hosts"], &one["payload_bytes"]), (&1.into(), &6.into(), &524_288.into()));
    assert_eq!(one["runs"][0]["complete"], 6);
    assert!(one["ratio"]["max"].as_f64().unwrap() >= 1.0);
    for same in ["seed", "events", "last_ms", "copies"] {
        assert_eq!(one["runs"][0][same], other["runs"][0][same], "{same}");
    }
}

#[test]
fn a_fleet_that_runs_out_of_time_is_no_success() {
    let desk = Desk::new(NOBODY);
    desk.write("s.toml", format!("limit = '100ms'\n{SCENARIO}"));
    let said = desk.run("rehearse s.toml");
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("1 of 6 alive"), "{}", said.out);
}

#[test]
fn a_scenario_that_cannot_be_used_says_where_and_why() {
    let desk = Desk::new(NOBODY);
    desk.run("rehearse nosuch.toml").fails(7, &["nosuch.toml", "No such file"]);
    desk.write("bad.toml", "hosts = 2\npieces = 8\nlatency = '1ms'\n");
    desk.run("rehearse bad.toml").fails(7, &["bad.toml:3:1: unknown field `latency`", "^"]);
    desk.write("bad.toml", "hosts = 2\npieces = 8\n[[fault]]\nhost = 7\ntrouble = 'corrupt'\n");
    desk.run("rehearse bad.toml").fails(7, &["bad.toml:4:8", "host 7", "there are 2"]);
    desk.run("rehearse bad.toml --seeds 0").fails(2, &["--seeds"]);
}
