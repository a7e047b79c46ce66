//! Each class of failure in each state of a host, with each answer of the operator: where the host ends.

use std::collections::BTreeSet;
use std::time::Duration;

use rookery::base::{ByteCount, Sha256Digest};
use rookery::control::{AgentFailure, Status};
use rookery::inventory::{Gate, HostId, Mode};
use rookery::rollout::{
    Action, Config, Detail, Failure, HealthCheck, Input, Phase, Plan, Policy, Standing, StateName, Station, Whole,
};

use crate::fleet::{Fault, Fleet};
use crate::plans::{asking, host, plan};

/// What becomes of a class by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The host is tried again.
    Heals,
    /// The host has failed until somebody does something.
    Fails,
    /// The host counts as not reached until somebody does something.
    Lost,
    /// The host is tried again, and counts as not reached if that does not help.
    HealsOrLost,
}

/// Every class, and what becomes of it.
#[rustfmt::skip]
fn classes() -> Vec<(Failure, Class)> {
    use Class::{Fails, Heals, HealsOrLost, Lost};
    let text = || "x".to_owned();
    let late = |phase| Failure::Timeout { phase, after: Duration::from_secs(9) };
    let no_way = |station| Failure::NoWay { station, address: ([10, 0, 0, 1], 8998).into(), why: text() };
    vec![
        (Failure::Resolve { name: text(), why: text() }, Lost),
        (Failure::Connect { address: text(), why: text() }, HealsOrLost),
        (Failure::ClosedBeforeBanner { address: text() }, HealsOrLost),
        (Failure::Jump { jump: text(), why: text() }, HealsOrLost),
        (late(Phase::Connect), HealsOrLost),
        (late(Phase::KeyExchange), HealsOrLost),
        (late(Phase::Authenticate), Heals),
        (late(Phase::Exec), Heals),
        (late(Phase::Push), Heals),
        (late(Phase::Start), Heals),
        (late(Phase::Serve), Heals),
        (late(Phase::Deliver), Heals),
        (late(Phase::Switch), Heals),
        (Failure::HostKeyUnknown { algorithm: text(), fingerprint: text() }, Fails),
        (Failure::HostKeyChanged { algorithm: text(), fingerprint: text(), known_at: text() }, Fails),
        (Failure::HostKeyRevoked { fingerprint: text(), revoked_at: text() }, Fails),
        (Failure::HostCertificate { authority: text(), why: text() }, Fails),
        (Failure::Authentication { user: text(), tried: text() }, Fails),
        (Failure::Sudo { why: text() }, Fails),
        (Failure::LoginsWithheld { refused: 3, why: text() }, Fails),
        (Failure::Ssh { why: text() }, Heals),
        (Failure::ConnectionLost { why: text() }, Heals),
        (Failure::OutOfReach { after: Duration::from_secs(9), why: text() }, HealsOrLost),
        (Failure::WorkDir { why: text() }, Fails),
        (Failure::Unsupported { system: text() }, Fails),
        (Failure::AgentDamaged { why: text() }, Heals),
        (Failure::AgentStart { why: text() }, Fails),
        (Failure::AgentDied { how: text() }, Heals),
        (Failure::Version { found: 0, expected: 1 }, Fails),
        (Failure::Stalled { after: Duration::from_secs(9), reason: text() }, Heals),
        (Failure::Seeder { why: text() }, Fails),
        (Failure::Unhealthy { why: text() }, Fails),
        (Failure::Overdue { whole: Whole::Host, after: Duration::from_secs(9) }, Fails),
        (Failure::Overdue { whole: Whole::Run, after: Duration::from_secs(9) }, Fails),
        (no_way(Station::Tracker), Fails),
        (no_way(Station::Seeder), Fails),
        (Failure::Clock { skew: 400 }, Fails),
    ]
}

