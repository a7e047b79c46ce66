//! Connections that are lost while agents go on.

use std::time::Duration;

use rookery::control::Order;
use rookery::inventory::HostId;
use rookery::rollout::{Action, Caps, Failure, HostState, Input, Outcome, StateName};

use crate::fleet::{Fault, Fleet};
use crate::plans::{asking, config, host, plan};

/// A fleet whose host 2 fetches, and has just lost its connection.
fn lost(fault: Option<Fault>) -> Fleet {
    let mut fleet = Fleet::with(plan(4), asking());
    if let Some(fault) = fault {
        fleet = fleet.fault(host(2), fault);
    }
    fleet = fleet.fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.rollout.host(HostId(2)).is_some_and(|host| host.progress.pieces >= 4));
    fleet.lose(host(2));
    fleet
}

#[test]
fn a_lost_connection_is_a_detail_and_nothing_is_sent_again_when_it_is_back() {
    let mut fleet = lost(None);
    assert_eq!(fleet.state(2), StateName::Fetching);
    assert!(fleet.rollout.host(HostId(2)).is_some_and(|host| host.ssh_lost.is_some()));
    fleet.run_until(|fleet| fleet.notes().iter().any(|note| note.starts_with("SSH is back")));
    assert!(fleet.rollout.host(HostId(2)).is_some_and(|host| host.ssh_lost.is_none()));
    fleet.mend(host(2));
    fleet.run_until(|fleet| fleet.state(2) == StateName::Done);
    assert!(fleet.notes().iter().any(|note| note.starts_with("SSH lost, transfer goes on: ")), "{:?}", fleet.notes());
    assert_eq!(
        (fleet.rejoins[&host(2)].len(), fleet.connects[&host(2)].len(), fleet.serves[&host(2)].len()),
        (1, 1, 1)
    );
    assert!(!fleet.path(2).contains(&StateName::Stalled), "{:?}", fleet.path(2));
    assert_eq!(fleet.rollout.host(HostId(2)).map(|host| host.attempt.number), Some(1));
}

#[test]
fn redials_come_ever_more_rarely_and_at_last_the_host_is_out_of_reach() {
    let mut fleet = lost(Some(Fault::StaysLost));
    let begun = fleet.now;
    fleet.run_until(|fleet| fleet.state(2) == StateName::Unreachable);
    let failure = fleet.rollout.host(HostId(2)).and_then(|host| host.state.failure().cloned());
    assert!(matches!(failure, Some(Failure::OutOfReach { .. })), "{failure:?}");
    assert_eq!(fleet.now.since(begun), config().lost_max);
    let rejoins = &fleet.rejoins[&host(2)];
    assert!((30..70).contains(&rejoins.len()), "{}", rejoins.len());
    assert!(rejoins[1].since(rejoins[0]) < Duration::from_secs(3) && fleet.connects[&host(2)].len() == 1);
    assert!((0..4).filter(|id| *id != 2).all(|id| fleet.state(id) == StateName::Done));
}

#[test]
fn an_agent_that_proves_gone_is_the_failure_and_not_the_connection() {
    let mut fleet = lost(Some(Fault::StaysLost));
    fleet.kill(host(2));
    assert_eq!(fleet.state(2), StateName::Failed);
    let failed = |fleet: &Fleet| fleet.rollout.host(HostId(2)).and_then(|host| host.state.failure().cloned());
    assert!(matches!(failed(&fleet), Some(Failure::AgentDied { .. })));
}

#[test]
fn what_an_operator_wants_of_a_lost_host_reaches_it_when_it_is_back() {
    let mut fleet = lost(Some(Fault::StaysLost));
    fleet.act(Action::Caps(Caps::default()));
    let limits = |fleet: &Fleet| {
        let told = |(place, order): &&(_, Order)| *place == host(2) && matches!(order, Order::Limits { .. });
        fleet.orders.iter().filter(told).count()
    };
    assert_eq!(limits(&fleet), 0);
    fleet.mend(host(2));
    fleet.run_until(|fleet| fleet.state(2) == StateName::Done);
    assert_eq!(limits(&fleet), 1);
}

#[test]
fn a_lost_host_can_be_aborted_and_a_run_ends_with_hosts_lost() {
    let mut fleet = lost(Some(Fault::StaysLost));
    fleet.act(Action::Abort(vec![HostId(2)]));
    assert_eq!(fleet.state(2), StateName::Aborted);
    let mut fleet = lost(Some(Fault::StaysLost));
    fleet.act(Action::AbortRun);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Aborted);
    assert_eq!(summary.left_behind, []);
}

#[test]
fn a_key_that_is_refused_when_dialling_again_is_not_tried_twice() {
    let mut fleet = lost(Some(Fault::StaysLost));
    let failure = Failure::Authentication { user: "deploy".to_owned(), tried: "one key".to_owned() };
    fleet.give(Input::Lost { at: host(2), attempt: 1, failure });
    assert!(matches!(
        fleet.rollout.host(HostId(2)).map(|host| &host.state),
        Some(HostState::Failed { failure: Failure::Authentication { .. } })
    ));
}

#[test]
fn what_a_host_went_through_is_known_to_a_console_that_takes_the_run_up() {
    let mut fleet = Fleet::with(plan(3), config()).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Done && fleet.state(2) == StateName::Fetching);
    let paths = [1, 2].map(|id| fleet.path(id));
    fleet.kill_console();
    fleet.mend(host(2));
    fleet.run();
    for (id, before) in [1, 2].into_iter().zip(paths) {
        let path = fleet.path(id);
        assert!(path.starts_with(&before) && path.len() > before.len(), "{path:?} goes on from {before:?}");
        assert_eq!(path.last(), Some(&StateName::Done));
    }
}
