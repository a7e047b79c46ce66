//! World: hosts, network, tracker and time, one event after the other.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::events::{Event, Events, Parcel};
use super::host::{Content, Host, Life, address_of, host_at};
use super::misfortune::{of_the_world, spec_of};
use super::network::{Fate, Freight, Network, Passage};
use super::report::{HostReport, Report};
use super::{Fault, Scenario, Trouble, Violation, checks};
use crate::base::{BLOCK_LENGTH, Block, ByteCount, InfoHash, Instant, Layout, PeerId, PieceIndex, Zone};
use crate::swarm::{Config, ConnectionId, Input, Output, PeerFault, Swarm};
use crate::tracker::{Tracker, TrackerConfig};
use crate::wire::Message;

/// How long hashing a piece takes.
const VERIFY_TAKES: Duration = Duration::from_millis(1);

/// How long it takes to learn that nobody is there.
const REFUSAL_TAKES: Duration = Duration::from_millis(1);

/// How long it takes to learn that nobody answers.
const DIAL_TAKES_MAX: Duration = Duration::from_secs(5);

/// Timers of one moment, at most, for each host: a machine that wants more is spinning.
const SPINS_MAX: u32 = 100;

/// The swarm that hosts of ours are in.
pub(super) const INFO_HASH: InfoHash = InfoHash::new([7; 20]);

static RIGHT: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];
static WRONG: [u8; BLOCK_LENGTH as usize] = [0xff; BLOCK_LENGTH as usize];

/// How far a world has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The time in it.
    pub now: Instant,
    /// Events that happened.
    pub events: u64,
    /// Hosts that became complete in it.
    pub complete: usize,
    /// Hosts that may still become complete.
    pub unfinished: usize,
}

/// A fleet, and everything around it.
#[derive(Debug)]
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) layout: Layout,
    pub(super) hosts: Vec<Host>,
    pub(super) zones: Vec<Option<Zone>>,
    pub(super) network: Network,
    pub(super) tracker: Tracker,
    pub(super) events: Events,
    pub(super) now: Instant,
    /// Hosts other than the seeder that have each piece.
    pub(super) copies: Vec<u32>,
    /// Hosts that die when there is a copy of every piece.
    pub(super) mortal: Vec<usize>,
    /// Hosts that may still become complete, and are not.
    pub(super) unfinished: usize,
    spins: u32,
    report: Report,
}

impl World {
    /// Sets the scene: nothing has happened yet.
    ///
    /// # Panics
    ///
    /// When the scenario has no pieces; [`Scenario::parse`] lets none of these through.
    pub fn new(scenario: &Scenario) -> Self {
        let layout = scenario.layout().expect("a scenario has pieces");
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let hosts: Vec<Host> = (0..scenario.hosts as usize).map(|index| Host::new(index, layout, scenario)).collect();
        let mut events = Events::default();
        for host in &hosts {
            let window = u64::try_from(scenario.start_within.as_micros()).unwrap_or(u64::MAX);
            let start = if host.index == 0 { 0 } else { rng.u64(0..=window) };
            events.push(Instant::from_micros(start), Event::Start(host.index));
        }
        for (index, partition) in scenario.partitions.iter().enumerate() {
            events.push(Instant::after(partition.at), Event::Cut(index));
        }
        let mut copies = vec![0; layout.piece_count() as usize];
        for host in hosts.iter().skip(1) {
            host.disk.verified().iter().for_each(|piece| copies[piece.as_usize()] += 1);
        }
        let mut world = Self {
            unfinished: hosts.iter().filter(|host| host.awaited).count(),
            network: Network::new(
                hosts.iter().map(|host| spec_of(host, scenario.host)),
                scenario.weights,
                scenario.seed,
            ),
            tracker: tracker_of(scenario),
            zones: (0..hosts.len()).map(|host| scenario.zone_of(host)).collect(),
            scenario: scenario.clone(),
            layout,
            mortal: hosts.iter().filter(|host| host.is_mortal()).map(|host| host.index).collect(),
            hosts,
            events,
            now: Instant::ZERO,
            copies,
            spins: 0,
            report: Report::default(),
        };
        world.push(PieceIndex(0));
        world
    }

