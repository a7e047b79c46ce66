//! The tracker, told of peers and time.

use super::*;
use crate::announce::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerForm, ScrapeRequest, SwarmCounts};
use crate::base::{ByteCount, InfoHash, Instant, PeerId};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

const SWARM: InfoHash = InfoHash::new([7; 20]);

/// A tracker and a clock.
struct Room {
    tracker: Tracker,
    now: Instant,
}

impl Room {
    fn with(config: TrackerConfig) -> Self {
        Self { tracker: Tracker::new(config, 1), now: Instant::ZERO }
    }

    fn open() -> Self {
        Self::with(TrackerConfig::open())
    }

    fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    fn ask(&mut self, from: IpAddr, request: AnnounceRequest) -> Result<(AnnounceResponse, PeerForm), Refusal> {
        self.tracker.handle_input(self.now, Input::Announce { id: RequestId(3), from, request });
        let Some(Output::Announced { id: RequestId(3), answer }) = self.tracker.poll_output() else {
            panic!("no answer")
        };
        assert_eq!(self.tracker.poll_output(), None);
        answer
    }

    fn announce(&mut self, host: u16, left: u64) -> AnnounceResponse {
        self.ask(ip(host), request(host, left)).unwrap().0
    }

    fn scrape(&mut self) -> SwarmCounts {
        let request = ScrapeRequest { info_hashes: vec![SWARM] };
        self.tracker.handle_input(self.now, Input::Scrape { id: RequestId(4), from: ip(1), request });
        let Some(Output::Scraped { answer: Ok(response), .. }) = self.tracker.poll_output() else {
            panic!("no answer")
        };
        response.swarms.get(&SWARM).copied().unwrap_or_default()
    }
}

fn ip(host: u16) -> IpAddr {
    let [high, low] = host.to_be_bytes();
    [10, 0, high, low].into()
}

fn request(host: u16, left: u64) -> AnnounceRequest {
    let mut id = [0; 20];
    id[..2].copy_from_slice(&host.to_be_bytes());
    AnnounceRequest { left: ByteCount(left), ..AnnounceRequest::new(SWARM, PeerId::new(id), 6881) }
}

fn hosts(response: &AnnounceResponse) -> BTreeSet<IpAddr> {
    response.peers.iter().map(|peer| peer.address.ip()).collect()
}

#[test]
fn peers_hear_of_each_other_but_not_of_themselves() {
    let mut room = Room::open();
    assert_eq!(hosts(&room.announce(1, 9)), BTreeSet::new());
    assert_eq!(hosts(&room.announce(2, 9)), BTreeSet::from([ip(1)]));
    assert_eq!(hosts(&room.announce(1, 9)), BTreeSet::from([ip(2)]));
}

#[test]
fn complete_peers_hear_of_incomplete_ones_only() {
    let mut room = Room::open();
    room.announce(1, 0);
    room.announce(2, 9);
    assert_eq!(hosts(&room.announce(3, 0)), BTreeSet::from([ip(2)]));
    assert_eq!(room.announce(3, 0).interval, Duration::from_secs(15));
    assert_eq!(room.announce(2, 9).interval, Duration::from_secs(5));
}

#[test]
fn a_silent_peer_is_forgotten_at_its_deadline() {
    let mut room = Room::open();
    room.announce(1, 9);
    room.wait(Duration::from_mins(5));
    room.announce(2, 9);
    room.wait(Duration::from_mins(1));
    assert_eq!(room.tracker.deadline(), Some(room.now));
    room.tracker.handle_input(room.now, Input::Elapsed);
    assert_eq!(room.scrape().incomplete, 1);
    assert_eq!(hosts(&room.announce(3, 9)), BTreeSet::from([ip(2)]));
}

#[test]
fn a_peer_that_leaves_is_forgotten_at_once() {
    let mut room = Room::open();
    room.announce(1, 9);
    room.announce(2, 9);
    let leaving = AnnounceRequest { event: Some(AnnounceEvent::Stopped), ..request(1, 9) };
    assert_eq!(hosts(&room.ask(ip(1), leaving).unwrap().0), BTreeSet::new());
    assert_eq!(hosts(&room.announce(2, 9)), BTreeSet::new());
}

