//! Connections, consoles and agents that die in the middle of a run, and what becomes of it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::console::Console;
use super::lab::{Ended, Lab, LabHost, processes_below, wait_until};
use super::{deployed, kill, source};

/// Slow enough to die in.
const SLOW: [&str; 4] = ["--tag", "v1", "--max-upload", "2M"];

/// The processes of a host's SSH sessions: sshd's own children, and theirs.
fn sessions(host: &LabHost) -> Vec<u32> {
    let children = |pid: u32| -> Vec<u32> {
        let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    let first = children(host.sshd());
    let second: Vec<u32> = first.iter().flat_map(|pid| children(*pid)).collect();
    [first, second].concat()
}

pub(crate) fn detached(host: &LabHost) -> Vec<u32> {
    let serves = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"--detached\0"));
    host.agents().into_iter().filter(serves).collect()
}

fn notes<'a>(events: &'a [Value], host: &LabHost, text: &str) -> Vec<&'a Value> {
    let of_host = events.iter().filter(|event| event["event"] == "note" && event["place"] == host.name.as_str());
    of_host.filter(|event| event["text"].as_str().is_some_and(|said| said.contains(text))).collect()
}

/// The journal of the lab's only run, and its name.
pub(crate) fn journal(lab: &Lab) -> (String, String) {
    let runs = lab.path("home/.local/state/rookery/runs");
    let run = fs::read_dir(&runs).expect("there was a run").next().expect("one").expect("it can be read").path();
    let text = fs::read_to_string(run.join("journal.jsonl")).expect("every run has one");
    (run.file_name().expect("it has a name").to_string_lossy().into_owned(), text)
}

#[test]
fn a_lost_ssh_session_is_a_detail_and_no_byte_is_sent_twice() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 12);
    let mut run = lab.start(&source, &SLOW);
    run.until_all_have_pieces(&lab.hosts);
    let agents: Vec<_> = lab.hosts.iter().map(detached).collect();
    // The seeder's session, in the middle of the push, and that of a peer.
    for index in [0, 3] {
        kill(&sessions(&lab.hosts[index]));
    }
    went_on_alone(&lab, &run.finish().expect_code(0), &[0, 3], &agents);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn an_sshd_that_is_stopped_and_started_again_is_found_again_and_no_byte_is_sent_twice() {
    let Some(mut lab) = Lab::of(4) else { return };
    let source = source(&lab, 12);
    let mut run = lab.start(&source, &SLOW);
    run.until_all_have_pieces(&lab.hosts);
    let agents: Vec<_> = lab.hosts.iter().map(detached).collect();
    // The seeder's, in the middle of the push, and a peer's: nobody listens there for a while.
    let mut lost = Vec::new();
    for index in [0, 2] {
        let sessions = sessions(&lab.hosts[index]);
        lab.hosts[index].stop_sshd();
        kill(&sessions);
        lost.push(lab.hosts[index].name.clone());
    }
    while let Some(name) = lost.pop() {
        let is_lost = |event: &Value| {
            event["place"] == name.as_str() && event["text"].as_str().is_some_and(|text| text.starts_with("SSH lost"))
        };
        if !run.has_told(is_lost) {
            run.until("the connection is missed", is_lost);
        }
    }
    run.until("the others go on", |event| {
        event["event"] == "host.progress" && event["host"] == lab.hosts[3].name.as_str()
    });
    lab.reload(0);
    lab.reload(2);
    went_on_alone(&lab, &run.finish().expect_code(0), &[0, 2], &agents);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

/// Each of these hosts lost its connection once and has it again, with the agent and the attempt that it had, and nothing was
/// sent twice.
fn went_on_alone(lab: &Lab, ended: &Ended, lost: &[usize], agents: &[Vec<u32>]) {
    for index in lost {
        let host = &lab.hosts[*index];
        assert_eq!(notes(&ended.events, host, "SSH lost, transfer goes on: ").len(), 1, "{}", ended.story);
        assert_eq!(notes(&ended.events, host, "SSH is back after ").len(), 1, "{}", ended.story);
        let attempts = ended.events.iter().filter(|event| event["host"] == host.name.as_str());
        assert!(attempts.filter_map(|event| event["attempt"].as_u64()).all(|attempt| attempt == 1), "{}", ended.story);
    }
    assert!(agents.iter().all(|agents| agents.len() == 1), "one agent a host from first to last: {agents:?}");
    let total = ended.events[0]["payload_bytes"].as_u64().expect("it is known from the start");
    let down = |host: &LabHost| {
        let told =
            ended.events.iter().rfind(|event| event["event"] == "host.progress" && event["host"] == host.name.as_str());
        told.and_then(|event| event["bytes_down"].as_u64()).unwrap_or_default()
    };
    assert_eq!(down(&lab.hosts[0]), 0, "the seeder fetched nothing");
    assert!(lab.hosts[1..].iter().all(|host| down(host) <= total + total / 20), "{}", ended.story);
}

#[test]
fn a_killed_console_is_not_missed_and_another_takes_the_run_up() {
    let Some(lab) = Lab::of(5) else { return };
    let source = source(&lab, 8);
    let mut run = lab.start(&source, &SLOW);
    // The push has to be over and every host under way for the transfers to finish alone.
    let pushed = |event: &Value| event["host"] == lab.hosts[0].name.as_str() && event["state"] == "done";
    run.until("the seeder has it all", pushed);
    run.until_all_have_pieces(&lab.hosts[1..]);
    let (name, _) = journal(&lab);
    let watching = lab.rookery(&["attach", "--read-only"]).stdout(Stdio::piped()).spawn().expect("rookery was built");
    let busy = lab.rookery(&["resume", &name, "--json"]).output().expect("rookery was built");
    assert_eq!(busy.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&busy.stderr).contains("has a console on this machine"));
    kill(&[run.child.id()]);
    drop(run.finish());
    let watched = watching.wait_with_output().expect("it was started here");
    let watched = String::from_utf8_lossy(&watched.stdout).into_owned();
    assert!(watched.contains("takes site to 127.0.0.[2-6] (5)") && watched.contains(" fetching"), "{watched}");
    for host in &lab.hosts {
        wait_until("the transfers finish alone", || host.releases().join("v1").is_dir());
        assert_eq!(detached(host).len(), 1, "{} keeps its agent until somebody asks", host.name);
    }
    let resumed = lab.resume(&[]).expect_code(0);
    assert_eq!(resumed.end()["outcome"], "complete", "{}", resumed.story);
    assert_eq!(resumed.events[0]["event"], "run.resume");
    assert_eq!(resumed.events[0]["run"], name.as_str());
    let sent =
        resumed.events.iter().filter(|event| event["event"] == "host.state" && event["state"] == "bootstrapping");
    assert!(sent.count() <= 4, "who was done is not asked again\n{}", resumed.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
    assert!(!lab.path(&format!("home/.local/state/rookery/runs/{name}/payload")).exists());

    for (arguments, why) in [
        (&["resume", name.as_str()][..], "has ended (complete)"),
        (&["resume"], "no run is unfinished"),
        (&["resume", "20200101-000000-0000"], "no run `20200101-000000-0000`"),
    ] {
        let said = lab.rookery(arguments).output().expect("rookery was built");
        assert_eq!(said.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&said.stderr).contains(why), "{}", String::from_utf8_lossy(&said.stderr));
    }
}

