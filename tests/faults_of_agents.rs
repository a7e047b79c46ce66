//! What goes wrong with a fleet, with real agents on addresses of 127.0.0.0/8: the first five faults of `docs/faults.md`.

#![cfg(feature = "agent")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]

mod rogue;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rogue::Rogue;
use rookery::control::{Progress, Status, TrackerHealth};
use support::{Agent, PIECE_LENGTH, Payload, wait_until};

const MIB: usize = 1 << 20;

/// A peer, and what it said so far.
struct Peer {
    agent: Agent,
    path: PathBuf,
    ip: String,
    last: Option<Progress>,
    first: Option<Progress>,
    notes: Vec<String>,
    have: BTreeSet<u32>,
}

impl Peer {
    fn start(payload: &Payload, torrent: &Path, number: usize, options: &str) -> Self {
        let (path, ip) = (payload.copy(&format!("copy{number}")), format!("127.0.2.{number}"));
        let agent = Agent::peer(torrent, &path, &ip, options);
        Self { agent, path, ip, last: None, first: None, notes: Vec::new(), have: BTreeSet::new() }
    }

    /// Is killed without a word, and begins again.
    fn kill_and_restart(self, torrent: &Path, options: &str) -> Self {
        let Self { agent, path, ip, .. } = self;
        drop(agent);
        let agent = Agent::peer(torrent, &path, &ip, options);
        Self { agent, path, ip, last: None, first: None, notes: Vec::new(), have: BTreeSet::new() }
    }

    /// Takes what it said.
    fn listen(&mut self) {
        for status in self.agent.statuses.try_iter() {
            match status {
                Status::Progress(progress) => {
                    self.have.extend(progress.completed.iter().flat_map(|(first, count)| *first..first + count));
                    self.first.get_or_insert_with(|| progress.clone());
                    self.last = Some(progress);
                }
                Status::Note { text } => self.notes.push(text),
                _ => {}
            }
        }
    }

    fn pieces(&mut self) -> u32 {
        self.listen();
        self.last.as_ref().map_or(0, |progress| progress.pieces)
    }

    fn finish(&mut self, payload: &Payload) {
        self.agent.succeed();
        self.listen();
        payload.assert_copied_to(&self.path);
    }

    fn bytes_down(&self) -> u64 {
        self.last.as_ref().expect("it said how far it is").bytes_down.0
    }
}

fn fleet(payload: &Payload, torrent: &Path, count: usize, options: &str) -> Vec<Peer> {
    (1..=count).map(|number| Peer::start(payload, torrent, number, options)).collect()
}

fn finish_all(peers: &mut [Peer], payload: &Payload) {
    for peer in peers {
        peer.finish(payload);
    }
}

fn length(payload: &Payload) -> u64 {
    payload.info.layout().total()
}

fn pieces(payload: &Payload) -> u32 {
    payload.info.layout().piece_count()
}

#[test]
fn a_corrupt_peer_is_dropped_by_all_it_fed_and_costs_nobody_much() {
    let payload = Payload::of(8 * MIB, 11);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let rogue = Rogue::start(&payload.info, port);
    let mut peers = fleet(&payload, &torrent, 6, "--max-download 4M --seed-for 2s");
    wait_until("everybody has met the rogue", || rogue.peers() >= peers.len());
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 8M");
    for peer in &mut peers {
        peer.finish(&payload);
        let down = peer.bytes_down();
        assert!(down * 100 <= length(&payload) * 105, "{} fetched {down}", peer.ip);
    }
    for ip in rogue.fed() {
        let peer = peers.iter().find(|peer| peer.ip == ip.to_string()).expect("the rogue fed a peer");
        let blamed = |note: &String| note.contains(&rogue.address().to_string()) && note.contains("corrupt");
        assert!(peer.notes.iter().any(blamed), "{ip}: {:?}", peer.notes);
    }
    assert!(!rogue.fed().is_empty());
    let innocent = |note: &&String| {
        note.contains("corrupt") && note.contains("dropped") && !note.contains(&rogue.address().to_string())
    };
    assert_eq!(peers.iter().flat_map(|peer| &peer.notes).find(innocent), None);
}

#[test]
fn a_seeder_killed_when_one_copy_is_out_is_not_missed() {
    let payload = Payload::of(8 * MIB, 12);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 4M");
    let mut peers = fleet(&payload, &torrent, 8, "--max-download 3M --seed-for 4s");
    wait_until("one copy is out", || {
        peers.iter_mut().for_each(Peer::listen);
        let out: BTreeSet<u32> = peers.iter().flat_map(|peer| peer.have.iter().copied()).collect();
        out.len() == pieces(&payload) as usize
    });
    drop(seeder);
    finish_all(&mut peers, &payload);
}

#[test]
fn a_tracker_killed_after_the_first_announces_is_not_missed() {
    let payload = Payload::of(8 * MIB, 13);
    let (tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let mut peers = fleet(&payload, &torrent, 8, "--max-download 2M --seed-for 2s");
    wait_until("everybody has announced", || {
        let announced = |peer: &mut Peer| {
            peer.listen();
            peer.last.as_ref().is_some_and(|progress| progress.tracker == TrackerHealth::Answering)
        };
        peers.iter_mut().all(announced)
    });
    assert!(peers.iter_mut().all(|peer| peer.pieces() < pieces(&payload)), "somebody was complete before");
    drop(tracker);
    finish_all(&mut peers, &payload);
    assert!(seeder.terminate().success());
}

#[test]
fn peers_killed_and_started_again_fetch_nothing_twice_but_what_was_in_flight() {
    let payload = Payload::of(8 * MIB, 14);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 8M");
    let options = "--max-download 3M --seed-for 3s";
    let mut peers = fleet(&payload, &torrent, 12, options);
    for number in [3, 8] {
        let mut peer = peers.remove(number);
        wait_until("a third is there", || peer.pieces() > pieces(&payload) / 3);
        let had = peer.pieces();
        let mut peer = peer.kill_and_restart(&torrent, options);
        wait_until("it is back", || peer.pieces() > 0);
        let kept = peer.first.as_ref().expect("it said how far it is").pieces;
        assert!(kept >= had, "{kept} of {had} pieces are left");
        peers.insert(number, peer);
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.finish(&payload);
        if [3, 8].contains(&number) {
            let first = peer.first.as_ref().expect("it said how far it is");
            let before = u64::from(first.pieces) * u64::from(PIECE_LENGTH) - first.bytes_down.0;
            let again = (peer.bytes_down() + before).saturating_sub(length(&payload));
            assert!(again <= 2 * u64::from(PIECE_LENGTH), "{again} bytes were fetched twice");
        }
    }
}

#[test]
fn a_peer_at_a_hundredth_of_the_rate_holds_nobody_up_and_finishes() {
    let payload = Payload::of(MIB, 15);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let slow = "--max-download 160K --max-upload 160K --seed-for 1s";
    let mut slow = Peer::start(&payload, &torrent, 99, slow);
    let mut peers = fleet(&payload, &torrent, 6, "--max-download 16M --max-upload 16M --seed-for 9s");
    wait_until("everybody has announced", || {
        peers.iter_mut().chain([&mut slow]).all(|peer| {
            peer.listen();
            peer.last.is_some()
        })
    });
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 16M");
    wait_until("the others are complete", || peers.iter_mut().all(|peer| peer.pieces() == pieces(&payload)));
    assert!(slow.pieces() < pieces(&payload) / 2, "the slow one has {} pieces", slow.pieces());
    slow.finish(&payload);
    finish_all(&mut peers, &payload);
}