#[test]
fn strangers_and_other_swarms_are_refused_until_allowed() {
    let mut room = Room::with(TrackerConfig::of_run(SWARM, [ip(1)]));
    room.announce(1, 9);
    assert_eq!(room.ask(ip(2), request(2, 9)), Err(Refusal::Stranger(ip(2))));
    let other = AnnounceRequest { info_hash: InfoHash::new([8; 20]), ..request(1, 9) };
    assert_eq!(room.ask(ip(1), other), Err(Refusal::UnknownSwarm(InfoHash::new([8; 20]))));
    room.tracker.handle_input(room.now, Input::Allow(vec![ip(2)]));
    assert_eq!(hosts(&room.announce(2, 9)), BTreeSet::from([ip(1)]));
    let mapped = "::ffff:10.0.0.2".parse().unwrap();
    assert!(room.tracker.allows(mapped), "the same address, as an IPv6 socket sees it");
}

#[test]
fn a_peer_cannot_point_others_at_a_bystander() {
    let bystander = "192.0.2.99".parse().unwrap();
    let mut room = Room::open();
    room.ask(ip(1), AnnounceRequest { ip: Some(bystander), ..request(1, 9) }).unwrap();
    assert_eq!(hosts(&room.announce(2, 9)), BTreeSet::from([ip(1)]));
    let mut room = Room::with(TrackerConfig::of_run(SWARM, [ip(1), ip(2), ip(3)]));
    room.ask(ip(1), AnnounceRequest { ip: Some(ip(3)), ..request(1, 9) }).unwrap();
    assert_eq!(hosts(&room.announce(2, 9)), BTreeSet::from([ip(3)]));
}

#[test]
fn large_swarms_get_fifty_different_random_peers_and_longer_intervals() {
    let mut room = Room::open();
    (1..=4000).for_each(|host| drop(room.announce(host, 9)));
    let (first, second) = (room.announce(1, 9), room.announce(1, 9));
    assert_eq!((first.peers.len(), hosts(&first).len()), (50, 50));
    assert_ne!(hosts(&first), hosts(&second));
    assert_eq!(first.interval, Duration::from_secs(8));
    let few = AnnounceRequest { numwant: Some(3), ..request(1, 9) };
    assert_eq!(room.ask(ip(1), few).unwrap().0.peers.len(), 3);
}

#[test]
fn every_peer_is_handed_out_sooner_or_later() {
    let mut room = Room::open();
    (1..=200).for_each(|host| drop(room.announce(host, 9)));
    let mut seen = BTreeSet::new();
    (0..60).for_each(|_| seen.extend(hosts(&room.announce(1, 9))));
    assert_eq!(seen.len(), 199);
}

#[test]
fn counts_follow_what_peers_say() {
    let mut room = Room::open();
    room.announce(1, 0);
    room.announce(2, 9);
    let done = AnnounceRequest { event: Some(AnnounceEvent::Completed), ..request(2, 0) };
    room.ask(ip(2), done.clone()).unwrap();
    room.ask(ip(2), done).unwrap();
    room.announce(3, 9);
    assert_eq!(room.scrape(), SwarmCounts { complete: 2, downloaded: 1, incomplete: 1 });
}

#[test]
fn a_full_tracker_refuses_newcomers_only() {
    let mut room = Room::with(TrackerConfig { peers_max: 2, swarms_max: 1, ..TrackerConfig::open() });
    room.announce(1, 9);
    room.announce(2, 9);
    assert_eq!(room.ask(ip(3), request(3, 9)), Err(Refusal::Full));
    room.announce(1, 5);
    let other = AnnounceRequest { info_hash: InfoHash::new([8; 20]), ..request(1, 9) };
    assert_eq!(room.ask(ip(1), other), Err(Refusal::Full));
}

#[test]
fn dictionaries_are_given_to_those_who_ask_for_them() {
    let mut room = Room::open();
    room.announce(1, 9);
    let (response, form) = room.ask(ip(2), AnnounceRequest { compact: Some(false), ..request(2, 9) }).unwrap();
    assert_eq!(form, PeerForm::Dictionaries);
    assert_eq!(response.peers[0].peer_id, Some(request(1, 9).peer_id));
}
