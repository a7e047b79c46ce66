//! Inventory, selection and options become a plan.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::{FleetArgs, RunArgs};
use super::course::{Course, RolloutArgs};
use super::exit::{Ending, Exit, Or};
use super::fleet_file;
use super::package::base_name;
use super::report;
use crate::base::{ByteRate, ZoneError};
use crate::control::{Holder, Owner, PackOrder, PortRange, RunId};
use crate::driver::ssh_config;
use crate::inventory::{Host, HostId, HostSet, Inventory, Place};
use crate::rollout::{Caps, Choice, Config, DEADLINE, Finish, Payload, Plan, PlannedHost, Policy, Source};

/// Where a source lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// On this machine.
    Here(std::path::PathBuf),
    /// On a host, which seeds.
    There(HostId, String),
    /// Nothing is sent.
    Nowhere,
}

/// What of the arguments says where something goes.
#[derive(Debug)]
pub(super) struct Aim<'a> {
    pub(super) fleet: &'a FleetArgs,
    pub(super) exclude: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    pub(super) max_upload: Option<ByteRate>,
    pub(super) max_download: Option<ByteRate>,
    pub(super) rollout: RolloutArgs,
}

impl<'a> From<&'a RunArgs> for Aim<'a> {
    fn from(args: &'a RunArgs) -> Self {
        Self {
            fleet: &args.fleet,
            exclude: args.exclude.as_deref(),
            to: args.to.as_deref(),
            source: Some(&args.source),
            max_upload: args.pace.max_upload,
            max_download: args.pace.max_download,
            rollout: args.rollout.clone(),
        }
    }
}

/// Where the source of a run lay when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Where {
    /// On this machine.
    Here,
    /// On a host.
    There,
}

/// Everything of a run that is known before its payload.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) inventory: Inventory,
    pub(super) selected: HostSet,
    pub(super) origin: Origin,
    pub(super) seeder: Place,
    pub(super) tracker: Place,
    /// The mode of what is in the release: the same on all hosts, because it is part of what they verify.
    pub(super) mode: Option<u32>,
    /// How the run goes through the fleet.
    pub(super) course: Course,
    /// Seeder and tracker hosts that get no release.
    pub(super) helpers: Vec<PlannedHost>,
    hosts: Vec<PlannedHost>,
}