/// Every class of an agent's own work.
#[rustfmt::skip]
fn agent_classes() -> Vec<(Failure, Class)> {
    use Class::{Fails, Heals};
    let text = || "x".to_owned();
    let (found, expected) = (Sha256Digest::new([0; 32]), Sha256Digest::new([1; 32]));
    let classes = vec![
        (AgentFailure::DiskFull { path: text(), needed: ByteCount(2), free: ByteCount(1) }, Fails),
        (AgentFailure::NoInodes { path: text(), needed: 2, free: 1 }, Fails),
        (AgentFailure::ReadOnly { path: text() }, Fails),
        (AgentFailure::Permission { operation: text(), path: text() }, Fails),
        (AgentFailure::Folder { path: text(), why: text() }, Fails),
        (AgentFailure::Held { path: text(), by: text() }, Fails),
        (AgentFailure::ReleaseDiffers { path: text(), found, expected }, Fails),
        (AgentFailure::DigestMismatch { what: text(), found, expected }, Fails),
        (AgentFailure::UnsafeArchive { entry: text(), why: text() }, Fails),
        (AgentFailure::DamagedArchive { why: text() }, Fails),
        (AgentFailure::PortsInUse { ports: text(), bind: text() }, Fails),
        (AgentFailure::Source { path: text(), why: text() }, Fails),
        (AgentFailure::SourceChanged { path: text() }, Heals),
        (AgentFailure::Io { operation: text(), path: text(), why: text() }, Heals),
        (AgentFailure::Protocol { why: text() }, Fails),
    ];
    classes.into_iter().map(|(failure, class)| (Failure::Agent(failure), class)).collect()
}

/// What classes are called in the code that names them.
fn causes() -> BTreeSet<String> {
    let mut causes = BTreeSet::new();
    for code in [include_str!("../../src/rollout/failure.rs"), include_str!("../../src/control/failure.rs")] {
        let (_, rest) = code.split_once("fn cause(&self)").expect("a class has a name");
        let (names, _) = rest.split_once("fn next_step(&self)").expect("and a next step");
        causes.extend(names.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    causes
}

/// Where a host is when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Connecting,
    Bootstrapping,
    Fetching,
    Stalled,
    Verifying,
    Unpacking,
    Staged,
    Checking,
    Done,
}

impl Moment {
    const ALL: [Self; 9] = [
        Self::Connecting,
        Self::Bootstrapping,
        Self::Fetching,
        Self::Stalled,
        Self::Verifying,
        Self::Unpacking,
        Self::Staged,
        Self::Checking,
        Self::Done,
    ];

    fn is_now(self, fleet: &Fleet) -> bool {
        let record = fleet.rollout.host(HostId(1)).expect("it is of the fleet");
        let state = record.state.name();
        match self {
            Self::Connecting => state == StateName::Connecting,
            Self::Bootstrapping => state == StateName::Bootstrapping && fleet.serves.contains_key(&host(1)),
            Self::Fetching => state == StateName::Fetching,
            Self::Stalled => state == StateName::Stalled,
            Self::Verifying => state == StateName::Verifying && record.detail == Detail::None,
            Self::Unpacking => state == StateName::Unpacking && record.detail == Detail::None,
            Self::Staged => record.detail == Detail::Staged,
            Self::Checking => record.detail == Detail::Checking { attempt: 1 },
            Self::Done => state == StateName::Done,
        }
    }
}

/// What the operator does about it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Nothing,
    Retry,
    Abort,
    /// The console is killed, and another takes the run up.
    Resume,
    /// The same, after the host was given up.
    AbortAndResume,
}

impl Answer {
    const ALL: [Self; 5] = [Self::Nothing, Self::Retry, Self::Abort, Self::Resume, Self::AbortAndResume];
}

/// Four hosts, the second of which has its turn in the second wave.
fn course(moment: Moment) -> Plan {
    let health = HealthCheck { command: vec!["/bin/check".to_owned()], timeout: Duration::from_secs(5), tries: 2 };
    let policy = Policy { health: Some(health), ..Policy::default() };
    let policy = match moment {
        Moment::Staged => Policy {
            waves: vec![vec![HostId(0), HostId(2)], vec![HostId(1), HostId(3)]],
            mode: Mode::StageThenSwitch,
            gate: Gate::Ask,
            ..policy
        },
        _ => policy,
    };
    Plan { policy, ..plan(4) }
}

/// Lets the fleet go on until every host is settled; gates are opened.
fn settle(fleet: &mut Fleet) {
    loop {
        fleet.run_until(|fleet| {
            fleet.rollout.counts().settled() == 4 || *fleet.rollout.standing() != Standing::Underway
        });
        if fleet.rollout.counts().settled() == 4 {
            return;
        }
        fleet.act(Action::Proceed);
    }
}

