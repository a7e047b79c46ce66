//! Waves, gates, thresholds, health and deadlines, in the virtual fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use rookery::base::{ByteRate, Instant};
use rookery::control::{Order, Placing};
use rookery::inventory::{Gate, HostId, Mode, Place, Share};
use rookery::rollout::{
    Action, Candidate, Caps, Choice, Config, Failure, Halt, HealthCheck, Notice, Outcome, Plan, Policy, Standing,
    StateName, WaveStep,
};

use crate::fleet::{Fault, Fleet};
use crate::plans::{asking, config, host, plan};

/// A plan of `hosts` hosts in waves; the canaries come first.
fn in_waves(hosts: u32, steps: &[&str], canaries: &[u32]) -> Plan {
    let steps: Vec<Share> = steps.iter().map(|step| step.parse().expect(step)).collect();
    let candidates: Vec<_> =
        (0..hosts).map(|id| Candidate { id: HostId(id), canary: canaries.contains(&id), spread: None }).collect();
    let waves = Policy::divide(&candidates, &steps);
    Plan { policy: Policy { waves, canaries: canaries.len(), ..Policy::default() }, ..plan(hosts) }
}

fn with(plan: Plan, change: impl FnOnce(&mut Policy)) -> Plan {
    let mut plan = plan;
    change(&mut plan.policy);
    plan
}

fn health(tries: u32) -> HealthCheck {
    HealthCheck { command: vec!["/bin/check".to_owned()], timeout: Duration::from_secs(5), tries }
}

fn launched(fleet: &Fleet) -> usize {
    fleet.rollout.hosts().iter().filter(|host| host.attempt.number > 0).count()
}

fn wave_steps(fleet: &Fleet) -> Vec<(usize, WaveStep)> {
    let steps = fleet.notices.iter().filter_map(|notice| match notice {
        Notice::Wave { wave, step, .. } => Some((*wave, *step)),
        _ => None,
    });
    steps.collect()
}

#[test]
fn waves_follow_each_other_and_each_waits_for_the_one_before() {
    let mut fleet = Fleet::with(in_waves(20, &["1", "25%", "100%"], &[]), config());
    for (done, launched_max) in [(1, 1), (5, 5)] {
        fleet.run_until(|fleet| {
            assert!(launched(fleet) <= launched_max || fleet.rollout.counts().of(StateName::Done) >= done);
            fleet.rollout.counts().of(StateName::Done) == done
        });
    }
    let summary = fleet.run();
    assert_eq!((summary.outcome, summary.counts.of(StateName::Done)), (Outcome::Complete, 20));
    assert_eq!(wave_steps(&fleet), [(1, WaveStep::Opened), (2, WaveStep::Opened), (3, WaveStep::Opened)]);
    assert_eq!((fleet.rollout.wave_of(HostId(0)), fleet.rollout.wave_of(HostId(19))), (Some(1), Some(3)));
}

#[test]
fn the_operator_opens_the_next_wave() {
    let plan = with(in_waves(6, &["2", "100%"], &[4]), |policy| policy.gate = Gate::Ask);
    let mut fleet = Fleet::with(plan, asking());
    fleet.run_until(|fleet| fleet.rollout.wave().standing == Standing::Asking);
    let wave = fleet.rollout.wave();
    assert_eq!((wave.wave, wave.waves, wave.canary, wave.done, wave.next), (1, 3, true, 1, 1));
    assert_eq!(fleet.state(4), StateName::Done);
    assert_eq!(fleet.state(1), StateName::Waiting);
    fleet.run_for(Duration::from_secs(3600));
    assert_eq!(fleet.state(1), StateName::Waiting, "nobody opens it but the operator");
    assert!(fleet.rollout.waits_for_operator());
    fleet.act(Action::Proceed);
    assert!(!fleet.rollout.waits_for_operator());
    fleet.run_until(|fleet| fleet.rollout.wave().standing == Standing::Asking);
    assert_eq!(fleet.rollout.wave().wave, 2);
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 6);
    let proceeded = fleet.notices.iter().filter_map(|notice| match notice {
        Notice::Action { verb: "proceed", detail, .. } => Some(detail.as_str()),
        _ => None,
    });
    assert_eq!(proceeded.collect::<Vec<_>>(), ["wave 2 of 3, 1 host", "wave 3 of 3, 4 hosts"]);
    fleet.act(Action::Proceed);
    fleet.act(Action::Finish);
    assert_eq!(fleet.run().outcome, Outcome::Complete);
}

