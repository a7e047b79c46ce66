//! Zones: about one copy of the payload goes into each, and nobody is slower for it.
#![cfg(feature = "machines")]

use std::time::Duration;

use rookery::base::{ByteCount, ByteRate};
use rookery::sim::{Fault, Report, Scenario, Trouble, World};

/// A fleet of hosts with 40 Mbit/s each, in four zones by turns; host 0 has the payload.
struct Fleet(Scenario);

impl Fleet {
    fn of(hosts: u32) -> Self {
        let mut scenario =
            Scenario { zones: 4, connections: 64, limit: Duration::from_secs(300), ..Scenario::of(hosts, 64) };
        scenario.piece_length = ByteCount(256 << 10);
        (scenario.host.up, scenario.host.down) = (ByteRate(5_000_000), ByteRate(5_000_000));
        Self(scenario)
    }

    fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    fn zones(mut self, zones: u32) -> Self {
        self.0.zones = zones;
        self
    }

    fn zoneless(mut self, hosts: impl IntoIterator<Item = u32>) -> Self {
        self.0.zoneless.extend(hosts);
        self
    }

    fn trouble(mut self, host: u32, trouble: Trouble) -> Self {
        self.0.faults.push(Fault { host, trouble });
        self
    }

    /// Runs it and sees to it that everybody alive has everything.
    fn run(&self) -> Report {
        let report = World::new(&self.0).run().unwrap_or_else(|violation| panic!("{violation}"));
        assert!(report.is_complete(), "{} of {} at {:?}", report.complete, report.alive, report.ended);
        report
    }

    fn copies(&self, bytes: ByteCount) -> f64 {
        bytes.0 as f64 / (u64::from(self.0.pieces) * self.0.piece_length.0) as f64
    }

    /// Asserts that no more than so many copies went into any zone.
    fn assert_imported(&self, report: &Report, most: f64) {
        assert!(!report.imported.is_empty());
        for (zone, bytes) in &report.imported {
            assert!(self.copies(*bytes) <= most, "{} copies into {zone}", self.copies(*bytes));
        }
    }
}

/// When the last of these hosts was complete, in seconds.
fn last(report: &Report, of: impl Fn(usize) -> bool) -> f64 {
    let all = report.hosts.iter().enumerate().filter(|(index, _)| of(*index));
    all.filter_map(|(_, host)| host.complete_at).max().expect("one was").as_micros() as f64 / 1e6
}

#[test]
fn about_one_copy_goes_into_each_of_four_zones() {
    for (hosts, seed) in [(21, 1), (21, 2), (41, 3)] {
        let fleet = Fleet::of(hosts).seed(seed);
        fleet.assert_imported(&fleet.run(), 1.5);
    }
}

#[test]
fn zones_cost_little_time() {
    let took = |zones, seed| {
        let mut fleet = Fleet::of(17).zones(zones).seed(seed);
        fleet.0.pieces = 256;
        last(&fleet.run(), |_| true)
    };
    let all = |zones| (1..=3).map(|seed| took(zones, seed)).sum::<f64>();
    let (with, without) = (all(4), all(0));
    assert!(with < without * 1.12, "{with} s instead of {without} s");
}

#[test]
fn without_zones_everything_crosses_where_borders_would_be() {
    let fleet = Fleet::of(9).zones(0);
    assert!(fleet.run().imported.is_empty());
}

#[test]
fn an_importer_that_dies_or_falls_silent_holds_nobody() {
    let calm = last(&Fleet::of(21).run(), |_| true);
    for trouble in [Trouble::Killed { pieces: 12, restart_after: None }, Trouble::Frozen { pieces: 12 }] {
        let fleet = Fleet::of(21).trouble(5, trouble);
        let report = fleet.run();
        let took = last(&report, |host| host != 5);
        assert!(took < calm * 1.5 + 10.0, "{trouble:?}: {took} s instead of {calm} s");
        fleet.assert_imported(&report, 1.5);
    }
}

#[test]
fn a_slow_importer_holds_nobody() {
    let calm = last(&Fleet::of(21).run(), |_| true);
    let fleet = Fleet::of(21).trouble(5, Trouble::Slow { rate: ByteRate(200_000) });
    let took = last(&fleet.run(), |host| host != 5);
    assert!(took < calm * 1.5 + 2.0, "{took} s instead of {calm} s");
}

#[test]
fn hosts_alone_in_their_zones_get_everything() {
    let fleet = Fleet::of(4);
    fleet.assert_imported(&fleet.run(), 1.05);
}

#[test]
fn what_all_others_of_a_zone_have_is_not_brought_in_again() {
    let mut fleet = Fleet::of(21);
    for host in [1, 5, 9, 13] {
        fleet = fleet.trouble(host, Trouble::Resumed { pieces: 64 });
    }
    let report = fleet.run();
    let zone = "z1".parse().expect("a zone");
    let copies = fleet.copies(report.imported.get(&zone).copied().unwrap_or_default());
    assert!(copies < 0.5, "{copies}");
}

#[test]
fn a_seeder_in_no_zone_and_hosts_in_none_mix_with_those_in_zones() {
    let fleet = Fleet::of(21).zoneless([0]);
    fleet.assert_imported(&fleet.run(), 1.5);
    let fleet = Fleet::of(21).zoneless((0..21).step_by(5));
    fleet.assert_imported(&fleet.run(), 1.5);
}