fn expected(class: Class, moment: Moment, answer: Answer) -> StateName {
    if moment == Moment::Done {
        return StateName::Done;
    }
    match (class, answer) {
        (_, Answer::Abort | Answer::AbortAndResume) => StateName::Aborted,
        (_, Answer::Retry | Answer::Resume) | (Class::Heals | Class::HealsOrLost, Answer::Nothing) => StateName::Done,
        (Class::Fails, Answer::Nothing) => StateName::Failed,
        (Class::Lost, Answer::Nothing) => StateName::Unreachable,
    }
}

/// A fleet whose second host is where it is to fail.
fn fleet_at(moment: Moment, seed: u64) -> Fleet {
    let config = Config { work_attempts: 3, ..asking() };
    let mut fleet = Fleet::seeded(course(moment), config, seed);
    if moment == Moment::Stalled {
        fleet = fleet.fault(host(1), Fault::StopsAt(5));
    }
    fleet.run_until(|fleet| moment.is_now(fleet));
    fleet.mend(host(1));
    fleet
}

/// The second host fails.
fn strike(fleet: &mut Fleet, failure: &Failure) {
    match failure {
        Failure::Agent(failure) => {
            let attempt = fleet.rollout.host(HostId(1)).expect("it is of the fleet").attempt.number;
            let status = Status::Failed { failure: failure.clone() };
            fleet.give(Input::Status { at: host(1), attempt, status });
        }
        _ => fleet.cut(host(1), failure.clone()),
    }
}

/// It fails, and is answered.
fn try_one(failure: &Failure, class: Class, moment: Moment, answer: Answer, seed: u64) {
    let mut fleet = fleet_at(moment, seed);
    strike(&mut fleet, failure);
    match answer {
        Answer::Nothing => {}
        Answer::Retry => fleet.act(Action::Retry(vec![HostId(1)])),
        Answer::Abort => fleet.act(Action::Abort(vec![HostId(1)])),
        Answer::Resume => fleet.kill_console(),
        Answer::AbortAndResume => {
            fleet.act(Action::Abort(vec![HostId(1)]));
            fleet.kill_console();
        }
    }
    judge(fleet, failure, (moment, answer, expected(class, moment, answer)), seed);
}

/// The console is killed there, and what the next one meets is the failure.
fn meet_one(failure: &Failure, class: Class, moment: Moment, seed: u64) {
    let mut fleet = fleet_at(moment, seed);
    fleet.kill_console();
    if moment != Moment::Done {
        let orders = fleet.serves.get(&host(1)).map_or(0, Vec::len);
        match failure {
            Failure::Agent(_) => {
                fleet.run_until(|fleet| fleet.serves.get(&host(1)).is_some_and(|all| all.len() > orders));
            }
            _ => fleet.run_until(|fleet| fleet.state(1) == StateName::Connecting),
        }
        strike(&mut fleet, failure);
    }
    judge(fleet, failure, (moment, Answer::Resume, expected(class, moment, Answer::Nothing)), seed);
}

/// The run comes to its end, and the second host ends as `expected`.
fn judge(mut fleet: Fleet, failure: &Failure, (moment, answer, expected): (Moment, Answer, StateName), seed: u64) {
    settle(&mut fleet);
    let what = format!("{failure:?} while {moment:?}, {answer:?}, seed {seed}");
    assert_eq!(fleet.state(1), expected, "{what}");
    if let Some(kept) = fleet.rollout.host(HostId(1)).and_then(|host| host.state.failure()) {
        assert_eq!(kept, failure, "{what}");
    }
    for other in [0, 2, 3] {
        assert_eq!(fleet.state(other), StateName::Done, "one host never holds the others: {what}");
    }
    fleet.act(Action::Finish);
    let summary = fleet.run();
    assert_eq!((summary.counts.total(), summary.counts.settled()), (4, 4), "{what}");
    assert!(summary.left_behind.is_empty() && fleet.left().is_empty(), "{what}: {:?}", summary.left_behind);
}