#[test]
fn a_seeder_serves_before_its_wave_and_gets_the_release_in_it() {
    let plan = with(in_waves(6, &[], &[5]), |policy| policy.gate = Gate::Ask);
    let mut fleet = Fleet::with(plan, asking());
    fleet.run_until(|fleet| fleet.rollout.wave().standing == Standing::Asking);
    assert_eq!(
        (fleet.state(5), fleet.state(0), fleet.state(1)),
        (StateName::Done, StateName::Unpacking, StateName::Waiting)
    );
    assert_eq!((fleet.served(0).placing, fleet.served(5).placing), (Placing::Held, Placing::AtOnce));
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 6);
}

#[test]
fn a_run_that_is_ended_at_a_gate_waits_for_nobody() {
    let plan = with(in_waves(6, &["2", "100%"], &[]), |policy| policy.gate = Gate::Ask);
    let mut fleet = Fleet::with(plan, asking());
    fleet.run_until(|fleet| fleet.rollout.waits_for_operator());
    fleet.act(Action::Finish);
    assert!(!fleet.rollout.waits_for_operator());
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Skipped)), (2, 4));
    assert!(summary.left_behind.is_empty());
}

#[test]
fn of_a_rack_one_host_at_a_time_has_its_turn() {
    for mode in [Mode::WaveByWave, Mode::StageThenSwitch] {
        let racks = (0..12).map(|id| (HostId(id), format!("r{}", id % 3))).collect::<BTreeMap<_, _>>();
        let plan = with(in_waves(12, &["50%", "100%"], &[]), |policy| {
            policy.spread = racks;
            policy.mode = mode;
            policy.health = Some(health(2));
        });
        let mut fleet = Fleet::with(plan, config()).fault(host(4), Fault::Refuses(1)).fault(host(7), Fault::Unwell(1));
        fleet.run_until(|fleet| {
            for rack in 0..3 {
                let at_once = fleet.rollout.hosts().iter().filter(|record| {
                    // The seeder serves all the others: it does not wait to be launched.
                    let busy = match mode {
                        Mode::WaveByWave => record.attempt.number > 0 && record.id != HostId(0),
                        Mode::StageThenSwitch => {
                            record.detail != rookery::rollout::Detail::Staged
                                && matches!(record.state.name(), StateName::Unpacking | StateName::Verifying)
                                && fleet
                                    .orders
                                    .iter()
                                    .any(|(at, order)| *at == host(record.id.0) && *order == Order::Place)
                        }
                    };
                    record.id.0 % 3 == rack && busy && !record.state.name().is_settled()
                });
                assert!(at_once.count() <= 1, "rack {rack} at {:?}", fleet.now);
            }
            fleet.summary.is_some()
        });
        assert_eq!(fleet.run().outcome, Outcome::Complete, "{mode:?}");
    }
}

#[test]
fn a_threshold_that_is_reached_stops_the_launch_of_more() {
    let faulty = |policy: fn(&mut Policy), fault: fn() -> Fault| {
        let mut fleet = Fleet::with(with(plan(40), policy), Config { fanout: 2, connect_attempts: 1, ..config() });
        for id in [3, 4, 5, 20] {
            fleet = fleet.fault(host(id), fault());
        }
        let summary = fleet.run();
        (summary, fleet)
    };
    let (summary, fleet) = faulty(|policy| policy.max_fail = Some(Share::Count(2)), || Fault::Denies);
    assert_eq!(summary.outcome, Outcome::Failed, "the payload has not moved");
    let (failed, skipped) = (summary.counts.of(StateName::Failed), summary.counts.of(StateName::Skipped));
    assert!((2..4).contains(&failed) && skipped > 30, "{failed} failed, {skipped} skipped");
    assert_eq!(wave_steps(&fleet), [(1, WaveStep::Stopped)]);
    let (summary, _) = faulty(|policy| policy.max_unreachable = Some(Share::Percent(5)), || Fault::Refuses(9));
    assert!(summary.counts.of(StateName::Unreachable) >= 2 && summary.counts.of(StateName::Skipped) > 0);
    let (summary, _) = faulty(|policy| policy.max_unreachable = Some(Share::Count(1)), || Fault::Denies);
    assert_eq!(summary.counts.of(StateName::Done), 36, "what failed was reached: it is counted apart");
}

