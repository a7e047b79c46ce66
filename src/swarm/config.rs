//! Every limit and interval of the swarm, with its unit and its reason.

use std::net::IpAddr;
use std::time::Duration;

use super::{Exchange, Preference};
use crate::base::{ByteCount, ByteRate, Zone};

/// Limits and intervals. The defaults are for a fleet in a data centre: short timers, deep pipelines, no choking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who may connect and be dialled; `None` is everybody, for use by hand.
    pub allow: Option<Vec<IpAddr>>,
    /// The port we listen on, told to peers so that they can dial back (BEP 10 `p`); 0 is not told.
    pub listen_port: u16,
    /// The zone we are in, told to peers; `None` has no neighbours, and nobody is far.
    pub zone: Option<Zone>,
    /// What we call ourselves (BEP 10 `v`).
    pub client: &'static str,
    /// Payload sent a second, at most; 0 is no cap.
    pub max_upload: ByteRate,
    /// Payload received a second, at most; 0 is no cap.
    pub max_download: ByteRate,
    /// Whether peers are told of each other (BEP 11).
    pub exchange: Exchange,
    /// Whom to dial first, and which connection goes when there are too many.
    pub preference: Preference,
    /// Whether there is a tracker to announce to, from the start.
    pub tracker: Tracker,

    /// Connections at once after their handshakes: a socket and two queues each. Few, for all of them have something under way,
    /// and what is under way in front of a full line waits; see [`Self::meeting`].
    pub connections_max: usize,
    /// Connections below which peers are dialled: the rest is left to those who dial us, so that newcomers get in.
    pub connections_wanted: usize,
    /// Dials under way at once: a wave of lost SYNs must not take all sockets.
    pub dials_max: usize,
    /// How long a dial may take. A LAN answers in a millisecond; one lost SYN costs a second.
    pub dial_timeout: Duration,
    /// Wait after the first failed dial; doubles each time, up to [`Self::redial_after_max`].
    pub redial_after_min: Duration,
    /// Longest wait between dials: a host that was rebooted is found again within this.
    pub redial_after_max: Duration,
    /// Addresses remembered: a tracker full of nonsense must not fill the memory.
    pub addresses_max: usize,
    /// How long a peer that sent corrupt data stays out: longer than a run usually takes.
    pub ban: Duration,
    /// Corrupt pieces of several senders whose digests are kept until a good copy tells who lied: some KiB each.
    pub blame_max: usize,
    /// A host that wakes up later than this after its [`tick`](Self::tick) was asleep, and does not count that time.
    pub oversleep_max: Duration,

    /// Connections from one address whose handshakes are not over, at most: many hosts may share an address, but one that
    /// never says who it is must not take all connections.
    pub greetings_max: usize,
    /// Connections whose handshakes are not over, of all addresses, at most.
    pub handshakes_max: usize,
    /// How long a handshake may take after the connection.
    pub handshake_timeout: Duration,
    /// A keep-alive is sent when nothing else was for this long; other clients close after 120 s.
    pub keep_alive_after: Duration,
    /// A peer that sends nothing at all for this long is gone; other clients keep alive every 120 s at least. One of ours
    /// is gone after three of its keep-alives.
    pub idle_after: Duration,
    /// A peer that owes us blocks and sends nothing at all for this long is gone.
    pub silent_after: Duration,
    /// Requests unanswered for this long are asked of somebody else as well.
    pub request_timeout: Duration,
    /// A peer that owes us blocks, and sends none for this long while others do, is dropped.
    pub snubbed_after: Duration,
    /// With every block asked for, one unanswered for this long, and twice as long as usual, is asked of an idle peer
    /// as well (endgame).
    pub endgame_after: Duration,
    /// The same before the endgame, and four times as long as usual: an idle peer helps out a slow one.
    pub assist_after: Duration,
    /// How long a peer that refused a block is left alone.
    pub refused_pause: Duration,
    /// A connection that was of no use for this long may be closed in favour of another.
    pub useless_after: Duration,

    /// Blocks asked of a peer at once, at first and at least: one on the wire, one that waits.
    pub pipeline_min: usize,
    /// Blocks asked of a peer at once, at most: 8 MiB, 1 GiB/s at 8 ms.
    pub pipeline_max: usize,
    /// Blocks asked of all peers from which on the others of a zone are asked for [`Self::pipeline_min`] each and no more: what
    /// waits at one of few cannot be had of another.
    pub zone_asked: usize,
    /// Blocks asked of one of them, at least, until then: what they send waits behind much else.
    pub zone_asked_each: usize,
    /// A line that has brought more than this within a [`tick`](Self::tick) has no such bound: it would be too little to fill it.
    pub zone_quick: ByteCount,
    /// What is asked of a peer at once lasts this long at the pace it sends at: longer than a request takes to get there
    /// through queues that are full both ways.
    pub pipeline_span: Duration,
    /// Blocks asked of a peer at once, at most, when it does not say how much it takes (BEP 10 `reqq`).
    pub pipeline_unknown: usize,
    /// A line that brings less than this is slow, and what is asked of all peers together is bounded by
    /// [`Self::asked_span`] and [`Self::asked_min`].
    pub slow_line: ByteRate,
    /// What is asked of all peers together lasts a slow line so long: well within [`Self::request_timeout`].
    pub asked_span: Duration,
    /// Bytes asked of all peers together, at least, for nobody knows a line before it is used.
    pub asked_min: u64,
    /// Whose turn it is to bring a piece into the zone moves on after this, at least: time to hear of a claim.
    pub import_step: Duration,
    /// Who claimed a piece for the zone and did not bring it within this, at least, is not waited for.
    pub import_patience: Duration,
    /// Copies of one block asked for at once, at most, the first included.
    pub copies_max: u8,
    /// Pieces begun at once, at most: beyond this, begun ones are finished first, however common.
    pub under_way_max: usize,
    /// Bytes handed over to be written and not written yet, at most: a slow disk stops the asking.
    pub unwritten_max: u64,

    /// Peers served at once: few, so that whole pieces are out soon and can be passed on. A peer that takes nothing
    /// does not count, so nobody waits for a slow one.
    pub upload_slots: usize,
    /// A served peer that took nothing for this long gives its slot to another, and goes on without.
    pub slot_patience: Duration,
    /// A peer unserved for this long goes before one that asks for a piece nobody has yet; each multiple outweighs
    /// one more copy.
    pub serve_patience: Duration,
    /// A peer that has everything but a little waits this much longer than one that has nothing: who is behind catches up.
    pub lead_patience: Duration,
    /// Pieces that a seeder shows at once, each to one peer, before they are out, at least: enough that the next one is
    /// asked for while the one before is sent, and few, for each waits for all others before it is out.
    pub first_copies: usize,
    /// The same, as what it sends at its present rate within this span and twice the time in which a peer asks for what it
    /// is shown.
    pub first_copies_span: Duration,
    /// Bytes queued for a peer, at least: the next block while one is on the wire.
    pub send_queue_min: u64,
    /// Bytes queued for a peer, at most.
    pub send_queue_max: u64,
    /// What is queued for a peer lasts this long at its present rate.
    pub send_queue_span: Duration,
    /// Requests a peer may have waiting; told as BEP 10 `reqq`. Twice [`Self::pipeline_max`]: cancels cross requests.
    pub requests_max: usize,
    /// Blocks taken before a peer is dropped that nobody had asked for; those that cross a cancel do not count.
    pub strays_max: u32,

    /// Time between announces while pieces are missing, unless the tracker wants longer.
    pub announce_every: Duration,
    /// Time between announces once all pieces are there, unless the tracker wants longer.
    pub announce_every_complete: Duration,
    /// An announce unanswered for this long has failed.
    pub announce_timeout: Duration,
    /// Longest wait after failed announces (it doubles from [`Self::announce_every`]), or while no peer has anything for
    /// us, whatever the tracker wants.
    pub announce_after_max: Duration,
    /// Peers asked of the tracker.
    pub announce_wanted: u32,

    /// Wait before a peer is told of others: those who connect at once go into one message.
    pub exchange_after: Duration,
    /// Time between such messages to one peer: the least that BEP 11 allows. A peer that sends twice as many is not
    /// heard.
    pub exchange_every: Duration,

    /// Time between looks at timeouts and rates.
    pub tick: Duration,
    /// Tokens a rate cap saves up, in time: short, so that a cap holds over any second.
    pub burst: Duration,
    /// Dropped peers remembered, with their reasons.
    pub faults_max: usize,
}

