//! aria2, libtorrent and ours in one swarm.

use std::path::Path;

use crate::foreign::{Aria2, Libtorrent, clients_are_there};
use crate::support::{Agent, Payload, wait_until};

const MIB: usize = 1 << 20;

/// Where our peers are, and what their copies are called.
const OURS: [&str; 2] = ["127.0.0.7", "127.0.0.8"];

/// One of each, and two of ours, that fetch a payload and seed on.
struct Leechers<'a> {
    payload: &'a Payload,
    aria2: Aria2,
    libtorrent: Libtorrent,
    _ours: [Agent; 2],
}

impl<'a> Leechers<'a> {
    fn start(payload: &'a Payload, torrent: &Path) -> Self {
        let ours = OURS.map(|ip| Agent::peer(torrent, &payload.copy(ip), ip, "--seed-for 100s"));
        Self {
            payload,
            aria2: Aria2::join(torrent, &payload.copy("aria2")),
            libtorrent: Libtorrent::join(torrent, &payload.copy("libtorrent"), "127.0.0.6:0", &[]),
            _ours: ours,
        }
    }

    /// Waits until one of ours has the payload in its place.
    fn finish_ours(&self, ip: &str) {
        let copy = self.payload.copy(ip);
        wait_until("our peer has everything", || copy.exists());
    }

    fn assert_all_finish(mut self) {
        for ip in OURS {
            self.finish_ours(ip);
        }
        self.libtorrent.finish();
        self.aria2.finish();
        for copy in ["aria2/payload.bin", "libtorrent/payload.bin", OURS[0], OURS[1]] {
            self.payload.assert_copied_to(&self.payload.copy(copy));
        }
    }
}

#[test]
fn all_of_them_download_from_our_seeder() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 31);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    Leechers::start(&payload, &torrent).assert_all_finish();
    assert!(seeder.terminate().success());
}

#[test]
fn all_of_them_finish_when_our_seeder_dies_with_one_copy_out() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 32);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 3M");
    let leechers = Leechers::start(&payload, &torrent);
    leechers.finish_ours(OURS[0]);
    drop(seeder);
    leechers.assert_all_finish();
}

#[test]
fn all_of_them_finish_when_a_libtorrent_seeder_dies_with_one_copy_out() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 33);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (seeder, _) = Libtorrent::seed(&torrent, payload.folder.path(), "127.0.0.2:0", &[]);
    let leechers = Leechers::start(&payload, &torrent);
    leechers.libtorrent.finish();
    drop(seeder);
    leechers.assert_all_finish();
}

#[test]
fn all_of_them_finish_when_an_aria2_seeder_dies_with_one_copy_out() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 34);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let seeder = Aria2::join(&torrent, payload.folder.path());
    let leechers = Leechers::start(&payload, &torrent);
    leechers.finish_ours(OURS[0]);
    drop(seeder);
    leechers.assert_all_finish();
}
