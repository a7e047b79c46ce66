//! Runs of a rollout against a fleet in virtual time.
#![cfg(feature = "machines")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the few variants it is about")]

#[path = "rollout/classes.rs"]
mod classes;
#[path = "rollout/election.rs"]
mod election;
#[path = "rollout/fleet.rs"]
mod fleet;
#[path = "rollout/laws.rs"]
mod laws;
#[path = "rollout/lost.rs"]
mod lost;
#[path = "rollout/plans.rs"]
mod plans;
#[path = "rollout/seeds.rs"]
mod seeds;
#[path = "rollout/silence.rs"]
mod silence;
#[path = "rollout/waves.rs"]
mod waves;

use std::collections::BTreeSet;
use std::time::Duration;

use fleet::answers::LAST_SENT;
use fleet::{Fault, Fleet, listener};
use plans::{asking, config, host, pack_order, plan, planned};
use rookery::base::{ByteCount, ByteRate, Sha256Digest};
use rookery::control::{AgentFailure, Order, Status};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{
    Action, Caps, Config, Failure, Input, Notice, Outcome, Source, Stage, StateName, Station, StationState,
};

#[test]
fn three_hosts_are_done_and_nothing_is_left() {
    let mut fleet = Fleet::of(3);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.counts.of(StateName::Done), 3);
    assert!(summary.left_behind.is_empty() && summary.healed.is_empty() && summary.failed.is_empty());
    let path: Vec<_> = fleet.path(2).into_iter().map(StateName::as_str).collect();
    assert_eq!(path, ["connecting", "bootstrapping", "fetching", "verifying", "unpacking", "done"]);
    assert_eq!(fleet.rollout.tag().unwrap().as_str(), "site-abababababab");
    assert!(matches!(fleet.rollout.stage(), Stage::Ended(_)));
    assert_eq!(fleet.rollout.deadline(), None);
}

#[test]
fn what_agents_sent_since_they_were_last_heard_is_in_the_sums() {
    let mut fleet = Fleet::of(3);
    let summary = fleet.run();
    assert_eq!((summary.bytes_from_seeder, summary.bytes_from_peers), (LAST_SENT, LAST_SENT + LAST_SENT));
    assert_eq!(fleet.rollout.totals(fleet.now).rate_up, ByteRate(0), "an agent that has stopped has no rate");
}

#[test]
fn a_thousand_hosts_are_done_within_the_fan_out() {
    let mut fleet = Fleet::of(1000);
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.of(StateName::Done)), (Outcome::Complete, 1000));
    assert!(fleet.in_flight_max <= config().fanout, "{}", fleet.in_flight_max);
    assert!(fleet.serves.values().all(|orders| orders.len() == 1 && orders[0].peers.len() <= config().peers_told));
    assert_eq!(summary.slowest.len(), 5);
}

#[test]
fn peers_start_while_the_seeder_is_still_being_pushed_to() {
    let mut fleet = Fleet::of(3);
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    let pushed = fleet.rollout.pushed().unwrap();
    assert!(pushed.sent < pushed.total);
    assert_eq!(fleet.rollout.seeder().state, StationState::Receiving);
    assert_eq!(fleet.served(1).peers[0], listener(0));
    assert_eq!(fleet.served(1).tracker.map(|at| at.port()), Some(8998));
    fleet.run();
    assert_eq!(fleet.rollout.pushed().map(|pushed| pushed.sent), fleet.rollout.pushed().map(|pushed| pushed.total));
}

#[test]
fn older_hosts_are_told_of_newcomers() {
    let mut fleet = Fleet::of(8);
    fleet.run();
    let told: BTreeSet<_> = fleet
        .orders
        .iter()
        .filter_map(|(at, order)| match order {
            Order::Peers { allow, .. } if *at == host(0) => Some(allow.clone()),
            _ => None,
        })
        .flatten()
        .chain(fleet.served(0).allow.clone())
        .collect();
    assert_eq!(told.len(), 8, "the seeder, which tracks too, lets every host in");
}

