//! The fleet that is played for practice, under a real rollout, in virtual time.
#![cfg(feature = "machines")]
#![expect(clippy::unwrap_used, reason = "a scenario that does not fit fails its test")]

use std::time::Duration;

use rookery::base::Instant;
use rookery::control::{RunId, TrackerHealth};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Input, Output, Rollout, Stage, StateName, StationState, Summary};
use rookery::sim::{Cue, Rehearsal, Scenario};

/// Turns and statuses of the longest of these runs, many times over.
const STEPS_MAX: usize = 5_000_000;

/// A rollout and the fleet it has to do with.
struct Play {
    rollout: Rollout,
    fleet: Rehearsal,
    now: Instant,
    summary: Option<Summary>,
}

impl Play {
    fn of(text: &str) -> Self {
        let scenario = Scenario::parse(text).unwrap();
        let run: RunId = "20260101-000000-0000".parse().unwrap();
        let plan = Rehearsal::plan(&scenario, run).unwrap();
        let rollout = Rollout::new(plan, Rehearsal::config(&scenario), scenario.seed);
        let fleet = Rehearsal::new(&scenario).unwrap();
        Self { rollout, fleet, now: Instant::ZERO, summary: None }
    }

    fn give(&mut self, input: Input) {
        self.rollout.handle_input(self.now, input);
        while let Some(output) = self.rollout.poll_output() {
            if let Output::Ended(summary) = &output {
                self.summary = Some(summary.clone());
            }
            self.fleet.handle_input(self.now, Cue::Told(output));
        }
    }

    fn until(&mut self, holds: impl Fn(&Self) -> bool) -> &mut Self {
        self.give(Input::Elapsed);
        for _ in 0..STEPS_MAX {
            if holds(self) {
                return self;
            }
            if let Some(input) = self.fleet.poll_output() {
                self.give(input);
                continue;
            }
            let due = self.rollout.deadline().into_iter().chain(self.fleet.deadline()).min();
            self.now = self.now.max(due.expect("nothing is due, and the end is not there"));
            self.fleet.handle_input(self.now, Cue::Elapsed);
            if self.rollout.deadline().is_some_and(|due| due <= self.now) {
                self.give(Input::Elapsed);
            }
        }
        panic!("at {:?}: {:?} {:?}", self.now, self.rollout.stage(), self.rollout.counts());
    }

    fn settled(&mut self) -> &mut Self {
        self.until(|play| *play.rollout.stage() == Stage::Settled)
    }

    fn of_state(&self, state: StateName) -> Vec<HostId> {
        let hosts = self.rollout.hosts().iter();
        hosts.filter(|host| host.state.name() == state).map(|host| host.id).collect()
    }

    fn count(&self, state: StateName) -> u32 {
        self.rollout.counts().of(state)
    }
}

const SMALL: &str = "seed = 3\nhosts = 41\npieces = 64\npiece_length = '256KiB'\n\
                     [host]\nup = '4M/s'\ndown = '4M/s'\n";

#[test]
fn a_fleet_with_no_trouble_is_done_soon_after_the_seeder_has_sent_everything_once() {
    let mut play = Play::of(SMALL);
    play.settled();
    assert_eq!(play.count(StateName::Done), 40);
    // 16 MiB at 4 MiB/s, and the time to connect, start and unpack.
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(30)).contains(&play.now.since(Instant::ZERO)),
        "{:?}",
        play.now
    );
    let totals = play.rollout.totals(play.now);
    assert!(totals.seeder_share < 0.3, "the hosts serve each other: {}", totals.seeder_share);
    play.give(Input::Operator(Action::Finish));
    play.until(|play| play.summary.is_some());
    let summary = play.summary.as_ref().unwrap();
    assert!(summary.left_behind.is_empty() && summary.failed.is_empty(), "{summary:?}");
}

#[test]
fn every_mishap_is_there_and_those_that_can_be_mended_are_by_a_retry() {
    let kinds = [
        ("unreachable", 3),
        ("times-out", 0),
        ("host-key-changed", 0),
        ("permission-denied", 0),
        ("no-work-dir", 0),
        ("disk-full", 1),
        ("agent-dies", 1),
        ("stalls", 1),
    ];
    let mishap =
        |(kind, heals): (&str, u32)| format!("[[mishap]]\ntrouble = '{kind}'\nhosts = 2\nheals_after = {heals}\n");
    let mut play = Play::of(&(SMALL.to_owned() + &kinds.map(mishap).concat()));
    play.settled();
    assert_eq!(play.count(StateName::Done), 40 - 16);
    let mut causes: Vec<_> = play.rollout.failures().iter().map(|group| (group.cause, group.hosts.len())).collect();
    causes.sort_unstable();
    assert_eq!(
        causes,
        [
            ("agent died", 2),
            ("cannot connect", 2),
            ("connect timed out", 2),
            ("disk full", 2),
            ("host key changed", 2),
            ("no usable work folder", 2),
            ("permission denied", 2),
            ("stalled", 2),
        ]
    );
    let failed = [play.of_state(StateName::Failed), play.of_state(StateName::Unreachable)].concat();
    play.give(Input::Operator(Action::Retry(failed)));
    play.settled();
    assert_eq!(play.count(StateName::Done), 40 - 8, "{:?}", play.rollout.counts());
}