/// Whether there is a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracker {
    /// It is announced to.
    Present,
    /// Peers come from elsewhere, until [`super::Input::TrackerAppointed`].
    Absent,
}

impl Config {
    /// The defaults for a host that chooses its peers like this. In a run newcomers need room with hosts that have enough
    /// connections. Where priorities decide, a newcomer takes the place of another, so that all may have equally many.
    /// In a zone a host knows all gates of its own and some of others (`roster`).
    pub fn meeting(preference: Preference, zone: Option<&Zone>) -> Self {
        let (most, wanted, told) = match (zone, preference) {
            (Some(_), _) => (64, 32, 50),
            (None, Preference::AsTold) => (32, 16, 25),
            (None, Preference::Canonical(_)) => (10, 10, 50),
        };
        Self { connections_max: most, connections_wanted: wanted, announce_wanted: told, preference, ..Self::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow: None,
            listen_port: 0,
            zone: None,
            client: concat!("Rookery ", env!("CARGO_PKG_VERSION")),
            max_upload: ByteRate::UNLIMITED,
            max_download: ByteRate::UNLIMITED,
            exchange: Exchange::Off,
            preference: Preference::AsTold,
            tracker: Tracker::Present,
            connections_max: 32,
            connections_wanted: 16,
            dials_max: 16,
            dial_timeout: Duration::from_secs(5),
            redial_after_min: Duration::from_secs(1),
            redial_after_max: Duration::from_secs(30),
            addresses_max: 16_384,
            ban: Duration::from_secs(600),
            blame_max: 64,
            oversleep_max: Duration::from_secs(3),
            greetings_max: 32,
            handshakes_max: 64,
            handshake_timeout: Duration::from_secs(10),
            keep_alive_after: Duration::from_secs(20),
            idle_after: Duration::from_secs(150),
            silent_after: Duration::from_secs(30),
            request_timeout: Duration::from_secs(8),
            snubbed_after: Duration::from_secs(60),
            endgame_after: Duration::from_millis(500),
            assist_after: Duration::from_secs(5),
            refused_pause: Duration::from_secs(1),
            useless_after: Duration::from_secs(5),
            pipeline_min: 2,
            pipeline_max: 512,
            zone_asked: 24,
            zone_asked_each: 6,
            zone_quick: ByteCount(1_500_000),
            pipeline_span: Duration::from_millis(50),
            pipeline_unknown: 200,
            slow_line: ByteRate(1 << 20),
            asked_span: Duration::from_secs(4),
            asked_min: 256 << 10,
            import_step: Duration::from_millis(100),
            import_patience: Duration::from_secs(1),
            copies_max: 2,
            under_way_max: 256,
            unwritten_max: 4 << 20,
            upload_slots: 3,
            slot_patience: Duration::from_millis(100),
            serve_patience: Duration::from_secs(2),
            lead_patience: Duration::from_secs(50),
            first_copies: 8,
            first_copies_span: Duration::from_millis(200),
            send_queue_min: 32 << 10,
            send_queue_max: 1 << 20,
            send_queue_span: Duration::from_millis(200),
            requests_max: 1024,
            strays_max: 64,
            announce_every: Duration::from_secs(3),
            announce_every_complete: Duration::from_secs(30),
            announce_timeout: Duration::from_secs(15),
            announce_after_max: Duration::from_secs(15),
            announce_wanted: 25,
            exchange_after: Duration::from_secs(1),
            exchange_every: Duration::from_secs(60),
            tick: Duration::from_millis(250),
            burst: Duration::from_millis(30),
            faults_max: 64,
        }
    }
}
