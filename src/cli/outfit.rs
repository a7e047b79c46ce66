//! What a run needs to reach its hosts: keys, known hosts, the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use super::args::AccessArgs;
use super::exit::{Ending, Exit, Or};
use super::out::tell;
use super::plan::Draft;
use super::run::Site;
use super::sudo;
use crate::base::{ByteCount, Layout};
use crate::driver::bootstrap::{AgentImage, Live, Needs, Room};
use crate::driver::check::{Check, Wanted};
use crate::driver::fleet::{Clean, Fleet, Limits, PushSource, Setup, Surroundings, Target, Targets};
use crate::driver::ssh::{Credentials, Deadlines, Dialer, Hop, Passphrase, Route};
use crate::inventory::{Host, Place, fold};
use crate::rollout::{Input, Past, Payload, Plan, PlannedHost, Source};

/// The longest silence towards an agent.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A fleet, ready to be told what to do, and what it will say.
pub(super) type Outfit = (Fleet, Receiver<Input>);

/// Ways to the hosts, and the keys that open them.
pub(super) struct Reach {
    made: Targets,
    dialer: Dialer,
    image: Arc<AgentImage>,
    runtime: Handle,
}

impl Reach {
    /// Reads keys and known hosts, and asks for passphrases and passwords.
    pub(super) fn new(draft: &Draft, access: &AccessArgs, site: &Site, runtime: &Handle) -> Result<Self, Ending> {
        let image = Arc::new(AgentImage::carried());
        let surroundings = Surroundings::of_process();
        let made = Targets::new(&draft.inventory.hosts, &surroundings, &image).or_exit(Exit::Invalid)?;
        made.warnings.iter().for_each(|warning| tell(format_args!("rookery: {warning}")));
        let identities = needed_files(draft, &surroundings, |host| &host.identity);
        let certificates = needed_files(draft, &surroundings, |host| &host.certificate);
        let mut prompt = ask;
        let loading =
            Credentials::load(site.agent.clone(), &identities, &certificates, site.home.as_deref(), &mut prompt);
        let credentials = runtime.block_on(loading);
        credentials.problems().iter().for_each(|problem| tell(format_args!("rookery: key not used: {problem}")));
        if credentials.is_empty() {
            let why = "no key to log in with: name one in `identity` of the inventory, or load one into ssh-agent";
            return Err(Ending::new(Exit::Invalid, why));
        }
        let dialer = Dialer::new(credentials, Deadlines::default());
        let hosts = draft.selected.iter().chain(draft.helpers.iter().map(|host| host.id));
        let routes: Vec<_> = hosts.map(|id| &made.targets[id.as_usize()].route).collect();
        let dialer = sudo::arm(access, &routes, dialer, runtime)?;
        Ok(Self { made, dialer, image, runtime: runtime.clone() })
    }

    /// Has hosts looked at for what the run needs of them before anything is brought there. Seeder and tracker serve all
    /// the others even where they cannot have the release themselves: their agents are the judges, and so are those that
    /// have been at work before this console took the run up.
    pub(super) fn require(&mut self, plan: &Plan, past: &Past) {
        tell_twins(&plan.hosts, &self.made.targets);
        let stations = [past.seeder.unwrap_or(plan.seeder), past.tracker.unwrap_or(plan.tracker)];
        let served: BTreeSet<_> = past.hosts.iter().filter(|host| host.served).map(|host| host.id).collect();
        let is_new = |host: &&PlannedHost| !stations.contains(&Place::Host(host.id)) && !served.contains(&host.id);
        for host in plan.hosts.iter().filter(is_new) {
            let (payload, room) = match &plan.source {
                Source::Packed(payload) => (Some(payload.info_hash), Some(room(payload))),
                Source::OnSeeder(_) => (None, None),
            };
            let tag = match (&plan.tag, &plan.source) {
                (None, Source::Packed(payload)) => Some(plan.tag_for(&payload.facts)),
                (tag, Source::Packed(_) | Source::OnSeeder(_)) => tag.clone(),
            };
            let (run, destination) = (Some(plan.run.clone()), Some(host.destination.clone()));
            let (ports, address) = (Some(plan.ports), host.swarm_address);
            self.made.targets[host.id.as_usize()].needs =
                Needs { run, destination, tag, payload, room, ports, address };
        }
    }

