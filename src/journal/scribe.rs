//! Turns what a rollout says into events.

use jiff::Timestamp;

use super::event::{
    CapFields, Event, FailedHost, FaultGroup, Happening, LeftBehind, PayloadFields, SCHEMA, SEEDER, SlowHost, TRACKER,
};
use crate::control::RunId;
use crate::rollout::{Caps, Duty, Fault, Notice, Payload, Plan, Rollout, Source, Summary};

/// Numbers the events of one run and gives hosts their names.
#[derive(Debug)]
pub struct Scribe {
    run: RunId,
    operator: String,
    seq: u64,
}

impl Scribe {
    /// For a run and who started it; `seq` is the last number that was given, 0 for a new run.
    pub const fn new(run: RunId, operator: String, seq: u64) -> Self {
        Self { run, operator, seq }
    }

    /// The run whose events it numbers.
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// The run begins.
    pub fn start(&mut self, time: Timestamp, plan: &Plan) -> Event {
        let (source, payload) = match &plan.source {
            Source::Packed(payload) => (plan.source_name.clone(), Some(payload)),
            Source::OnSeeder(order) => (order.source.clone(), None),
        };
        self.event(
            time,
            Happening::RunStart {
                tag: plan.tag.clone().or_else(|| payload.map(|payload| plan.tag_for(&payload.facts))),
                source,
                hosts: plan.hosts.iter().map(|host| host.name.clone()).collect(),
                seeder: plan.place_name(plan.seeder).to_owned(),
                tracker: plan.place_name(plan.tracker).to_owned(),
                payload: payload.map(fields),
                operator: self.operator.clone(),
            },
        )
    }

    /// The console leaves, and the agents go on.
    pub fn left(&mut self, time: Timestamp, reason: &str) -> Event {
        self.event(time, Happening::RunLeft { reason: reason.to_owned() })
    }

    /// Another console takes the run up.
    pub fn resumed(&mut self, time: Timestamp) -> Event {
        let operator = self.operator.clone();
        self.event(time, Happening::RunResume { operator })
    }

    /// The rollout said something.
    pub fn notice(&mut self, time: Timestamp, rollout: &Rollout, notice: &Notice) -> Event {
        let what = match notice {
            Notice::HostState { host, state, from, attempt, reason, cause } => Happening::HostState {
                host: rollout.name(*host).to_owned(),
                state: *state,
                from: *from,
                attempt: *attempt,
                reason: reason.clone(),
                cause: cause.map(str::to_owned),
            },
            Notice::HostProgress { host, progress, pieces_total } => Happening::HostProgress {
                host: rollout.name(*host).to_owned(),
                pieces: progress.pieces,
                pieces_total: *pieces_total,
                bytes_down: progress.bytes_down,
                bytes_up: progress.bytes_up,
                rate_down: progress.rate_down,
                rate_up: progress.rate_up,
                peers: progress.peers,
            },
            Notice::Swarm { tracker, seeder, rarest } => {
                Happening::Swarm { tracker: *tracker, seeder: *seeder, rarest: *rarest }
            }
            Notice::Payload { payload } => Happening::Payload { tag: rollout.tag().cloned(), payload: fields(payload) },
            Notice::Note { at, text } => {
                Happening::Note { place: rollout.plan().place_name(*at).to_owned(), text: text.clone() }
            }
            Notice::Role { at, duty, reason } => Happening::Role {
                place: rollout.plan().place_name(*at).to_owned(),
                roles: match duty {
                    Duty::Seeds => vec![SEEDER.to_owned()],
                    Duty::Tracks => vec![TRACKER.to_owned()],
                    Duty::Both => vec![SEEDER.to_owned(), TRACKER.to_owned()],
                },
                reason: reason.clone(),
            },
            Notice::Preflight { hosts, ready, after, faults } => {
                let named = |fault: &Fault| FaultGroup {
                    cause: fault.cause.to_owned(),
                    next_step: fault.next_step.to_owned(),
                    hosts: fault
                        .hosts
                        .iter()
                        .map(|(host, why)| (rollout.name(*host).to_owned(), why.clone()))
                        .collect(),
                };
                let faults = faults.iter().map(named).collect();
                Happening::Preflight { hosts: *hosts, ready: *ready, elapsed_ms: millis(*after), faults }
            }
            Notice::Wave { wave, waves, step, detail } => {
                Happening::Wave { wave: *wave, waves: *waves, step: step.as_str().to_owned(), detail: detail.clone() }
            }
            Notice::Action { verb, hosts, detail } => Happening::Action {
                operator: self.operator.clone(),
                verb: (*verb).to_owned(),
                hosts: hosts.iter().map(|host| rollout.name(*host).to_owned()).collect(),
                detail: detail.clone(),
                caps: (*verb == "caps").then(|| {
                    let Caps { upload, download } = rollout.caps();
                    CapFields { upload, download }
                }),
            },
        };
        self.event(time, what)
    }

    /// The run is over.
    pub fn end(&mut self, time: Timestamp, rollout: &Rollout, summary: &Summary) -> Event {
        let slow = summary.slowest.iter();
        let left = summary.left_behind.iter();
        let failed = summary.failed.iter();
        let what = Happening::RunEnd {
            outcome: summary.outcome,
            counts: summary.counts.iter().filter(|(_, count)| *count > 0).collect(),
            elapsed_ms: millis(summary.elapsed),
            bytes_from_seeder: summary.bytes_from_seeder,
            bytes_from_peers: summary.bytes_from_peers,
            slowest: slow
                .map(|(host, took)| SlowHost { host: rollout.name(*host).to_owned(), elapsed_ms: millis(*took) })
                .collect(),
            left_behind: left
                .map(|(place, what)| LeftBehind {
                    place: rollout.plan().place_name(*place).to_owned(),
                    what: what.clone(),
                })
                .collect(),
            healed: summary.healed.iter().map(|host| rollout.name(*host).to_owned()).collect(),
            failed: failed
                .map(|(host, failure)| FailedHost {
                    host: rollout.name(*host).to_owned(),
                    cause: failure.cause().to_owned(),
                    reason: failure.to_string(),
                })
                .collect(),
        };
        self.event(time, what)
    }

    fn event(&mut self, time: Timestamp, what: Happening) -> Event {
        self.seq += 1;
        Event { schema: SCHEMA, seq: self.seq, time, run: self.run.clone(), what }
    }
}

fn fields(payload: &Payload) -> PayloadFields {
    PayloadFields {
        payload_bytes: payload.layout.total(),
        sha256: payload.facts.sha256,
        pieces: payload.layout.piece_count(),
        piece_length: payload.layout.nominal_piece_length(),
        info_hash: payload.info_hash,
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
