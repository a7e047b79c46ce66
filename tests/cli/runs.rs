//! Runs without a terminal, against hosts where nobody listens.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::desk::{Desk, NOBODY, Said};

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Every line has the contract's fields, numbers have no gap, and the end sums to the fleet.
#[track_caller]
fn is_whole(events: &[Value]) {
    for (number, event) in (1..).zip(events) {
        assert_eq!((&event["schema"], &event["seq"]), (&1.into(), &Value::from(number)), "{event}");
        assert_eq!(event["run"], events[0]["run"]);
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        assert!(time > jiff::Timestamp::UNIX_EPOCH && event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        assert!(event["event"].is_string(), "{event}");
    }
    assert_eq!(events[0]["event"], "run.start");
    assert_eq!(events.iter().filter(|event| event["event"] == "run.end").count(), 1);
    let end = events.last().unwrap();
    let counts = end["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap());
    assert_eq!((&end["event"], counts.sum::<u64>()), (&"run.end".into(), 4), "{end}");
    assert_eq!((&end["outcome"], &end["counts"]["unreachable"]), (&"failed".into(), &4.into()), "{end}");
}

#[test]
fn json_is_the_events_of_the_contract_and_the_journal_has_them_too() {
    let desk = Desk::with_key(NOBODY);
    let said = desk.run("run src --json");
    assert_eq!((said.code, said.err.as_str()), (3, ""), "{}", said.out);
    let seen = events(&said.out);
    is_whole(&seen);
    let (start, fields) = (&seen[0], ["tag", "source", "payload_bytes", "sha256", "pieces", "info_hash", "operator"]);
    assert!(fields.iter().all(|field| !start[field].is_null()), "{start}");
    assert_eq!((start["operator"].as_str(), start["hosts"].as_array().map(Vec::len)), (Some("olga"), Some(4)));
    assert_eq!(desk.run("runs show").works(), said.out);
    let left = desk.left();
    assert!(!left.iter().any(|path| path.ends_with("/payload")), "{left:?}");
}

#[test]
fn who_started_a_run_is_known_without_the_environment() {
    let desk = Desk::with_key(NOBODY);
    let said = Said::of(&desk.command(&["run", "src", "--json"]).env_remove("USER").output().unwrap());
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(id.stdout).unwrap();
    assert_eq!(events(&said.out)[0]["operator"], name.trim());
}

#[test]
fn plain_lines_name_every_host_its_reason_and_the_next_step() {
    let desk = Desk::with_key(NOBODY);
    let said = desk.run("run src --plain --tag v7");
    assert_eq!(said.code, 3, "{said:?}");
    for words in ["127.0.0.5", "unreachable", "Connection refused", "v7: failed in", "4 unreachable", "then retry"] {
        assert!(said.out.contains(words), "{words} in\n{}", said.out);
    }
    assert!(said.err.contains("`rookery runs report"), "{}", said.err);
}

#[test]
fn quiet_says_failures_and_the_end() {
    let desk = Desk::with_key(NOBODY);
    let said = desk.run("run src --quiet");
    assert_eq!((said.code, said.err.as_str()), (3, ""));
    assert!(!said.out.contains("connecting") && !said.out.contains("payload"), "{}", said.out);
    assert_eq!(said.out.lines().filter(|line| line.contains(" unreachable (")).count(), 4, "{}", said.out);
}

#[test]
fn without_a_key_a_run_ends_before_it_packages() {
    let desk = Desk::new(NOBODY);
    desk.run("run src --json").fails(7, &["no key to log in with", "identity", "ssh-agent"]);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_reader_that_goes_away_does_not_break_the_run() {
    let desk = Desk::with_key(NOBODY);
    let mut child =
        desk.command(&["run", "src", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("run.start"), "{first}");
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(3), ""));
    is_whole(&events(&desk.run("runs show").works()));
}

#[test]
fn a_run_that_cannot_begin_leaves_no_folder() {
    let desk = Desk::with_key(NOBODY);
    desk.run("run src --log-file /nowhere/log").fails(1, &["failed to open the log /nowhere/log"]);
    assert!(desk.left().is_empty() && !desk.state().exists(), "{:?}", desk.left());
}

#[test]
fn runs_lists_shows_and_reports() {
    let desk = Desk::with_key(NOBODY);
    let said = desk.run("runs");
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert!(said.err.contains("no run yet"), "{}", said.err);
    assert_eq!(desk.run("run src --quiet --tag v1").code, 3);
    assert_eq!(desk.run("run src --quiet --tag v2 --limit 127.0.0.2").code, 3);
    let listed = desk.run("runs").works();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].contains("v2") && lines[0].ends_with("1 unreachable") && lines[0].contains("olga"), "{listed}");
    let first = lines[1].split_whitespace().next().unwrap();
    let report = desk.run(&format!("runs report {first}")).works();
    for words in
        [first, "olga", "v1", "src", "sha256", "127.0.0.[2-5] (4)", "4 x cannot connect", "then retry", "journal"]
    {
        assert!(report.contains(words), "{words} in\n{report}");
    }
    assert!(desk.run("runs report").works().contains("v2"), "the last run");
    assert_eq!(desk.run("hosts @failed").works(), "127.0.0.2 (1)\n");
    assert_eq!(desk.run("hosts @unreachable").works(), "127.0.0.2 (1)\n");
    std::fs::remove_file(desk.state().join("runs").join(first).join("report.txt")).unwrap();
    let told = desk.run(&format!("runs report {first}")).works();
    assert!(told.contains("cannot connect: 127.0.0.[2-5] (4)") && told.contains("Connection refused"), "{told}");
}

