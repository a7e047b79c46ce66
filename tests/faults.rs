//! Everything that goes wrong with a fleet, in a simulated world: each fault is a scenario, run with many seeds.
//!
//! The laws of `sim/checks.rs` hold after every event of every run; what else is promised is asserted here, and told in
//! `docs/faults.md`. `ROOKERY_SEEDS` says with how many seeds.
#![cfg(feature = "machines")]

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};

use rookery::base::ByteCount;
use rookery::sim::{Fault, Report, Scenario, Trouble, World};
use rookery::swarm::{Note, PeerFault};

/// Seeds of each scenario, unless said: a debug build is slow.
const SEEDS: u64 = 5;

/// How much longer a fault may make it for others, in the median of the seeds.
const SLOWER_MAX: f64 = 1.05;

/// The same at worst: two healthy runs that differ by one event differ by some per cent.
const SLOWER_EVER: f64 = 1.12;

/// A scenario of `tests/scenarios/faults`.
struct Case {
    name: &'static str,
    text: &'static str,
}

macro_rules! case {
    ($name:literal) => {
        Case { name: $name, text: include_str!(concat!("scenarios/faults/", $name, ".toml")) }
    };
}

/// What a run is compared with: the same seed, with this instead of the faults.
#[derive(Clone, Copy)]
enum Instead {
    /// Nothing is wrong.
    Healthy,
    /// The hosts with faults are not there.
    Absent,
    /// The hosts with faults take and do not give.
    Selfish,
}

impl Case {
    fn scenario(&self, seed: u64) -> Scenario {
        let scenario = Scenario::parse(self.text).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Scenario { seed, ..scenario }
    }

    fn run(&self, scenario: &Scenario) -> Report {
        World::new(scenario)
            .run()
            .unwrap_or_else(|violation| panic!("{}, seed {}: {violation}", self.name, scenario.seed))
    }

    /// Runs every seed. Whoever is alive is complete, and so many are; the seeder gave no more than so many copies. Returns
    /// when the last of the hosts without faults was complete.
    fn each_seed(&self, complete: usize, copies_max: f64, promise: impl Fn(&Scenario, &Report)) -> Vec<f64> {
        let run = |seed| {
            let scenario = self.scenario(seed);
            let report = self.run(&scenario);
            assert!(report.is_complete(), "{}, seed {seed}: not complete at {:?}", self.name, report.ended);
            assert_eq!(report.complete, complete, "{}, seed {seed}", self.name);
            let copies = report.hosts[0].totals.up.0 as f64 / payload(&scenario) as f64;
            assert!(copies <= copies_max, "{}, seed {seed}: the seeder gave {copies:.2} copies", self.name);
            promise(&scenario, &report);
            last_of_the_others(&scenario, &report)
        };
        seeds().map(run).collect()
    }

