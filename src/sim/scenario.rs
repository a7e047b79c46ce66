//! Scenario: what hosts there are, what network joins them, and what goes wrong.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{Fault, Mishap, Partition, TrackerEnd};
use crate::base::{ByteCount, ByteRate, Layout, LayoutError, Zone};

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Not the format.
    #[error("{why}")]
    Format {
        /// Why.
        why: String,
        /// Where, in bytes.
        span: Range<usize>,
    },
    /// Pieces that cannot be.
    #[error("pieces: {0}")]
    Layout(#[from] LayoutError),
    /// A fault at a host that is not there.
    #[error("host {host} of a fault does not exist; there are {hosts}, from 0")]
    NoSuchHost {
        /// The host.
        host: u32,
        /// Number of hosts.
        hosts: u32,
    },
    /// More than can be simulated.
    #[error("{0} hosts are more than the {max} that can be simulated", max = Scenario::HOSTS_MAX)]
    TooManyHosts(u32),
}

/// What is simulated. Host 0 has the payload from the start, or is pushed it; all others want it.
///
/// ```
/// use rookery::sim::{Scenario, World};
/// let scenario = Scenario::parse("hosts = 5\npieces = 8\npiece_length = '16KiB'").expect("a scenario");
/// assert_eq!(World::new(&scenario).run().expect("no violation").complete, 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Decides everything that is left to chance.
    #[serde(default)]
    pub seed: u64,
    /// Number of hosts, the seeder included.
    pub hosts: u32,
    /// Pieces of the payload.
    pub pieces: u32,
    /// Length of each.
    #[serde(default = "piece_length", deserialize_with = "size")]
    pub piece_length: ByteCount,
    /// The rate at which a console pushes the payload to the seeder, from the start; 0 is that it has it already.
    #[serde(default, deserialize_with = "rate")]
    pub push: ByteRate,
    /// Zones the hosts lie in, by turns: host i in zone i modulo this; 0 is no zones.
    #[serde(default)]
    pub zones: u32,
    /// Hosts in no zone.
    #[serde(default)]
    pub zoneless: Vec<u32>,
    /// Connections of a host at most.
    #[serde(default = "connections")]
    pub connections: usize,
    /// What every host is like.
    #[serde(default)]
    pub host: HostSpec,
    /// What takes its time on a line.
    #[serde(default)]
    pub weights: Weights,
    /// When the tracker goes, if it does: a time, or `first-announces`.
    #[serde(default, deserialize_with = "tracker_end")]
    pub tracker_gone_after: Option<TrackerEnd>,
    /// Hosts start within this of each other.
    #[serde(default, deserialize_with = "time")]
    pub start_within: Duration,
    /// The run ends then, whoever is complete.
    #[serde(default = "limit", deserialize_with = "time")]
    pub limit: Duration,
    /// What goes wrong.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What is wrong with hosts that chance chooses, in a rehearsal on the console.
    #[serde(default, rename = "mishap")]
    pub mishaps: Vec<Mishap>,
    /// Hosts of each wave in a rehearsal on the console, which asks before the next one; the others follow in a last one.
    #[serde(default)]
    pub waves: Vec<u32>,
    /// When the network is cut in two.
    #[serde(default, rename = "partition")]
    pub partitions: Vec<Partition>,
}

/// What takes its time on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Everything: frames of Ethernet, acknowledgements, and messages however small.
    #[default]
    Frames,
    /// Blocks alone, as long as their payload: for fleets that are too large to simulate all blocks of a piece. Where one
    /// block stands for a piece of a hundred, what is said about it would weigh a hundred times too much.
    Blocks,
}

/// A host's place in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSpec {
    /// What it can send.
    #[serde(deserialize_with = "rate")]
    pub up: ByteRate,
    /// What it can receive.
    #[serde(deserialize_with = "rate")]
    pub down: ByteRate,
    /// One way to the middle of the network.
    #[serde(deserialize_with = "time")]
    pub latency: Duration,
    /// Of so many frames that it sends one is lost, and is sent again; 0 is none.
    pub loses_one_in: u32,
    /// Its own upload cap; 0 is none.
    #[serde(deserialize_with = "rate")]
    pub max_upload: ByteRate,
    /// Its own download cap; 0 is none.
    #[serde(deserialize_with = "rate")]
    pub max_download: ByteRate,
}