#[test]
fn an_unreachable_host_is_tried_with_backoff_and_stops_nobody() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::Refuses(9));
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(fleet.state(2), StateName::Unreachable);
    let dialled = &fleet.connects[&host(2)];
    assert_eq!(dialled.len(), 3);
    assert!(dialled[2].since(dialled[1]) > dialled[1].since(dialled[0]) / 2);
    assert!(dialled[1].since(dialled[0]) >= config().backoff_min / 2);
    let groups = fleet.rollout.failures();
    assert_eq!((groups[0].cause, groups[0].hosts.as_slice()), ("cannot connect", [HostId(2)].as_slice()));
    assert!(matches!(summary.failed[0].1, Failure::Connect { .. }));
}

#[test]
fn a_host_that_comes_back_in_time_heals_by_itself() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::Refuses(2));
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.healed), (Outcome::Complete, vec![HostId(2)]));
}

#[test]
fn a_refused_key_is_never_tried_again_by_itself() {
    let mut fleet = Fleet::of(3).fault(host(1), Fault::Denies);
    let summary = fleet.run();
    assert_eq!(fleet.connects[&host(1)].len(), 1);
    assert_eq!((fleet.state(1), summary.outcome), (StateName::Failed, Outcome::Partial));
}

#[test]
fn a_full_disk_is_healed_by_a_retry_over_the_same_channel() {
    let mut fleet = Fleet::with(plan(3), asking()).fault(host(1), Fault::DiskFull);
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert_eq!(fleet.rollout.failures()[0].cause, "disk full");
    fleet.mend(host(1));
    fleet.act(Action::Retry(vec![HostId(1)]));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Done);
    assert_eq!(fleet.connects[&host(1)].len(), 1);
    fleet.act(Action::Finish);
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.healed), (Outcome::Complete, vec![HostId(1)]));
}

#[test]
fn a_dead_agent_is_dialled_anew_and_keeps_its_pieces() {
    let mut fleet = Fleet::with(plan(3), asking()).fault(host(1), Fault::DiesAt(10, 1));
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert_eq!(fleet.state(1), StateName::Failed);
    fleet.act(Action::Retry(vec![HostId(1)]));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    let record = fleet.rollout.host(HostId(1)).unwrap();
    assert_eq!((record.attempt.number, record.pieces.as_ref().unwrap().count() >= 10), (2, true));
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    fleet.act(Action::Finish);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn an_aborted_host_is_stopped_at_once_while_others_go_on() {
    let mut fleet = Fleet::of(4);
    fleet.run_until(|fleet| fleet.state(2) == StateName::Fetching);
    fleet.act(Action::Abort(vec![HostId(2)]));
    assert_eq!(fleet.state(2), StateName::Aborted);
    assert!(fleet.orders.iter().any(|(at, order)| *at == host(2) && matches!(order, Order::Stop { .. })));
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.of(StateName::Done)), (Outcome::Partial, 3));
    assert_eq!(fleet.connects[&host(2)].len(), 1, "it was proved clean when it stopped");
}

#[test]
fn an_aborted_run_names_hosts_that_were_never_launched_as_skipped() {
    let mut fleet = Fleet::with(plan(50), Config { fanout: 2, ..config() });
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Bootstrapping) > 3);
    fleet.act(Action::AbortRun);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Aborted);
    let (aborted, skipped) = (summary.counts.of(StateName::Aborted), summary.counts.of(StateName::Skipped));
    assert!(aborted > 3 && skipped > 30 && aborted + skipped + summary.counts.of(StateName::Done) == 50);
    assert!(summary.left_behind.is_empty());
}

#[test]
fn a_pause_launches_nobody_but_those_under_way_go_on() {
    let mut fleet = Fleet::with(plan(20), Config { fanout: 2, ..config() });
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Bootstrapping) > 1);
    fleet.act(Action::Pause);
    fleet.run_for(Duration::from_secs(60));
    assert!(fleet.rollout.is_paused() && fleet.rollout.counts().of(StateName::Done) > 1);
    assert!(fleet.rollout.counts().of(StateName::Waiting) > 10);
    fleet.act(Action::Resume);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn new_caps_reach_agents_at_work_and_those_to_come() {
    let mut fleet = Fleet::with(plan(20), Config { fanout: 2, ..config() }).fault(host(19), Fault::Slow);
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    let caps = Caps { upload: ByteRate(1 << 20), download: ByteRate(0) };
    fleet.act(Action::Caps(caps));
    let limited = Order::Limits { max_upload: caps.upload, max_download: caps.download };
    assert!(fleet.orders.contains(&(host(1), limited)));
    fleet.run();
    assert_eq!((fleet.served(19).max_upload, fleet.rollout.caps()), (caps.upload, caps));
}

