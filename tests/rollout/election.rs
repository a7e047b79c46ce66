//! No host holds the fleet: where any host will do, another one takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use rookery::control::{DataSource, Order, ServeRole};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Choice, Config, Failure, Outcome, Plan, Source, Stage, StateName, Summary};

use crate::fleet::{Fault, Fleet, listener};
use crate::plans::{asking, config, host, pack_order, plan, planned};

/// A plan whose first host seeds and tracks as long as it can, and then any other.
fn electing(hosts: u32) -> Plan {
    Plan { seeder_choice: Choice::Any, tracker_choice: Choice::Any, ..plan(hosts) }
}

/// Every other host is done, and the elected one seeded.
fn assert_one_alone_failed(fleet: &Fleet, summary: &Summary, failed: u32) {
    assert_eq!(summary.outcome, Outcome::Partial, "{:?}", fleet.notes());
    assert_eq!(summary.counts.of(StateName::Done) as usize, fleet.rollout.hosts().len() - 1);
    assert_eq!(summary.failed.len(), usize::from(fleet.state(failed) != StateName::Aborted));
    assert_ne!(fleet.state(failed), StateName::Done);
    assert_ne!(fleet.rollout.seeder().place, host(failed));
}

fn pushed_to(fleet: &Fleet) -> Vec<Place> {
    let pushed = |role: &ServeRole| *role == ServeRole::Seeder(DataSource::Pushed);
    let last: BTreeMap<_, _> =
        fleet.serves.iter().filter_map(|(at, orders)| Some((*at, &orders.last()?.role))).collect();
    last.into_iter().filter(|(_, role)| pushed(role)).map(|(at, _)| at).collect()
}

#[test]
fn an_unreachable_first_host_holds_nobody() {
    for fault in [Fault::Refuses(99), Fault::Denies] {
        let mut fleet = Fleet::with(electing(5), config()).fault(host(0), fault);
        let summary = fleet.run();
        assert_one_alone_failed(&fleet, &summary, 0);
        assert_eq!((fleet.rollout.seeder().place, fleet.rollout.tracker().place), (host(1), host(1)));
        assert_eq!(fleet.served(3).tracker.map(|at| at.ip()), Some(listener(1).ip()));
        assert_eq!(fleet.served(3).peers[0], listener(1));
        assert!(summary.elapsed < Duration::from_secs(6), "{:?}", summary.elapsed);
        assert!(fleet.notes().iter().any(|note| note.starts_with("seeds and tracks from now on, as web000")));
        let views = (fleet.rollout.seeder().alive, fleet.rollout.tracker().alive);
        assert_eq!(views, (false, false), "the run is over, and nobody serves any more");
    }
}

#[test]
fn the_host_with_most_pieces_takes_over_from_a_seeder_that_dies() {
    let mut fleet = Fleet::with(electing(5), config()).fault(host(0), Fault::DiesAt(8, 99));
    fleet.run_until(|fleet| fleet.rollout.seeder().place != host(0));
    let Place::Host(heir) = fleet.rollout.seeder().place else { panic!("a host of the fleet seeds") };
    let had = fleet.rollout.host(heir).and_then(|record| record.pieces.clone()).map_or(0, |pieces| pieces.count());
    assert!(had > 0, "it goes on with what it has");
    fleet.run_until(|fleet| fleet.rollout.seeder().alive);
    let pushed = fleet.rollout.pushed().expect("it gets what it lacks");
    assert!(pushed.sent.0 > 0 && pushed.sent < pushed.total);
    assert_eq!(fleet.state(heir.0), StateName::Fetching);
    fleet.run_until(|fleet| fleet.rollout.tracker().alive && fleet.rollout.tracker().place == Place::Host(heir));
    let summary = fleet.run();
    assert_one_alone_failed(&fleet, &summary, 0);
    assert_eq!(pushed_to(&fleet), [Place::Host(heir)], "the first one is a peer when it is tried again");
    assert_eq!(fleet.serves[&Place::Host(heir)].len(), 2);
    assert!(fleet.serves[&Place::Host(heir)].iter().all(|order| order.deliver));
}