#[test]
fn the_operator_goes_on_past_a_threshold_until_the_next_failure() {
    let plan = with(plan(30), |policy| policy.max_fail = Some(Share::Count(1)));
    let mut fleet = Fleet::with(plan, Config { fanout: 1, ..asking() })
        .fault(host(3), Fault::Denies)
        .fault(host(12), Fault::Denies);
    let halted = |fleet: &Fleet, count| {
        fleet.rollout.wave().standing == Standing::Halted(Halt::Failed { count, limit: Share::Count(1) })
    };
    fleet.run_until(|fleet| halted(fleet, 1));
    fleet.run_for(Duration::from_secs(600));
    assert_eq!(launched(&fleet), 4);
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| halted(fleet, 2));
    fleet.mend(host(12));
    fleet.act(Action::Retry(vec![HostId(12)]));
    fleet.run_until(|fleet| fleet.state(12) == StateName::Done);
    fleet.run_until(|fleet| fleet.rollout.counts().settled() == 30);
    assert_eq!(fleet.rollout.counts().of(StateName::Done), 29);
}

#[test]
fn a_wave_without_success_opens_no_other_unless_it_is_forced() {
    let faulty = |force: Option<&str>| {
        let plan = with(in_waves(8, &[], &[6, 7]), |policy| policy.force = force.map(str::to_owned));
        let mut fleet = Fleet::with(plan, config()).fault(host(6), Fault::Denies).fault(host(7), Fault::Denies);
        let summary = fleet.run();
        (summary, fleet)
    };
    let (summary, fleet) = faulty(None);
    assert_eq!(wave_steps(&fleet), [(1, WaveStep::Opened), (1, WaveStep::Stopped)]);
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Skipped)), (0, 5));
    let (summary, fleet) = faulty(Some("the canaries are being replaced"));
    assert_eq!(summary.counts.of(StateName::Done), 6);
    let forced = Notice::Action { verb: "force", hosts: vec![], detail: "the canaries are being replaced".to_owned() };
    assert!(fleet.notices.contains(&forced));
}

#[test]
fn a_pause_holds_the_gate_too() {
    let mut fleet = Fleet::with(in_waves(6, &["1", "100%"], &[]), asking());
    fleet.act(Action::Pause);
    fleet.run_until(|fleet| fleet.state(0) == StateName::Done);
    fleet.run_for(Duration::from_secs(60));
    assert!(launched(&fleet) == 1 && fleet.rollout.waits_for_operator());
    fleet.act(Action::Resume);
    assert!(!fleet.rollout.waits_for_operator());
    fleet.run_until(|fleet| fleet.rollout.counts().of(StateName::Done) == 6);
}

#[test]
fn a_release_is_staged_everywhere_and_switched_wave_by_wave() {
    let plan = with(in_waves(9, &["1", "100%"], &[]), |policy| {
        policy.mode = Mode::StageThenSwitch;
        policy.gate = Gate::Ask;
    });
    let mut fleet = Fleet::with(plan, asking());
    fleet.run_until(|fleet| fleet.rollout.wave().standing == Standing::Asking && fleet.rollout.wave().staged == 8);
    assert_eq!(fleet.rollout.counts().of(StateName::Unpacking), 8);
    assert_eq!(fleet.rollout.counts().of(StateName::Done), 1);
    fleet.run_for(Duration::from_secs(7200));
    assert_eq!(fleet.rollout.wave().staged, 8, "nothing that waits for its turn is late");
    fleet.kill(host(5));
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.rollout.counts().settled() == 9);
    let placed = fleet.orders.iter().filter(|(_, order)| *order == Order::Place).count();
    assert_eq!((fleet.rollout.counts().of(StateName::Done), placed), (8, 8));
    fleet.act(Action::Retry(vec![HostId(5)]));
    fleet.run_until(|fleet| fleet.state(5) == StateName::Done);
}

