//! aria2 alone with ours.

use crate::foreign::{Aria2, clients_are_there};
use crate::support::{Agent, Payload};

const MIB: usize = 1 << 20;

#[test]
fn aria2_downloads_from_our_seeder() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 11);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let folder = payload.copy("aria2");
    let mut aria2 = Aria2::join(&torrent, &folder);
    aria2.finish();
    payload.assert_copied_to(&folder.join("payload.bin"));
    assert!(seeder.terminate().success());
}

#[test]
fn our_peer_downloads_from_an_aria2_seeder() {
    if !clients_are_there() {
        return;
    }
    let payload = Payload::of(4 * MIB + 777, 12);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let _seeder = Aria2::join(&torrent, payload.folder.path());
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.3", "");
    peer.succeed();
    payload.assert_copied_to(&copy);
}
