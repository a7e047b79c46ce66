//! The swarm of a whole fleet, in a simulated world: what is promised when everything is well, and when it is not.
#![cfg(feature = "machines")]

use std::time::Duration;

use rookery::base::{ByteRate, Instant};
use rookery::sim::{Fault, Figures, Report, Scenario, TrackerEnd, Trouble, World};
use rookery::swarm::{Note, PeerFault};

/// A fleet to be: host 0 has the payload.
struct Fleet(Scenario);

impl Fleet {
    fn of(hosts: u32) -> Self {
        Self(Scenario { limit: Duration::from_secs(300), ..Scenario::of(hosts, 64) })
    }

    fn pieces(mut self, pieces: u32) -> Self {
        self.0.pieces = pieces;
        self
    }

    fn blocks_per_piece(mut self, blocks: u64) -> Self {
        self.0.piece_length.0 = blocks * 16_384;
        self
    }

    fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    fn rate(mut self, rate: u64) -> Self {
        (self.0.host.up, self.0.host.down) = (ByteRate(rate), ByteRate(rate));
        self
    }

    fn trouble(mut self, host: u32, trouble: Trouble) -> Self {
        self.0.faults.push(Fault { host, trouble });
        self
    }

    fn corrupt(self, host: u32) -> Self {
        self.trouble(host, Trouble::Corrupt { one_in: 1 })
    }

    fn kill(self, host: u32, pieces: u32) -> Self {
        self.trouble(host, Trouble::Killed { pieces, restart_after: None })
    }

    fn restart(self, host: u32, pieces: u32) -> Self {
        self.trouble(host, Trouble::Killed { pieces, restart_after: Some(Duration::from_secs(2)) })
    }

    fn freeze(self, host: u32, pieces: u32) -> Self {
        self.trouble(host, Trouble::Frozen { pieces })
    }

    fn slow(self, host: u32, rate: u64) -> Self {
        self.trouble(host, Trouble::Slow { rate: ByteRate(rate) })
    }

    fn resumed(self, host: u32, pieces: u32) -> Self {
        self.trouble(host, Trouble::Resumed { pieces })
    }

    fn seeder_dies_after_one_copy(self) -> Self {
        self.trouble(0, Trouble::KilledAfterOneCopy)
    }

    fn tracker_gone_after(mut self, after: Duration) -> Self {
        self.0.tracker_gone_after = Some(TrackerEnd::After(after));
        self
    }

    fn caps(mut self, upload: u64, download: u64) -> Self {
        (self.0.host.max_upload, self.0.host.max_download) = (ByteRate(upload), ByteRate(download));
        self
    }

    fn payload(&self) -> u64 {
        u64::from(self.0.pieces) * self.0.piece_length.0
    }

    /// Runs it and sees to it that everybody alive has everything.
    fn run(&self) -> Report {
        let report = World::new(&self.0).run().unwrap_or_else(|violation| panic!("{violation}"));
        let late: Vec<_> =
            (0..).zip(&report.hosts).filter(|(_, host)| host.alive && host.complete_at.is_none()).collect();
        assert!(report.is_complete(), "not complete at {:?}: {late:?}\n{:?}", report.ended, report.notes);
        report
    }
}

fn micros(at: Option<Instant>) -> u64 {
    at.expect("the host was complete").as_micros()
}

