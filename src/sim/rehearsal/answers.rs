//! What hosts and agents answer to what the rollout wants of them.

use bytes::Bytes;

use super::cast::name;
use super::machine::{Rehearsal, TURN};
use super::puppet::{Life, address};
use crate::base::{Bitfield, ByteCount};
use crate::control::{Order, PROTOCOL, ServeOrder, Status};
use crate::inventory::Place;
use crate::rollout::{BootStep, Caps, Failure, HostFacts, Input, Output};

/// Bytes of an agent.
const AGENT: u64 = 2_400_000;

impl Rehearsal {
    pub(super) fn answer(&mut self, output: Output) {
        match output {
            Output::Connect { at, attempt } => {
                if let Some(number) = self.number(at) {
                    self.connect(number, at, attempt);
                }
            }
            Output::Look { at, .. } => {
                if let Some(number) = self.number(at) {
                    self.look(number, at);
                }
            }
            Output::Order { at, attempt, order } => {
                if let Some(number) = self.number(at).filter(|number| self.is_there(*number, attempt)) {
                    self.obey(number, order);
                }
            }
            // The console has the payload itself.
            Output::Push { .. } | Output::Rejoin { .. } | Output::Notice(_) | Output::Ended(_) => {}
            Output::Disconnect { at, attempt } => {
                if let Some(number) = self.number(at).filter(|number| self.is_there(*number, attempt)) {
                    self.end(number, None);
                }
            }
        }
    }

    fn look(&mut self, number: usize, at: Place) {
        let puppet = &self.puppets[number];
        let absent = puppet.is_absent().then_some(super::MishapKind::Unreachable);
        let (name, address) = (name(&self.scenario, number as u32), address(number));
        let refusal = puppet.ill().or(absent).and_then(|kind| kind.refusal(&name, &address.to_string()));
        let (faults, after) = match refusal {
            Some((failure, _, after)) => (vec![failure], after.as_millis() as u64),
            None => (Vec::new(), 100),
        };
        self.later(after, 300, Input::Looked { at, faults });
    }

    fn is_there(&self, number: usize, attempt: u32) -> bool {
        self.puppets[number].attempt == attempt && self.puppets[number].life != Life::Away
    }

    fn connect(&mut self, number: usize, at: Place, attempt: u32) {
        let puppet = &mut self.puppets[number];
        puppet.leave(Life::Attached);
        puppet.attempt = attempt;
        let absent = puppet.is_absent().then_some(super::MishapKind::Unreachable);
        let kind = puppet.ill().or(absent);
        let (name, address) = (name(&self.scenario, number as u32), address(number));
        let line = |line: String| Input::Transcript { at, attempt, line };
        if let Some((failure, said, after)) = kind.and_then(|kind| kind.refusal(&name, &address.to_string())) {
            puppet.leave(Life::Away);
            puppet.struck += 1;
            let after = after.as_millis() as u64;
            self.later(after, 0, line(format!("{said} ({address} port 22)")));
            let ended = Input::Ended { at, attempt, failure: Some(failure), left_behind: Vec::new() };
            return self.later(after + 1, 0, ended);
        }
        let console = (number > 0).then(|| super::puppet::address(0));
        let facts = HostFacts { address, console, system: "Linux x86_64".to_owned() };
        let pace = if number == 0 { 1 } else { 3 };
        let mut at_ms = pace * (40 + self.rng.u64(0..300));
        self.later(at_ms, 0, Input::Connected { at, attempt, facts });
        self.later(at_ms, 0, line(format!("ssh: {address} port 22 answers, publickey accepted")));
        let total = ByteCount(AGENT);
        let pushing = |percent: u64| BootStep::Pushing { sent: ByteCount(AGENT * percent / 100), total };
        for step in [BootStep::Probing, pushing(20), pushing(80), BootStep::Starting] {
            at_ms += pace * self.rng.u64(10..120);
            self.later(at_ms, 0, Input::Bootstrapping { at, attempt, step });
        }
        self.later(at_ms + 60, 0, line(format!("agent: version {}, pid {}", env!("CARGO_PKG_VERSION"), 1000 + number)));
        let work_dir = "/home/deploy/.cache/rookery".to_owned();
        self.later(at_ms + 60, 0, Input::Attached { at, attempt, work_dir });
    }

    fn obey(&mut self, number: usize, order: Order) {
        match order {
            Order::Hello(_) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                self.say(number, (5, 40), Status::Hello { protocol: PROTOCOL, version, pid: 1000 + number as u32 });
            }
            Order::Track { port, .. } => {
                self.say(number, (20, 60), Status::Tracking { port: if port == 0 { 8998 } else { port } });
            }
            Order::Serve(order) => self.serve(number, &order),
            Order::Knock { .. } => self.say(number, (5, 40), Status::Knocked { why: Vec::new(), fault: None }),
            Order::Limits { max_upload, max_download } => {
                self.puppets[number].caps = Caps { upload: max_upload, download: max_download };
            }
            Order::Watch { on } => self.puppets[number].watched = on,
            Order::Stop { discard_partial } => {
                let puppet = &mut self.puppets[number];
                puppet.leave(Life::Attached);
                if discard_partial && number > 0 && !puppet.pieces.is_full() {
                    puppet.pieces = Bitfield::empty(puppet.pieces.capacity());
                    puppet.resume();
                }
                self.say(number, (40, 400), Status::Stopped { left_behind: Vec::new() });
            }
            // No policy of a rehearsal packs, holds or checks anything.
            Order::Pack(_)
            | Order::Data { .. }
            | Order::Peers { .. }
            | Order::Place
            | Order::Check(_)
            | Order::Attach { .. }
            | Order::Alive
            | Order::Leave => {}
        }
    }

    fn serve(&mut self, number: usize, order: &ServeOrder) {
        let needed = self.needed();
        let puppet = &mut self.puppets[number];
        puppet.caps = Caps { upload: order.max_upload, download: order.max_download };
        if let Some(failure) = puppet.ill().and_then(|kind| kind.failure(needed)) {
            puppet.struck += 1;
            let (at, attempt) = (Self::place(number), puppet.attempt);
            self.later(80, 0, Input::Transcript { at, attempt, line: format!("agent: cannot begin: {failure}") });
            return self.say(number, (90, 200), Status::Failed { failure });
        }
        puppet.life = if puppet.pieces.is_full() { Life::Seeding } else { Life::Fetching };
        puppet.progress.peers = 1;
        let bitfield = Bytes::copy_from_slice(puppet.pieces.as_bytes());
        let complete = puppet.pieces.is_full();
        let port = order.ports.first.max(6881);
        self.tell(number, Status::Serving { port, bitfield });
        if complete && order.deliver {
            self.deliver(number);
        }
        self.turn_at = self.turn_at.or(Some(self.now + TURN));
    }

    /// Everything is there: it is verified and unpacked.
    pub(super) fn deliver(&mut self, number: usize) {
        let (verify, unpack) = (self.rng.u64(300..1500), self.rng.u64(300..2500));
        self.say(number, (100, 0), Status::Verifying);
        self.say(number, (100 + verify, 0), Status::Unpacking);
        self.say(number, (100 + verify + unpack, 0), Status::Delivered { already: false });
    }

    /// Its agent dies.
    pub(super) fn die(&mut self, number: usize) {
        self.puppets[number].struck += 1;
        let how = "killed by signal 9".to_owned();
        let (at, attempt) = (Self::place(number), self.puppets[number].attempt);
        self.later(1, 0, Input::Transcript { at, attempt, line: "sh: Killed".to_owned() });
        self.end(number, Some(Failure::AgentDied { how }));
    }
}