impl Draft {
    /// Resolves hosts, origin and roles.
    pub(super) fn new<'a>(aim: impl Into<Aim<'a>>) -> Result<Self, Ending> {
        let aim = aim.into();
        let inventory = fleet_file::load(aim.fleet.inventory.as_deref())?;
        let mut selected = fleet_file::select(&inventory, aim.fleet.limit.as_deref())?;
        if let Some(excluded) = aim.exclude {
            selected = selected.minus(&fleet_file::select(&inventory, Some(excluded))?);
            if selected.is_empty() {
                return Err(Ending::new(Exit::NoHost, format!("no host is left: --exclude {excluded} takes all")));
            }
        }
        let origin = aim.source.map_or(Ok(Origin::Nowhere), |source| origin(source, &inventory))?;
        Self::made(&aim, inventory, selected, origin)
    }

    /// The same, of a run that was begun before: `source` says where its source lay, which may be gone by now.
    pub(super) fn of(args: &RunArgs, inventory: Inventory, selected: HostSet, source: Where) -> Result<Self, Ending> {
        let origin = match source {
            Where::Here => Origin::Here(std::path::PathBuf::from(&args.source)),
            Where::There => origin(&args.source, &inventory)?,
        };
        Self::made(&args.into(), inventory, selected, origin)
    }

    fn made(aim: &Aim<'_>, mut inventory: Inventory, selected: HostSet, origin: Origin) -> Result<Self, Ending> {
        let course = Course::new(&aim.rollout, &inventory, &selected)?;
        let seeder = seeder(&origin, &inventory, &course)?;
        let tracker = inventory.roles.tracker.unwrap_or(seeder);
        let all: Vec<HostId> = selected.iter().chain(helpers([seeder, tracker], &selected)).collect();
        ssh_config::complete(&mut inventory, &all).or_exit(Exit::Invalid)?;
        let planned = |id| planned(aim, &inventory, id);
        let hosts = selected.iter().map(planned).collect::<Result<Vec<_>, _>>()?;
        let helpers = helpers([seeder, tracker], &selected).into_iter().map(planned).collect::<Result<Vec<_>, _>>()?;
        let mode = mode(&inventory, &selected)?;
        Ok(Self { inventory, selected, origin, seeder, tracker, mode, course, helpers, hosts })
    }

    /// The host of an id.
    pub(super) fn host(&self, id: HostId) -> &Host {
        &self.inventory.hosts[id.as_usize()]
    }

    /// What a place is called.
    pub(super) fn place_name(&self, place: Place) -> &str {
        match place {
            Place::Console => "console (this machine)",
            Place::Host(id) => &self.host(id).name,
        }
    }

    /// The hosts that get a release.
    pub(super) fn planned_hosts(&self) -> &[PlannedHost] {
        &self.hosts
    }

    /// The folders that releases land in.
    pub(super) fn folders(&self) -> BTreeSet<&str> {
        self.hosts.iter().map(|host| host.destination.as_str()).collect()
    }

    /// The plan of a run. `payload` is what was packaged here, with the file it lies in.
    pub(super) fn plan(
        &self,
        args: &RunArgs,
        policy: Policy,
        run: RunId,
        payload: Option<(Payload, &Path)>,
    ) -> Result<Plan, Ending> {
        let local = payload.as_ref().map(|(_, path)| path.display().to_string());
        let source = match (payload, &self.origin) {
            (Some((payload, _)), _) => Source::Packed(payload),
            (None, Origin::There(_, path)) => Source::OnSeeder(pack_order(args, path, self.mode)),
            (None, Origin::Here(path)) => {
                return Err(Ending::new(Exit::Unexpected, format!("{} is not packaged yet", path.display())));
            }
            (None, Origin::Nowhere) => return Err(Ending::new(Exit::Unexpected, "there is nothing to run with")),
        };
        let (first, last) = self.inventory.swarm.port;
        let lease = self.inventory.rollout.lease;
        Ok(Plan {
            run,
            tag: args.tag.clone(),
            source_name: self.source_name(),
            hosts: self.hosts.clone(),
            helpers: self.helpers.clone(),
            seeder: self.seeder,
            seeder_choice: self.seeder_choice(),
            tracker: self.tracker,
            tracker_choice: choice(self.inventory.roles.tracker),
            tracker_port: self.inventory.swarm.tracker_port,
            ports: PortRange { first, last },
            holder: self.holder(args),
            lease,
            deadline: policy.run_max.map_or(DEADLINE, |max| max.saturating_add(lease).min(DEADLINE)),
            source,
            local_payload: local.filter(|_| self.seeder == Place::Console),
            policy,
        })
    }

    /// What another run is told that wants to deploy to the same folders meanwhile.
    fn holder(&self, args: &RunArgs) -> Holder {
        let tag = args.tag.as_ref().map(|tag| format!(" as {tag}"));
        Holder {
            operator: report::operator(),
            from: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            since: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
            why: format!("{}{}", self.source_name(), tag.unwrap_or_default()),
        }
    }

    /// Whether another host may seed: not when the source lies on one, or the inventory names one.
    pub(super) fn seeder_choice(&self) -> Choice {
        match self.origin {
            Origin::There(..) => Choice::Named,
            Origin::Here(_) | Origin::Nowhere => choice(self.inventory.roles.seeder),
        }
    }

    /// The first half of a default tag.
    pub(super) fn source_name(&self) -> String {
        match &self.origin {
            Origin::Here(path) => base_name(path),
            Origin::There(_, path) => base_name(Path::new(path)),
            Origin::Nowhere => String::new(),
        }
    }
}

fn mode(inventory: &Inventory, selected: &HostSet) -> Result<Option<u32>, Ending> {
    let mut modes = selected.iter().map(|id| &inventory.hosts[id.as_usize()]).map(|host| (host.mode, &host.name));
    let Some((mode, first)) = modes.next() else { return Ok(None) };
    let Some((other, name)) = modes.find(|(other, _)| *other != mode) else { return Ok(mode) };
    let shown = |mode: Option<u32>| mode.map_or_else(|| "none".to_owned(), |mode| format!("{mode:04o}"));
    let why = format!(
        "the hosts of one run have one `mode`: {first} has {}, {name} has {}; choose those with the same by --limit",
        shown(mode),
        shown(other)
    );
    Err(Ending::new(Exit::Invalid, why))
}

