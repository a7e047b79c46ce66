//! What the operator wants.

use super::machine::Rollout;
use super::session::{Link, Purpose, Slot};
use super::{Action, Caps, HostState, Notice, Stage, StateName};
use crate::control::Order;
use crate::inventory::{HostId, Place};

impl Rollout {
    /// Does what the operator wants, at once.
    pub(super) fn handle_operator(&mut self, action: Action) {
        if matches!(self.stage, Stage::Finishing { .. }) && !matches!(action, Action::Watch(_) | Action::Caps(_)) {
            return;
        }
        match action {
            Action::Retry(hosts) => self.retry(&hosts),
            Action::Abort(hosts) => self.abort(&hosts),
            Action::AbortRun => {
                self.acted("abort-run", Vec::new(), "every host that is not done".to_owned());
                self.ending.aborted = true;
                self.begin_finish();
            }
            Action::Pause => {
                self.acted("pause", Vec::new(), "no host is launched".to_owned());
                self.launcher.paused = true;
            }
            Action::Resume => {
                self.acted("resume", Vec::new(), "hosts are launched".to_owned());
                self.launcher.paused = false;
            }
            Action::Proceed => self.proceed(),
            Action::Caps(caps) => self.cap(caps),
            Action::Watch(host) => self.watch(host),
            Action::Finish => {
                self.acted("finish", Vec::new(), "clean up and end".to_owned());
                self.begin_finish();
            }
        }
    }

    pub(super) fn acted(&mut self, verb: &'static str, hosts: Vec<HostId>, detail: String) {
        self.notice(Notice::Action { verb, hosts, detail });
    }

    /// The hosts of the fleet among those named, each once.
    fn named(&self, hosts: &[HostId]) -> Vec<Slot> {
        let slots = hosts.iter().filter_map(|host| self.slots.get(&Place::Host(*host)).copied());
        let mut slots: Vec<_> = slots.filter(|slot| self.in_fleet(*slot)).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn ids(&self, slots: &[Slot]) -> Vec<HostId> {
        slots.iter().map(|slot| self.records[slot.0].id).collect()
    }

    fn retry(&mut self, hosts: &[HostId]) {
        let mut slots = self.named(hosts);
        slots.retain(|slot| match &self.records[slot.0].state {
            HostState::Failed { .. }
            | HostState::Unreachable { .. }
            | HostState::Aborted
            | HostState::Skipped
            | HostState::Waiting { not_before: Some(_) } => true,
            HostState::Waiting { not_before: None }
            | HostState::Connecting
            | HostState::Bootstrapping { .. }
            | HostState::Fetching
            | HostState::Stalled { .. }
            | HostState::Verifying
            | HostState::Unpacking
            | HostState::Done { .. } => false,
        });
        let ids = self.ids(&slots);
        let detail = format!("{} of {} hosts can be tried again", ids.len(), hosts.len());
        self.acted("retry", ids, detail);
        for slot in &slots {
            self.retry_one(*slot);
        }
        if !slots.is_empty() && self.seeder.lost.is_some() {
            let session = &mut self.sessions[self.seeder.slot.0];
            session.connect_failures = 0;
            session.work_failures = 0;
            self.seeder.elections = 0;
            if !self.is_at_rest(self.seeder.slot) || !self.has_heir() {
                self.revive_seeder();
            }
        }
    }

    fn retry_one(&mut self, slot: Slot) {
        let session = &mut self.sessions[slot.0];
        session.by_operator = true;
        session.connect_failures = 0;
        session.work_failures = 0;
        session.purpose = Purpose::Work;
        session.retry_at = None;
        let link = session.link;
        if std::mem::take(&mut session.seeds_only) {
            session.served = false;
            self.leave_swarm(slot);
        }
        self.enter(slot, HostState::Waiting { not_before: None }, None);
        match link {
            Link::Off | Link::Attached => self.line_up(slot),
            Link::Dialing => self.enter(slot, HostState::Connecting, None),
            Link::Lost => {
                self.sessions[slot.0].retry_at = Some(self.now);
                self.rearm(slot);
            }
            Link::Stopping | Link::Hanging => {}
        }
    }

    fn abort(&mut self, hosts: &[HostId]) {
        let mut slots = self.named(hosts);
        slots.retain(|slot| self.records[slot.0].state.name() != StateName::Aborted);
        slots.retain(|slot| self.records[slot.0].state.name() != StateName::Done);
        let ids = self.ids(&slots);
        let detail = format!("{} of {} hosts are given up", ids.len(), hosts.len());
        self.acted("abort", ids, detail);
        for slot in slots {
            self.abort_one(slot);
        }
    }

    fn abort_one(&mut self, slot: Slot) {
        self.launcher.withdraw(slot);
        self.waiting.remove(&slot);
        self.enter(slot, HostState::Aborted, None);
        self.close(slot);
        let failure = super::Failure::ConnectionLost { why: "the operator aborted it".to_owned() };
        self.lose_station(slot, failure);
        if slot == self.seeder.slot {
            self.sessions[slot.0].work_failures = self.config.connect_attempts.max(2);
        }
    }

    fn cap(&mut self, caps: Caps) {
        self.caps = Some(caps);
        self.acted("caps", Vec::new(), format!("upload {}, download {}", cap(caps.upload), cap(caps.download)));
        for slot in (0..self.sessions.len()).map(Slot) {
            if self.sessions[slot.0].link == Link::Attached && self.sessions[slot.0].served {
                self.order(slot, Order::Limits { max_upload: caps.upload, max_download: caps.download });
            }
        }
    }

    fn watch(&mut self, host: Option<HostId>) {
        let wanted = host.and_then(|host| self.slots.get(&Place::Host(host)).copied());
        if wanted == self.watched {
            return;
        }
        let before = std::mem::replace(&mut self.watched, wanted);
        for (slot, on) in [(before, false), (wanted, true)] {
            let Some(slot) = slot else { continue };
            self.records[slot.0].peers.clear();
            if self.sessions[slot.0].link == Link::Attached && self.sessions[slot.0].serving {
                self.order(slot, Order::Watch { on });
            }
        }
    }
}

fn cap(rate: crate::base::ByteRate) -> String {
    rate.cap().map_or_else(|| "without a cap".to_owned(), |_| rate.to_string())
}
