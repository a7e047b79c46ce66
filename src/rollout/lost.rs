//! A place whose connection is lost while its agent goes on: a detail, not a failure, until it lasts too long.

use std::time::Duration;

use super::launcher::Rank;
use super::machine::Rollout;
use super::retry::backoff;
use super::session::{Link, Purpose, Slot};
use super::{Failure, HostState, Output, Stage};
use crate::base::Instant;
use crate::control::Order;

/// What a host is said to be.
pub const SSH_LOST: &str = "SSH lost, transfer goes on";

impl Rollout {
    /// The connection is lost, or was not to be had again.
    pub(super) fn handle_lost(&mut self, slot: Slot, failure: &Failure) {
        let now = self.now;
        let ends = matches!(self.stage, Stage::Finishing { .. }) || self.sessions[slot.0].purpose == Purpose::Clean;
        match self.sessions[slot.0].link {
            Link::Attached | Link::Lost if ends => return self.hang_up(slot),
            Link::Attached => {
                self.note(slot, format!("{SSH_LOST}: {failure}"));
                self.stop_rates(slot);
                let session = &mut self.sessions[slot.0];
                session.link = Link::Lost;
                session.lost_at = Some(now);
                session.redials = 0;
            }
            Link::Lost => self.sessions[slot.0].redials += 1,
            // It is not known whether the agent did what it was told: that is proved otherwise.
            Link::Stopping => return self.hang_up(slot),
            Link::Off | Link::Dialing | Link::Hanging => return,
        }
        self.release(slot);
        if !failure.is_retryable() {
            return self.drop_and_fail(slot, failure.clone());
        }
        self.records[slot.0].ssh_lost = Some(failure.to_string());
        let wait = backoff(&self.config, self.sessions[slot.0].redials + 1, &mut self.random);
        self.sessions[slot.0].retry_at = Some(now + wait);
        self.rearm(slot);
    }

    /// The agent is attached again.
    pub(super) fn handle_rejoined(&mut self, slot: Slot) {
        if self.sessions[slot.0].link != Link::Lost {
            return;
        }
        let session = &mut self.sessions[slot.0];
        session.link = Link::Attached;
        session.since = self.now;
        session.retry_at = None;
        let (lost_at, served) = (session.lost_at.take(), session.served);
        self.release(slot);
        self.records[slot.0].ssh_lost = None;
        self.records[slot.0].advanced = Some(self.now);
        let after = self.now.since(lost_at.unwrap_or(self.now));
        self.note(slot, format!("SSH is back after {:.1} s", after.as_secs_f64()));
        if let (true, Some(caps)) = (served, self.caps) {
            self.order(slot, Order::Limits { max_upload: caps.upload, max_download: caps.download });
        }
        if served && self.watched == Some(slot) {
            self.order(slot, Order::Watch { on: true });
        }
        if matches!(self.records[slot.0].state, HostState::Waiting { .. }) {
            self.line_up(slot);
        } else {
            self.advance(slot);
        }
        self.tell_soon();
        self.rearm(slot);
    }

    /// Dials a lost place again.
    pub(super) fn redial(&mut self, slot: Slot) {
        let (at, attempt) = (self.sessions[slot.0].place, self.records[slot.0].attempt.number);
        self.sessions[slot.0].admitted = true;
        self.launcher.admit();
        self.outputs.push_back(Output::Rejoin { at, attempt });
    }

    /// When something has to be done about a lost place.
    pub(super) fn lost_due(&self, slot: Slot) -> Option<Instant> {
        let session = &self.sessions[slot.0];
        let limit = session.lost_at.map(|at| at + self.config.lost_max);
        [session.retry_at, limit].into_iter().flatten().min()
    }

    /// A lost place is dialled again, or given up.
    pub(super) fn expire_lost(&mut self, slot: Slot) {
        let since = self.sessions[slot.0].lost_at.map_or(Duration::ZERO, |at| self.now.since(at));
        if since >= self.config.lost_max {
            let why = self.records[slot.0].ssh_lost.clone().unwrap_or_default();
            return self.drop_and_fail(slot, Failure::OutOfReach { after: since, why });
        }
        self.sessions[slot.0].retry_at = None;
        self.launcher.push(Rank::Operator, slot);
        self.rearm(slot);
    }
}