#[test]
fn a_seeder_that_dies_once_goes_on_as_a_peer() {
    let mut fleet = Fleet::with(electing(4), config()).fault(host(0), Fault::DiesAt(8, 1));
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    assert_ne!(fleet.rollout.seeder().place, host(0));
    let last = fleet.serves[&host(0)].last().expect("it was served again");
    assert_eq!((last.role.clone(), last.deliver), (ServeRole::Peer, true));
}

#[test]
fn the_operator_may_abort_the_seeder() {
    for start in [StateName::Connecting, StateName::Bootstrapping, StateName::Fetching] {
        let mut fleet = Fleet::with(electing(4), config());
        fleet.run_until(|fleet| fleet.state(0) == start);
        fleet.act(Action::Abort(vec![HostId(0)]));
        let summary = fleet.run();
        assert_one_alone_failed(&fleet, &summary, 0);
        assert_eq!(fleet.state(0), StateName::Aborted);
    }
}

#[test]
fn a_seeder_without_room_for_the_payload_is_replaced_and_goes_on_tracking() {
    let mut fleet = Fleet::with(electing(4), asking()).fault(host(0), Fault::DiskFull);
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert_eq!((fleet.rollout.seeder().place, fleet.rollout.tracker().place), (host(1), host(0)));
    assert_eq!(fleet.rollout.counts().of(StateName::Done), 3);
    assert!(fleet.rollout.tracker().alive);
    fleet.mend(host(0));
    fleet.act(Action::Retry(vec![HostId(0)]));
    fleet.run_until(|fleet| fleet.state(0) == StateName::Done);
    let last = fleet.serves[&host(0)].last().expect("it was served again");
    assert_eq!((last.role.clone(), last.deliver), (ServeRole::Peer, true), "nothing of the seeder is left on it");
    fleet.act(Action::Finish);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn the_tracker_moves_when_its_own_place_is_lost_later() {
    let mut fleet = Fleet::with(electing(4), asking()).fault(host(0), Fault::DiskFull);
    fleet.run_until(|fleet| fleet.rollout.seeder().place == host(1) && fleet.state(1) == StateName::Fetching);
    for _ in 0..2 {
        fleet.kill(host(0));
        fleet.run_until(|fleet| fleet.rollout.tracker().alive || fleet.rollout.tracker().place == host(1));
    }
    fleet.run_until(|fleet| fleet.rollout.tracker().alive && fleet.rollout.tracker().place == host(1));
    assert!(fleet.orders.iter().any(|(at, order)| *at == host(1) && matches!(order, Order::Track { .. })));
}

#[test]
fn a_named_seeder_that_is_unreachable_fails_the_run() {
    let by_inventory = |plan: &mut Plan| plan.seeder_choice = Choice::Named;
    let by_source = |plan: &mut Plan| plan.source = Source::OnSeeder(pack_order());
    let changes: [fn(&mut Plan); 2] = [by_inventory, by_source];
    for change in changes {
        let mut plan = electing(4);
        change(&mut plan);
        let mut fleet = Fleet::with(plan, config()).fault(host(0), Fault::Refuses(99));
        let summary = fleet.run();
        assert_eq!((summary.outcome, fleet.rollout.seeder().place), (Outcome::Failed, host(0)));
        let lost = |(id, failure): &(HostId, Failure)| *id == HostId(0) || matches!(failure, Failure::Seeder { .. });
        assert!(summary.failed.iter().all(lost), "{:?}", summary.failed);
    }
}

#[test]
fn a_run_ends_when_no_host_is_left_to_seed() {
    let mut fleet = Fleet::with(electing(6), config());
    for id in 0..6 {
        fleet = fleet.fault(host(id), Fault::Refuses(99));
    }
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.of(StateName::Unreachable)), (Outcome::Failed, 6));
    assert!(fleet.connects.values().all(|dialled| dialled.len() == 3), "nobody is tried more often than any host");
    assert!(fleet.notes().iter().filter(|note| note.contains("seeds and tracks from now on")).count() < 6);
}

#[test]
fn the_last_host_is_tried_as_hard_as_a_named_seeder() {
    let mut fleet = Fleet::with(electing(3), config()).fault(host(2), Fault::DiesAt(4, 2));
    for id in 0..2 {
        fleet = fleet.fault(host(id), Fault::Denies);
    }
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Done), fleet.state(2)), (1, StateName::Done));
}