#[test]
fn a_host_is_done_only_when_it_is_well() {
    let plan = with(plan(4), |policy| policy.health = Some(health(3)));
    let mut fleet = Fleet::with(plan, asking()).fault(host(1), Fault::Unwell(2)).fault(host(2), Fault::Unwell(3));
    fleet.run_until(|fleet| fleet.rollout.counts().settled() == 4);
    assert_eq!((fleet.state(1), fleet.state(2)), (StateName::Done, StateName::Failed));
    let failure = fleet.rollout.host(HostId(2)).and_then(|host| host.state.failure().cloned());
    assert_eq!(failure, Some(Failure::Unhealthy { why: "the command ended with status 1".to_owned() }));
    let checks =
        |id| fleet.orders.iter().filter(|(at, order)| *at == host(id) && matches!(order, Order::Check(_))).count();
    assert_eq!((checks(0), checks(1), checks(2)), (1, 3, 3));
    fleet.act(Action::Retry(vec![HostId(2)]));
    fleet.run_until(|fleet| fleet.state(2) == StateName::Done);
    assert_eq!((fleet.serves[&host(2)].len(), fleet.connects[&host(2)].len()), (1, 1), "nothing is fetched again");
}

#[test]
fn a_gate_opens_only_when_the_health_of_every_host_is_known() {
    for mode in [Mode::WaveByWave, Mode::StageThenSwitch] {
        let plan = with(in_waves(6, &["3", "100%"], &[]), |policy| {
            policy.health = Some(health(3));
            policy.mode = mode;
        });
        let mut fleet = Fleet::with(plan, asking()).fault(host(1), Fault::Unwell(2)).fault(host(2), Fault::Unwell(9));
        fleet.run_until(|fleet| fleet.rollout.wave().wave == 2);
        let (states, checks) = ([0, 1, 2].map(|id| fleet.state(id)), |id| {
            fleet.orders.iter().filter(|(at, order)| *at == host(id) && matches!(order, Order::Check(_))).count()
        });
        assert_eq!(states, [StateName::Done, StateName::Done, StateName::Failed], "{mode:?}");
        assert_eq!([0, 1, 2, 3, 4, 5].map(checks), [1, 3, 3, 0, 0, 0], "{mode:?}");
    }
}

#[test]
fn a_sick_canary_stops_the_run() {
    let plan = with(in_waves(10, &[], &[3]), |policy| policy.health = Some(health(1)));
    let mut fleet = Fleet::with(plan, config()).fault(host(3), Fault::Unwell(9));
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Failed), summary.counts.of(StateName::Done)), (1, 0));
    assert!(summary.counts.of(StateName::Skipped) >= 8, "the seeder alone was launched besides");
}

#[test]
fn a_host_and_a_run_have_their_deadlines() {
    let plan = with(plan(5), |policy| policy.host_max = Some(Duration::from_secs(40)));
    let mut fleet = Fleet::with(plan, Config { work_attempts: 9, ..config() }).fault(host(2), Fault::StopsAt(5));
    let summary = fleet.run();
    assert_eq!(summary.failed[0].1.cause(), "host deadline passed");
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Failed)), (4, 1));
    let plan = with(in_waves(9, &["3", "100%"], &[]), |policy| {
        policy.gate = Gate::Ask;
        policy.run_max = Some(Duration::from_secs(300));
    });
    let mut fleet = Fleet::with(plan, config()).fault(host(2), Fault::StopsAt(5));
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Skipped)), (2, 6));
    assert!(summary.elapsed < Duration::from_secs(330), "{:?}", summary.elapsed);
}

