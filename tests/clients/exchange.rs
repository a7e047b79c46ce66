//! Peers that find each other with no tracker: by peer exchange, ours and libtorrent's.

use std::fs;
use std::path::PathBuf;

use rookery::control::Status;
use rookery::metainfo::{Content, Info, Metainfo, Privacy};

use crate::foreign::{Libtorrent, clients_are_there};
use crate::support::{Agent, Payload};

const MIB: usize = 1 << 20;

/// Slow enough that peers hear of each other long before they are done.
const SLOW: &str = "--max-download 400K --seed-for 100s";

/// A torrent with no tracker that lets peers tell of each other.
fn without_tracker(payload: &Payload) -> PathBuf {
    let (layout, pieces) = (payload.info.layout(), payload.info.pieces());
    let info = Info::describe("payload.bin", &Content::Single, layout, pieces, Privacy::Public).unwrap();
    let path = payload.copy("open.torrent");
    fs::write(&path, Metainfo::new(None, info).encode()).unwrap();
    path
}

fn wait_for_peers(agent: &Agent, count: u16) {
    agent.wait_for(|status| match status {
        Status::Progress(progress) if progress.peers >= count => Some(()),
        _ => None,
    });
}

#[test]
fn our_seeder_tells_our_peer_and_libtorrent_of_each_other() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB, 51);
    let torrent = without_tracker(&payload);
    let (_seeder, port) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "--max-upload 400K");
    let hub = format!("127.0.0.2:{port}");
    let libtorrent = Libtorrent::join(&torrent, &payload.copy("libtorrent"), "127.0.0.3:0", &["--peer", &hub]);
    let peer = Agent::peer(&torrent, &payload.copy("ours"), "127.0.0.4", &format!("{SLOW} --peer {hub}"));
    libtorrent.wait_for("peer 127.0.0.4:");
    wait_for_peers(&peer, 2);
}

#[test]
fn libtorrent_tells_our_peers_of_each_other() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB, 52);
    let torrent = without_tracker(&payload);
    let (_seeder, port) = Libtorrent::seed(&torrent, payload.folder.path(), "127.0.0.2:0", &[]);
    let options = format!("{SLOW} --peer 127.0.0.2:{port}");
    let peers = ["127.0.0.3", "127.0.0.4"].map(|ip| Agent::peer(&torrent, &payload.copy(ip), ip, &options));
    for peer in &peers {
        wait_for_peers(peer, 2);
    }
}
