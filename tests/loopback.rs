//! Trackers, seeders and peers by hand: real processes, real TCP, on addresses of 127.0.0.0/8.

#![cfg(feature = "agent")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]
#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rookery::base::PeerId;
use rookery::control::{Progress, Status, TrackerHealth};
use rookery::wire::{Handshake, Message};
use support::{Agent, PIECE_LENGTH, Payload, part_of, wait_until};

const MIB: usize = 1 << 20;

fn pieces(payload: &Payload) -> u32 {
    payload.info.layout().piece_count()
}

fn length(payload: &Payload) -> u64 {
    payload.info.layout().total()
}

fn wait_for_progress(agent: &Agent, wanted: impl Fn(&Progress) -> bool) -> Progress {
    agent.wait_for(|status| match status {
        Status::Progress(progress) if wanted(progress) => Some(progress.clone()),
        _ => None,
    })
}

#[test]
fn a_swarm_copies_the_payload_to_every_peer() {
    let payload = Payload::of(20 * MIB + 12_345, 1);
    let (mut tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let copies: Vec<_> = (3..9).map(|i| (payload.copy(&format!("copy{i}")), format!("127.0.0.{i}"))).collect();
    let mut peers: Vec<_> = copies.iter().map(|(path, ip)| Agent::peer(&torrent, path, ip, "--seed-for 2s")).collect();
    for (peer, (path, _)) in peers.iter_mut().zip(&copies) {
        peer.succeed();
        payload.assert_copied_to(path);
    }
    assert!(seeder.terminate().success());
    assert!(tracker.terminate().success());
}

#[test]
fn what_is_wrong_in_a_partial_file_is_fetched_again_and_the_rest_is_kept() {
    let payload = Payload::of(8 * MIB, 2);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let copy = payload.copy("copy");
    fs::copy(&payload.path, part_of(&copy)).unwrap();
    let partial = fs::File::options().write(true).open(part_of(&copy)).unwrap();
    partial.write_all_at(b"not what it was", 3 * u64::from(PIECE_LENGTH) + 7).unwrap();
    partial.set_len(length(&payload) / 2).unwrap();
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.3", "--seed-for 1s");
    let progress = wait_for_progress(&peer, |progress| progress.pieces == pieces(&payload));
    assert_eq!(progress.bytes_down.0, length(&payload) / 2 + u64::from(PIECE_LENGTH));
    peer.succeed();
    payload.assert_copied_to(&copy);
}

#[test]
fn a_killed_peer_carries_on_from_what_it_has() {
    let payload = Payload::of(8 * MIB, 3);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let copy = payload.copy("copy");
    let peer = Agent::peer(&torrent, &copy, "127.0.0.3", "--max-download 3M");
    wait_for_progress(&peer, |progress| progress.pieces > pieces(&payload) / 4);
    drop(peer);
    assert!(!copy.exists() && part_of(&copy).exists());
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.3", "--seed-for 1s");
    let progress = wait_for_progress(&peer, |progress| progress.pieces == pieces(&payload));
    assert!(progress.bytes_down.0 < length(&payload) * 3 / 4 + u64::from(PIECE_LENGTH), "{progress:?}");
    peer.succeed();
    payload.assert_copied_to(&copy);
}

#[test]
fn a_swarm_outlives_its_tracker() {
    let payload = Payload::of(8 * MIB, 4);
    let (tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let copies: Vec<_> = (3..6).map(|i| (payload.copy(&format!("copy{i}")), format!("127.0.0.{i}"))).collect();
    let start = |(path, ip): &(PathBuf, String)| Agent::peer(&torrent, path, ip, "--max-download 2M --seed-for 1s");
    let mut peers: Vec<_> = copies.iter().map(start).collect();
    for peer in &peers {
        wait_for_progress(peer, |progress| progress.tracker == TrackerHealth::Answering && progress.peers > 0);
    }
    drop(tracker);
    for (peer, (path, _)) in peers.iter_mut().zip(&copies) {
        peer.succeed();
        payload.assert_copied_to(path);
    }
}

#[test]
fn a_swarm_outlives_its_seeder_once_one_copy_is_out() {
    let payload = Payload::of(8 * MIB, 5);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 4M");
    let copies: Vec<_> = (3..7).map(|i| (payload.copy(&format!("copy{i}")), format!("127.0.0.{i}"))).collect();
    let start = |(path, ip): &(PathBuf, String)| Agent::peer(&torrent, path, ip, "--max-download 3M --seed-for 4s");
    let mut peers: Vec<_> = copies.iter().map(start).collect();
    let mut out = BTreeSet::new();
    wait_until("one copy is out", || {
        for status in peers.iter().flat_map(|peer| peer.statuses.try_iter()) {
            if let Status::Progress(progress) = status {
                out.extend(progress.completed.iter().flat_map(|(first, count)| *first..first + count));
            }
        }
        out.len() == pieces(&payload) as usize
    });
    drop(seeder);
    for (peer, (path, _)) in peers.iter_mut().zip(&copies) {
        peer.succeed();
        payload.assert_copied_to(path);
    }
}

#[test]
fn corrupt_pieces_of_one_seeder_are_fetched_from_another() {
    let payload = Payload::of(6 * MIB, 6);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let rotten = payload.copy("rotten");
    fs::copy(&payload.path, &rotten).unwrap();
    let (_good, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 1M");
    let (_bad, _) = Agent::seeder(&torrent, &rotten, "127.0.0.3", "");
    let file = fs::File::options().write(true).open(&rotten).unwrap();
    file.write_all_at(&vec![0; length(&payload) as usize], 0).unwrap();
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.4", "");
    let note = peer.wait_for(|status| match status {
        Status::Note { text } if text.contains("corrupt") => Some(text.clone()),
        _ => None,
    });
    assert!(note.contains("127.0.0.3") || note.contains("fetched again"), "{note}");
    peer.succeed();
    payload.assert_copied_to(&copy);
}

#[test]
fn what_a_seeder_can_read_no_more_is_fetched_from_another() {
    let payload = Payload::of(6 * MIB, 9);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let cut = payload.copy("cut");
    fs::copy(&payload.path, &cut).unwrap();
    let (broken, _) = Agent::seeder(&torrent, &cut, "127.0.0.3", "");
    fs::File::options().write(true).open(&cut).unwrap().set_len(100_000).unwrap();
    let (_good, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 2M");
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.4", "");
    broken.wait_for(|status| match status {
        Status::Note { text } if text.contains("cannot be read") => Some(()),
        _ => None,
    });
    peer.succeed();
    payload.assert_copied_to(&copy);
}

#[test]
fn a_peer_told_to_stop_keeps_its_part_and_says_so() {
    let payload = Payload::of(4 * MIB, 7);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.3", "");
    peer.wait_for(|status| matches!(status, Status::Serving { .. }).then_some(()));
    assert_eq!(peer.terminate().code(), Some(1));
    let (_, stderr) = peer.end();
    assert!(stderr.contains("64 pieces missing") && stderr.contains("copy.part"), "{stderr}");
    assert!(part_of(&copy).exists() && !copy.exists());
}

#[test]
fn a_file_that_is_not_the_torrents_is_neither_seeded_nor_replaced() {
    let payload = Payload::of(4 * MIB, 8);
    let other = payload.copy("other");
    fs::write(&other, "something else").unwrap();
    let torrent = payload.torrent(1);
    for command in ["seed", "peer"] {
        let (torrent, other) = (torrent.display(), other.display());
        let mut agent = Agent::start(&format!("{command} --torrent {torrent} --data {other} --listen 127.0.0.1:0"));
        let (code, stderr) = agent.end();
        assert_eq!(code, Some(1));
        assert!(stderr.contains("64 of 64 pieces of") && stderr.contains("is it the right file"), "{stderr}");
    }
    assert_eq!(fs::read(&other).unwrap(), b"something else");
}

#[test]
fn a_wrong_command_line_is_exit_code_2_with_the_way_out() {
    for (words, says) in [("", "no command given"), ("seed --data x", "--torrent FILE is missing"), ("fly", "fly")] {
        let run = Command::new(env!("CARGO_BIN_EXE_rookery-agent")).args(words.split_whitespace()).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert_eq!((run.status.code(), run.stdout.len()), (Some(2), 0));
        assert!(stderr.contains(says) && stderr.contains("--help"), "{stderr}");
    }
    let run = Command::new(env!("CARGO_BIN_EXE_rookery-agent")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(run.stdout).unwrap(), concat!("rookery-agent ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_peer_that_stops_reading_holds_up_nobody() {
    let payload = Payload::of(16 * MIB, 10);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, port) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let mut deaf = TcpStream::connect(("127.0.0.2", port)).unwrap();
    let handshake = Handshake::new(payload.info.info_hash(), PeerId::new(*b"-XX0000-deafdeafdeaf"));
    deaf.write_all(&handshake.encode()).unwrap();
    deaf.write_all(&Message::Interested.to_bytes()).unwrap();
    let blocks = payload.info.layout().pieces().flat_map(|piece| payload.info.layout().blocks(piece));
    for block in blocks.take(500) {
        deaf.write_all(&Message::Request(block).to_bytes()).unwrap();
    }
    let copy = payload.copy("copy");
    let begun = Instant::now();
    Agent::peer(&torrent, &copy, "127.0.0.3", "").succeed();
    payload.assert_copied_to(&copy);
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited until the other was given up");
    drop(deaf);
}
