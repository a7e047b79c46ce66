//! Events of a run that another console began, as its journal tells them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::events::{Event, Events, Kind, state_text};
use crate::base::{ByteCount, Instant};
use crate::inventory::HostId;
use crate::journal::{Happening, Retold};
use crate::rollout::{Rollout, WaveStep};

/// Remembers them, as far as people want to read them.
pub(super) fn recall(rollout: &Rollout, Retold { events, forgotten }: Retold) -> Events {
    let plan = rollout.plan();
    let hosts = plan.hosts.iter().chain(&plan.helpers).map(|host| (host.name.as_str(), host.id));
    let hosts: BTreeMap<&str, HostId> = hosts.collect();
    let find = |name: &str| hosts.get(name).copied();
    Events::retold(events.into_iter().filter_map(|(at, what)| event(at, what, &find)), forgotten)
}

fn event(at: Instant, what: Happening, find: &dyn Fn(&str) -> Option<HostId>) -> Option<Event> {
    let of_run = |kind, text| Some(Event { at, kind, host: None, cause: None, text });
    let of_host = |kind, name: &str, text| Some(Event { at, kind, host: find(name), cause: None, text });
    match what {
        Happening::RunStart { operator, .. } => of_run(Kind::Operator, format!("the run is begun by {operator}")),
        Happening::RunResume { operator } => of_run(Kind::Operator, format!("the run is taken up by {operator}")),
        Happening::RunLeft { reason } => {
            of_run(Kind::Warning, format!("the console left ({reason}); the agents go on"))
        }
        Happening::Payload { payload, .. } => {
            let size = ByteCount(payload.payload_bytes);
            of_run(Kind::Note, format!("the payload is {size} in {} pieces", payload.pieces))
        }
        Happening::HostState { host, state, attempt, reason, cause, .. } => {
            let text = state_text(reason.as_deref(), attempt);
            Some(Event { at, kind: Kind::State(state), host: Some(find(&host)?), cause: cause.map(Cow::Owned), text })
        }
        Happening::Note { place, text } => of_host(Kind::Note, &place, text),
        Happening::Role { place, roles, reason } => {
            of_host(Kind::Note, &place, format!("{} from now on, as {reason}", roles.join(" and ")))
        }
        Happening::Preflight { hosts, ready, faults, .. } => {
            let kind = if faults.is_empty() { Kind::Note } else { Kind::Warning };
            let told = faults.iter().map(|fault| format!("; {}: {} hosts", fault.cause, fault.hosts.len()));
            of_run(kind, format!("{ready} of {hosts} hosts are ready{}", told.collect::<String>()))
        }
        Happening::Wave { wave, waves, step, detail } => {
            let kind = if step == WaveStep::Opened.as_str() { Kind::Note } else { Kind::Warning };
            of_run(kind, format!("wave {wave} of {waves} {step}: {detail}"))
        }
        Happening::Action { operator, verb, hosts, detail, .. } => {
            let text = [verb.as_str(), detail.as_str()].join(": ");
            let host = if let [only] = hosts.as_slice() { find(only) } else { None };
            let text = format!("{} ({operator})", text.trim_end_matches(": "));
            Some(Event { at, kind: Kind::Operator, host, cause: None, text })
        }
        Happening::HostProgress { .. } | Happening::Swarm { .. } | Happening::RunEnd { .. } | Happening::Unknown => {
            None
        }
    }
}