#[test]
fn the_faults_of_a_scenario_befall_the_hosts_they_name() {
    let faults =
        [("3", "absent", ""), ("4", "killed", "pieces = 9"), ("5", "disk-full", "pieces = 0"), ("6", "mute", "")];
    let fault = |(host, trouble, more): (&str, &str, &str)| {
        format!("[[fault]]\nhost = {host}\ntrouble = '{trouble}'\n{more}\n")
    };
    let mut play = Play::of(&(SMALL.to_owned() + &faults.map(fault).concat()));
    play.settled();
    assert_eq!(
        play.of_state(StateName::Unreachable),
        [HostId(2), HostId(5)],
        "host 3 of the scenario is the plan's third"
    );
    assert_eq!(play.of_state(StateName::Failed), [HostId(3), HostId(4)]);
}

#[test]
fn hosts_beyond_a_cut_have_what_one_of_them_has_and_go_on_when_it_heals() {
    let cut = "[[partition]]\nfirst = 21\nat = '6s'\nlasts = '40s'\n";
    let mut play = Play::of(&(SMALL.to_owned() + cut));
    play.until(|play| play.count(StateName::Stalled) == 20);
    assert_eq!(play.of_state(StateName::Stalled), (20..40).map(HostId).collect::<Vec<_>>(), "hosts 21 to 40");
    let beyond = play.rollout.host(HostId(30)).unwrap();
    assert_eq!((beyond.progress.tracker, beyond.progress.peers), (TrackerHealth::Silent, 19));
    assert!(beyond.progress.pieces > 0 && beyond.progress.pieces < 64, "{:?}", beyond.progress);
    play.until(|play| play.count(StateName::Done) == 20);
    assert!(play.now < Instant::after(Duration::from_secs(46)), "{:?}", play.now);
    play.settled();
    assert_eq!(play.count(StateName::Done), 40);
}

#[test]
fn a_seeder_that_waits_for_a_large_fleet_is_not_silent() {
    let mut play = Play::of(&SMALL.replace("hosts = 41", "hosts = 2200"));
    play.until(|play| {
        let silent = matches!(play.rollout.seeder().state, StationState::Silent { .. });
        assert!(!silent, "at {:?}", play.now);
        play.count(StateName::Fetching) > 1000
    });
    assert!(play.now > Instant::after(Duration::from_secs(20)), "no time to be silent: {:?}", play.now);
}

#[test]
fn whatever_the_operator_does_the_run_comes_to_its_end() {
    let mut play = Play::of(SMALL);
    play.until(|play| play.count(StateName::Fetching) > 20);
    play.give(Input::Operator(Action::Watch(Some(HostId(7)))));
    play.until(|play| !play.rollout.host(HostId(7)).unwrap().peers.is_empty());
    play.give(Input::Operator(Action::Abort(vec![HostId(7)])));
    play.until(|play| play.of_state(StateName::Aborted) == [HostId(7)]);
    play.give(Input::Operator(Action::Retry(vec![HostId(7)])));
    play.until(|play| play.rollout.host(HostId(7)).unwrap().state.name() == StateName::Fetching);
    play.give(Input::Operator(Action::AbortRun));
    play.until(|play| play.summary.is_some());
}

#[test]
fn the_same_seed_plays_the_same() {
    let told = || {
        let mut play = Play::of(SMALL);
        play.settled();
        (play.now, play.rollout.hosts().iter().map(|host| host.history.clone()).collect::<Vec<_>>())
    };
    assert_eq!(told(), told());
}

#[test]
fn the_scenario_for_practice_can_be_played_and_most_of_its_trouble_mended() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/practice.toml")).unwrap();
    let mut play = Play::of(&text);
    play.until(|play| play.count(StateName::Failed) > 20 && play.count(StateName::Fetching) > 1000);
    assert_eq!(play.rollout.counts().total(), 1400);
    assert!(play.rollout.seeder().alive && play.rollout.tracker().alive);
    let host = play.rollout.hosts().iter().find(|host| host.state.name() == StateName::Fetching).unwrap();
    assert!(!host.transcript.is_empty() && host.listening.is_some(), "{host:?}");
    assert_eq!(play.rollout.plan().place_name(Place::Host(HostId(0))), "web0001");
    let begun = play.now;
    play.until(|play| {
        let totals = play.rollout.totals(play.now);
        totals.bytes_done.0 * 20 > totals.bytes_total.0
    });
    assert!(play.now.since(begun) < Duration::from_secs(20), "{:?}", play.now.since(begun));
    assert!(play.count(StateName::Stalled) < 20, "from one seeder to a thousand: {:?}", play.rollout.counts());
}
