//! A quarter second of a swarm that is played: who could give how much, who got which pieces, who says so.
//!
//! The seeder sends each piece once; every host then takes what it lacks of the pieces that are out, as fast as its own line
//! and the lines of all who have something let it. That is what a good swarm comes to, without its messages.

use std::net::SocketAddr;
use std::time::Duration;

use super::MishapKind;
use super::cut::Side;
use super::machine::{Rehearsal, TURN};
use super::puppet::{Life, Puppet, address};
use crate::base::{Bitfield, ByteCount, ByteRate, PieceIndex};
use crate::control::{AgentFailure, PeerSummary, Status};
use crate::sim::Trouble;

/// Statuses with news of all hosts in a second at most: with more hosts each says less often.
const STATUSES_MAX: usize = 4000;

/// An agent to which nothing happens says so this often, in turns: every five seconds, as a real one.
const QUIET_TURNS: u64 = 20;

/// Peers that are told of a host that is looked at.
const PEERS: usize = 24;

/// Of these, those that send to it now.
const SENDING: usize = 5;

/// One turn in so many a host asks for a piece again that came damaged, while somebody sends such.
const DAMAGED_IN: u32 = 40;

/// With less than this share of what all could take, some are served in a turn and the others wait, as in a real swarm:
/// crumbs for all of a thousand hosts would make no piece whole for minutes.
const SCARCE: f64 = 0.5;

impl Rehearsal {
    pub(super) fn turn(&mut self) {
        self.turns += 1;
        self.release();
        for side in self.sides() {
            self.exchange(&side);
        }
        for number in 0..self.puppets.len() {
            self.strike(number);
            self.report(number);
        }
        let is_over = !self.puppets.iter().any(Puppet::is_in_swarm);
        self.turn_at = self.turn_at.filter(|_| !is_over);
    }

    /// The hosts of a side get from each other what they lack and is there.
    fn exchange(&mut self, side: &Side) {
        let (spec, now) = (self.scenario.host, self.now);
        let puppets = || side.hosts.iter().map(|number| &self.puppets[*number]);
        let awake = |puppet: &&Puppet| puppet.is_in_swarm() && puppet.silent_until <= now;
        let supply: f64 = puppets().filter(awake).map(|puppet| puppet.up(&spec)).sum();
        let wanted = |puppet: &&Puppet| awake(puppet) && puppet.life == Life::Fetching;
        let demand: f64 = puppets().filter(wanted).map(|puppet| puppet.down(&spec)).sum();
        let share = if demand > supply { supply / demand } else { 1.0 };
        let swarm = puppets().filter(|puppet| puppet.is_in_swarm()).count();
        let peers = swarm.saturating_sub(1).min(self.scenario.connections) as u16;
        let seconds = TURN.as_secs_f64();
        let mut served = || {
            let lucky = if self.rng.f64() < share { 1.0 } else { 0.0 };
            if share < SCARCE { lucky } else { share }
        };
        let served: Vec<f64> = side.hosts.iter().map(|_| served()).collect();
        let fetched = side.hosts.iter().zip(served);
        let fetched: Vec<f64> =
            fetched.map(|(number, served)| self.fetch(*number, &side.pieces, served * seconds)).collect();
        let moved: f64 = fetched.iter().sum();
        for (number, got) in side.hosts.iter().zip(fetched) {
            let puppet = &mut self.puppets[*number];
            if !puppet.is_in_swarm() {
                continue;
            }
            let gives = if puppet.silent_until <= now { puppet.up(&spec) } else { 0.0 };
            let up = if supply > 0.0 { moved * gives / supply } else { 0.0 };
            puppet.moved(got, up, seconds);
            puppet.progress.peers = peers;
            puppet.progress.unchoking = if puppet.halts() { 0 } else { peers.min(SENDING as u16) };
        }
    }

    /// The seeder sends what was not out yet.
    fn release(&mut self) {
        let seeds = self.puppets.first().is_some_and(Puppet::is_in_swarm);
        if !seeds || !self.puppets.iter().any(|puppet| puppet.life == Life::Fetching) {
            return;
        }
        self.sent += self.puppets[0].up(&self.scenario.host) * TURN.as_secs_f64();
        while let Some(piece) = self.order.last().copied() {
            let length = f64::from(self.layout.piece_length(piece));
            if self.sent < length {
                return;
            }
            self.sent -= length;
            self.order.pop();
            self.out.insert(piece);
        }
    }

    /// A host takes what it can of these pieces; returns the bytes.
    fn fetch(&mut self, number: usize, there: &Bitfield, seconds: f64) -> f64 {
        let luck = 0.6 + 0.4 * self.rng.f64();
        let start = self.rng.u32(0..self.layout.piece_count().max(1));
        let puppet = &mut self.puppets[number];
        if puppet.life != Life::Fetching || puppet.silent_until > self.now {
            return 0.0;
        }
        let before = puppet.owed;
        puppet.owed += puppet.down(&self.scenario.host) * seconds * luck;
        let mut whole = 0.0;
        while let Some(piece) = lacking(&puppet.pieces, there, start) {
            let length = f64::from(self.layout.piece_length(piece));
            if puppet.owed < length {
                break;
            }
            puppet.owed -= length;
            whole += length;
            puppet.pieces.insert(piece);
            puppet.fresh.push(piece);
        }
        if lacking(&puppet.pieces, there, start).is_none() {
            puppet.owed = 0.0;
        }
        (whole + puppet.owed - before).max(0.0)
    }

