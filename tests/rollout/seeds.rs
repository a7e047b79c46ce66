//! A thousand runs, each with a fleet, waves, faults and an operator of its own: the laws hold in all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use rookery::control::Order;
use rookery::inventory::{HostId, Mode, Place, Share};
use rookery::rollout::{
    Action, Candidate, Choice, Config, Detail, HealthCheck, Plan, Policy, Standing, StateName, Summary,
};

use crate::fleet::{Fault, Fleet};
use crate::plans::{config, host, plan};

/// How often the operator does something.
const ACTS: usize = 6;

fn random_policy(random: &mut fastrand::Rng, hosts: u32) -> Policy {
    let racks: BTreeMap<HostId, String> = match random.u32(0..3) {
        0 => BTreeMap::new(),
        racks => (0..hosts).map(|id| (HostId(id), format!("r{}", id % (racks + 1)))).collect(),
    };
    let canaries = random.u32(0..3);
    let candidates: Vec<_> = (0..hosts)
        .map(|id| Candidate {
            id: HostId(id),
            canary: id % 5 == 3 && id / 5 < canaries,
            spread: racks.get(&HostId(id)).map(String::as_str),
        })
        .collect();
    let steps = [Share::Count(1), Share::Percent(30), Share::Percent(60), Share::Percent(100)];
    let steps: Vec<Share> = steps.into_iter().filter(|_| random.bool()).collect();
    let share = |random: &mut fastrand::Rng| match random.u32(0..3) {
        0 => None,
        1 => Some(Share::Count(random.u32(1..4))),
        _ => Some(Share::Percent(random.u32(1..60))),
    };
    let health = HealthCheck { command: vec!["/bin/check".to_owned()], timeout: Duration::from_secs(5), tries: 2 };
    Policy {
        waves: Policy::divide(&candidates, &steps),
        spread: racks,
        mode: if random.bool() { Mode::WaveByWave } else { Mode::StageThenSwitch },
        max_fail: share(random),
        max_unreachable: share(random),
        health: random.bool().then_some(health),
        host_max: random.bool().then_some(Duration::from_secs(60)),
        run_max: (random.u32(0..4) == 0).then_some(Duration::from_secs(40)),
        force: (random.u32(0..6) == 0).then(|| "it must".to_owned()),
        ..Policy::default()
    }
}

fn random_fault(random: &mut fastrand::Rng) -> Option<Fault> {
    match random.u32(0..24) {
        0 | 1 => Some(Fault::Refuses(random.u32(1..5))),
        2 => Some(Fault::Denies),
        3 => Some(Fault::DiskFull),
        4 | 5 => Some(Fault::DiesAt(random.u32(1..20), random.u32(1..4))),
        6 => Some(Fault::StopsAt(random.u32(1..20))),
        7 => Some(Fault::Mute),
        8 | 9 => Some(Fault::Unwell(random.u32(1..4))),
        10 => Some(Fault::Slow),
        _ => None,
    }
}

fn random_act(random: &mut fastrand::Rng, hosts: u32) -> Action {
    let some = |random: &mut fastrand::Rng| (0..3).map(|_| HostId(random.u32(0..hosts))).collect();
    match random.u32(0..8) {
        0 | 1 => Action::Retry(some(random)),
        2 => Action::Abort(some(random)),
        3 => Action::Pause,
        4 | 5 => Action::Resume,
        _ => Action::Proceed,
    }
}

/// What the laws remember from one moment to the next.
struct Laws {
    /// Hosts that seed or track, or that the operator had a say in: they need not wait for their turn.
    exempt: Vec<bool>,
    halted: bool,
    launched: usize,
}

impl Laws {
    fn hold(&mut self, fleet: &Fleet, policy: &Policy) {
        let rollout = &fleet.rollout;
        for station in [rollout.seeder().place, rollout.tracker().place] {
            if let Some(exempt) = (0..self.exempt.len()).find(|id| host(*id as u32) == station) {
                self.exempt[exempt] = true;
            }
        }
        let records = || rollout.hosts().iter().filter(|record| !self.exempt[record.id.0 as usize]);
        let busy = |state: StateName| !state.is_settled() && state != StateName::Waiting;
        let open = rollout.wave().wave;
        for record in records().filter(|record| record.attempt.number > 0) {
            let wave = rollout.wave_of(record.id).unwrap_or(1);
            let placed = fleet.orders.iter().any(|(at, order)| *at == host(record.id.0) && *order == Order::Place);
            match policy.mode {
                Mode::WaveByWave => assert!(wave <= open, "{:?} of wave {wave} in wave {open}", record.id),
                Mode::StageThenSwitch => assert!(wave <= open || !placed, "{:?} of wave {wave} switched", record.id),
            }
        }
        let mut racks: BTreeMap<&str, usize> = BTreeMap::new();
        for record in records().filter(|record| busy(record.state.name())) {
            let turn = match policy.mode {
                Mode::WaveByWave => true,
                Mode::StageThenSwitch => record.detail == Detail::Switching,
            };
            if let Some(rack) = policy.spread.get(&record.id).filter(|_| turn) {
                *racks.entry(rack).or_default() += 1;
            }
        }
        assert!(racks.values().all(|hosts| *hosts <= 1), "{racks:?} at {:?}", fleet.now);
        let launched = records().filter(|record| record.attempt.number > 0).count();
        let halted = matches!(rollout.standing(), Standing::Halted(_));
        assert!(!(self.halted && halted) || launched <= self.launched, "a host was launched after the stop");
        (self.halted, self.launched) = (halted, launched);
    }
}

