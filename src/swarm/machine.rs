//! Swarm: routes each input, drains each effect.
//!
//! What becomes of an input is found here; how is found in the file of its noun: [`super::greet`] for connections,
//! [`super::fetch`] for what we want, [`super::serve`] for what others want.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::announcer::{Announcer, TrackerHealth};
use super::blame::Blame;
use super::bucket::Bucket;
use super::dialer::Dialer;
use super::io::Announcement;
use super::locality::Locality;
use super::meter::Meter;
use super::peer::{Gate, Greeting, PeerSummary};
use super::peers::Peers;
use super::picker::Picker;
use super::pieces::Pieces;
use super::slumber::Slumber;
use super::spread::Spread;
use super::{Config, ConnectionId, Input, Note, Output, PeerFault};
use crate::base::{Bitfield, ByteCount, ByteRate, InfoHash, Instant, Layout, PeerId, PieceIndex};

/// The `BitTorrent` engine of one host.
///
/// ```
/// use rookery::base::{Bitfield, InfoHash, Instant, Layout, PeerId};
/// use rookery::swarm::{Config, Input, Output, Swarm};
///
/// let layout = Layout::new(100_000, 65_536).expect("a payload of two pieces");
/// let (me, what) = (PeerId::new(*b"-RK0100-aaaaaaaaaaaa"), InfoHash::new([7; 20]));
/// let mut swarm = Swarm::new(Config::default(), 0, layout, me, what, Bitfield::empty(2));
/// assert_eq!(swarm.deadline(), Some(Instant::ZERO));
/// swarm.handle_input(Instant::ZERO, Input::Elapsed);
/// assert!(matches!(swarm.poll_output(), Some(Output::Announce(_))));
/// ```
#[derive(Debug)]
pub struct Swarm {
    pub(super) config: Config,
    pub(super) layout: Layout,
    pub(super) peer_id: PeerId,
    pub(super) info_hash: InfoHash,
    pub(super) have: Bitfield,
    pub(super) greetings: BTreeMap<ConnectionId, Greeting>,
    pub(super) peers: Peers,
    pub(super) picker: Picker,
    pub(super) pieces: Pieces,
    pub(super) spread: Spread,
    pub(super) dialer: Dialer,
    /// What is known of the zone; nothing when this host is in none.
    pub(super) locality: Option<Box<Locality>>,
    pub(super) upload: Bucket,
    pub(super) download: Bucket,
    /// Bytes handed over to be written and not written yet.
    pub(super) unwritten: u64,
    /// When a block last came, from anybody.
    pub(super) last_block: Instant,
    /// How long blocks take to come of late, on average.
    pub(super) usual_wait: Duration,
    /// Most bytes that came within a tick: what the line can do.
    pub(super) quickest: ByteCount,
    /// Bytes asked for across the border although somebody in the zone has them, or brings them in.
    pub(super) relieved: u64,
    /// Corrupt pieces whose liars are not known yet.
    pub(super) blame: Blame,
    /// Peers that are not taken back before a moment.
    pub(super) bans: BTreeMap<PeerId, Instant>,
    pub(super) totals: Totals,
    pub(super) origin: PayloadOrigin,
    /// Who was asked first last time, so that under a cap it is somebody else's turn.
    pub(super) last_filled: ConnectionId,
    announcer: Announcer,
    pub(super) meters: (Meter, Meter),
    outputs: VecDeque<Output>,
    faults: VecDeque<Fault>,
    next_tick: Option<Instant>,
    slumber: Slumber,
}

/// Where the payload of this host comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadOrigin {
    /// From the swarm.
    Swarm,
    /// From elsewhere: it was here, or is injected.
    Elsewhere,
}

/// Payload so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes received from peers, the wasted ones included.
    pub down: ByteCount,
    /// Bytes sent to peers.
    pub up: ByteCount,
    /// Bytes received that were there already or turned out corrupt.
    pub wasted: ByteCount,
    /// Pieces that had to be fetched again.
    pub corrupt: u32,
}

/// A connection that was ended, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: Instant,
    /// To whom.
    pub address: SocketAddr,
    /// Why.
    pub fault: PeerFault,
}