#[test]
fn a_console_that_takes_a_run_up_asks_for_no_gate_that_was_opened_and_knows_who_seeds() {
    let waves = (0..4).map(|id| vec![HostId(id)]).collect();
    let policy = Policy { waves, gate: Gate::Ask, max_fail: Some(Share::Count(1)), ..Policy::default() };
    let choices = Plan { seeder_choice: Choice::Any, tracker_choice: Choice::Any, ..plan(4) };
    let mut fleet = Fleet::with(Plan { policy, ..choices }, asking()).fault(host(0), Fault::Denies);
    fleet.run_until(|fleet| matches!(fleet.rollout.standing(), Standing::Halted(_)));
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    assert_eq!((fleet.rollout.wave().wave, fleet.rollout.seeder().place), (2, host(1)));
    let asked = fleet.notices.len();
    fleet.kill_console();
    assert_eq!((fleet.rollout.wave().wave, fleet.rollout.seeder().place), (2, host(1)));
    fleet.run_until(|fleet| *fleet.rollout.standing() != Standing::Underway);
    assert_eq!(fleet.state(0), StateName::Failed, "it was tried again");
    assert_eq!(*fleet.rollout.standing(), Standing::Asking, "what was accepted stops nobody again");
    assert!(!fleet.notices[asked..].iter().any(|notice| matches!(notice, Notice::Role { .. })));
    let steps = fleet.notices[asked..].iter().filter_map(|notice| match notice {
        Notice::Wave { wave, step, .. } => Some((*wave, *step)),
        _ => None,
    });
    assert_eq!(steps.collect::<Vec<_>>(), [(2, WaveStep::Gate)]);

    // A pause outlives the console too, where there is somebody to end it; and so do caps.
    let caps = Caps { upload: ByteRate(5 << 20), download: ByteRate(0) };
    fleet.act(Action::Pause);
    fleet.act(Action::Caps(caps));
    fleet.kill_console();
    assert_eq!(fleet.rollout.caps(), caps);
    fleet.run_for(Duration::from_secs(60));
    assert!(fleet.rollout.is_paused() && fleet.state(2) == StateName::Waiting);
    fleet.act(Action::Resume);
    fleet.run_until(|fleet| *fleet.rollout.standing() == Standing::Asking);
}

