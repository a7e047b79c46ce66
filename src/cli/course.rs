//! How a run goes through the fleet: the options over what the inventory says, resolved for the hosts it goes to.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exit::{Ending, Exit};
use super::fleet_file;
use super::out::{Rows, count};
use crate::inventory::{Gate, HostId, HostSet, Inventory, Mode, RolloutSettings, Share, fold, parse_duration};
use crate::rollout::{Candidate, HealthCheck, Policy};

/// Options for the way through the fleet.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rollout")]
pub(super) struct RolloutArgs {
    /// Hosts that have had their turn after each wave, counted from the start: `1,10%,50%,100%` [default: the inventory's,
    /// else one wave].
    #[arg(long, value_name = "SHARES", value_delimiter = ',', env = "ROOKERY_WAVE", hide_env_values = true)]
    pub(super) wave: Vec<Share>,
    /// These before all others, in a wave of their own.
    #[arg(long, value_name = "SELECTOR", env = "ROOKERY_CANARY", hide_env_values = true)]
    pub(super) canary: Option<String>,
    /// Of the hosts with the same value of this tag one at a time: `rack`.
    #[arg(long, value_name = "TAG", env = "ROOKERY_SPREAD", hide_env_values = true)]
    pub(super) spread: Option<String>,
    /// What a wave does: launch hosts, or switch hosts that have the release ready aside.
    #[arg(long, value_name = "MODE", value_enum, env = "ROOKERY_MODE", hide_env_values = true)]
    pub(super) mode: Option<ModeArg>,
    /// Between waves: ask at the console, or go on by itself [default: ask where there is a console].
    #[arg(long, value_name = "WHO", value_enum, env = "ROOKERY_GATE", hide_env_values = true)]
    pub(super) gate: Option<GateArg>,
    /// When so many hosts have failed launch no more: `3` or `5%`.
    #[arg(long, value_name = "SHARE", env = "ROOKERY_MAX_FAIL", hide_env_values = true)]
    pub(super) max_fail: Option<Share>,
    /// When so many hosts could not be reached launch no more.
    #[arg(long, value_name = "SHARE", env = "ROOKERY_MAX_UNREACHABLE", hide_env_values = true)]
    pub(super) max_unreachable: Option<Share>,
    /// A word of the command that says on each host whether it is well with the release; the program first, given again for
    /// each argument. `{release}` is the release's path.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(super) health: Vec<String>,
    /// How long that command may take [default: the inventory's, else 30s].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) health_timeout: Option<Duration>,
    /// How often it is tried before the host counts as failed [default: the inventory's, else 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(super) health_tries: Option<u16>,
    /// From a host's launch until it is done, such as 30m.
    #[arg(long, value_name = "TIME", value_parser = time, env = "ROOKERY_HOST_DEADLINE", hide_env_values = true)]
    pub(super) host_deadline: Option<Duration>,
    /// From the start of the run until every host is settled.
    #[arg(long, value_name = "TIME", value_parser = time, env = "ROOKERY_DEADLINE", hide_env_values = true)]
    pub(super) deadline: Option<Duration>,
    /// Neither thresholds nor gates stop the run; the reason goes into the journal.
    #[arg(long, value_name = "REASON")]
    pub(super) force: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GateArg {
    Ask,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeArg {
    WaveByWave,
    StageThenSwitch,
}

fn time(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing is done in no time; write `30m`".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// The way through the fleet, before it is known whether there is somebody to ask.
#[derive(Debug)]
pub(super) struct Course {
    policy: Policy,
    gate: Option<Gate>,
    /// The canaries that the inventory names are all outside of the selection.
    no_canary: Option<String>,
}

/// Whether there is somebody to ask between waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attendance {
    /// An operator at a console.
    Console,
    /// Nobody.
    Nobody,
}

impl Course {
    /// Resolves waves, canaries and all else for the selected hosts.
    pub(super) fn new(args: &RolloutArgs, inventory: &Inventory, selected: &HostSet) -> Result<Self, Ending> {
        let said = &inventory.rollout;
        let steps = if args.wave.is_empty() { &said.waves } else { &args.wave };
        Share::check_waves(steps).map_err(|error| Ending::new(Exit::Usage, format!("--wave: {error}")))?;
        let (canaries, no_canary) = canaries(args, inventory, selected)?;
        let spread = spread(args, inventory, selected)?;
        let candidate =
            |id: HostId| Candidate { id, canary: canaries.contains(id), spread: spread.get(&id).map(String::as_str) };
        let candidates: Vec<_> = selected.iter().map(candidate).collect();
        let policy = Policy {
            waves: Policy::divide(&candidates, steps),
            canaries: canaries.len(),
            mode: args.mode.map_or(said.mode, Mode::from),
            gate: Gate::Auto,
            max_fail: args.max_fail.or(said.max_fail),
            max_unreachable: args.max_unreachable.or(said.max_unreachable),
            health: health(args, said)?,
            host_max: args.host_deadline.or(said.host_deadline),
            run_max: args.deadline.or(said.deadline),
            force: reason(args)?,
            spread,
        };
        Ok(Self { policy, gate: args.gate.map(Gate::from).or(said.gate), no_canary })
    }

    /// The first host of the first wave: it may seed when none is named.
    pub(super) fn first(&self) -> Option<HostId> {
        self.policy.waves.first()?.first().copied()
    }

    /// Whether there is more than one wave.
    pub(super) const fn has_waves(&self) -> bool {
        self.policy.waves.len() > 1
    }

    /// The policy of a run that has somebody to ask, or has not.
    pub(super) fn policy(&self, attendance: Attendance) -> Result<Policy, Ending> {
        let waves = self.policy.waves.len();
        let asks = waves > 1 && self.policy.force.is_none();
        let gate = match (self.gate, attendance) {
            (Some(Gate::Auto), _) => Gate::Auto,
            (_, Attendance::Nobody) if !asks => Gate::Auto,
            (Some(Gate::Ask) | None, Attendance::Console) => Gate::Ask,
            (Some(Gate::Ask) | None, Attendance::Nobody) => {
                let why = format!(
                    "the run has {waves} waves, and without a console there is nobody to ask between them: give --gate auto"
                );
                return Err(Ending::new(Exit::Usage, why));
            }
        };
        Ok(Policy { gate, ..self.policy.clone() })
    }

    /// Says how the run goes through the fleet.
    pub(super) fn describe(&self, rows: &mut Rows, inventory: &Inventory) {
        let policy = &self.policy;
        let waves = policy.waves.len();
        if waves < 2 {
            let all = match policy.mode {
                Mode::WaveByWave => "1: all hosts, as fast as the fan-out lets them",
                Mode::StageThenSwitch => "1: all hosts, each put in place as soon as it is ready",
            };
            rows.add("waves", all);
        } else {
            rows.add("waves", format!("{waves}, {}", self.between()));
        }
        for (number, wave) in (1..).zip(&policy.waves).filter(|_| waves > 1) {
            let canary = if number == 1 && policy.canaries > 0 { "canaries: " } else { "" };
            let names = fold(wave.iter().map(|id| &inventory.hosts[id.as_usize()].name));
            rows.add(&format!("  wave {number}"), format!("{canary}{names}"));
        }
        if let Some(selector) = &self.no_canary {
            rows.add("canary", format!("none: {selector} names no host of the selection"));
        }
        if !policy.spread.is_empty() {
            let sets: std::collections::BTreeSet<&String> = policy.spread.values().collect();
            rows.add("spread", format!("one host at a time of each of {}", count(sets.len() as u64, "set", "sets")));
        }
        let hosts = policy.waves.iter().map(Vec::len).sum();
        for (name, limit) in [("max fail", policy.max_fail), ("max lost", policy.max_unreachable)] {
            if let Some(limit) = limit {
                let reached = count(limit.of(hosts).max(1) as u64, "host", "hosts");
                rows.add(name, format!("{limit}: {reached} stop the launch of more"));
            }
        }
        if let Some(health) = &policy.health {
            let tries = count(u64::from(health.tries), "try", "tries");
            rows.add("health", format!("{} ({tries} of {} s)", health.command.join(" "), health.timeout.as_secs_f64()));
        }
        for (name, time) in [("host time", policy.host_max), ("run time", policy.run_max)] {
            if let Some(time) = time {
                rows.add(name, format!("{} s at most", time.as_secs_f64()));
            }
        }
        if let Some(reason) = &policy.force {
            rows.add("forced", reason);
        }
    }

    fn between(&self) -> String {
        let gate = match (self.gate, &self.policy.force) {
            (Some(Gate::Auto), _) | (_, Some(_)) => "each opens by itself",
            (Some(Gate::Ask) | None, None) => "the operator opens each but the first",
        };
        match self.policy.mode {
            Mode::WaveByWave => gate.to_owned(),
            Mode::StageThenSwitch => format!("{gate}; all fetch at once, a wave puts the release in place"),
        }
    }
}

impl From<GateArg> for Gate {
    fn from(arg: GateArg) -> Self {
        match arg {
            GateArg::Ask => Self::Ask,
            GateArg::Auto => Self::Auto,
        }
    }
}

impl From<ModeArg> for Mode {
    fn from(arg: ModeArg) -> Self {
        match arg {
            ModeArg::WaveByWave => Self::WaveByWave,
            ModeArg::StageThenSwitch => Self::StageThenSwitch,
        }
    }
}

/// The canaries among the selected hosts, and the selector when the inventory names some and none is selected.
fn canaries(
    args: &RolloutArgs,
    inventory: &Inventory,
    selected: &HostSet,
) -> Result<(HostSet, Option<String>), Ending> {
    let Some(selector) = args.canary.as_ref().or(inventory.rollout.canary.as_ref()) else {
        return Ok((HostSet::new(), None));
    };
    let canaries = fleet_file::select(inventory, Some(selector))?.intersection(selected);
    match (canaries.is_empty(), &args.canary) {
        (true, Some(_)) => {
            let why = format!("--canary {selector}: none of these hosts is selected for the run");
            Err(Ending::new(Exit::NoHost, why))
        }
        (true, None) => Ok((canaries, Some(selector.clone()))),
        (false, _) => Ok((canaries, None)),
    }
}

/// What each selected host shares with others.
fn spread(args: &RolloutArgs, inventory: &Inventory, selected: &HostSet) -> Result<BTreeMap<HostId, String>, Ending> {
    let Some(tag) = args.spread.as_ref().or(inventory.rollout.spread.as_ref()) else { return Ok(BTreeMap::new()) };
    let value = |id: HostId| Some((id, inventory.hosts[id.as_usize()].tags.get(tag)?.clone()));
    let spread: BTreeMap<_, _> = selected.iter().filter_map(value).collect();
    if spread.is_empty() && args.spread.is_some() {
        let why = format!("--spread {tag}: no selected host has this tag, so none would be kept from another");
        return Err(Ending::new(Exit::Usage, why));
    }
    Ok(spread)
}

fn health(args: &RolloutArgs, said: &RolloutSettings) -> Result<Option<HealthCheck>, Ending> {
    let command = if args.health.is_empty() { &said.health } else { &args.health };
    let Some(program) = command.first() else { return Ok(None) };
    if !program.starts_with('/') && !program.starts_with("~/") {
        let why =
            format!("--health {program}: begin the program with `/` or `~/`, and give --health again for arguments");
        return Err(Ending::new(Exit::Usage, why));
    }
    let tries = u32::from(args.health_tries.unwrap_or(said.health_tries));
    let timeout = args.health_timeout.unwrap_or(said.health_timeout);
    Ok(Some(HealthCheck { command: command.clone(), timeout, tries }))
}

fn reason(args: &RolloutArgs) -> Result<Option<String>, Ending> {
    match args.force.as_deref().map(str::trim) {
        Some("") => Err(Ending::new(Exit::Usage, "--force wants a reason, which goes into the journal")),
        reason => Ok(reason.map(|reason| reason.chars().filter(|letter| !letter.is_control()).collect())),
    }
}