    /// Lets everything happen until every host is complete, dead, or out of time.
    pub fn run(mut self) -> Result<Report, Violation> {
        while self.advance(u64::MAX)?.is_some() {}
        Ok(self.finish())
    }

    /// Lets so many events happen; says how far that went, or `None` when it is all over.
    pub fn advance(&mut self, events_max: u64) -> Result<Option<Progress>, Violation> {
        let limit = Instant::after(self.scenario.limit);
        for _ in 0..events_max {
            if self.unfinished == 0 {
                return Ok(None);
            }
            let Some((at, event)) = self.events.pop().filter(|(at, _)| *at <= limit) else { return Ok(None) };
            if at > self.now {
                (self.now, self.spins) = (at, 0);
            }
            self.report.events += 1;
            self.report.stir(at.as_micros());
            self.happen(event)?;
            checks::balanced(self.network.ledger, at)?;
        }
        let complete = self.hosts.iter().filter(|host| host.complete_at.is_some()).count();
        let (events, unfinished) = (self.report.events, self.unfinished);
        Ok(Some(Progress { now: self.now, events, complete, unfinished }))
    }

    /// How it went, so far.
    pub fn finish(mut self) -> Report {
        for host in &self.hosts {
            let swarm = host.swarm();
            let totals = swarm.map(Swarm::totals).unwrap_or_default();
            let complete = host.disk.verified().is_full();
            self.report.alive += usize::from(swarm.is_some());
            self.report.complete += usize::from(swarm.is_some() && complete);
            self.report.hosts.push(HostReport {
                alive: swarm.is_some(),
                pieces: host.disk.verified().count(),
                complete_at: host.complete_at,
                totals,
                fed_wrong: host.fed_wrong,
                fetched: host.fetched,
                fetched_in_vain: host.cut_off + host.wasted_before + totals.wasted,
            });
        }
        self.report.ended = self.now;
        self.report.sent = self.network.ledger.sent;
        self.report.lost = self.network.ledger.lost;
        self.report
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Start(index) => self.start(index),
            Event::Intrude(index) => self.intrude(index),
            Event::Pushed(piece) => self.pushed(piece),
            Event::Cut(partition) => {
                self.cut(partition);
                Ok(())
            }
            Event::Timer(index) => {
                if self.hosts[index].timer == Some(self.now) {
                    self.hosts[index].timer = None;
                    self.feed(index, Input::Elapsed)?;
                }
                Ok(())
            }
            Event::Reached { inbound, connection, parcel } => {
                let at = self.network.take_in(connection, inbound, self.now);
                let payload = weigh(&parcel).payload;
                self.events.push(at, Event::Arrived { to: inbound.to, connection, parcel });
                let sent = self.network.left(connection, inbound.to, payload);
                self.tell_sent(inbound.to, connection, sent)
            }
            Event::Arrived { to, connection, parcel } => self.arrive(to, connection, parcel),
            Event::Knock { from, life, address } => self.knock(from, life, address),
            Event::Tell { to, life, input } => {
                if self.hosts[to].life_number == life {
                    self.feed(to, input)?;
                }
                Ok(())
            }
            Event::Ask { from, life, announcement } => {
                self.ask(from, life, announcement);
                Ok(())
            }
        }
    }

    fn start(&mut self, index: usize) -> Result<(), Violation> {
        let host = &mut self.hosts[index];
        let have = host.survey();
        if host.troubles.contains(&Trouble::Absent) {
            return Ok(());
        }
        if let Some(manner) = host.manner() {
            return self.admit(index, manner);
        }
        let (spec, usual) = (self.scenario.host, Config::default());
        let config = Config {
            allow: self.allow(),
            listen_port: address_of(index).port(),
            zone: self.zones[index].clone(),
            max_upload: spec.max_upload,
            max_download: spec.max_download,
            connections_max: self.scenario.connections,
            connections_wanted: self.scenario.connections.div_ceil(2),
            announce_wanted: (usual.announce_wanted * self.scenario.connections as u32)
                .div_ceil(usual.connections_max as u32),
            ..usual
        };
        let life = self.hosts[index].life_number;
        let seed = self.scenario.seed ^ (index as u64) << 32 ^ u64::from(life);
        let peer_id = peer_id(index, life);
        self.hosts[index].life = Life::Up(Box::new(Swarm::new(config, seed, self.layout, peer_id, INFO_HASH, have)));
        self.suffer(index);
        self.feed(index, Input::Elapsed)
    }

    /// Starts a host again.
    pub(super) fn restart(&mut self, index: usize, at: Instant) {
        self.events.push(at, Event::Start(index));
    }

    /// Who may connect: everybody, unless there are strangers.
    fn allow(&self) -> Option<Vec<IpAddr>> {
        let is_stranger = |index: usize| {
            let of_host = |fault: &&Fault| fault.host as usize == index;
            self.scenario.faults.iter().filter(of_host).any(|fault| fault.trouble == Trouble::Stranger)
        };
        let strangers = self.scenario.faults.iter().any(|fault| fault.trouble == Trouble::Stranger);
        let known = (0..self.hosts.len()).filter(|index| !is_stranger(*index));
        strangers.then(|| known.map(|index| address_of(index).ip()).collect())
    }

    /// Tells a machine something, does what it says, and what follows from that at once.
    pub(super) fn feed(&mut self, index: usize, input: Input) -> Result<(), Violation> {
        let (until, life) = (self.hosts[index].asleep_until, self.hosts[index].life_number);
        if until > self.now {
            self.events.push(until, Event::Tell { to: index, life, input });
            return Ok(());
        }
        self.imposed_on(index, &input);
        let (mut next, mut replies) = (Some(input), VecDeque::new());
        while let Some(input) = next {
            let now = self.now + self.hosts[index].ahead;
            let Some(swarm) = self.hosts[index].swarm_mut() else { return Ok(()) };
            swarm.handle_input(now, input);
            while let Some(output) = self.hosts[index].swarm_mut().and_then(Swarm::poll_output) {
                replies.extend(self.act(index, output)?);
            }
            next = replies.pop_front();
        }
        self.rearm(index)
    }

    fn rearm(&mut self, index: usize) -> Result<(), Violation> {
        let Some(deadline) = self.hosts[index].swarm().and_then(Swarm::deadline) else { return Ok(()) };
        let at = of_the_world(deadline, self.hosts[index].ahead).max(self.now);
        if at == self.now {
            self.spins += 1;
        }
        if self.spins > SPINS_MAX.saturating_mul(self.scenario.hosts) {
            return Err(Violation::Spinning { at, host: index });
        }
        if self.hosts[index].timer.is_none_or(|timer| at < timer) {
            self.hosts[index].timer = Some(at);
            self.events.push(at, Event::Timer(index));
        }
        Ok(())
    }

    /// Does what a machine says; returns what it is to be told at once.
    fn act(&mut self, index: usize, output: Output) -> Result<Option<Input>, Violation> {
        match output {
            Output::Dial(address) => self.dial(index, address),
            Output::Greet { connection, handshake } => self.send(index, connection, Parcel::Handshake(handshake)),
            Output::Send { connection, message } => self.send(index, connection, Parcel::Message(message)),
            Output::Disconnect { connection, fault } => self.disconnect(index, connection, fault),
            Output::Serve { connection, block } => return self.serve(index, connection, block),
            Output::Write { .. } if self.is_disk_full(index) => self.kill(index, None),
            Output::Write { block, data } => {
                let content = if data.first() == WRONG.first() { Content::Wrong } else { Content::Right };
                self.hosts[index].fed_wrong += u32::from(content == Content::Wrong);
                self.hosts[index].disk.write(block, content);
                return Ok(Some(Input::Written { block }));
            }
            Output::Verify(piece) => {
                let intact = self.hosts[index].disk.verify(piece) == Content::Right;
                self.tell(index, VERIFY_TAKES, Input::Verified { piece, intact });
            }
            Output::Digest(piece) => {
                let blocks = self.hosts[index].disk.digests(piece);
                return Ok(Some(Input::Digested { piece, blocks }));
            }
            Output::Announce(announcement) => {
                let at = self.network.to_middle(index, self.now);
                let life = self.hosts[index].life_number;
                self.events.push(at, Event::Ask { from: index, life, announcement });
            }
            Output::PieceDone(piece) => self.piece_done(index, piece)?,
            Output::Complete => {
                checks::completed(&self.hosts[index], self.now)?;
                self.hosts[index].complete_at = Some(self.now);
                self.await_no_more(index);
            }
            Output::Note(note) => self.report.note(index, self.now, note),
        }
        Ok(None)
    }

    fn dial(&mut self, from: usize, address: SocketAddr) {
        let life = self.hosts[from].life_number;
        let at =
            host_at(address).filter(|to| *to < self.hosts.len()).map(|to| self.network.arrival(from, to, self.now));
        self.events.push(at.unwrap_or(self.now + REFUSAL_TAKES), Event::Knock { from, life, address });
    }

    fn knock(&mut self, from: usize, life: u32, address: SocketAddr) -> Result<(), Violation> {
        if self.hosts[from].life_number != life || self.hosts[from].swarm().is_none() {
            return Ok(());
        }
        let to = host_at(address).filter(|to| self.hosts.get(*to).is_some_and(Host::is_there));
        let Some(to) = to else {
            self.tell(from, REFUSAL_TAKES, Input::DialFailed { address });
            return Ok(());
        };
        if self.is_cut(from, to) {
            self.tell(from, DIAL_TAKES_MAX, Input::DialFailed { address });
            return Ok(());
        }
        let connection = self.network.connect(from, to);
        self.send(to, connection, Parcel::Dialed(address));
        let mut source = address_of(from);
        source.set_port(50_000);
        self.feed(to, Input::Accepted { address: source, connection })
    }

    pub(super) fn send(&mut self, from: usize, connection: ConnectionId, parcel: Parcel) {
        if self.hosts[from].conceals(&parcel) {
            return;
        }
        let freight = weigh(&parcel);
        if self.network.is_severed(connection) {
            return self.network.lose(freight.payload);
        }
        if let Some(passage) = self.network.carry(connection, from, freight, self.now) {
            self.dispatch(passage, connection, parcel);
        }
    }

    fn dispatch(&mut self, passage: Passage, connection: ConnectionId, parcel: Parcel) {
        match passage {
            Passage::Queued { at, inbound } => self.events.push(at, Event::Reached { inbound, connection, parcel }),
            Passage::Straight { at, to } => self.events.push(at, Event::Arrived { to, connection, parcel }),
        }
    }

    fn arrive(&mut self, to: usize, connection: ConnectionId, parcel: Parcel) -> Result<(), Violation> {
        let payload = weigh(&parcel).payload;
        if self.network.is_severed(connection) {
            self.network.arrived(payload, Fate::Lost);
            return Ok(());
        }
        let piece = match &parcel {
            Parcel::Message(Message::Piece { piece, .. }) => Some(*piece),
            Parcel::Message(_) | Parcel::Dialed(_) | Parcel::Handshake(_) | Parcel::Closed => None,
        };
        let input = match parcel {
            Parcel::Closed => return self.feed(to, Input::Closed { connection }),
            Parcel::Dialed(address) => Input::Dialed { address, connection },
            Parcel::Handshake(handshake) => Input::Handshaken { connection, handshake },
            Parcel::Message(message) => Input::Received { connection, message },
        };
        let from = self.network.other_end(connection, to).filter(|_| self.hosts[to].swarm().is_some());
        let fate = if from.is_some() { Fate::Received } else { Fate::Lost };
        self.network.arrived(payload, fate);
        let sent = self.network.acknowledged(connection, to, payload);
        self.tell_sent(to, connection, sent)?;
        let Some(from) = from else { return Ok(()) };
        if let Some(piece) = piece {
            checks::fetched(&self.hosts[to], piece, self.now)?;
            self.hosts[to].fetched += ByteCount(payload);
        }
        if let Some(zone) = self.zones[to].as_ref().filter(|zone| self.zones[from].as_ref() != Some(*zone)) {
            *self.report.imported.entry(zone.clone()).or_default() += ByteCount(payload);
        }
        self.feed(to, input)?;
        Ok(())
    }

    /// Tells the sender that payload is out, if it is still there.
    fn tell_sent(&mut self, to: usize, connection: ConnectionId, payload: u64) -> Result<(), Violation> {
        match self.network.other_end(connection, to) {
            Some(from) if payload > 0 => self.feed(from, Input::Sent { connection, payload }),
            Some(_) | None => Ok(()),
        }
    }

    fn disconnect(&mut self, from: usize, connection: ConnectionId, fault: PeerFault) {
        if let Some(to) = self.hang_up(from, connection) {
            self.report.fault(from, to, fault);
        }
    }

    /// Ends a connection; the other end hears of it, if it is there.
    pub(super) fn hang_up(&mut self, from: usize, connection: ConnectionId) -> Option<usize> {
        if self.network.is_severed(connection) {
            let to = self.network.other_end(connection, from);
            self.network.drop_link(connection);
            return to;
        }
        let passage = self.network.close(connection, from, self.now)?;
        self.dispatch(passage, connection, Parcel::Closed);
        Some(passage.to())
    }

    fn serve(&mut self, index: usize, connection: ConnectionId, block: Block) -> Result<Option<Input>, Violation> {
        checks::served(&self.hosts[index], block, self.now)?;
        let page = match self.hosts[index].gives(block) {
            Content::Right => &RIGHT,
            Content::Wrong => &WRONG,
        };
        let Some(data) = page.get(..block.length as usize).map(Bytes::from_static) else {
            return Ok(Some(Input::Unreadable { connection, block }));
        };
        let message = Message::Piece { piece: block.piece, begin: block.begin, data };
        self.send(index, connection, Parcel::Message(message));
        Ok(None)
    }

    fn tell(&mut self, to: usize, after: Duration, input: Input) {
        let life = self.hosts[to].life_number;
        self.events.push(self.now + after, Event::Tell { to, life, input });
    }

    fn piece_done(&mut self, index: usize, piece: PieceIndex) -> Result<(), Violation> {
        checks::announced(&self.hosts[index], piece, self.now)?;
        self.report.stir((index as u64) << 32 | u64::from(piece.0));
        self.copies[piece.as_usize()] += u32::from(index > 0);
        self.suffer(index);
        self.kill_the_dispensable();
        Ok(())
    }
}

/// A tracker that knows who may come, as that of a run does.
fn tracker_of(scenario: &Scenario) -> Tracker {
    let fleet = (0..scenario.hosts as usize).map(|host| address_of(host).ip()).collect();
    Tracker::new(TrackerConfig { allow: Some(fleet), ..TrackerConfig::open() }, scenario.seed)
}

/// What a host calls itself in each of its lives.
pub(super) fn peer_id(index: usize, life: u32) -> PeerId {
    let mut bytes = *b"-RK0100-            ";
    bytes[8..16].copy_from_slice(&(index as u64).to_be_bytes());
    bytes[16..].copy_from_slice(&life.to_be_bytes());
    PeerId::new(bytes)
}

/// What a parcel weighs on the wire.
fn weigh(parcel: &Parcel) -> Freight {
    let (payload, all) = match parcel {
        Parcel::Message(message) => {
            let data = if let Message::Piece { data, .. } = message { data.len() } else { 0 };
            (data, message.length())
        }
        Parcel::Handshake(handshake) => (0, handshake.encode().len()),
        Parcel::Dialed(_) | Parcel::Closed => (0, 0),
    };
    Freight { payload: payload as u64, other: (all - payload) as u64 }
}