#[test]
fn a_watched_host_tells_its_peers_until_another_is_watched() {
    let mut fleet = Fleet::of(3);
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    fleet.act(Action::Watch(Some(HostId(1))));
    fleet.act(Action::Watch(None));
    let watches = fleet.orders.iter().filter(|(_, order)| matches!(order, Order::Watch { .. }));
    assert_eq!(watches.count(), 2);
}

#[test]
fn this_machine_seeds_and_tracks_as_each_host_sees_it() {
    let mut plan = plan(3);
    (plan.seeder, plan.tracker) = (Place::Console, Place::Console);
    plan.local_payload = Some("/tmp/payload".to_owned());
    let mut fleet = Fleet::with(plan, config());
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    let order = fleet.served(2);
    assert_eq!(order.tracker.unwrap().to_string(), "10.255.255.254:8998");
    assert_eq!(order.peers[0].to_string(), "10.255.255.254:6881");
    assert!(order.allow.iter().any(|address| address.to_string() == "10.255.255.254"));
    assert!(!fleet.serves[&Place::Console][0].deliver);
}

#[test]
fn a_helper_that_only_seeds_is_not_counted() {
    let mut plan = plan(3);
    plan.helpers = vec![planned(90)];
    (plan.seeder, plan.tracker) = (host(90), host(90));
    let mut fleet = Fleet::with(plan, config());
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.total()), (Outcome::Complete, 3));
}

#[test]
fn the_seeder_packs_and_everybody_waits_for_the_payload() {
    let mut plan = plan(3);
    plan.source = Source::OnSeeder(pack_order());
    let mut fleet = Fleet::with(plan, config());
    fleet.run_until(|fleet| matches!(fleet.rollout.seeder().state, StationState::Packing(ByteCount(9))));
    assert!(fleet.rollout.payload().is_none() && fleet.serves.is_empty());
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    assert_eq!(fleet.rollout.payload(), Some(&plans::payload()));
}

#[test]
fn hosts_go_on_without_a_tracker_that_never_answers() {
    let mut plan = plan(4);
    plan.tracker = host(3);
    let mut fleet = Fleet::with(plan, config()).fault(host(3), Fault::NeverTracks);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(fleet.served(1).tracker, None);
    assert!(fleet.notes().iter().any(|note| note.contains("the tracker does not answer")));
    assert!(!fleet.rollout.tracker().alive);
}

#[test]
fn a_dead_tracker_is_started_again_on_its_port() {
    let mut plan = plan(3);
    plan.helpers = vec![planned(90)];
    plan.tracker = host(90);
    let mut fleet = Fleet::with(plan, config());
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    fleet.kill(host(90));
    assert!(!fleet.rollout.tracker().alive);
    fleet.run_until(|fleet| fleet.rollout.tracker().alive);
    let ports: Vec<_> = fleet.orders.iter().filter_map(|(_, order)| track_port(order)).collect();
    assert_eq!(ports, [0, 8998]);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

fn track_port(order: &Order) -> Option<u16> {
    match order {
        Order::Track { port, .. } => Some(*port),
        _ => None,
    }
}

#[test]
fn a_seeder_that_dies_before_a_copy_is_out_is_started_again_and_resumes() {
    let mut fleet = Fleet::of(4).fault(host(0), Fault::DiesAt(8, 1));
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(fleet.serves[&host(0)].len(), 2);
    assert_eq!(summary.healed, [HostId(0)]);
}

#[test]
fn a_seeder_that_cannot_be_healed_fails_hosts_instead_of_hanging() {
    let mut fleet = Fleet::of(4).fault(host(0), Fault::DiesAt(4, 99));
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Failed);
    assert!(matches!(summary.failed[3].1, Failure::Seeder { .. }), "{:?}", summary.failed);
    assert_eq!(fleet.connects[&host(0)].len(), 4, "three attempts, and one to clean up");
}

