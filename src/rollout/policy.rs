//! How a run goes through the fleet: in which waves, who opens them, what stops it, what counts as healthy.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::inventory::{Gate, HostId, Mode, Share};

/// A run's course, resolved for the hosts it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The hosts of each wave, in the order of their turn; those that none names follow in a last one. Empty: one wave of
    /// all.
    pub waves: Vec<Vec<HostId>>,
    /// How many of the first wave are canaries; 0: there are none.
    pub canaries: usize,
    /// What hosts share: of those with the same text one at a time has its turn.
    pub spread: BTreeMap<HostId, String>,
    /// What a wave does to hosts.
    pub mode: Mode,
    /// Who opens the next wave.
    pub gate: Gate,
    /// When so many hosts have failed no more have their turn.
    pub max_fail: Option<Share>,
    /// When so many could not be reached no more have their turn.
    pub max_unreachable: Option<Share>,
    /// What says that a host is well with the release in place.
    pub health: Option<HealthCheck>,
    /// From a host's first launch until it is done; waiting for its turn with all it needs does not count.
    pub host_max: Option<Duration>,
    /// From the start of the run until every host is settled.
    pub run_max: Option<Duration>,
    /// Why neither thresholds nor a wave without success stop the run, in the operator's words.
    pub force: Option<String>,
}

/// A command that is run on each host when the release is in place there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The program and its arguments; no shell looks at them.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often it is tried before the host counts as failed; at least 1.
    pub tries: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            waves: Vec::new(),
            canaries: 0,
            spread: BTreeMap::new(),
            mode: Mode::WaveByWave,
            gate: Gate::Auto,
            max_fail: None,
            max_unreachable: None,
            health: None,
            host_max: None,
            run_max: None,
            force: None,
        }
    }
}