    /// The hosts without faults, which took so long, take hardly less in another world.
    fn assert_slows_nobody(&self, took: &[f64], instead: Instead) {
        let ratio = |(seed, took): (u64, &f64)| took / self.took_instead(seed, instead);
        let mut ratios: Vec<f64> = seeds().zip(took).map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let (median, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        assert!(median <= SLOWER_MAX, "{}: slower by a factor of {median:.3} in the median", self.name);
        assert!(worst <= SLOWER_EVER, "{}: slower by a factor of {worst:.3} at worst", self.name);
    }

    fn took_instead(&self, seed: u64, instead: Instead) -> f64 {
        let scenario = self.scenario(seed);
        let with = |trouble| scenario.faults.iter().map(|fault| Fault { trouble, ..*fault }).collect();
        let faults = match instead {
            Instead::Healthy => Vec::new(),
            Instead::Absent => with(Trouble::Absent),
            Instead::Selfish => with(Trouble::Selfish),
        };
        let other = Scenario { faults, ..scenario.clone() };
        last_of_the_others(&scenario, &self.run(&other))
    }
}

fn seeds() -> std::ops::Range<u64> {
    let seeds = std::env::var("ROOKERY_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    0..seeds.unwrap_or(SEEDS)
}

/// When the last host without faults was complete, in seconds.
fn last_of_the_others(scenario: &Scenario, report: &Report) -> f64 {
    let faulty = |host: u32| scenario.faults.iter().any(|fault| fault.host == host);
    let others = (0..).zip(&report.hosts).filter(|(host, _)| !faulty(*host));
    let last = others.filter_map(|(_, host)| host.complete_at).max();
    last.expect("somebody is complete").as_micros() as f64 / 1e6
}

fn payload(scenario: &Scenario) -> u64 {
    u64::from(scenario.pieces) * scenario.piece_length.0
}

/// Who blames whom for corrupt blocks, whether or not they were still connected.
fn accused(report: &Report) -> impl Iterator<Item = (usize, usize)> {
    report.notes.iter().filter_map(|(by, _, note)| match note {
        Note::Dropped { address, fault: PeerFault::Corrupt(_) } => Some((*by, host_of(address))),
        Note::Dropped { .. }
        | Note::Corrupt { .. }
        | Note::Unreadable(_)
        | Note::TrackerSilent(_)
        | Note::TrackerBack => None,
    })
}

/// The host at an address of the simulator: 10.0.0.1 is host 0.
fn host_of(address: &SocketAddr) -> usize {
    match address.ip() {
        IpAddr::V4(ip) => (u32::from(ip) & 0x00ff_ffff) as usize - 1,
        IpAddr::V6(_) => panic!("{address} is none of the simulator"),
    }
}

/// The host that lies, in the scenarios with one.
const LIAR: usize = 7;

/// Whoever took wrong blocks blames the liar, and nobody blames anybody else.
fn assert_blamed(scenario: &Scenario, report: &Report) {
    let (seed, accusations) = (scenario.seed, accused(report).collect::<Vec<_>>());
    assert!(accusations.iter().all(|(_, to)| *to == LIAR), "seed {seed}: {accusations:?}");
    let fed = report.hosts.iter().enumerate().filter(|(by, host)| *by != LIAR && host.fed_wrong > 0);
    for (by, host) in fed {
        // Of a liar it has parted from, with everything on both sides, it has nothing to say any more.
        let parted = report.faults.iter().any(|(one, other, fault)| {
            *fault == PeerFault::Redundant && [(by, LIAR), (LIAR, by)].contains(&(*one, *other))
        });
        assert!(
            parted || accusations.contains(&(by, LIAR)),
            "seed {seed}: host {by} took {} and said nothing",
            host.fed_wrong
        );
    }
}

#[test]
fn a_corrupt_peer_is_blamed_by_whom_it_fed_and_slows_nobody_else() {
    let case = case!("corrupt");
    let took = case.each_seed(24, 3.2, assert_blamed);
    case.assert_slows_nobody(&took, Instead::Selfish);
}

#[test]
fn a_corrupt_peer_with_a_part_in_many_pieces_is_told_from_the_innocent() {
    let case = case!("corrupt-now-and-then");
    let mixed = Cell::new(0);
    let took = case.each_seed(24, 3.2, |scenario, report| {
        assert_blamed(scenario, report);
        let of_several = |note: &Note| matches!(note, Note::Corrupt { senders: 2.., .. });
        mixed.set(mixed.get() + report.notes.iter().filter(|(_, _, note)| of_several(note)).count());
    });
    assert!(mixed.get() > 0, "no corrupt piece had several senders");
    case.assert_slows_nobody(&took, Instead::Selfish);
}

#[test]
fn a_seeder_that_dies_when_one_copy_is_out_is_not_missed() {
    case!("seeder-dies")
        .each_seed(23, 2.2, |scenario, report| assert!(!report.hosts[0].alive, "seed {}", scenario.seed));
}

#[test]
fn a_tracker_that_is_gone_after_the_first_announces_is_not_missed() {
    case!("tracker-gone").each_seed(24, 2.2, |_, _| ());
}

#[test]
fn hosts_that_are_killed_and_start_again_fetch_nothing_twice_but_what_was_in_flight() {
    case!("restarts").each_seed(24, 2.4, |scenario, report| {
        for (index, host) in report.hosts.iter().enumerate().skip(1) {
            let once = ByteCount(payload(scenario));
            assert!(host.fetched <= once + host.fetched_in_vain, "seed {}: host {index}: {host:?}", scenario.seed);
        }
    });
}

#[test]
fn a_host_at_a_hundredth_of_the_rate_slows_nobody_and_finishes() {
    let case = case!("slow");
    let took = case.each_seed(24, 2.5, |_, _| ());
    case.assert_slows_nobody(&took, Instead::Healthy);
}

#[test]
fn a_fleet_that_was_cut_in_two_finishes_soon_after_it_heals() {
    case!("partition").each_seed(24, 4.5, |scenario, report| {
        let healed = scenario.partitions[0].at + scenario.partitions[0].lasts;
        let after = last_of_the_others(scenario, report) - healed.as_secs_f64();
        assert!(after < 60.0, "seed {}: {after} s after it healed", scenario.seed);
    });
}

#[test]
fn a_peer_that_says_nothing_stops_nobody() {
    let case = case!("mute");
    let took = case.each_seed(23, 2.2, |_, _| ());
    case.assert_slows_nobody(&took, Instead::Absent);
}

#[test]
fn handshakes_that_never_end_keep_nobody_out() {
    let case = case!("slow-loris");
    let took = case.each_seed(23, 2.2, |_, _| ());
    case.assert_slows_nobody(&took, Instead::Absent);
}

#[test]
fn whoever_is_not_of_the_run_is_refused() {
    let case = case!("strangers");
    case.each_seed(22, 2.2, |scenario, report| {
        let faults = |to| report.faults_to(to).cloned().collect::<Vec<_>>();
        let (other_run, stranger) = (faults(3), faults(8));
        assert!(
            !other_run.is_empty() && other_run.iter().all(|fault| *fault == PeerFault::WrongSwarm),
            "{other_run:?}"
        );
        assert!(!stranger.is_empty() && stranger.iter().all(|fault| *fault == PeerFault::NotAllowed), "{stranger:?}");
        assert_eq!(accused(report).count(), 0, "seed {}", scenario.seed);
    });
}

#[test]
fn clocks_that_jump_and_hosts_that_sleep_stop_nothing() {
    case!("clocks").each_seed(24, 2.6, |scenario, report| {
        let lost: Vec<_> = report
            .faults
            .iter()
            .filter(|(_, _, fault)| matches!(fault, PeerFault::Silent(_) | PeerFault::Snubbed(_)))
            .collect();
        assert!(lost.is_empty(), "seed {}: {lost:?}", scenario.seed);
    });
}

#[test]
fn a_full_disk_is_the_end_of_that_host_alone() {
    let case = case!("disk-full");
    let took = case.each_seed(23, 2.4, |_, report| assert!(!report.hosts[6].alive));
    case.assert_slows_nobody(&took, Instead::Healthy);
}

#[test]
fn everybody_may_join_at_once_or_one_after_the_other() {
    case!("join-at-once").each_seed(24, 2.2, |_, _| ());
    case!("join-over-a-minute").each_seed(24, 4.5, |_, _| ());
}
