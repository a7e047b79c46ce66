//! A release that waits for its turn, and the command that says whether the host is well with it.

use std::fs;
use std::time::{Duration, Instant};

use rookery::control::{AgentFailure, CheckOrder, DataSource, Order, Placing, ServeRole, Status};

use super::host::{Host, Source};

/// A host that has the release ready aside.
fn staged(source: &Source) -> Host {
    let mut host = Host::new();
    let payload = source.payload.display().to_string();
    let mut order = source.order(ServeRole::Seeder(DataSource::File(payload)), "127.0.0.2");
    order.placing = Placing::Held;
    host.serve(order);
    host.wait_for(|status| match status {
        Status::Staged => Some(()),
        Status::Delivered { .. } | Status::Failed { .. } => panic!("{status:?}"),
        _ => None,
    });
    host
}

fn check(host: &mut Host, words: &[&str], timeout: Duration) -> Option<String> {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    host.order(&Order::Check(CheckOrder { command, timeout, tag: "v1".parse().unwrap(), number: 4 }));
    host.wait_for(|status| match status {
        Status::Checked { number: 4, why } => Some(why.clone()),
        Status::Checked { .. } | Status::Failed { .. } => panic!("{status:?}"),
        _ => None,
    })
}

#[test]
fn a_staged_release_gets_its_place_when_it_is_told_and_not_before() {
    let source = Source::new(31);
    let mut host = staged(&source);
    assert!(!host.releases().join("v1").exists());
    host.order(&Order::Place);
    assert!(!host.delivered());
    host.assert_has(&source);
    host.order(&Order::Place);
    assert!(matches!(host.failed(), AgentFailure::Protocol { .. }), "there is no second one");
    host.stop();
}

#[test]
fn a_staged_release_goes_with_an_abort_and_leaves_another_of_its_name_alone() {
    let source = Source::new(32);
    let host = staged(&source);
    host.stop();
    let mut host = staged(&source);
    fs::create_dir_all(host.releases().join("v1/other")).unwrap();
    host.order(&Order::Place);
    let failure = host.failed();
    assert!(host.releases().join("v1/other").exists(), "{failure}");
    host.stop();
}

#[test]
fn a_health_command_says_how_it_ended_and_its_last_words() {
    let source = Source::new(33);
    let mut host = staged(&source);
    host.order(&Order::Place);
    host.delivered();
    let release = host.releases().join("v1").display().to_string();
    let long = Duration::from_secs(30);
    assert_eq!(check(&mut host, &["/usr/bin/test", "-f", "{release}/run.sh"], long), None);
    let said = check(
        &mut host,
        &["/bin/sh", "-c", "echo fine; echo \"$1 of $ROOKERY_TAG\" >&2; exit 3", "x", "{release}"],
        long,
    );
    assert_eq!(said, Some(format!("the command ended with status 3: {release} of v1")));
    let killed = check(&mut host, &["/bin/sh", "-c", "kill -9 $$"], long);
    assert_eq!(killed.as_deref(), Some("the command was killed by signal 9"));
    let missing = check(&mut host, &["/nowhere/check"], long);
    assert!(missing.unwrap().starts_with("cannot run /nowhere/check: "));
    host.stop();
}

#[test]
fn a_health_command_that_hangs_is_killed_with_all_it_started() {
    let source = Source::new(34);
    let mut host = staged(&source);
    host.order(&Order::Place);
    host.delivered();
    let pid = host.releases().join("pid");
    let script = format!("sleep 600 & echo $! > {}; echo waits; wait", pid.display());
    let began = Instant::now();
    let why = check(&mut host, &["/bin/sh", "-c", &script], Duration::from_secs(1));
    assert_eq!(why.as_deref(), Some("it took longer than 1 s: waits"));
    assert!(began.elapsed() < Duration::from_secs(20));
    let child = fs::read_to_string(&pid).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    let gone = stat.map_or(true, |stat| stat.contains(") Z "));
    assert!(gone, "what it started still runs");
    fs::remove_file(pid).unwrap();
    host.stop();
}