#[test]
fn a_run_whose_console_died_in_the_push_goes_on_with_what_is_missing() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 12);
    let mut run = lab.start(&source, &SLOW);
    run.until_all_have_pieces(&lab.hosts);
    kill(&[run.child.id()]);
    drop(run.finish());
    // One agent dies too, before anybody looks.
    kill(&detached(&lab.hosts[2]));
    let resumed = lab.resume(&[]).expect_code(0);
    assert_eq!(resumed.end()["counts"]["done"], 4, "{}", resumed.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn a_console_that_is_told_to_go_leaves_a_run_and_says_how_to_take_it_up() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 8);
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let tag = format!("left-by-{signal}");
        let mut run = lab.start(&source, &["--tag", &tag, "--max-upload", "2M"]);
        run.until_all_have_pieces(&lab.hosts);
        let pid = run.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("it is there").success());
        let ended = run.finish().expect_code(code);
        assert!(ended.story.contains("`rookery resume "), "{}", ended.story);
        assert_eq!(ended.events.last().expect("it said something")["event"], "run.left", "{}", ended.story);
        wait_until("one agent a host goes on", || lab.hosts.iter().all(|host| detached(host).len() == 1));
        lab.resume(&[]).expect_code(0);
        lab.assert_delivered(&deployed(&lab, &source), &tag, &[]);
        lab.assert_clean();
    }
}

#[test]
fn a_terminal_that_goes_without_a_hangup_leaves_the_run_at_once() {
    let Some(lab) = Lab::of(3) else { return };
    // Sixteen seconds of transfer: it is under way when the terminal goes, however busy the machine.
    let source = source(&lab, 32);
    let source_path = source.display().to_string();
    let console = Console::open_untold(&lab, &[&["run", &source_path, "--yes"], &SLOW[..]].concat());
    wait_until("every host fetches", || {
        let runs = fs::read_dir(lab.path("home/.local/state/rookery/runs")).ok();
        let run = runs.and_then(|mut runs| runs.next()?.ok());
        let story = run.and_then(|run| fs::read_to_string(run.path().join("journal.jsonl")).ok()).unwrap_or_default();
        let tells = |line: &str, host: &LabHost| {
            line.contains("\"host.progress\"") && line.contains(&format!("\"host\":\"{}\"", host.name))
        };
        lab.hosts.iter().all(|host| story.lines().any(|line| tells(line, host)))
    });
    let (took, code) = console.lose_terminal();
    assert_eq!(code, 129);
    assert!(took < Duration::from_secs(2), "{took:?}");
    wait_until("one agent a host goes on", || lab.hosts.iter().all(|host| detached(host).len() == 1));
    lab.resume(&[]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn a_lease_ends_no_transfer_that_moves_and_what_is_complete_is_cleaned_up() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 6);
    lab.write_inventory("[roles]\nseeder = \"127.0.0.2\"\n[rollout]\nlease = \"5s\"\n");
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "512K"]);
    run.until_all_have_pieces(&lab.hosts);
    let has_it_all = |event: &Value| event["host"] == lab.hosts[0].name.as_str() && event["state"] == "done";
    if !run.has_told(has_it_all) {
        run.until("the seeder has it all", has_it_all);
    }
    kill(&[run.child.id()]);
    let begun = run.finish();
    let done = begun.events.iter().filter(|event| event["state"] == "done").count();
    assert!(done < 3, "too fast a test\n{}", begun.story);
    for host in &lab.hosts {
        wait_until(&format!("the lease of {} ends", host.name), || host.agents().is_empty());
    }
    // Nobody told them to.
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
    let resumed = lab.resume(&[]).expect_code(0);
    assert_eq!(resumed.end()["counts"]["done"], 3, "{}", resumed.story);
    lab.assert_clean();
}