#[test]
fn a_seeder_that_was_healed_by_hand_heals_those_who_waited_for_it() {
    let mut fleet = Fleet::with(plan(4), asking()).fault(host(0), Fault::Denies);
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    assert_eq!(fleet.rollout.counts().of(StateName::Failed), 4);
    fleet.mend(host(0));
    fleet.act(Action::Retry(vec![HostId(1), HostId(2), HostId(3)]));
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    fleet.act(Action::Finish);
    assert_eq!(fleet.run().outcome, Outcome::Complete, "the seeder is revived with them");
}

#[test]
fn a_seeder_that_dies_after_a_copy_is_out_stops_nobody() {
    let mut plan = plan(4);
    plan.helpers = vec![planned(90)];
    plan.tracker = host(90);
    let mut fleet = Fleet::with(plan, Config { fanout: 1, ..config() }).fault(host(3), Fault::StopsAt(5));
    let full = |fleet: &Fleet, id| fleet.rollout.host(HostId(id)).unwrap().completion() >= 1.0;
    fleet.run_until(|fleet| full(fleet, 1) && fleet.state(0) == StateName::Verifying);
    fleet.kill(host(0));
    fleet.mend(host(3));
    let summary = fleet.run();
    assert_eq!(summary.counts.of(StateName::Done), 3);
    assert_eq!((fleet.state(0), summary.outcome), (StateName::Failed, Outcome::Partial));
    assert!(matches!(summary.failed[0].1, Failure::AgentDied { .. }));
}

#[test]
fn a_done_seeder_that_leaves_the_swarm_is_told_to_serve_again() {
    let mut fleet = Fleet::of(3).fault(host(1), Fault::StopsAt(5)).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(0) == StateName::Done);
    let failure = AgentFailure::DigestMismatch {
        what: "payload".to_owned(),
        found: Sha256Digest::new([0; 32]),
        expected: Sha256Digest::new([1; 32]),
    };
    fleet.give(Input::Status { at: host(0), attempt: 1, status: Status::Failed { failure } });
    fleet.mend(host(1));
    fleet.mend(host(2));
    assert_eq!(fleet.run().outcome, Outcome::Complete);
    assert_eq!((fleet.serves[&host(0)].len(), fleet.connects[&host(0)].len()), (2, 1));
}

#[test]
fn a_stall_has_a_reason_and_becomes_a_failure() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(2) == StateName::Stalled);
    let reason = fleet.rollout.host(HostId(2)).unwrap().history.back().unwrap().reason.clone();
    assert_eq!(reason.as_deref(), Some("choked by every peer"));
    let summary = fleet.run();
    assert!(matches!(summary.failed[0].1, Failure::Stalled { after, .. } if after >= config().stall_failed_after));
    assert!(summary.elapsed < Duration::from_secs(240));
}

#[test]
fn a_host_without_a_way_to_anybody_fails_soon_and_names_whom_it_does_not_reach() {
    let mut fleet = Fleet::of(4).fault(host(2), Fault::StopsAt(0));
    let summary = fleet.run();
    let Failure::NoWay { station: Station::Seeder, address, .. } = &summary.failed[0].1 else { panic!("{summary:?}") };
    assert_eq!(address.to_string(), "10.0.0.1:6881", "where the seeder listened");
    assert_eq!((summary.failed.len(), summary.counts.of(StateName::Done)), (1, 3));
    assert!(summary.elapsed < Duration::from_secs(60), "{:?}", summary.elapsed);
}

#[test]
fn a_stall_that_ends_is_no_failure() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(2) == StateName::Stalled);
    fleet.mend(host(2));
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn a_silent_host_is_given_up_at_its_deadline() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::Mute);
    let summary = fleet.run();
    assert!(matches!(summary.failed[0].1, Failure::Timeout { .. }));
    assert_eq!(summary.counts.of(StateName::Done), 2);
}

#[test]
fn what_is_left_behind_is_named() {
    let mut fleet = Fleet::of(3).fault(host(1), Fault::Leaves("/srv/releases/.x: busy")).fault(host(2), Fault::Clings);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Complete);
    let places: Vec<_> = summary.left_behind.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [host(1), host(2)]);
    assert_eq!(summary.left_behind[0].1, "/srv/releases/.x: busy");
    assert!(summary.left_behind[1].1.contains("no route to host"), "{}", summary.left_behind[1].1);
}