#[test]
fn results_may_be_read_in_part_or_go_to_a_full_disk() {
    let desk = Desk::with_key(NOBODY);
    for words in ["hosts --list", "keys", "man", "completions bash", "theme show dark", "doctor"] {
        let args: Vec<&str> = words.split_whitespace().collect();
        let mut child = desk.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let said = Said::of(&desk.command(&args).stdout(full).stderr(Stdio::piped()).output().unwrap());
        said.fails(1, &["failed to write to stdout"]);
    }
}

#[test]
fn a_run_without_an_end_is_under_way_or_unfinished_and_took_no_time_that_is_not_known() {
    let desk = Desk::with_key(NOBODY);
    assert_eq!(desk.run("run src --tag v7 --quiet").code, 3);
    let whole = desk.run("runs show").works();
    let (before, end) = whole.trim_end().rsplit_once('\n').unwrap();
    let journal = desk.left().into_iter().find(|path| path.ends_with("journal.jsonl")).unwrap();
    std::fs::write(&journal, format!("{before}\n")).unwrap();
    let last = events(before).pop().unwrap()["time"].as_str().unwrap()[..19].to_owned();

    for words in ["unfinished", "last heard 20"] {
        assert!(desk.run("runs").works().contains(words), "{words} in {}", desk.run("runs").out);
    }
    let said = desk.run("hosts @failed");
    assert!(said.code == 0 && said.err.contains("has not ended: what is meant is what had failed by 20"), "{said:?}");
    let report = desk.run("runs report").works();
    assert!(report.contains("its console is gone") && report.contains("`rookery resume 20"), "{report}");
    assert!(report.contains(&format!("last heard {last}Z")), "{report}");

    let lock = std::fs::File::create(journal.replace("journal.jsonl", "console.lock")).unwrap();
    lock.lock().unwrap();
    let listed = desk.run("runs").works();
    assert!(listed.contains("under way") && listed.contains(" s so far"), "{listed}");
    assert!(desk.run("runs report").works().contains("`rookery attach 20"));
    let older = desk.state().join("runs/20000101-000000-0000");
    std::fs::create_dir(&older).unwrap();
    let run = events(before)[0]["run"].as_str().unwrap().to_owned();
    let begun = before.lines().next().unwrap().replace(&run, "20000101-000000-0000");
    std::fs::write(older.join("journal.jsonl"), begun).unwrap();
    std::fs::File::open(older.join("journal.jsonl")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    desk.run("resume").fails(2, &[&run, "has a console on this machine", "`rookery resume RUN` takes up another"]);
    std::fs::remove_dir_all(&older).unwrap();
    drop(lock);

    std::fs::write(&journal, format!("{before}\n{end}\n")).unwrap();
    let listed = desk.run("runs").works();
    assert!(listed.contains("failed") && !listed.contains("last heard"), "{listed}");
}

#[test]
fn a_run_whose_packaged_payload_is_gone_is_not_taken_up_and_says_where_it_was() {
    let desk = Desk::with_key(NOBODY);
    let mut child = desk.command(&["run", "src", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"connecting\"")), "it begins");
    child.kill().unwrap();
    child.wait().unwrap();
    let payload = desk.left().into_iter().find(|path| path.ends_with("/payload")).unwrap();
    desk.run("resume --log-file /nowhere/log").fails(1, &["failed to open the log /nowhere/log"]);
    std::fs::remove_file(&payload).expect("what does not begin takes nothing away");
    desk.run("resume")
        .fails(1, &[&payload, "No such file", "cannot be taken up", "`rookery clean`, then start a new run"]);
}

#[test]
fn what_cannot_be_read_of_the_last_run_is_told_and_no_older_one_is_meant_instead() {
    let desk = Desk::with_key(NOBODY);
    assert_eq!(desk.run("run src --tag v1 --quiet").code, 3);
    assert_eq!(desk.run("run src --tag v2 --quiet --limit 127.0.0.2").code, 3);
    let newest = desk.run("runs").works();
    let newest = desk.state().join("runs").join(newest.split_whitespace().next().unwrap()).join("journal.jsonl");
    std::fs::write(&newest, "").unwrap();
    for words in ["hosts @failed", "runs report"] {
        desk.run(words).fails(1, &[&newest.display().to_string(), "holds no run"]);
    }
    std::fs::remove_dir_all(desk.state().join("runs")).unwrap();
    std::fs::write(desk.state().join("runs"), "no folder").unwrap();
    for words in ["hosts @failed", "runs", "resume", "attach --read-only"] {
        desk.run(words).fails(1, &["failed to list the runs in", "/runs: Not a directory"]);
    }
}
