//! libtorrent alone with ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use rookery::announce::{ScrapeRequest, ScrapeResponse, SwarmCounts};
use rookery::base::InfoHash;
use rookery::control::Status;

use crate::foreign::{Libtorrent, clients_are_there, ipv6_is_there};
use crate::support::{Agent, Payload, wait_until};

const MIB: usize = 1 << 20;

#[test]
fn libtorrent_downloads_from_our_seeder() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 21);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let folder = payload.copy("libtorrent");
    Libtorrent::join(&torrent, &folder, "127.0.0.3:0", &[]).finish();
    payload.assert_copied_to(&folder.join("payload.bin"));
}

/// Our peer gets the payload from a libtorrent seeder with these options.
fn fetch_from(seed: u64, options: &[&str]) {
    let payload = Payload::of(4 * MIB + 777, seed);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (_seeder, _) = Libtorrent::seed(&torrent, payload.folder.path(), "127.0.0.2:0", options);
    let copies: Vec<PathBuf> = (0..2).map(|i| payload.copy(&format!("copy{i}"))).collect();
    let start = |(copy, ip): (&PathBuf, &str)| Agent::peer(&torrent, copy, ip, "--seed-for 1s");
    let mut peers: Vec<_> = copies.iter().zip(["127.0.0.3", "127.0.0.4"]).map(start).collect();
    for (peer, copy) in peers.iter_mut().zip(&copies) {
        peer.succeed();
        payload.assert_copied_to(copy);
    }
}

#[test]
fn our_peers_download_from_a_libtorrent_seeder() {
    if clients_are_there() {
        fetch_from(22, &[]);
    }
}

/// Such a seeder says that it has nothing, and reveals a piece at a time by `have`; the first one only after ten seconds.
#[test]
fn our_peers_download_from_a_super_seeding_libtorrent() {
    if clients_are_there() {
        fetch_from(23, &["--super-seed"]);
    }
}

#[test]
fn a_client_that_insists_on_encryption_is_turned_away_and_holds_up_nobody() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(MIB, 24);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let _encrypted = Libtorrent::join(&torrent, &payload.copy("never"), "127.0.0.3:0", &["--encrypt"]);
    seeder.wait_for(|status| match status {
        Status::Note { text } if text.contains("does not speak the BitTorrent protocol") => Some(()),
        _ => None,
    });
    let copy = payload.copy("copy");
    Agent::peer(&torrent, &copy, "127.0.0.4", "").succeed();
    payload.assert_copied_to(&copy);
    assert!(seeder.terminate().success());
}

#[test]
fn a_swarm_of_both_works_over_ipv6() {
    if !clients_are_there() || !ipv6_is_there() {
        return;
    }
    let payload = Payload::of(2 * MIB + 5, 25);
    let tracker = Agent::start("track --listen [::1]:0");
    let port = tracker.wait_for(|status| match status {
        Status::Tracking { port } => Some(*port),
        _ => None,
    });
    let torrent = payload.torrent_at(&format!("http://[::1]:{port}/announce"));
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "[::1]", "--max-upload 1M");
    let folder = payload.copy("libtorrent");
    let libtorrent = Libtorrent::join(&torrent, &folder, "[::1]:0", &[]);
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "[::1]", "--seed-for 1s");
    libtorrent.finish();
    payload.assert_copied_to(&folder.join("payload.bin"));
    peer.succeed();
    payload.assert_copied_to(&copy);
}

/// Asks our tracker for counts, in the words of BEP 48. (libtorrent 2.0.8 has a call for it that never asks.)
fn scrape(port: u16, info_hash: InfoHash) -> Option<SwarmCounts> {
    let query = ScrapeRequest { info_hashes: vec![info_hash] }.to_query();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /scrape?{query} HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    ScrapeResponse::parse(&answer[body..]).unwrap().swarms.get(&info_hash).copied()
}

#[test]
fn a_scrape_counts_both() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(MIB, 26);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let info_hash = payload.info.info_hash();
    assert_eq!(scrape(port, info_hash), None);
    let (_seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let _libtorrent = Libtorrent::join(&torrent, &payload.copy("libtorrent"), "127.0.0.3:0", &[]);
    let both = SwarmCounts { complete: 2, downloaded: 1, incomplete: 0 };
    wait_until("both are counted", || scrape(port, info_hash) == Some(both));
}
