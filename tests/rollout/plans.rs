//! What the tests of a rollout begin with: plans, limits, a payload.
#![expect(clippy::unwrap_used, reason = "a world that does not fit fails its test")]

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use rookery::base::{ByteCount, Layout, Sha1Digest, Sha256Digest};
use rookery::control::{Holder, Owner, PackOrder, PayloadFacts, PayloadFormat, PortRange};
use rookery::inventory::{HostId, Place};
use rookery::metainfo::{Info, Metainfo};
use rookery::rollout::{
    Caps, Choice, Config, DEADLINE, Failure, Finish, LEASE, Payload, Plan, PlannedHost, Policy, Source,
};

pub(crate) const PIECES: u32 = 20;

/// What is wrong with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The first so many connections are refused.
    Refuses(u32),
    /// The key is not accepted.
    Denies,
    /// There is no room, until [`Fleet::mend`].
    DiskFull,
    /// The agent dies once it has that many pieces, so many times.
    DiesAt(u32, u32),
    /// The agent gets no piece past that many, until `Fleet::mend`; at 0 it reaches nobody but this machine.
    StopsAt(u32),
    /// Neither the connection nor an order is answered.
    Mute,
    /// The connection takes a minute.
    Slow,
    /// A lost connection is not to be had again.
    StaysLost,
    /// The tracker never answers.
    NeverTracks,
    /// This is left behind.
    Leaves(&'static str),
    /// The health command says no, so many times.
    Unwell(u32),
    /// It reaches neither seeder nor tracker.
    NoWay,
    /// It has no port to listen on.
    Deaf,
    /// It never confirms that it cleaned up, nor lets itself be dialled again.
    Clings,
}

pub(crate) fn refused() -> Failure {
    Failure::Connect { address: "10.0.0.1:22".to_owned(), why: "connection refused".to_owned() }
}

pub(crate) const fn host(id: u32) -> Place {
    Place::Host(HostId(id))
}

pub(crate) fn payload() -> Payload {
    let layout = Layout::new(u64::from(PIECES) * 65_536 - 1000, 65_536).unwrap();
    let info = Info::single("site.tar.zst", layout, &[Sha1Digest::new([7; 20]); PIECES as usize]).unwrap();
    let metainfo = Metainfo::new(None, info);
    let facts = PayloadFacts {
        format: PayloadFormat::TarZstd,
        sha256: Sha256Digest::new([0xab; 32]),
        content_sha256: Sha256Digest::new([2; 32]),
        unpacked_bytes: ByteCount(2_000_000),
        unpacked_entries: 12,
        mode: 0o755,
    };
    Payload { torrent: Bytes::from(metainfo.encode()), info_hash: metainfo.info_hash(), layout, facts }
}

pub(crate) fn pack_order() -> PackOrder {
    let (source, compress) = ("/srv/build".to_owned(), "auto".to_owned());
    PackOrder { source, exclude: Vec::new(), compress, piece_length: None, mode: None }
}

fn holder() -> Holder {
    let text = |text: &str| text.to_owned();
    Holder { operator: text("alice"), from: text("jump1"), since: text("2026-01-01T12:00:00Z"), why: text("site") }
}

/// A plan of `hosts` hosts; host 0 seeds and tracks.
pub(crate) fn plan(hosts: u32) -> Plan {
    Plan {
        run: "20260101-120000-ab12".parse().unwrap(),
        tag: None,
        source_name: "site".to_owned(),
        hosts: (0..hosts).map(planned).collect(),
        helpers: Vec::new(),
        seeder: host(0),
        seeder_choice: Choice::Named,
        tracker: host(0),
        tracker_choice: Choice::Named,
        tracker_port: 0,
        ports: PortRange { first: 6881, last: 6889 },
        source: Source::Packed(payload()),
        holder: holder(),
        lease: LEASE,
        deadline: DEADLINE,
        local_payload: None,
        policy: Policy::default(),
    }
}

pub(crate) fn planned(id: u32) -> PlannedHost {
    PlannedHost {
        id: HostId(id),
        name: format!("web{id:03}"),
        destination: "/srv/releases".to_owned(),
        swarm_address: None,
        zone: None,
        caps: Caps::default(),
        owner: Owner::default(),
    }
}

pub(crate) fn config() -> Config {
    Config { launch_interval: Duration::from_millis(1), ..Config::default() }
}

/// The same, and at the end the operator is asked.
pub(crate) fn asking() -> Config {
    Config { finish: Finish::Ask, ..config() }
}

pub(crate) fn address(place: Place) -> IpAddr {
    match place {
        Place::Console => IpAddr::from([10, 255, 255, 254]),
        Place::Host(HostId(id)) => IpAddr::from((0x0a00_0001 + id).to_be_bytes()),
    }
}