#[test]
fn agents_without_a_console_or_a_seeder_end_with_their_lease_and_keep_what_they_have() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 6);
    lab.write_inventory("[roles]\nseeder = \"127.0.0.2\"\n[rollout]\nlease = \"3s\"\n");
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "512K"]);
    run.until_all_have_pieces(&lab.hosts[1..2]);
    let run_id = run.id();
    kill(&[run.child.id()]);
    kill(&lab.hosts[0].agents());
    drop(run.finish());
    for host in &lab.hosts {
        wait_until(&format!("the lease of {} ends", host.name), || host.agents().is_empty());
    }
    let host = &lab.hosts[1];
    let kept = fs::read_dir(host.releases().join(".rookery")).into_iter().flatten().filter_map(Result::ok);
    let has_part = kept.into_iter().any(|file| file.file_name().to_string_lossy().ends_with(".part"));
    let log = fs::read_to_string(host.work_dir().join("runs").join(&run_id).join(&host.name).join("agent.log"));
    assert!(has_part, "what it has is not kept; its log:\n{}", log.unwrap_or_else(|error| error.to_string()));
    let resumed = lab.resume(&[]).expect_code(0);
    assert_eq!(resumed.end()["counts"]["done"], 3, "{}", resumed.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn the_lock_of_an_agent_that_died_with_its_console_is_taken_over_for_all_to_see() {
    let Some(lab) = Lab::of(2) else { return };
    let source = source(&lab, 8);
    let mut run = lab.start(&source, &SLOW);
    run.until_all_have_pieces(&lab.hosts);
    let dead = run.id();
    kill(&[run.child.id()]);
    drop(run.finish());
    lab.hosts.iter().for_each(|host| kill(&host.agents()));
    wait_until("they are gone", || processes_below(&lab.path("")).is_empty());
    let next = lab.run(&source, &["--tag", "v2"]).expect_code(0);
    for host in &lab.hosts {
        assert_eq!(notes(&next.events, host, &format!("it was run {dead} of ")).len(), 1, "{}", next.story);
    }
    lab.assert_delivered(&deployed(&lab, &source), "v2", &[]);
    lab.assert_clean();
}

#[test]
fn what_a_crash_left_is_cleaned_and_a_run_under_way_is_left_alone() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 12);
    let mut run = lab.start(&source, &SLOW);
    run.until_all_have_pieces(&lab.hosts);
    let clean = |arguments: &[&str]| {
        let said = lab.rookery(&[&["clean"], arguments].concat()).output().expect("rookery was built");
        (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (code, said) = clean(&[]);
    assert!(code == Some(8) && said.contains("under way, its console was heard"), "{code:?} {said}");
    assert!(said.ends_with("0 places are proved clean, 3 not clean, 0 not known\n"), "{said}");
    kill(&[run.child.id()]);
    drop(run.finish());
    // One agent lives, one died, one is gone with its lock left.
    kill(&detached(&lab.hosts[1]));
    for host in [&lab.hosts[0], &lab.hosts[2]] {
        let folder = fs::read_dir(host.work_dir().join("runs")).expect("it is at work").next().expect("one run");
        let log = folder.expect("it can be read").path().join(&host.name).join("agent.log");
        let told = || fs::read_to_string(&log).is_ok_and(|log| log.contains("going on without"));
        wait_until("agents notice that the console is gone", told);
    }
    let (code, said) = clean(&["--limit", &lab.hosts[0].name]);
    let spared = said.contains("its console was heard") && said.contains("--force ends it");
    assert!(code == Some(8) && spared, "a console may only have lost its way: {code:?} {said}");
    let (code, said) = clean(&["--json", "--force"]);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert!(code == Some(0) && lines.len() == 3 && lines.iter().all(|line| line["clean"] == true), "{code:?} {said}");
    assert!(said.contains(": process "), "{said}");
    lab.assert_clean();
    let (code, said) = clean(&["--quiet"]);
    assert!(code == Some(0) && said.is_empty(), "{code:?} {said}");
}
