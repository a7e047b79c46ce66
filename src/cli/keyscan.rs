//! `rookery hosts --keyscan`: the host keys of the fleet, for review.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::exit::{Ended, Ending, Exit, Or};
use super::out::{self, count, tell};
use super::outfit::ask;
use super::run::Site;
use crate::driver::bootstrap::AgentImage;
use crate::driver::fleet::{Surroundings, Target, Targets};
use crate::driver::ssh::{Credentials, Deadlines, Dialer, Seen, Standing};
use crate::driver::ssh_config;
use crate::inventory::{HostId, HostSet, Inventory, fold};
use crate::rollout::Failure;

/// What becomes of new keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewKeys {
    /// They are shown.
    Shown,
    /// They are shown, and written to `known_hosts`.
    Written,
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Grouped, for people.
    Text,
    /// One array, an object a host.
    Json,
}

/// Hosts by what was found, each kind in the order of its seriousness.
type Found = BTreeMap<Kind, BTreeMap<String, Vec<HostId>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Known,
    Certified,
    New,
    Changed,
    Revoked,
    Unseen,
}

/// Looks at the keys of `hosts`, shows them, and writes new ones down when that was asked for.
pub(super) fn main(mut inventory: Inventory, hosts: &HostSet, new: NewKeys, form: Form) -> Ended {
    let ids: Vec<HostId> = hosts.iter().collect();
    ssh_config::complete(&mut inventory, &ids).or_exit(Exit::Invalid)?;
    let image = Arc::new(AgentImage::carried());
    let made = Targets::new(&inventory.hosts, &Surroundings::of_process(), &image).or_exit(Exit::Invalid)?;
    made.warnings.iter().for_each(|warning| tell(format_args!("rookery: {warning}")));
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let targets: Vec<(HostId, Target)> = ids.iter().map(|id| (*id, made.targets[id.as_usize()].clone())).collect();
    let dialer = Arc::new(dialer(&runtime, &targets, &made)?);
    let room = usize::from(inventory.swarm.fanout);
    let seen = runtime.block_on(look(&dialer, targets, room));
    let found = sort(&seen);
    if form == Form::Text {
        out::print(text(&found, &inventory))?;
    }
    if new == NewKeys::Written {
        write(&seen, &made.targets)?;
    }
    if form == Form::Json {
        let all: Vec<Value> = seen.iter().map(|(id, looked)| value(*id, looked, new, &inventory)).collect();
        out::print_lines([Value::from(all)])?;
    }
    let is_ill = [Kind::Changed, Kind::Revoked, Kind::Unseen].iter().any(|kind| found.contains_key(kind));
    Ok(if is_ill { Exit::CheckFailed } else { Exit::Done })
}

/// Keys are needed for jump hosts only.
fn dialer(runtime: &Runtime, targets: &[(HostId, Target)], made: &Targets) -> Result<Dialer, Ending> {
    let credentials = if targets.iter().all(|(_, target)| target.route.jumps.is_empty()) {
        Credentials::default()
    } else {
        let site = Site::of_process()?;
        let mut prompt = ask;
        runtime.block_on(Credentials::load(site.agent, &made.identities, &[], site.home.as_deref(), &mut prompt))
    };
    Ok(Dialer::new(credentials, Deadlines::default()))
}

type Looked = (HostId, Result<Seen, Failure>);

async fn look(dialer: &Arc<Dialer>, targets: Vec<(HostId, Target)>, room: usize) -> Vec<Looked> {
    let (mut looking, mut waiting, mut seen) = (JoinSet::new(), targets.into_iter(), Vec::new());
    loop {
        while looking.len() < room
            && let Some((id, target)) = waiting.next()
        {
            let dialer = dialer.clone();
            looking.spawn(async move { (id, dialer.look(&target.route).await) });
        }
        match looking.join_next().await {
            Some(Ok(looked)) => seen.push(looked),
            // A broken invariant on the way to one host concerns no other.
            Some(Err(_)) => {}
            None => break,
        }
    }
    seen.sort_by_key(|(id, _)| *id);
    seen
}

fn sort(seen: &[Looked]) -> Found {
    let mut found = Found::new();
    for (id, looked) in seen {
        let (kind, what) = match looked {
            Err(failure) => (Kind::Unseen, failure.to_string()),
            Ok(seen) => {
                let key = format!("{} {}", seen.fingerprint(), seen.algorithm());
                match &seen.standing {
                    Standing::New => (Kind::New, key),
                    Standing::Known => (Kind::Known, key),
                    Standing::Certified(at) => (Kind::Certified, format!("by the authority at {at}")),
                    Standing::Changed(at) => (Kind::Changed, format!("{key}, not the one at {at}")),
                    Standing::Revoked(at) => (Kind::Revoked, format!("{key}, at {at}")),
                }
            }
        };
        found.entry(kind).or_default().entry(what).or_default().push(*id);
    }
    found
}

fn text(found: &Found, inventory: &Inventory) -> String {
    let mut text = String::new();
    for (kind, lines) in found {
        let hosts = lines.values().map(Vec::len).sum::<usize>() as u64;
        let title = match kind {
            Kind::Known => "known",
            Kind::Certified => "certified",
            Kind::New => "new: compare with what the hosts say (ssh-keygen -l), then --write",
            Kind::Changed => "changed: find out why; only then replace the known key",
            Kind::Revoked => "revoked: do not connect",
            Kind::Unseen => "not seen",
        };
        let _ = writeln!(text, "{} {title}", count(hosts, "host", "hosts"));
        for (what, ids) in lines {
            let shared = if ids.len() > 1 && *kind == Kind::New { "; the same key on all of them" } else { "" };
            let names = fold(ids.iter().filter_map(|id| inventory.host(*id)).map(|host| &host.name));
            // Keys that are known need no review.
            if *kind != Kind::Known || ids.len() > 1 {
                let _ = writeln!(text, "  {what}: {names}{shared}");
            }
        }
    }
    text
}

/// What was found at a host, for programs. A host that was not seen has a reason instead of a key.
fn value(id: HostId, looked: &Result<Seen, Failure>, new: NewKeys, inventory: &Inventory) -> Value {
    let host = &inventory.hosts[id.as_usize()];
    let mut value = json!({ "name": host.name, "address": host.address, "port": host.port });
    let seen = match looked {
        Ok(seen) => seen,
        Err(failure) => {
            value["standing"] = json!("unseen");
            value["cause"] = json!(failure.cause());
            value["reason"] = json!(failure.to_string());
            return value;
        }
    };
    let (standing, at) = match &seen.standing {
        Standing::New => ("new", None),
        Standing::Known => ("known", None),
        Standing::Certified(at) => ("certified", Some(at)),
        Standing::Changed(at) => ("changed", Some(at)),
        Standing::Revoked(at) => ("revoked", Some(at)),
    };
    value["standing"] = json!(standing);
    value["algorithm"] = json!(seen.algorithm());
    value["fingerprint"] = json!(seen.fingerprint());
    if let Some(at) = at {
        value["at"] = json!(at);
    }
    if seen.standing == Standing::New {
        value["written"] = json!(new == NewKeys::Written);
    }
    value
}

fn write(seen: &[Looked], targets: &[Target]) -> Result<(), Ending> {
    let mut written = 0;
    for (id, looked) in seen {
        if let Ok(seen) = looked
            && seen.standing == Standing::New
        {
            targets[id.as_usize()].route.host.learn(seen).or_exit(Exit::Invalid)?;
            written += 1;
        }
    }
    tell(format_args!("{} written to known_hosts", count(written, "key", "keys")));
    Ok(())
}