    /// Makes a check of hosts and helpers.
    pub(super) fn check(
        mut self,
        draft: &Draft,
        needs: impl Fn(&PlannedHost) -> Needs,
        (stations, fanout): (Vec<Wanted>, usize),
    ) -> Check {
        tell_twins(draft.planned_hosts(), &self.made.targets);
        let planned = draft.planned_hosts().iter().chain(&draft.helpers);
        planned.clone().for_each(|host| self.made.targets[host.id.as_usize()].needs = needs(host));
        Check {
            targets: self.made.targets,
            dialer: self.dialer,
            hosts: planned.map(|host| host.id).collect(),
            stations,
            fanout,
            limits: Limits::default(),
        }
    }

    /// Cleans up after earlier runs.
    pub(super) fn clean(self, places: Vec<(Place, String)>, fanout: usize, live: Live) -> Clean {
        Clean {
            targets: self.made.targets,
            dialer: self.dialer,
            places,
            image: self.image,
            fanout,
            limits: Limits::default(),
            live,
            cleaner: "clean".parse().expect("a plain name"),
        }
    }

    /// Makes the fleet. `payload` is what may have to be pushed.
    pub(super) fn fleet(self, plan: &Plan, payload: Option<(&Path, Layout)>, work_dir: &Path) -> Outfit {
        let setup = Setup {
            targets: self.made.targets,
            dialer: self.dialer,
            image: self.image,
            work_dir: work_dir.display().to_string(),
            payload: payload.map(|(path, layout)| PushSource { path: path.to_owned(), layout }),
            limits: Limits { heartbeat: HEARTBEAT.min(plan.lease / 3), ..Limits::default() },
            run: plan.run.clone(),
        };
        Fleet::new(setup, self.runtime)
    }
}

fn room(payload: &Payload) -> Room {
    let facts = &payload.facts;
    let payload = ByteCount(payload.layout.total());
    Room { payload, unpacked: facts.unpacked_bytes, entries: facts.unpacked_entries }
}

/// The files that `of` names for the hosts of this run and for their jump hosts, and no others: a passphrase is asked for
/// what is used.
fn needed_files(draft: &Draft, surroundings: &Surroundings, of: fn(&Host) -> &Vec<String>) -> Vec<PathBuf> {
    let hosts: Vec<_> = draft.selected.iter().chain(draft.helpers.iter().map(|host| host.id)).collect();
    let jumps = hosts.iter().flat_map(|id| &draft.host(*id).jump);
    let jumps = jumps.filter_map(|jump| draft.inventory.find(jump.rsplit('@').next().unwrap_or(jump)));
    let all: BTreeSet<_> = hosts.iter().copied().chain(jumps).collect();
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in all.into_iter().flat_map(|id| of(draft.host(id))).map(|path| surroundings.path(path)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Asks for a passphrase on the terminal.
pub(super) fn ask(key: &Path, try_number: u32) -> Option<Passphrase> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let again = if try_number > 1 { "wrong passphrase; again, " } else { "" };
    rpassword::prompt_password(format!("{again}passphrase of {} (empty to do without): ", key.display()))
        .ok()
        .filter(|text| !text.is_empty())
        .map(Passphrase)
}

/// Tells which hosts are one by all that is known here, the way to them and their folder: of these one at a time can have a
/// release. It is left to the operator: an address may stand for several machines.
fn tell_twins(hosts: &[PlannedHost], targets: &[Target]) {
    let mut places: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        let Route { jumps, host: hop, .. } = &targets[host.id.as_usize()].route;
        let jumps: Vec<_> = jumps.iter().map(Hop::endpoint).collect();
        let place = (hop.endpoint(), &host.destination, jumps, &hop.proxy_command);
        places.entry(place).or_default().push(&host.name);
    }
    for ((endpoint, folder, ..), names) in places.iter().filter(|(_, names)| names.len() > 1) {
        let names = fold(names);
        tell(format_args!(
            "rookery: {names} are one host, {endpoint}, with one folder, {folder}: all but one will fail"
        ));
    }
}