#[test]
fn hosts_that_die_one_after_the_other_end_the_run_all_the_same() {
    let mut fleet = Fleet::with(electing(8), config());
    for id in 0..8 {
        fleet = fleet.fault(host(id), Fault::DiesAt(2, 99));
    }
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.settled()), (Outcome::Failed, 8));
    let elections = fleet.notes().iter().filter(|note| note.contains("from now on, as")).count();
    assert!(elections <= 8, "{elections}");
}

#[test]
fn a_first_host_that_is_slow_to_connect_joins_later_as_a_peer() {
    let mut fleet = Fleet::with(electing(4), config()).fault(host(0), Fault::Slow);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 3);
    let waited = fleet.now.since(rookery::base::Instant::ZERO);
    assert!(waited >= config().seeder_wait_max && waited < Duration::from_secs(20), "{waited:?}");
    assert_eq!((fleet.rollout.seeder().place, fleet.rollout.tracker().place), (host(1), host(1)));
    assert_eq!(fleet.state(0), StateName::Connecting);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    assert_eq!(fleet.connects[&host(0)].len(), 1, "it was left alone");
    assert_eq!(fleet.served(0).role, ServeRole::Peer);
}

#[test]
fn a_seeder_that_is_slow_but_in_time_stays_the_seeder() {
    let patient = Config { seeder_wait_max: Duration::from_secs(61), ..config() };
    let mut fleet = Fleet::with(electing(4), patient).fault(host(0), Fault::Slow);
    assert_eq!((fleet.run().outcome, fleet.rollout.seeder().place), (Outcome::Complete, host(0)));
}

#[test]
fn a_done_seeder_whose_connection_breaks_before_a_copy_is_out_is_replaced_at_once() {
    let mut fleet = Fleet::with(electing(3), config());
    for id in 1..3 {
        fleet = fleet.fault(host(id), Fault::StopsAt(5));
    }
    fleet.run_until(|fleet| fleet.state(0) == StateName::Done);
    fleet.kill(host(0));
    assert_eq!((fleet.rollout.seeder().place, fleet.rollout.tracker().place), (host(1), host(1)));
    (1..3).for_each(|id| fleet.mend(host(id)));
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    assert_eq!(fleet.serves[&host(0)].len(), 1, "it has the release, and is let alone");
}

#[test]
fn a_mute_first_host_holds_nobody() {
    let mut fleet = Fleet::with(electing(4), config()).fault(host(0), Fault::Mute);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 3);
    assert!(fleet.now.since(rookery::base::Instant::ZERO) < Duration::from_secs(20));
}

#[test]
fn a_fleet_of_one_at_a_time_gets_past_a_slow_first_host() {
    let mut fleet = Fleet::with(electing(4), Config { fanout: 1, ..config() }).fault(host(0), Fault::Slow);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn a_named_tracker_stays_where_it_is() {
    let mut plan = electing(4);
    plan.helpers = vec![planned(90)];
    (plan.tracker, plan.tracker_choice) = (host(90), Choice::Named);
    let mut fleet = Fleet::with(plan, config()).fault(host(0), Fault::Denies);
    let summary = fleet.run();
    assert_one_alone_failed(&fleet, &summary, 0);
    assert_eq!(fleet.rollout.tracker().place, host(90));
    assert_eq!(fleet.served(2).tracker.map(|at| at.ip()), Some(listener(90).ip()));
}

#[test]
fn a_retry_by_hand_elects_among_those_it_names() {
    let mut fleet = Fleet::with(electing(3), asking());
    for id in 0..3 {
        fleet = fleet.fault(host(id), Fault::Denies);
    }
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    (1..3).for_each(|id| fleet.mend(host(id)));
    fleet.act(Action::Retry(vec![HostId(1), HostId(2)]));
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert_eq!(fleet.rollout.counts().of(StateName::Done), 2);
    assert_eq!(fleet.connects[&host(0)].len(), 1, "the one that is not named is left alone");
}

#[test]
fn nobody_is_elected_once_a_copy_is_out() {
    let mut plan = plan(4);
    plan.seeder_choice = Choice::Any;
    let mut fleet = Fleet::with(plan, asking());
    fleet.run_until(|fleet| fleet.rollout.rarest() > 1 && fleet.rollout.counts().of(StateName::Done) < 4);
    fleet.act(Action::Abort(vec![HostId(0)]));
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert!(fleet.serves.values().all(|orders| orders.len() == 1));
}