fn helpers(roles: [Place; 2], selected: &HostSet) -> BTreeSet<HostId> {
    let host = |place| match place {
        Place::Console => None,
        Place::Host(id) => Some(id),
    };
    roles.into_iter().filter_map(host).filter(|id| !selected.contains(*id)).collect()
}

fn pack_order(args: &RunArgs, path: &str, mode: Option<u32>) -> PackOrder {
    PackOrder {
        source: path.to_owned(),
        exclude: args.exclude_path.clone(),
        compress: format!("{:?}", args.compress).to_lowercase(),
        piece_length: args.piece_length,
        mode,
    }
}

fn planned(aim: &Aim<'_>, inventory: &Inventory, id: HostId) -> Result<PlannedHost, Ending> {
    let (host, swarm) = (&inventory.hosts[id.as_usize()], &inventory.swarm);
    let destination = aim.to.map(str::to_owned).or_else(|| host.to.clone()).ok_or_else(|| {
        let why = format!("no folder for releases on {}: give --to DIR, or `to` in the inventory", host.name);
        Ending::new(Exit::Invalid, why)
    })?;
    if !destination.starts_with('/') && !destination.starts_with("~/") {
        let (why, exit) = match aim.to {
            Some(_) => (format!("--to {destination} is no absolute path; start it with / or ~/"), Exit::Usage),
            None => (
                format!("`to` of {}, `{destination}`, is no absolute path; start it with / or ~/", host.name),
                Exit::Invalid,
            ),
        };
        return Err(Ending::new(exit, why));
    }
    let caps = Caps {
        upload: aim.max_upload.or(host.max_upload).unwrap_or(swarm.max_upload),
        download: aim.max_download.or(host.max_download).unwrap_or(swarm.max_download),
    };
    let zone = swarm.zone.as_ref().and_then(|tag| host.tags.get(tag)).filter(|name| !name.is_empty());
    let zone = zone
        .map(|name| name.parse())
        .transpose()
        .map_err(|error: ZoneError| Ending::new(Exit::Invalid, format!("the zone of {}: {error}", host.name)))?;
    let swarm_address = host.swarm_address.or_else(|| host.address.parse().ok());
    let owner = Owner { user: host.owner.clone(), group: host.group.clone() };
    Ok(PlannedHost { id, name: host.name.clone(), destination, swarm_address, zone, caps, owner })
}

/// The rollout's limits, from the options.
pub(super) fn config(args: &RunArgs, inventory: &Inventory, interactive: bool) -> Config {
    Config {
        fanout: usize::from(args.pace.fanout.unwrap_or(inventory.swarm.fanout)),
        work_attempts: u32::from(args.pace.retries.unwrap_or(inventory.rollout.retries)) + 1,
        backoff_min: Duration::from_secs(1),
        finish: if interactive { Finish::WhenAllDone } else { Finish::AtOnce },
        ..Config::default()
    }
}

fn origin(source: &str, inventory: &Inventory) -> Result<Origin, Ending> {
    let here = std::path::PathBuf::from(source);
    if here.exists() {
        return Ok(Origin::Here(here));
    }
    match source.split_once(':') {
        Some((name, path)) if path.starts_with('/') => {
            let found = (0..).map(HostId).zip(&inventory.hosts).find(|(_, host)| host.name == name);
            let (id, _) = found.ok_or_else(|| {
                let why = format!("`{name}` in `{source}` is no host of {}", inventory.path.display());
                Ending::new(Exit::NoHost, why)
            })?;
            Ok(Origin::There(id, path.to_owned()))
        }
        Some(_) | None => {
            let why = format!("{source} does not exist here; write HOST:/path for a source on the seeder's host");
            Err(Ending::new(Exit::Usage, why))
        }
    }
}

fn choice(role: Option<Place>) -> Choice {
    role.map_or(Choice::Any, |_| Choice::Named)
}

fn seeder(origin: &Origin, inventory: &Inventory, course: &Course) -> Result<Place, Ending> {
    match origin {
        Origin::There(id, _) => Ok(Place::Host(*id)),
        Origin::Here(_) | Origin::Nowhere => inventory
            .roles
            .seeder
            .or_else(|| course.first().map(Place::Host))
            .ok_or_else(|| Ending::new(Exit::NoHost, "no host is selected to seed")),
    }
}
