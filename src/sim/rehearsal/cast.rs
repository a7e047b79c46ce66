//! Who is in a rehearsal: the plan of the run, and the hosts as an inventory would have them.

use std::time::Duration;

use bytes::Bytes;

use super::machine::Rehearsal;
use crate::base::{ByteCount, LayoutError, Sha1Digest, Sha256Digest};
use crate::control::{Holder, Owner, PayloadFacts, PayloadFormat, PortRange, RunId};
use crate::inventory::{Gate, Host, HostId, Place};
use crate::metainfo::{Info, Metainfo};
use crate::rollout::{Caps, Choice, Config, DEADLINE, Finish, LEASE, Payload, Plan, PlannedHost, Policy, Source};
use crate::sim::Scenario;

/// Hosts of a rack.
const RACK: u32 = 40;

/// Where releases land.
const DESTINATION: &str = "/srv/releases";

/// A payload in memory unpacks to so much of it.
const UNPACKED: u64 = 3;

impl Rehearsal {
    /// The run: the console seeds and tracks, host 1 of the scenario is the first of the fleet.
    ///
    /// # Errors
    /// When the pieces cannot be.
    pub fn plan(scenario: &Scenario, run: RunId) -> Result<Plan, LayoutError> {
        let hosts = (1..scenario.hosts).map(|number| PlannedHost {
            id: HostId(number - 1),
            name: name(scenario, number),
            destination: DESTINATION.to_owned(),
            swarm_address: None,
            owner: Owner::default(),
            zone: scenario.zone_of(number as usize),
            caps: Caps::default(),
        });
        Ok(Plan {
            run,
            tag: "rehearsal-1".parse().ok(),
            source_name: "rehearsal".to_owned(),
            hosts: hosts.collect(),
            helpers: Vec::new(),
            seeder: Place::Console,
            seeder_choice: Choice::Named,
            tracker: Place::Console,
            tracker_choice: Choice::Named,
            tracker_port: 0,
            ports: PortRange { first: 6881, last: 6889 },
            source: Source::Packed(payload(scenario)?),
            local_payload: Some("rehearsal".to_owned()),
            policy: policy(scenario),
            holder: Holder::default(),
            lease: LEASE,
            deadline: DEADLINE,
        })
    }

    /// What the inventory would say of each host of the plan, in its order.
    pub fn hosts(scenario: &Scenario) -> Vec<(HostId, Host)> {
        let described = (1..scenario.hosts).map(|number| {
            let mut host = Host::new(&name(scenario, number));
            host.groups = vec!["web".to_owned()];
            host.tags.insert("rack".to_owned(), format!("r{:02}", (number - 1) / RACK + 1));
            if let Some(zone) = scenario.zone_of(number as usize) {
                host.tags.insert("zone".to_owned(), zone.to_string());
            }
            (HostId(number - 1), host)
        });
        described.collect()
    }

    /// How the run goes: hosts start within the time that the scenario gives them, and at the end the operator is asked.
    pub fn config(scenario: &Scenario) -> Config {
        let usual = Config::default();
        let apart = scenario.start_within / scenario.hosts.max(1);
        Config {
            launch_interval: apart.clamp(Duration::from_millis(1), usual.launch_interval),
            finish: Finish::Ask,
            ..usual
        }
    }
}

/// Waves of so many hosts, in the order of the fleet; the operator opens each.
fn policy(scenario: &Scenario) -> Policy {
    let mut hosts = (0..scenario.hosts.saturating_sub(1)).map(HostId);
    let waves = scenario.waves.iter().map(|size| hosts.by_ref().take(*size as usize).collect()).collect();
    Policy { waves, gate: Gate::Ask, ..Policy::default() }
}

/// `web0001`: as many digits as the last one has.
pub(super) fn name(scenario: &Scenario, number: u32) -> String {
    let digits = scenario.hosts.saturating_sub(1).max(1).ilog10() as usize + 1;
    format!("web{number:0digits$}")
}

fn payload(scenario: &Scenario) -> Result<Payload, LayoutError> {
    let layout = scenario.layout()?;
    let digests = vec![Sha1Digest::new([0; 20]); layout.piece_count() as usize];
    let info = Info::single("rehearsal.tar.zst", layout, &digests).expect("a plain name, and a digest a piece");
    let metainfo = Metainfo::new(None, info);
    let facts = PayloadFacts {
        format: PayloadFormat::TarZstd,
        sha256: Sha256Digest::new([1; 32]),
        content_sha256: Sha256Digest::new([2; 32]),
        unpacked_bytes: ByteCount(layout.total() * UNPACKED),
        unpacked_entries: 1200,
        mode: 0o755,
    };
    Ok(Payload { info_hash: metainfo.info_hash(), torrent: Bytes::from(metainfo.encode()), layout, facts })
}
