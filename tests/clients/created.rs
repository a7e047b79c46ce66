//! Torrents that `rookery torrent create` makes, in the hands of other clients.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::foreign::{Aria2, Libtorrent, clients_are_there};
use crate::support::{Agent, Payload, wait_for_exit};
use crate::tree::Tree;

/// Makes a .torrent of `path` with our own command.
fn create(path: &Path, torrent: PathBuf, port: u16, options: &[&str]) -> PathBuf {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
    command.args(["torrent", "create"]).arg(path).args(options).arg("-o").arg(&torrent);
    command.arg("--announce").arg(format!("http://127.0.0.1:{port}/announce"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    assert!(wait_for_exit(&mut child).success());
    torrent
}

#[test]
fn others_take_a_file_by_our_torrent_private_or_not() {
    if !clients_are_there() {
        return;
    }
    for options in [&[][..], &["--private"]] {
        let payload = Payload::of((2 << 20) + 777, 61);
        let (_tracker, port) = Agent::tracker();
        let torrent = create(&payload.path, payload.copy("made.torrent"), port, options);
        let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
        let libtorrent = Libtorrent::join(&torrent, &payload.copy("libtorrent"), "127.0.0.3:0", &[]);
        let mut aria2 = Aria2::join(&torrent, &payload.copy("aria2"));
        libtorrent.finish();
        aria2.finish();
        payload.assert_copied_to(&payload.copy("libtorrent/payload.bin"));
        payload.assert_copied_to(&payload.copy("aria2/payload.bin"));
        assert!(seeder.terminate().success());
    }
}

#[test]
fn others_take_a_folder_by_our_torrent_and_give_it_back() {
    if !clients_are_there() {
        return;
    }
    let tree = Tree::new(62);
    let (_tracker, port) = Agent::tracker();
    let torrent = create(&tree.root, tree.beside("made.torrent"), port, &[]);
    let (mut seeder, _) = Agent::seeder(&torrent, &tree.root, "127.0.0.2", "");
    let libtorrent = Libtorrent::join(&torrent, &tree.beside("libtorrent"), "127.0.0.3:0", &[]);
    let mut aria2 = Aria2::join(&torrent, &tree.beside("aria2"));
    libtorrent.finish();
    aria2.finish();
    tree.assert_copied_to(&tree.beside("libtorrent/site"));
    tree.assert_copied_to(&tree.beside("aria2/site"));
    assert!(seeder.terminate().success());
    let copy = tree.beside("ours");
    Agent::peer(&torrent, &copy, "127.0.0.4", "").succeed();
    tree.assert_copied_to(&copy);
}