#[test]
fn every_class_is_in_the_tables_and_says_what_to_do() {
    let all: Vec<_> = classes().into_iter().chain(agent_classes()).collect();
    let named: BTreeSet<String> = all.iter().map(|(failure, _)| failure.cause().to_owned()).collect();
    assert_eq!(named, causes(), "a class is in none of the tables");
    for (failure, class) in &all {
        let heals = matches!(class, Class::Heals | Class::HealsOrLost);
        assert_eq!(failure.is_retryable(), heals, "{failure:?}");
        assert_eq!(failure.is_unreachable(), matches!(class, Class::Lost | Class::HealsOrLost), "{failure:?}");
        let says = heals == failure.next_step().contains("retry") || failure.next_step().len() > 20;
        assert!(says && !failure.cause().is_empty() && !failure.to_string().is_empty(), "{failure:?}");
    }
}

#[test]
fn every_class_has_its_part_in_the_troubleshooting() {
    let page = include_str!("../../docs/troubleshooting.md");
    let parts: Vec<(&str, &str)> = page.split("\n### ").skip(1).filter_map(|part| part.split_once('\n')).collect();
    let all: Vec<_> = classes().into_iter().chain(agent_classes()).collect();
    for (failure, _) in &all {
        let part = parts.iter().find(|(cause, _)| *cause == failure.cause());
        let (_, text) = part.unwrap_or_else(|| panic!("`{}` is not in docs/troubleshooting.md", failure.cause()));
        assert_eq!(text.contains("*Tried again.*"), failure.is_retryable(), "{}", failure.cause());
        assert_eq!(text.contains("*Not tried again.*"), !failure.is_retryable(), "{}", failure.cause());
    }
    let known = |cause: &str| all.iter().any(|(failure, _)| failure.cause() == cause);
    assert_eq!(parts.iter().find(|(cause, _)| !known(cause)), None, "no class is called so");
}

/// Each class in each state in which it can be met, each with a seed of its own.
fn cases(classes: Vec<(Failure, Class)>) -> impl Iterator<Item = (u64, Failure, Class, Moment)> {
    let all = classes.into_iter().flat_map(|case| Moment::ALL.map(|moment| (case.clone(), moment)));
    let met = all.filter(|((failure, _), moment)| match failure {
        Failure::Agent(_) => *moment != Moment::Connecting,
        _ => true,
    });
    (0..).zip(met).map(|(seed, ((failure, class), moment))| (seed, failure, class, moment))
}

fn every_answer(classes: Vec<(Failure, Class)>) {
    for (seed, failure, class, moment) in cases(classes) {
        for (at, answer) in (0..).zip(Answer::ALL) {
            try_one(&failure, class, moment, answer, seed * Answer::ALL.len() as u64 + at);
        }
    }
}

#[test]
fn every_class_in_every_state_ends_where_it_should() {
    every_answer(classes());
}

#[test]
fn every_class_of_an_agents_work_in_every_state_ends_where_it_should() {
    every_answer(agent_classes());
}

#[test]
fn every_class_that_meets_a_console_which_took_the_run_up_ends_where_it_should() {
    let classes = classes().into_iter().chain(agent_classes()).collect();
    cases(classes).for_each(|(seed, failure, class, moment)| meet_one(&failure, class, moment, seed));
}

#[test]
fn what_does_not_heal_is_given_up_after_its_tries() {
    let tries = |fault: Fault, config: Config| {
        let mut fleet = Fleet::with(plan(3), config).fault(host(2), fault);
        fleet.run_until(|fleet| fleet.rollout.counts().settled() == 3);
        (fleet.state(2), fleet.connects[&host(2)].len())
    };
    let config = || Config { connect_attempts: 4, work_attempts: 3, ..asking() };
    assert_eq!(tries(Fault::Refuses(99), config()), (StateName::Unreachable, 4));
    assert_eq!(tries(Fault::DiesAt(3, 99), config()), (StateName::Failed, 3));
    assert_eq!(tries(Fault::DiesAt(3, 2), config()), (StateName::Done, 3));
    assert_eq!(tries(Fault::Denies, config()), (StateName::Failed, 1));
    assert_eq!(tries(Fault::DiskFull, config()), (StateName::Failed, 1));
    assert_eq!(tries(Fault::StopsAt(4), config()), (StateName::Failed, 3));
}