#[test]
fn one_host_gets_everything_from_the_other() {
    let report = Fleet::of(2).run();
    assert_eq!(report.complete, 2);
    assert_eq!(report.hosts[1].totals.down, report.hosts[0].totals.up);
    assert_eq!(report.hosts[1].totals.wasted.0, 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let fleet = |seed| Fleet::of(12).seed(seed).kill(3, 10).corrupt(4);
    assert_eq!(fleet(5).run(), fleet(5).run());
    assert_ne!(fleet(5).run().fingerprint, fleet(6).run().fingerprint);
}

#[test]
fn hosts_get_most_of_it_from_each_other() {
    let fleet = Fleet::of(30).pieces(128).rate(2_000_000);
    let report = fleet.run();
    let copies = report.hosts[0].totals.up.0 as f64 / fleet.payload() as f64;
    assert!(copies < 3.0, "the seeder gave {copies} copies");
}

#[test]
fn the_swarm_is_much_faster_than_one_after_the_other() {
    let fleet = Fleet::of(40).pieces(128).rate(2_000_000);
    let alone = Duration::from_secs_f64(fleet.payload() as f64 / 2e6);
    let took = Duration::from_micros(micros(fleet.run().last_complete()));
    assert!(took < alone * 4, "{took:?}; one copy takes {alone:?}");
}

#[test]
fn a_corrupt_peer_is_blamed_and_dropped_and_the_piece_asked_of_another() {
    let report = Fleet::of(8).corrupt(3).resumed(3, 64).run();
    assert!(report.faults_to(3).any(|fault| matches!(fault, PeerFault::Corrupt(_))), "{:?}", report.faults);
    let innocent = report.faults.iter().filter(|(_, to, fault)| *to != 3 && matches!(fault, PeerFault::Corrupt(_)));
    assert_eq!(innocent.count(), 0);
}

#[test]
fn a_corrupt_peer_is_found_among_those_who_sent_parts() {
    let report = Fleet::of(8).pieces(16).blocks_per_piece(16).corrupt(3).resumed(3, 16).rate(2_000_000).run();
    let guilty = |fault: &PeerFault| matches!(fault, PeerFault::Corrupt(_));
    assert!(report.faults_to(3).any(guilty), "{:?}", report.faults);
    let innocent: Vec<_> =
        report.faults.iter().filter(|(by, to, fault)| *by != 3 && *to != 3 && guilty(fault)).collect();
    assert_eq!(innocent, Vec::<&(usize, usize, PeerFault)>::new());
}

#[test]
fn a_dying_peer_stops_nobody() {
    let report = Fleet::of(8).kill(2, 20).kill(5, 40).rate(2_000_000).run();
    assert_eq!(report.complete, 6);
}

#[test]
fn a_host_that_starts_again_keeps_its_pieces() {
    let fleet = Fleet::of(5).restart(2, 30).rate(1_000_000);
    let report = fleet.run();
    assert_eq!(report.complete, 5);
    assert!(report.hosts[2].totals.down.0 <= fleet.payload() * 35 / 64, "{:?}", report.hosts[2]);
}

#[test]
fn pieces_that_are_there_are_not_fetched() {
    let fleet = Fleet::of(3).resumed(2, 60);
    assert_eq!(fleet.run().hosts[2].totals.down.0, fleet.payload() / 64 * 4);
}

#[test]
fn a_slow_host_finishes_and_slows_nobody_down() {
    let fleet = |rate| Fleet::of(10).pieces(128).rate(4_000_000).slow(3, rate);
    let others = |report: Report| {
        let all = (0..).zip(report.hosts).filter(|(index, _)| !matches!(index, 0 | 3));
        all.map(|(_, host)| micros(host.complete_at)).max()
    };
    let (even, uneven) = (others(fleet(4_000_000).run()), others(fleet(100_000).run()));
    assert!(uneven < even.map(|even| even * 3 / 2), "{uneven:?} instead of {even:?}");
}

#[test]
fn a_seeder_that_dies_after_one_copy_is_not_missed() {
    for seed in 0..5 {
        let report = Fleet::of(10).seed(seed).seeder_dies_after_one_copy().rate(2_000_000).run();
        assert_eq!(report.complete, 9);
        assert!(!report.hosts[0].alive);
    }
}

#[test]
fn a_tracker_that_is_gone_after_the_first_announce_stops_nobody() {
    let report = Fleet::of(10).tracker_gone_after(Duration::from_secs(6)).rate(100_000).run();
    assert_eq!(report.complete, 10);
    assert!(report.notes.iter().any(|(_, _, note)| matches!(note, Note::TrackerSilent(_))));
}

#[test]
fn a_peer_that_falls_silent_is_dropped_and_its_blocks_asked_of_others() {
    let report = Fleet::of(6).freeze(2, 20).rate(200_000).run();
    assert_eq!(report.complete, 5);
}

#[test]
fn a_peer_that_says_nothing_for_long_is_dropped() {
    let report = Fleet::of(6).freeze(2, 5).rate(10_000).run();
    assert!(report.faults_to(2).any(|fault| matches!(fault, PeerFault::Silent(_))), "{:?}", report.faults);
}

#[test]
fn the_endgame_fetches_little_twice() {
    for seed in 0..5 {
        let report = Fleet::of(20).seed(seed).pieces(128).rate(2_000_000).run();
        let down: u64 = report.hosts.iter().map(|host| host.totals.down.0).sum();
        let wasted: u64 = report.hosts.iter().map(|host| host.totals.wasted.0).sum();
        assert!(wasted * 50 <= down, "{wasted} of {down} wasted");
    }
}

#[test]
fn caps_hold_both_ways() {
    for (upload, download) in [(500_000, 0), (0, 500_000)] {
        let fleet = Fleet::of(2).pieces(256).caps(upload, download);
        let took = micros(fleet.run().last_complete());
        let allowed = fleet.payload() * 1_000_000 / 500_000;
        assert!(took * 20 >= allowed * 19 && took * 20 <= allowed * 21 + 4_000_000, "{took} instead of {allowed}");
    }
}

#[test]
fn a_thousand_hosts_finish_with_a_slow_a_corrupt_a_dying_and_a_frozen_one_among_them() {
    let scenario = Scenario::parse(include_str!("scenarios/thousand.toml")).expect("the scenario is valid");
    let report = World::new(&scenario).run().expect("no law is broken");
    assert_eq!((report.alive, report.complete), (998, 998), "at {:?}", report.ended);
    let payload = u64::from(scenario.pieces) * scenario.piece_length.0;
    assert!(report.hosts[0].totals.up.0 <= 6 * payload, "{:?}", report.hosts[0]);
    assert!(report.faults_to(99).any(|fault| matches!(fault, PeerFault::Corrupt(_))));
}

/// Ethernet, IP and TCP heads: the optimum knows nothing of them.
const FRAMED: f64 = 1514.0 / 1448.0;

/// The last host of a scenario has everything after so many times the optimum, and the seeder has given few copies.
fn assert_near_the_limit(scenario: &str, ratio_max: f64) {
    let scenario = Scenario::parse(scenario).expect("the scenario is valid");
    let report = World::new(&scenario).run().unwrap_or_else(|violation| panic!("{violation}"));
    let figures = Figures::of(&scenario, &report);
    assert!(figures.ratio().is_some_and(|ratio| ratio <= ratio_max * FRAMED), "{figures:?}");
    assert!(figures.copies.is_some_and(|copies| copies <= 1.3), "{figures:?}");
}

#[test]
fn a_delay_of_5_ms_and_a_lost_frame_in_a_thousand_cost_little() {
    assert_near_the_limit(include_str!("scenarios/lab-16-lossy.toml"), 1.25);
}

#[test]
fn sixteen_hosts_on_equal_links_are_done_near_the_physical_limit() {
    assert_near_the_limit(include_str!("scenarios/lab-16.toml"), 1.10);
}

#[test]
fn a_payload_that_is_pushed_while_the_others_are_there_already_takes_no_longer() {
    for rate in [5_500_000, 20_000_000] {
        assert_near_the_limit(&format!("push = '{rate}'\n{}", include_str!("scenarios/lab-16.toml")), 1.10);
    }
}