#[test]
fn a_done_host_whose_connection_breaks_stays_done_and_is_proved_clean() {
    let mut fleet = Fleet::with(plan(3), asking());
    fleet.run_until(|fleet| fleet.rollout.stage() == &Stage::Settled);
    fleet.kill(host(2));
    assert_eq!(fleet.state(2), StateName::Done);
    fleet.act(Action::Finish);
    let summary = fleet.run();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(fleet.connects[&host(2)].len(), 2);
    assert!(summary.left_behind.is_empty());
}

#[test]
fn inputs_of_an_older_attempt_change_nothing() {
    let mut fleet = Fleet::with(plan(3), asking()).fault(host(1), Fault::DiesAt(4, 1));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Failed);
    fleet.act(Action::Retry(vec![HostId(1)]));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    let before = fleet.rollout.hosts()[1].clone();
    for status in [Status::Delivered { already: false }, Status::Verifying, Status::Stopped { left_behind: vec![] }] {
        fleet.give(Input::Status { at: host(1), attempt: 1, status });
    }
    fleet.give(Input::Ended { at: host(1), attempt: 1, failure: None, left_behind: vec!["late".to_owned()] });
    assert_eq!(fleet.rollout.hosts()[1], before);
}

#[test]
fn totals_and_the_estimate_follow_the_fleet() {
    let mut fleet = Fleet::of(10).fault(host(3), Fault::StopsAt(12));
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Fetching) == 10);
    fleet.run_for(Duration::from_millis(500));
    let totals = fleet.rollout.totals(fleet.now);
    assert!(totals.bytes_done > ByteCount(0) && totals.bytes_done < totals.bytes_total);
    assert_eq!(fleet.rollout.eta(fleet.now), None, "nothing is told of the first moments");
    fleet.run_for(Duration::from_secs(3));
    fleet.mend(host(3));
    fleet.run_for(Duration::from_millis(300));
    let eta = fleet.rollout.eta(fleet.now).unwrap();
    assert!(eta.p50 <= eta.p95 && eta.p95 <= eta.last && eta.last < Duration::from_secs(60));
    fleet.run();
    let totals = fleet.rollout.totals(fleet.now);
    assert_eq!(totals.bytes_done, totals.bytes_total);
}

#[test]
fn a_host_that_gets_nothing_does_not_spoil_the_estimate() {
    let mut fleet = Fleet::of(10).fault(host(3), Fault::StopsAt(12));
    let second = Duration::from_secs(1);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Fetching) == 10);
    while fleet.state(3) == StateName::Fetching {
        fleet.run_for(second);
        let last = fleet.rollout.eta(fleet.now).map(|eta| eta.last);
        assert!(last.is_none_or(|last| last < 60 * second), "{last:?} at {:?}", fleet.now);
    }
    assert_eq!(fleet.state(3), StateName::Stalled);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 9);
    assert_eq!(fleet.rollout.eta(fleet.now), None, "nobody can tell of a host that gets nothing");
    assert_eq!(fleet.rollout.eta_of(HostId(3), fleet.now), None);
    fleet.mend(host(3));
    while fleet.state(3) != StateName::Done {
        fleet.run_for(second / 10);
        let left = fleet.rollout.eta_of(HostId(3), fleet.now);
        assert!(left.is_none_or(|left| left < 60 * second), "{left:?} from what it gets, not from what it did not");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut fleet = Fleet::of(60).fault(host(7), Fault::Refuses(2)).fault(host(9), Fault::DiesAt(6, 1));
        let summary = fleet.run();
        (summary, fleet.notices, fleet.orders)
    };
    assert_eq!(run(), run());
}

#[test]
fn progress_is_noticed_at_most_once_a_second_a_host() {
    let mut fleet = Fleet::of(3);
    let summary = fleet.run();
    let noticed = fleet.notices.iter().filter(|notice| matches!(notice, Notice::HostProgress { .. })).count();
    assert!(noticed as u64 <= 3 * (summary.elapsed.as_secs() + 1));
}
