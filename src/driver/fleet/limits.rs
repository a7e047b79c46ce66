//! Every limit and interval of the fleet's driver.

use std::time::Duration;

/// How long things may take, and how much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the probe.
    pub probe: Duration,
    /// For sending the agent.
    pub install: Duration,
    /// From starting the agent to its marker.
    pub start: Duration,
    /// For one frame to be taken by an agent.
    pub frame: Duration,
    /// For an agent that was told to end to do so.
    pub stop: Duration,
    /// For ending it by signals, and for proving it gone.
    pub kill: Duration,
    /// The longest silence towards an agent: it is told that we are there. A part of its lease.
    pub heartbeat: Duration,
    /// Orders that wait for a host that does not take them.
    pub orders_max: usize,
    /// Inputs that wait for the rollout.
    pub inputs_max: usize,
    /// Between two reports of how much was pushed.
    pub report_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(30),
            install: Duration::from_secs(120),
            start: Duration::from_secs(20),
            frame: Duration::from_secs(120),
            stop: Duration::from_secs(10),
            kill: Duration::from_secs(15),
            heartbeat: Duration::from_secs(30),
            orders_max: 1024,
            inputs_max: 4096,
            report_interval: Duration::from_millis(250),
        }
    }
}