impl Default for HostSpec {
    fn default() -> Self {
        let gigabit = ByteRate(125_000_000);
        Self {
            up: gigabit,
            down: gigabit,
            latency: Duration::from_micros(100),
            loses_one_in: 0,
            max_upload: ByteRate::UNLIMITED,
            max_download: ByteRate::UNLIMITED,
        }
    }
}

impl Scenario {
    /// Hosts at most; each takes some 10 KiB and a few hundred events a second.
    pub const HOSTS_MAX: u32 = 20_000;

    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::Format {
            why: error.message().to_owned(),
            span: error.span().unwrap_or_default(),
        })?;
        scenario.layout()?;
        if scenario.hosts > Self::HOSTS_MAX {
            return Err(ScenarioError::TooManyHosts(scenario.hosts));
        }
        let missing = scenario.faults.iter().find(|fault| fault.host >= scenario.hosts);
        match missing {
            Some(fault) => Err(ScenarioError::NoSuchHost { host: fault.host, hosts: scenario.hosts }),
            None => Ok(scenario),
        }
    }

    /// Hosts and pieces of 16 KiB, and nothing wrong.
    pub fn of(hosts: u32, pieces: u32) -> Self {
        Self {
            seed: 0,
            hosts,
            pieces,
            piece_length: piece_length(),
            push: ByteRate::UNLIMITED,
            zones: 0,
            zoneless: Vec::new(),
            connections: connections(),
            host: HostSpec::default(),
            weights: Weights::default(),
            tracker_gone_after: None,
            start_within: Duration::ZERO,
            limit: limit(),
            faults: Vec::new(),
            mishaps: Vec::new(),
            waves: Vec::new(),
            partitions: Vec::new(),
        }
    }

    /// The zone of a host, if it is in one.
    pub fn zone_of(&self, host: usize) -> Option<Zone> {
        let zone = (host as u64).checked_rem(u64::from(self.zones))?;
        let zoneless = self.zoneless.iter().any(|other| *other as usize == host);
        (!zoneless).then(|| format!("z{zone}").parse().ok()).flatten()
    }

    /// How the payload is cut.
    pub fn layout(&self) -> Result<Layout, LayoutError> {
        let length = u32::try_from(self.piece_length.0).unwrap_or(u32::MAX);
        Layout::new(u64::from(self.pieces) * u64::from(length), length)
    }
}

const fn piece_length() -> ByteCount {
    ByteCount(16 << 10)
}

const fn connections() -> usize {
    32
}

const fn limit() -> Duration {
    Duration::from_secs(600)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteCount, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteRate, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
}

fn tracker_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TrackerEnd>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let end =
        if text == "first-announces" { TrackerEnd::FirstAnnounces } else { TrackerEnd::After(parse_time(&text)?) };
    Ok(Some(end))
}

pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_time(&String::deserialize(deserializer)?)
}

fn parse_time<E: de::Error>(text: &str) -> Result<Duration, E> {
    let units = [("us", 1), ("ms", 1000), ("s", 1_000_000), ("m", 60_000_000)];
    let micros = units
        .iter()
        .find_map(|(unit, micros)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*micros));
    micros
        .map(Duration::from_micros)
        .ok_or_else(|| E::custom(format!("expected a time such as `20ms`, found `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Trouble;

    #[test]
    fn a_scenario_reads_as_it_is_written() {
        let text = "
            hosts = 10
            pieces = 20
            limit = '90s'
            [host]
            up = '10M/s'
            latency = '250us'
            [[fault]]
            host = 3
            trouble = 'slow'
            rate = '100K'
            [[fault]]
            host = 4
            trouble = 'killed'
            pieces = 7
        ";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.limit, Duration::from_secs(90));
        assert_eq!(scenario.host.up, ByteRate(10 << 20));
        assert_eq!(scenario.faults[0], Fault { host: 3, trouble: Trouble::Slow { rate: ByteRate(100 << 10) } });
        assert_eq!(scenario.faults[1].trouble, Trouble::Killed { pieces: 7, restart_after: None });
    }

    #[test]
    fn impossible_scenarios_are_refused() {
        let fault = "hosts = 2\npieces = 1\n[[fault]]\nhost = 2\ntrouble = 'corrupt'";
        assert_eq!(Scenario::parse(fault), Err(ScenarioError::NoSuchHost { host: 2, hosts: 2 }));
        assert!(matches!(Scenario::parse("hosts = 2\npieces = 0"), Err(ScenarioError::Layout(_))));
        assert!(matches!(Scenario::parse("hosts = 2\npiece = 1"), Err(ScenarioError::Format { .. })));
    }
}
