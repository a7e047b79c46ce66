//! How a run goes through the fleet, as far as the inventory says: `[rollout]`.

use std::time::Duration;

use super::Share;

/// What the operator wants of a run's course, before it is known which hosts it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutSettings {
    /// How many hosts have had their turn after each wave, counted from the start; empty: one wave of all.
    pub waves: Vec<Share>,
    /// A selector: these come before all others, in a wave of their own.
    pub canary: Option<String>,
    /// A tag: of the hosts with the same value one at a time has its turn.
    pub spread: Option<String>,
    /// What a wave does to hosts.
    pub mode: Mode,
    /// Who opens the next wave; `None`: the operator where there is one to ask.
    pub gate: Option<Gate>,
    /// When so many hosts have failed no more are launched.
    pub max_fail: Option<Share>,
    /// When so many hosts could not be reached no more are launched.
    pub max_unreachable: Option<Share>,
    /// A command and its arguments, run on each host when the release is in place there; empty: none.
    pub health: Vec<String>,
    /// How long that command may take.
    pub health_timeout: Duration,
    /// How often it is tried before the host counts as failed.
    pub health_tries: u16,
    /// How often a host whose agent failed for a reason that may heal is tried again by itself.
    pub retries: u16,
    /// From a host's launch until it is done; waiting for its wave does not count.
    pub host_deadline: Option<Duration>,
    /// From the start of the run until every host is settled.
    pub deadline: Option<Duration>,
    /// Agents that hear from no console for so long keep what they have and end.
    pub lease: Duration,
}

/// Who opens the next wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The operator, at the console.
    Ask,
    /// Nobody: the next one follows unless a threshold is reached.
    Auto,
}

/// What a wave does to hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It launches them.
    #[default]
    WaveByWave,
    /// All are launched at once and get the release ready aside; a wave puts it in place.
    StageThenSwitch,
}

impl Gate {
    /// Its word in an inventory and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Auto => "auto",
        }
    }
}

impl Mode {
    /// Its word in an inventory and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaveByWave => "wave-by-wave",
            Self::StageThenSwitch => "stage-then-switch",
        }
    }
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            waves: Vec::new(),
            canary: None,
            spread: None,
            mode: Mode::default(),
            gate: None,
            max_fail: None,
            max_unreachable: None,
            health: Vec::new(),
            health_timeout: Duration::from_secs(30),
            health_tries: 3,
            retries: 2,
            host_deadline: None,
            deadline: None,
            lease: Duration::from_secs(15 * 60),
        }
    }
}