/// What the first look found: how many are ready, and how many have what.
fn preflight(fleet: &Fleet) -> Vec<(u32, Vec<(&'static str, usize)>)> {
    let told = fleet.notices.iter().filter_map(|notice| match notice {
        Notice::Preflight { ready, faults, .. } => {
            Some((*ready, faults.iter().map(|fault| (fault.cause, fault.hosts.len())).collect()))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn every_host_is_looked_at_before_the_payload_moves() {
    let plan = with(in_waves(8, &["2", "100%"], &[]), |policy| policy.gate = Gate::Ask);
    let mut fleet = Fleet::with(plan, asking())
        .fault(host(1), Fault::Refuses(1))
        .fault(host(4), Fault::Denies)
        .fault(host(5), Fault::Refuses(1))
        .fault(host(6), Fault::Denies);
    fleet.run_until(|fleet| !preflight(fleet).is_empty());
    assert!(fleet.serves.keys().all(|place| *place == Place::Console || *place == host(0)), "nobody fetches yet");
    assert_eq!(preflight(&fleet), [(4, vec![("cannot connect", 2), ("permission denied", 2)])]);
    let looked: std::collections::BTreeSet<_> = fleet.looks.iter().copied().collect();
    assert_eq!(looked, (2..8).map(host).collect(), "who is launched is looked at on the way");
    // What never heals is settled; what may is tried when the host has its turn.
    assert_eq!(
        (fleet.state(4), fleet.state(5), fleet.state(6)),
        (StateName::Failed, StateName::Waiting, StateName::Failed)
    );
    fleet.mend(host(5));
    fleet.run_until(|fleet| fleet.rollout.wave().standing == Standing::Asking);
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.rollout.counts().settled() == 8);
    assert_eq!((fleet.rollout.counts().of(StateName::Done), fleet.state(5)), (6, StateName::Done));
}

#[test]
fn a_host_that_does_not_answer_is_told_and_holds_nobody() {
    let mut fleet =
        Fleet::with(in_waves(6, &["2", "100%"], &[]), config()).fault(host(1), Fault::Mute).fault(host(5), Fault::Mute);
    fleet.run_until(|fleet| !preflight(fleet).is_empty());
    assert!(fleet.now < Instant::ZERO + Duration::from_secs(5), "{:?}", fleet.now);
    assert_eq!(preflight(&fleet), [(4, vec![("no answer yet", 2)])]);
    fleet.run_until(|fleet| fleet.state(0) == StateName::Done);
}

#[test]
fn a_threshold_keeps_the_payload_from_moving_until_the_operator_goes_on() {
    let plan = with(in_waves(10, &["2", "100%"], &[]), |policy| policy.max_unreachable = Some(Share::Percent(20)));
    let faulty = |config| {
        let fleet = Fleet::with(plan.clone(), config);
        [7, 8].into_iter().fold(fleet, |fleet, id| fleet.fault(host(id), Fault::Refuses(9)))
    };
    let mut fleet = faulty(config());
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Skipped)), (0, 8));
    let mut fleet = faulty(asking());
    fleet.run_until(|fleet| fleet.rollout.waits_for_operator());
    fleet.run_for(Duration::from_secs(3600));
    assert!(
        fleet.rollout.waits_for_operator()
            && fleet.serves.keys().all(|place| *place == Place::Console || *place == host(0))
    );
    fleet.mend(host(7));
    fleet.act(Action::Proceed);
    fleet.run_until(|fleet| fleet.rollout.counts().settled() == 10 || fleet.rollout.waits_for_operator());
    assert_eq!((fleet.rollout.counts().of(StateName::Done), fleet.state(8)), (9, StateName::Unreachable));
}

#[test]
fn hosts_that_do_not_reach_the_seeder_are_told_before_the_payload_moves() {
    let plan = with(in_waves(8, &["4", "100%"], &[]), |policy| policy.gate = Gate::Ask);
    let mut fleet = Fleet::with(plan, asking()).fault(host(2), Fault::NoWay).fault(host(6), Fault::NoWay);
    fleet.run_until(|fleet| !fleet.rollout.ailments().is_empty() && !preflight(fleet).is_empty());
    fleet.run_until(|fleet| fleet.state(1) == StateName::Fetching);
    let served = fleet.serves.keys().filter(|place| **place != host(0)).count();
    assert!(served > 0);
    let told = preflight(&fleet);
    let (ready, faults) = told.last().expect("it was told");
    let count: usize = faults.iter().map(|(_, hosts)| hosts).sum();
    assert_eq!((*ready, count), (6, 2 + 1), "{told:?}");
    let knocks = fleet.orders.iter().filter(|(_, order)| matches!(order, Order::Knock { .. }));
    assert_eq!(knocks.count(), 3, "seeder and tracker are one host, which need not reach itself");
    assert_eq!(fleet.looks.len(), 4, "who is looked at knows whom to reach");
}

#[test]
fn deadlines_go_on_when_another_console_takes_the_run_up() {
    let plan = with(plan(5), |policy| policy.host_max = Some(Duration::from_secs(40)));
    let mut fleet = Fleet::with(plan, Config { work_attempts: 9, ..config() }).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(3) == StateName::Done);
    fleet.run_for(Duration::from_secs(20));
    fleet.kill_console();
    let summary = fleet.run();
    assert_eq!(summary.failed[0].1.cause(), "host deadline passed");
    assert!(fleet.now < Instant::ZERO + Duration::from_secs(45), "{:?}", fleet.now);
    assert!(summary.elapsed > Duration::from_secs(40), "it counts from the run's beginning: {:?}", summary.elapsed);

    let plan = with(in_waves(9, &["3", "100%"], &[]), |policy| {
        policy.gate = Gate::Ask;
        policy.run_max = Some(Duration::from_secs(300));
    });
    let mut fleet = Fleet::with(plan, config()).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.state(1) == StateName::Done);
    fleet.run_for(Duration::from_secs(150));
    fleet.kill_console();
    let summary = fleet.run();
    assert_eq!((summary.counts.of(StateName::Done), summary.counts.of(StateName::Skipped)), (2, 6));
    assert!(fleet.now < Instant::ZERO + Duration::from_secs(330), "{:?}", fleet.now);
}

#[test]
fn a_host_without_a_port_is_told_before_the_payload_moves_and_holds_nobody() {
    let mut fleet = Fleet::with(plan(6), config()).fault(host(3), Fault::Deaf);
    let summary = fleet.run();
    let told = preflight(&fleet);
    let (ready, faults) = told.last().expect("it was told");
    assert_eq!((*ready, faults.as_slice()), (5, [("no free swarm port", 1)].as_slice()));
    let failed: Vec<_> = summary.failed.iter().map(|(id, failure)| (*id, failure.cause())).collect();
    assert_eq!((failed, summary.counts.of(StateName::Done)), (vec![(HostId(3), "no free swarm port")], 5));
}
