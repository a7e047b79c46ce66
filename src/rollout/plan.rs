//! What a run is going to do, before it does it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Caps, Policy};
use crate::base::{InfoHash, Layout, Zone};
use crate::control::{Holder, Owner, PackOrder, PayloadFacts, PortRange, RunId, Tag};
use crate::inventory::{HostId, Place};

/// The lease of agents when nobody says otherwise.
pub const LEASE: Duration = Duration::from_secs(15 * 60);

/// The deadline of agents when nobody says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// A run, resolved: which hosts, who tracks and seeds, what is sent.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The run's name.
    pub run: RunId,
    /// The release's name; `None` until a payload that the seeder packs is known, then [`Plan::tag_for`] it.
    pub tag: Option<Tag>,
    /// The source's base name: the first half of a default tag.
    pub source_name: String,
    /// The hosts that get the release, in inventory order.
    pub hosts: Vec<PlannedHost>,
    /// Hosts that only seed or track: not counted in the fleet.
    pub helpers: Vec<PlannedHost>,
    /// Who seeds first.
    pub seeder: Place,
    /// Whether another host may seed when that one is lost.
    pub seeder_choice: Choice,
    /// Who tracks first.
    pub tracker: Place,
    /// Whether the tracker may move to the seeder when its place is lost.
    pub tracker_choice: Choice,
    /// The tracker's port; 0 is any free one.
    pub tracker_port: u16,
    /// The ports peers may listen on.
    pub ports: PortRange,
    /// What is sent.
    pub source: Source,
    /// Who holds the destinations as long as the run lasts.
    pub holder: Holder,
    /// Without a word from a console for so long, an agent ends; what is fetched is kept.
    pub lease: Duration,
    /// After so long an agent ends in any case.
    pub deadline: Duration,
    /// Where the payload file of this machine is, when [`Place::Console`] seeds: the local agent reads it.
    pub local_payload: Option<String>,
    /// How it goes through the fleet.
    pub policy: Policy,
}

impl Plan {
    /// What a place is called: its host's name, or `console`; empty for a host that is not in the plan.
    pub fn place_name(&self, place: Place) -> &str {
        match place {
            Place::Console => "console",
            Place::Host(id) => {
                let at = self.hosts.get(id.0 as usize).filter(|host| host.id == id);
                let host = at.or_else(|| self.hosts.iter().chain(&self.helpers).find(|host| host.id == id));
                host.map_or("", |host| &host.name)
            }
        }
    }

    /// The place of a name: a host of the run first.
    pub fn place_of(&self, name: &str) -> Option<Place> {
        let host = self.hosts.iter().chain(&self.helpers).find(|host| host.name == name);
        let console = (name == self.place_name(Place::Console)).then_some(Place::Console);
        host.map(|host| Place::Host(host.id)).or(console)
    }

    /// The tag of a payload when none was chosen: the source's name and the first 12 hex digits of its SHA-256.
    pub fn tag_for(&self, payload: &PayloadFacts) -> Tag {
        let digest: String = payload.sha256.to_string().chars().take(12).collect();
        let plain = |c: char| if c.is_alphanumeric() || "._+@:=,~-".contains(c) { c } else { '-' };
        let name: String = self.source_name.chars().map(plain).collect();
        let mut name = name.trim_start_matches(['.', '-']);
        while name.len() + 1 + digest.len() > Tag::LENGTH_MAX {
            name = &name[..name.floor_char_boundary(name.len() - 1)];
        }
        let tag = if name.is_empty() { digest } else { format!("{name}-{digest}") };
        tag.parse().expect("every character was made one that a tag may hold")
    }
}

/// Who chose a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The inventory, or the source because it lies there: no other will do.
    Named,
    /// Nobody: any host of the fleet will do.
    Any,
}

/// One host of a plan.
#[derive(Debug, Clone)]
pub struct PlannedHost {
    /// Which.
    pub id: HostId,
    /// What the inventory calls it.
    pub name: String,
    /// The folder releases land in.
    pub destination: String,
    /// Its address for other peers, when it is known beforehand.
    pub swarm_address: Option<IpAddr>,
    /// Its zone, if it is in one.
    pub zone: Option<Zone>,
    /// Its caps.
    pub caps: Caps,
    /// Whom its releases are given to.
    pub owner: Owner,
}