impl Swarm {
    /// Starts with the pieces in `have`, each verified. The same seed and inputs give the same outputs.
    pub fn new(
        config: Config,
        seed: u64,
        layout: Layout,
        peer_id: PeerId,
        info_hash: InfoHash,
        have: Bitfield,
    ) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let picker = Picker::new(&have, &mut rng);
        let origin = if have.is_full() { PayloadOrigin::Elsewhere } else { PayloadOrigin::Swarm };
        Self {
            dialer: Dialer::new(config.allow.as_deref(), rng.fork()).preferring(config.preference),
            upload: Bucket::new(config.max_upload, config.burst),
            download: Bucket::new(config.max_download, config.burst),
            announcer: Announcer::new(config.tracker),
            spread: Spread::new(&have),
            pieces: Pieces::new(layout),
            locality: Locality::new(&config, peer_id, layout.piece_count()).map(Box::new),
            config,
            layout,
            peer_id,
            info_hash,
            have,
            picker,
            origin,
            greetings: BTreeMap::new(),
            peers: Peers::default(),
            unwritten: 0,
            last_block: Instant::ZERO,
            usual_wait: Duration::ZERO,
            quickest: ByteCount(0),
            relieved: 0,
            blame: Blame::default(),
            bans: BTreeMap::new(),
            totals: Totals::default(),
            last_filled: ConnectionId(0),
            meters: (Meter::default(), Meter::default()),
            outputs: VecDeque::new(),
            faults: VecDeque::new(),
            next_tick: Some(Instant::ZERO),
            slumber: Slumber::default(),
        }
    }

    /// Tells the swarm what happened. Drain [`poll_output`](Self::poll_output) before the next call.
    ///
    /// Time may jump: a host that slept goes on as if it had not.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        let now = self.slumber.wake(now, self.next_tick, self.config.oversleep_max);
        self.refill(now);
        match input {
            Input::Elapsed => self.elapsed(now),
            Input::Discovered(addresses) => {
                self.dialer.allow(addresses.iter().map(SocketAddr::ip), self.config.addresses_max);
                self.discover(now, addresses);
            }
            Input::Allowed(addresses) => self.dialer.allow(addresses, self.config.addresses_max),
            Input::Dialed { address, connection } => self.dialed(now, address, connection),
            Input::DialFailed { address } => self.dial_failed(now, address),
            Input::Accepted { address, connection } => self.accepted(now, address, connection),
            Input::Handshaken { connection, handshake } => self.handshaken(now, connection, handshake),
            Input::Received { connection, message } => self.received(now, connection, message),
            Input::Garbled { connection, why } => self.disconnect(now, connection, PeerFault::Garbled(why)),
            Input::Sent { connection, payload } => self.sent(now, connection, payload),
            Input::Closed { connection } => self.closed(now, connection),
            Input::Unreadable { connection, block } => self.unreadable(now, connection, block),
            Input::Written { block } => self.written(now, block),
            Input::Verified { piece, intact: true } => self.verified(now, piece),
            Input::Verified { piece, intact: false } => self.corrupted(now, piece),
            Input::Digested { piece, blocks } => self.digested(now, piece, blocks),
            Input::Injected { piece } => self.injected(now, piece),
            Input::Announced { interval, peers } => self.announced(now, interval, peers),
            Input::AnnounceFailed { why } => self.announce_failed(now, why),
            Input::TrackerAppointed => {
                self.announcer.appoint(now);
                self.announce(now);
            }
            Input::Limits { upload, download } => self.limit(now, upload, download),
        }
    }

    /// Lets the caps' buckets fill. What waited for that goes on at once: whoever hears something meanwhile is told of no
    /// deadline any more.
    fn refill(&mut self, now: Instant) {
        let (upload, download) = (self.upload.is_ready(), self.download.is_ready());
        self.upload.refill(now);
        self.download.refill(now);
        if !upload && self.upload.is_ready() {
            self.serve(now);
        }
        if !download && self.download.is_ready() {
            self.fill_all(now);
        }
    }

    /// Returns the next thing to do, or `None` when all has been said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Elapsed`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        let wants_upload = !self.upload.is_ready() && self.peers.values().any(|peer| !peer.serving.requests.is_empty());
        let wants = !self.have.is_full() && !self.peers.is_empty();
        let wants_download = wants && !self.download.is_ready();
        let upload = wants_upload.then(|| self.upload.wake()).flatten();
        let download = wants_download.then(|| self.download.wake()).flatten();
        let dial = self.wants_to_dial().then(|| self.dialer.deadline()).flatten();
        let import = self.locality.as_ref().filter(|_| wants).and_then(|locality| locality.wake());
        let all = [self.next_tick, self.announcer.deadline(), upload, download, dial, import];
        let own = all.into_iter().flatten().min();
        own.map(|own| self.slumber.told(own))
    }

    fn elapsed(&mut self, now: Instant) {
        if self.next_tick.is_some_and(|at| at <= now) {
            self.tick(now);
        }
        if self.announcer.is_overdue(now) {
            self.announce_failed(now, "no answer in time".to_owned());
        }
        self.announce(now);
        self.dial(now);
        if let Some(locality) = &self.locality {
            locality.awake(now);
        }
        self.fill_all(now);
        self.serve(now);
    }

    /// What is looked at from time to time rather than at each input.
    fn tick(&mut self, now: Instant) {
        self.quickest = self.quickest.max(self.meters.0.turn());
        self.meters.1.turn();
        self.pace();
        self.bans.retain(|_, until| *until > now);
        self.expire_greetings(now);
        let connections: Vec<ConnectionId> = self.peers.keys().copied().collect();
        for connection in connections {
            if let Some(peer) = self.peers.get_mut(&connection) {
                peer.turn();
            }
            self.tell_haves(now, connection);
            self.look_after(now, connection);
            self.expire_requests(now, connection);
        }
        self.rotate(now);
        self.show(now);
        self.exchange(now);
        if !self.have.is_full() && self.peers.values().all(|peer| peer.useful == 0) {
            self.announcer.hurry(&self.config);
        }
        self.next_tick = None;
        self.wake(now);
    }

    /// Sees to it that there is a tick as long as there is anything to look at.
    pub(super) fn wake(&mut self, now: Instant) {
        let moving = !(self.meters.0.is_at_rest() && self.meters.1.is_at_rest());
        let idle = self.peers.is_empty() && self.greetings.is_empty() && !moving;
        if self.next_tick.is_none() && !idle {
            self.next_tick = Some(now + self.config.tick);
        }
    }

    fn limit(&mut self, now: Instant, upload: ByteRate, download: ByteRate) {
        (self.config.max_upload, self.config.max_download) = (upload, download);
        self.pace();
        self.download.set(download);
        self.upload.refill(now);
        self.download.refill(now);
        self.fill_all(now);
        self.serve(now);
    }

    fn announce(&mut self, now: Instant) {
        if !self.announcer.begin(now, &self.config) {
            return;
        }
        let wants_peers = !self.have.is_full() || self.origin == PayloadOrigin::Elsewhere;
        let announcement = Announcement {
            event: self.announcer.event(),
            uploaded: self.totals.up,
            downloaded: self.totals.down,
            left: self.left(),
            wanted: if wants_peers { self.config.announce_wanted } else { 0 },
        };
        self.say(Output::Announce(announcement));
    }

    fn announced(&mut self, now: Instant, interval: Duration, peers: Vec<SocketAddr>) {
        let (complete, fed) = (self.have.is_full(), self.peers.values().any(|peer| peer.useful > 0));
        let after = match (complete, fed) {
            (true, _) => interval.max(self.config.announce_every_complete),
            (false, true) => interval.max(self.config.announce_every),
            (false, false) => interval.clamp(self.config.announce_every, self.config.announce_after_max),
        };
        if self.announcer.answered(now, after) {
            self.say(Output::Note(Note::TrackerBack));
        }
        self.discover(now, peers);
        self.announce(now);
    }

    fn announce_failed(&mut self, now: Instant, why: String) {
        if self.announcer.failed(now, &self.config) {
            self.say(Output::Note(Note::TrackerSilent(why)));
        }
    }

    pub(super) fn completed(&mut self, now: Instant) {
        self.say(Output::Complete);
        self.announcer.complete(now);
        self.announce(now);
    }

    pub(super) fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Keeps the reason why a connection ended.
    pub(super) fn remember(&mut self, mut fault: Fault) {
        fault.at = self.slumber.told(fault.at);
        if fault.fault.is_misconduct() {
            self.say(Output::Note(Note::Dropped { address: fault.address, fault: fault.fault.clone() }));
        }
        if self.faults.len() >= self.config.faults_max {
            self.faults.pop_front();
        }
        self.faults.push_back(fault);
    }

    pub(super) fn count_down(&mut self, bytes: u64) {
        self.totals.down += ByteCount(bytes);
        self.meters.0.add(bytes);
    }

    pub(super) fn count_up(&mut self, bytes: u64) {
        self.totals.up += ByteCount(bytes);
        self.meters.1.add(bytes);
    }

    /// The pieces here, each verified.
    pub const fn bitfield(&self) -> &Bitfield {
        &self.have
    }

    /// How the payload is cut.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Whether every piece is here.
    pub const fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Payload bytes missing.
    pub fn left(&self) -> ByteCount {
        let last = PieceIndex(self.layout.piece_count() - 1);
        let nominal = u64::from(self.layout.nominal_piece_length());
        let missing = u64::from(self.have.capacity() - self.have.count()) * nominal;
        let short = if self.have.contains(last) { 0 } else { nominal - u64::from(self.layout.piece_length(last)) };
        ByteCount(missing - short)
    }

    /// Payload so far.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Payload received and sent a second, now.
    pub fn rates(&self) -> (ByteRate, ByteRate) {
        (self.meters.0.rate(self.config.tick), self.meters.1.rate(self.config.tick))
    }

    /// Peers connected, handshakes done.
    pub fn connected(&self) -> usize {
        self.peers.len()
    }

    /// Peers that let us ask.
    pub fn unchoking(&self) -> usize {
        self.peers.values().filter(|peer| peer.asking.gate == Gate::Open).count()
    }

    /// Copies of the rarest piece among connected peers.
    pub fn rarest(&self) -> u32 {
        self.picker.rarest()
    }

    /// What is known of each connected peer.
    pub fn peers(&self) -> impl Iterator<Item = PeerSummary> + '_ {
        self.peers.iter().map(|(connection, peer)| peer.summary(*connection, self.config.tick))
    }

    /// The connections ended last, and why; oldest first.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    /// The tracker, as this host sees it.
    pub const fn tracker_health(&self) -> TrackerHealth {
        self.announcer.health
    }

    /// What it was told to hold itself to.
    pub const fn config(&self) -> &Config {
        &self.config
    }
}
