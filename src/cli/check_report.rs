//! What a check found, told: faults by cause with the hosts folded, then how many are ready.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use super::exit::Ending;
use super::fault_table::FaultTable;
use super::out::{self, Rows, count};
use super::plan::Draft;
use crate::driver::bootstrap::Probe;
use crate::driver::check::{Finding, Told};
use crate::inventory::{HostId, Place, fold};

/// What a line of JSON says it follows.
const SCHEMA: u32 = 1;

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Faults, then how many are ready.
    Text,
    /// Faults only.
    Faults,
    /// A host a line, at once.
    Json,
}

/// How an agent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AgentState {
    There,
    Other,
    Absent,
}

/// Everything that was found so far.
#[derive(Debug)]
pub(super) struct Report<'a> {
    draft: &'a Draft,
    form: Form,
    began: Instant,
    hosts: usize,
    looked_at: usize,
    faulty: BTreeSet<HostId>,
    faults: FaultTable,
    remarks: BTreeMap<String, BTreeSet<HostId>>,
    agents: BTreeMap<AgentState, usize>,
    untried: Vec<String>,
    left: Vec<String>,
}

impl<'a> Report<'a> {
    /// Nothing was found yet.
    pub(super) fn new(draft: &'a Draft, form: Form) -> Self {
        Self {
            draft,
            form,
            began: Instant::now(),
            hosts: draft.selected.len() + draft.helpers.len(),
            looked_at: 0,
            faulty: BTreeSet::new(),
            faults: FaultTable::default(),
            remarks: BTreeMap::new(),
            agents: BTreeMap::new(),
            untried: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Takes what was told.
    pub(super) fn take(&mut self, told: Told) -> Result<(), Ending> {
        match told {
            Told::Host(finding) => {
                if self.form == Form::Json {
                    out::print_lines([self.json_of(&finding)])?;
                }
                self.keep(*finding);
            }
            Told::Untried(station, why) => {
                self.untried
                    .push(format!("the way to the {station}, from any host: nobody can stand in for it ({why})"));
            }
            Told::Left(host, path) => self.left.push(format!("{path} on {}", self.name(host))),
        }
        Ok(())
    }

    fn keep(&mut self, finding: Finding) {
        let host = finding.host;
        self.looked_at += 1;
        for fault in finding.faults {
            self.faulty.insert(host);
            self.faults.add(host, fault.cause(), fault.next_step(), fault.to_string());
        }
        if let Some(why) = finding.untried {
            self.untried.push(format!("the ways from {}: {why}", self.name(host)));
        }
        let Some(probe) = finding.probe.filter(|probe| !probe.work_dir.is_empty()) else { return };
        *self.agents.entry(agent_state(&probe)).or_default() += 1;
        for refused in &probe.refused {
            self.remarks.entry(format!("{refused}; {} is used", probe.work_dir)).or_default().insert(host);
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> String {
        let all = count(self.hosts as u64, "host", "hosts");
        match self.faulty.len() {
            0 => format!("looked at {} of {all}", self.looked_at),
            faulty => format!("looked at {} of {all}, {faulty} with faults", self.looked_at),
        }
    }

    /// Whether nothing has to be mended.
    pub(super) fn is_clean(&self) -> bool {
        self.faulty.is_empty() && self.untried.is_empty() && self.left.is_empty() && self.looked_at == self.hosts
    }

    /// What is left to say at the end.
    pub(super) fn end(&self) -> String {
        match self.form {
            Form::Json => self.json_end(),
            Form::Text => self.faults() + &self.summary(),
            Form::Faults => self.faults(),
        }
    }

    /// Every fault, for people.
    fn faults(&self) -> String {
        let mut text = self.faults.text(&|host| self.name(host), "--json tells all");
        for (what, lines) in [("not tried", &self.untried), ("left behind", &self.left)] {
            for line in lines {
                let _ = writeln!(text, "{what}: {line}\n");
            }
        }
        text
    }

    fn summary(&self) -> String {
        let mut rows = Rows::default();
        let ready = self.looked_at - self.faulty.len();
        let all = count(self.hosts as u64, "host", "hosts");
        let ready = if ready == self.hosts { format!("all of {all}") } else { format!("{ready} of {all}") };
        rows.add("ready", ready);
        let agents = |state| self.agents.get(&state).copied().unwrap_or_default() as u64;
        let (there, other) = (agents(AgentState::There), agents(AgentState::Other));
        let brought = other + agents(AgentState::Absent);
        rows.add("agent", format!("there on {there}, brought by the next run to {brought} ({other} have another one)"));
        for (remark, hosts) in &self.remarks {
            rows.add("work folder", format!("{}: {remark}", self.folded(hosts)));
        }
        let name = |place| self.draft.place_name(place);
        let (seeder, tracker): (Place, Place) = (self.draft.seeder, self.draft.tracker);
        rows.add("stations", format!("seeder {}, tracker {}", name(seeder), name(tracker)));
        rows.add("took", format!("{:.1} s; nothing was changed", self.began.elapsed().as_secs_f64()));
        rows.into_text()
    }

    /// The last line of JSON.
    fn json_end(&self) -> String {
        let named = |hosts: &BTreeSet<HostId>| hosts.iter().map(|host| self.name(*host)).collect();
        let causes: BTreeMap<_, Vec<_>> = self.faults.causes().map(|(cause, hosts)| (cause, named(hosts))).collect();
        let value = json!({
            "schema": SCHEMA, "event": "check.end", "hosts": self.hosts, "ready": self.looked_at - self.faulty.len(),
            "causes": causes, "untried": self.untried, "left_behind": self.left,
            "elapsed_ms": self.began.elapsed().as_millis() as u64,
        });
        format!("{value}\n")
    }

    fn json_of(&self, finding: &Finding) -> Value {
        let faults: Vec<Value> = finding
            .faults
            .iter()
            .map(|fault| json!({ "cause": fault.cause(), "reason": fault.to_string(), "next_step": fault.next_step() }))
            .collect();
        let mut value = json!({
            "schema": SCHEMA, "event": "check.host", "host": self.name(finding.host), "ready": finding.faults.is_empty(),
            "faults": faults,
        });
        if let Some(why) = &finding.untried {
            value["untried"] = json!(why);
        }
        if let Some(probe) = &finding.probe {
            let agent = match agent_state(probe) {
                AgentState::There => "there",
                AgentState::Other => "other",
                AgentState::Absent => "absent",
            };
            value["system"] = json!(probe.system);
            value["work_dir"] = json!(probe.work_dir);
            value["agent"] = json!(agent);
            value["clock_skew_s"] = json!(probe.skew);
            value["free"] = json!(probe.landing.as_ref().and_then(|landing| landing.free).map(|free| free.0));
            value["inodes_free"] = json!(probe.landing.as_ref().and_then(|landing| landing.inodes));
        }
        value
    }

    fn folded<'h>(&self, hosts: impl IntoIterator<Item = &'h HostId>) -> String {
        fold(hosts.into_iter().map(|host| self.name(*host)))
    }

    fn name(&self, host: HostId) -> &str {
        &self.draft.host(host).name
    }
}

const fn agent_state(probe: &Probe) -> AgentState {
    if probe.has_agent {
        AgentState::There
    } else if probe.other_agents > 0 {
        AgentState::Other
    } else {
        AgentState::Absent
    }
}
