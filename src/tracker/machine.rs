//! The tracker's control flow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::members::{Completeness, Member, Members};
use super::{Input, Output, Refusal, RequestId, TrackerConfig};
use crate::announce::{
    AnnounceEvent, AnnounceRequest, AnnounceResponse, AnnouncedPeer, PeerForm, ScrapeRequest, ScrapeResponse,
};
use crate::base::{InfoHash, Instant};

/// Who is in which swarm.
///
/// ```
/// use rookery::announce::AnnounceRequest;
/// use rookery::base::{ByteCount, InfoHash, Instant, PeerId};
/// use rookery::tracker::{Input, Output, RequestId, Tracker, TrackerConfig};
///
/// let mut tracker = Tracker::new(TrackerConfig::open(), 1);
/// for host in 1..=2 {
///     let request = AnnounceRequest::new(InfoHash::new([7; 20]), PeerId::new([host; 20]), 6881);
///     let request = AnnounceRequest { left: ByteCount(9), ..request };
///     let from = [10, 0, 0, host].into();
///     tracker.handle_input(Instant::ZERO, Input::Announce { id: RequestId(0), from, request });
///     let answer = tracker.poll_output();
///     assert!(matches!(
///         answer,
///         Some(Output::Announced { answer: Ok((response, _)), .. }) if response.peers.len() == usize::from(host) - 1
///     ));
/// }
/// ```
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    swarms: BTreeMap<InfoHash, Members>,
    /// Every peer of every swarm, the next to expire first.
    expiries: BTreeSet<(Instant, InfoHash, SocketAddr)>,
    rng: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Tracker {
    /// A tracker that knows nobody; `seed` decides which peers it hands out.
    pub fn new(config: TrackerConfig, seed: u64) -> Self {
        Self {
            config,
            swarms: BTreeMap::new(),
            expiries: BTreeSet::new(),
            rng: fastrand::Rng::with_seed(seed),
            outputs: VecDeque::new(),
        }
    }

    /// Tells the tracker what happened. Drain [`poll_output`](Self::poll_output) before the next call.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.forget_silent(now);
        match input {
            Input::Announce { id, from, request } => {
                let answer = self.announce(now, from.to_canonical(), &request);
                self.answer_announce(id, answer, &request);
            }
            Input::Scrape { id, from, request } => {
                let answer = self.scrape(from.to_canonical(), &request);
                self.outputs.push_back(Output::Scraped { id, answer });
            }
            Input::Allow(addresses) => {
                if let Some(allow) = &mut self.config.allow {
                    allow.extend(addresses.iter().map(IpAddr::to_canonical));
                }
            }
            Input::Elapsed => {}
        }
    }

    /// Returns the next thing to do, or `None` when all has been said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Elapsed`] is due, if ever: when the next peer has been silent for too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, ..)| *expires)
    }

    /// Whether somebody at that address gets answers.
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.config.allow.as_ref().is_none_or(|allow| allow.contains(&ip.to_canonical()))
    }

    fn announce(&mut self, now: Instant, from: IpAddr, request: &AnnounceRequest) -> Result<AnnounceResponse, Refusal> {
        self.check(from)?;
        self.check_swarm(request.info_hash)?;
        let address = SocketAddr::new(self.known_by(from, request), request.port);
        let known = self.swarms.get(&request.info_hash);
        let size = known.map_or(0, Members::len);
        let before = known.and_then(|members| members.get(address)).map(|member| (member.expires, member.completeness));
        if before.is_none() && self.expiries.len() >= self.config.peers_max {
            return Err(Refusal::Full);
        }
        let completeness = if request.is_complete() { Completeness::Complete } else { Completeness::Incomplete };
        let interval = self.interval(completeness, size);
        let expires = now + self.config.silent_after.max(interval * 3);
        let (peer_id, zone) = (request.peer_id, request.zone.clone());
        let member = Member { address, peer_id, zone, completeness, expires };

        if let Some((expired, _)) = before {
            self.expiries.remove(&(expired, request.info_hash, address));
        }
        let members = self.swarms.entry(request.info_hash).or_default();
        let leaves = request.event == Some(AnnounceEvent::Stopped);
        if leaves {
            members.remove(address, &mut self.rng);
        } else if request.port != 0 {
            members.insert(member.clone(), &mut self.rng);
            self.expiries.insert((expires, request.info_hash, address));
        }
        let was_complete = before.is_some_and(|(_, completeness)| completeness == Completeness::Complete);
        if request.event == Some(AnnounceEvent::Completed) && !was_complete {
            members.count_download();
        }
        members.expect(self.config.allow.as_ref().map_or(0, BTreeSet::len));
        let wanted = request.numwant.unwrap_or(self.config.handout_max).min(self.config.handout_max);
        let peers = if leaves { Vec::new() } else { members.choose(&member, wanted as usize, &mut self.rng) };
        let counts = members.counts();
        self.drop_if_empty(request.info_hash);
        Ok(AnnounceResponse {
            interval,
            complete: Some(counts.complete),
            incomplete: Some(counts.incomplete),
            peers,
            ..AnnounceResponse::default()
        })
    }

    fn answer_announce(&mut self, id: RequestId, answer: Result<AnnounceResponse, Refusal>, asked: &AnnounceRequest) {
        let answer = answer.map(|mut response| {
            if asked.compact == Some(false) {
                return (response, PeerForm::Dictionaries);
            }
            response.peers = response.peers.iter().map(|peer| AnnouncedPeer::at(peer.address)).collect();
            (response, PeerForm::Compact)
        });
        self.outputs.push_back(Output::Announced { id, answer });
    }

    fn scrape(&self, from: IpAddr, request: &ScrapeRequest) -> Result<ScrapeResponse, Refusal> {
        self.check(from)?;
        let counts = |(info_hash, members): (&InfoHash, &Members)| (*info_hash, members.counts());
        let swarms = if request.info_hashes.is_empty() {
            self.swarms.iter().map(counts).collect()
        } else {
            request.info_hashes.iter().filter_map(|hash| self.swarms.get_key_value(hash)).map(counts).collect()
        };
        Ok(ScrapeResponse { swarms })
    }

    fn check(&self, from: IpAddr) -> Result<(), Refusal> {
        if self.allows(from) { Ok(()) } else { Err(Refusal::Stranger(from)) }
    }

    fn check_swarm(&self, info_hash: InfoHash) -> Result<(), Refusal> {
        match &self.config.info_hashes {
            Some(served) if served.contains(&info_hash) => Ok(()),
            Some(_) => Err(Refusal::UnknownSwarm(info_hash)),
            None if self.swarms.len() < self.config.swarms_max || self.swarms.contains_key(&info_hash) => Ok(()),
            None => Err(Refusal::Full),
        }
    }

    /// The address a peer is handed out under: where it asks from, or what it asks for if that may ask too. Anything
    /// else would let one peer point all others at a bystander.
    fn known_by(&self, from: IpAddr, request: &AnnounceRequest) -> IpAddr {
        let allowed = |ip: &IpAddr| self.config.allow.as_ref().is_some_and(|allow| allow.contains(ip));
        request.ip.map(|ip| ip.to_canonical()).filter(allowed).unwrap_or(from)
    }

    fn interval(&self, completeness: Completeness, peers: usize) -> Duration {
        let usual = match completeness {
            Completeness::Complete => self.config.interval_complete,
            Completeness::Incomplete => self.config.interval_incomplete,
        };
        usual.max(Duration::from_secs(peers as u64 / u64::from(self.config.announces_per_second_max.max(1))))
    }

    fn forget_silent(&mut self, now: Instant) {
        while let Some(&(expires, info_hash, address)) = self.expiries.first().filter(|(expires, ..)| *expires <= now) {
            self.expiries.remove(&(expires, info_hash, address));
            if let Some(members) = self.swarms.get_mut(&info_hash) {
                members.remove(address, &mut self.rng);
            }
            self.drop_if_empty(info_hash);
        }
    }

    /// Where any swarm is served, one without peers makes room; a swarm that was named keeps its counts.
    fn drop_if_empty(&mut self, info_hash: InfoHash) {
        if self.config.info_hashes.is_none() && self.swarms.get(&info_hash).is_some_and(|members| members.len() == 0) {
            self.swarms.remove(&info_hash);
        }
    }
}