/// Runs to the end; the places that a console which took the run up may not have got to, to prove that nothing is there.
fn run_one(seed: u64) -> (Summary, Vec<Place>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let hosts = random.u32(2..12);
    let mut plan = Plan { policy: random_policy(&mut random, hosts), ..plan(hosts) };
    if random.bool() {
        (plan.seeder_choice, plan.tracker_choice) = (Choice::Any, Choice::Any);
    }
    let policy = plan.policy.clone();
    let config = Config {
        fanout: random.usize(1..6),
        work_attempts: random.u32(1..4),
        stalled_after: Duration::from_secs(5),
        stall_failed_after: Duration::from_secs(15),
        bootstrap_max: Duration::from_secs(20),
        serve_max: Duration::from_secs(20),
        ..config()
    };
    let mut fleet = Fleet::seeded(plan, config, seed);
    let (mut barred, mut killed) = (Vec::new(), false);
    for id in 0..hosts {
        if let Some(fault) = random_fault(&mut random) {
            if matches!(fault, Fault::Refuses(_) | Fault::Denies | Fault::Mute | Fault::Slow) {
                barred.push(host(id));
            }
            fleet = fleet.fault(host(id), fault);
        }
    }
    let laws = Laws { exempt: vec![false; hosts as usize], halted: false, launched: 0 };
    let laws = std::cell::RefCell::new(laws);
    for _ in 0..random.usize(0..ACTS) {
        let until = fleet.now + Duration::from_millis(random.u64(0..20_000));
        fleet.run_while(|fleet| {
            laws.borrow_mut().hold(fleet, &policy);
            fleet.now < until && fleet.summary.is_none()
        });
        if random.u32(0..5) == 0 && fleet.summary.is_none() {
            fleet.kill_console();
            killed = true;
            continue;
        }
        let act = random_act(&mut random, hosts);
        if let Action::Retry(named) | Action::Abort(named) = &act {
            for id in named {
                laws.borrow_mut().exempt[id.0 as usize] = true;
            }
        }
        fleet.act(act);
    }
    // Nobody ends a run that somebody has paused.
    fleet.act(Action::Resume);
    fleet.run_while(|fleet| {
        laws.borrow_mut().hold(fleet, &policy);
        fleet.summary.is_none()
    });
    let left = fleet.left();
    assert!(left.is_empty(), "seed {seed}: agents are still at work at {left:?}");
    let summary = fleet.summary.clone();
    let summary = summary.unwrap_or_else(|| panic!("seed {seed}: the run does not end: {:?}", fleet.rollout.counts()));
    (summary, if killed { barred } else { Vec::new() })
}

fn run_all(seeds: std::ops::Range<u64>) {
    let mut seen: BTreeMap<StateName, usize> = BTreeMap::new();
    for seed in seeds {
        let (mut summary, barred) = run_one(seed);
        for (state, _) in summary.counts.iter().filter(|(_, count)| *count > 0) {
            *seen.entry(state).or_default() += 1;
        }
        assert_eq!(summary.counts.settled(), summary.counts.total(), "seed {seed}");
        summary.left_behind.retain(|(place, _)| !barred.contains(place));
        assert!(summary.left_behind.is_empty(), "seed {seed}: {:?}", summary.left_behind);
    }
    // The laws would hold of runs in which nothing happens, too.
    for state in StateName::ALL.into_iter().filter(|state| state.is_settled()) {
        assert!(seen.get(&state).is_some_and(|runs| *runs > 20), "{state}: {seen:?}");
    }
}

#[test]
fn the_laws_hold_in_a_thousand_runs_first_half() {
    run_all(0..500);
}

#[test]
fn the_laws_hold_in_a_thousand_runs_second_half() {
    run_all(500..1000);
}