/// Where the payload comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// It is packaged here already.
    Packed(Payload),
    /// The seeder packages it.
    OnSeeder(PackOrder),
}

/// A payload that is known in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The .torrent file, raw.
    pub torrent: Bytes,
    /// The swarm's name.
    pub info_hash: InfoHash,
    /// How it is cut.
    pub layout: Layout,
    /// What it is.
    pub facts: PayloadFacts,
}

/// Every limit and interval of a rollout.
#[derive(Debug, Clone)]
pub struct Config {
    /// Hosts being connected or bootstrapped at once (OpenSSH's `MaxStartups` is per host; this bounds the jump box).
    pub fanout: usize,
    /// How long the payload waits for the first look at every host, besides a second a round of the fan-out; 0: it does not.
    pub preflight_max: Duration,
    /// How long it waits for the last hosts when all were asked and nobody answers any more.
    pub answer_max: Duration,
    /// Between two launches, so that a thousand SYNs do not leave at once.
    pub launch_interval: Duration,
    /// Automatic attempts for failures before the agent runs that may heal by themselves.
    pub connect_attempts: u32,
    /// Automatic attempts for failures after that; 1 leaves retrying to the operator.
    pub work_attempts: u32,
    /// First backoff of an automatic retry; doubles each time, with jitter of half.
    pub backoff_min: Duration,
    /// Longest backoff.
    pub backoff_max: Duration,
    /// No new piece for this long is a stall.
    pub stalled_after: Duration,
    /// An agent in the swarm that tells nothing for this long is silent: it says where it is every 5 s at least.
    pub silent_after: Duration,
    /// A stall this long is a failure.
    pub stall_failed_after: Duration,
    /// A stall of a host that met neither tracker nor any other host is a failure this early.
    pub no_way_after: Duration,
    /// From the connection to the agent's first word (the driver has finer deadlines of its own).
    pub bootstrap_max: Duration,
    /// From the order to serve to the agent in the swarm; hashing what is there takes time.
    pub serve_max: Duration,
    /// For verifying and unpacking.
    pub deliver_max: Duration,
    /// How long hosts wait for a tracker before they go on without one.
    pub tracker_wait_max: Duration,
    /// How long the fleet waits for a seeder that is not attached while another host is, when any host will do.
    pub seeder_wait_max: Duration,
    /// How long an agent is looked for whose connection is lost, before its host is out of reach.
    pub lost_max: Duration,
    /// For an agent to stop and clean up.
    pub stop_max: Duration,
    /// Peers told to a host when it joins.
    pub peers_told: usize,
    /// Between two rounds of telling hosts about new peers.
    pub tell_interval: Duration,
    /// Whether the run ends by itself when every host is settled (without a terminal), or waits for the operator.
    pub finish: Finish,
}

/// What happens when every host is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Clean up and end.
    AtOnce,
    /// Clean up and end if all are done; wait for the operator otherwise.
    WhenAllDone,
    /// Wait for the operator.
    Ask,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fanout: 64,
            preflight_max: Duration::from_secs(30),
            answer_max: Duration::from_secs(3),
            launch_interval: Duration::from_millis(5),
            connect_attempts: 3,
            work_attempts: 1,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            stalled_after: Duration::from_secs(14),
            silent_after: Duration::from_secs(10),
            stall_failed_after: Duration::from_secs(180),
            no_way_after: Duration::from_secs(30),
            bootstrap_max: Duration::from_secs(180),
            serve_max: Duration::from_secs(600),
            deliver_max: Duration::from_secs(1800),
            tracker_wait_max: Duration::from_secs(15),
            seeder_wait_max: Duration::from_secs(15),
            lost_max: Duration::from_secs(900),
            stop_max: Duration::from_secs(15),
            peers_told: 50,
            tell_interval: Duration::from_millis(500),
            finish: Finish::AtOnce,
        }
    }
}