    /// What goes wrong with a host now.
    fn strike(&mut self, number: usize) {
        let damaged = self.rng.u32(0..DAMAGED_IN) == 0;
        let sends_rubbish = |trouble: &Trouble| matches!(trouble, Trouble::Corrupt { .. });
        let rubbish = self.turns.is_multiple_of(4) && damaged;
        if rubbish
            && number > 0
            && self.puppets.iter().any(|puppet| puppet.is_in_swarm() && puppet.troubles.iter().any(sends_rubbish))
        {
            self.puppets[number].progress.corrupt += u32::from(self.puppets[number].life == Life::Fetching);
        }
        let puppet = &self.puppets[number];
        if puppet.life != Life::Fetching {
            return;
        }
        let (pieces, half) = (puppet.pieces.count(), puppet.pieces.capacity() / 2);
        if puppet.suffers(MishapKind::AgentDies) && pieces >= half {
            return self.die(number);
        }
        let Some(trouble) = puppet.troubles.get(puppet.past).copied() else { return };
        let due = match trouble {
            Trouble::Killed { pieces, .. }
            | Trouble::Frozen { pieces }
            | Trouble::Suspended { pieces, .. }
            | Trouble::DiskFull { pieces }
            | Trouble::ClockJumps { pieces, .. } => pieces,
            Trouble::KilledAfterOneCopy if self.order.is_empty() => 0,
            Trouble::KilledAfterOneCopy => return,
            Trouble::Slow { .. }
            | Trouble::Corrupt { .. }
            | Trouble::Selfish
            | Trouble::Absent
            | Trouble::Resumed { .. }
            | Trouble::Mute
            | Trouble::SlowLoris
            | Trouble::OtherRun
            | Trouble::Stranger => {
                self.puppets[number].past += 1;
                return;
            }
        };
        if pieces >= due {
            self.puppets[number].past += 1;
            self.befall(number, trouble);
        }
    }

    /// A trouble of a moment.
    fn befall(&mut self, number: usize, trouble: Trouble) {
        /// Longer than anybody waits.
        const FOR_EVER: Duration = Duration::from_secs(1 << 20);
        match trouble {
            Trouble::Killed { .. } | Trouble::KilledAfterOneCopy => self.die(number),
            Trouble::Frozen { .. } => self.puppets[number].silent_until = self.now + FOR_EVER,
            Trouble::Suspended { lasts, .. } => self.puppets[number].silent_until = self.now + lasts,
            Trouble::DiskFull { .. } => {
                let failure = AgentFailure::DiskFull {
                    path: "/srv/releases".to_owned(),
                    needed: ByteCount(0),
                    free: ByteCount(0),
                };
                self.puppets[number].leave(Life::Attached);
                self.tell(number, Status::Failed { failure });
            }
            Trouble::ClockJumps { .. }
            | Trouble::Slow { .. }
            | Trouble::Corrupt { .. }
            | Trouble::Selfish
            | Trouble::Absent
            | Trouble::Resumed { .. }
            | Trouble::Mute
            | Trouble::SlowLoris
            | Trouble::OtherRun
            | Trouble::Stranger => {}
        }
    }

    /// A host says how far it is, when it is its turn; one that has everything begins to deliver.
    fn report(&mut self, number: usize) {
        let apart = (self.puppets.len() * 4).div_ceil(STATUSES_MAX).max(1) as u64;
        let turn_in = |turns| self.turns.wrapping_add(number as u64).is_multiple_of(turns);
        let (its_turn, silent_for_long) = (turn_in(apart), turn_in(QUIET_TURNS));
        let tracker = self.tracker(number);
        let puppet = &mut self.puppets[number];
        if !puppet.is_in_swarm() || puppet.silent_until > self.now {
            return;
        }
        let full = puppet.life == Life::Fetching && puppet.pieces.is_full();
        if full || silent_for_long || (its_turn && !puppet.fresh.is_empty()) {
            let said = puppet.say(tracker);
            if full {
                puppet.life = Life::Seeding;
            }
            self.tell(number, Status::Progress(said));
        }
        if full {
            self.deliver(number);
        }
        if self.puppets[number].watched && self.turns.is_multiple_of(4) {
            let peers = self.peers_of(number);
            self.tell(number, Status::Peers { peers });
        }
    }

    /// Some hosts of the swarm, always the same of the same host.
    fn peers_of(&self, number: usize) -> Vec<PeerSummary> {
        let count = self.puppets.len();
        let strides = (1..=PEERS * 4).map(|step| (number * 31 + step * step * 17 + step) % count);
        let mut chosen: Vec<usize> = Vec::new();
        for other in strides
            .filter(|other| *other != number && self.puppets[*other].is_in_swarm() && !self.is_cut(number, *other))
        {
            if chosen.len() < PEERS && !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        let own = &self.puppets[number].progress;
        let part =
            |rate: ByteRate, at: usize| ByteRate(if at < SENDING { rate.0 * (SENDING - at) as u64 / 15 } else { 0 });
        let summary = |(at, other): (usize, usize)| PeerSummary {
            address: SocketAddr::new(address(other), 6881),
            client: format!("rookery {}", env!("CARGO_PKG_VERSION")),
            pieces: self.puppets[other].pieces.count(),
            rate_down: part(own.rate_down, at),
            rate_up: part(own.rate_up, at),
            unchoking: at < SENDING && !self.puppets[number].halts(),
            interested: self.puppets[other].life == Life::Fetching,
        };
        chosen.into_iter().enumerate().map(summary).collect()
    }
}

/// The first piece from `start` on, round and round, that is to be had and that it lacks.
fn lacking(have: &Bitfield, there: &Bitfield, start: u32) -> Option<PieceIndex> {
    let wanted = |piece: &PieceIndex| there.contains(*piece) && !have.contains(*piece);
    let all = (start..have.capacity()).chain(0..start.min(have.capacity())).map(PieceIndex);
    all.into_iter().find(wanted)
}
