//! Torrents of several files, made by libtorrent and by hand, with all clients.

use std::fs;
use std::path::Path;

use rookery::base::{Layout, Sha1Digest};
use rookery::control::Status;
use rookery::metainfo::{Content, FileEntry, FileKind, Info, Metainfo, Privacy};

use crate::foreign::{Aria2, Libtorrent, clients_are_there, libtorrent_creates};
use crate::support::{Agent, part_of, wait_until};
use crate::tree::Tree;

/// Whether aria2 joins the swarm that a torrent means.
#[derive(Clone, Copy)]
enum Aria2Takes {
    It,
    Another,
}

/// Our seeder gives a folder to libtorrent, to our peer and to aria2, if that can, by a torrent that libtorrent made.
fn give_to_all(seed: u64, options: &[&str], aria2: Aria2Takes) {
    let tree = Tree::new(seed);
    let (_tracker, port) = Agent::tracker();
    let torrent = tree.beside("site.torrent");
    libtorrent_creates(&tree.root, &torrent, &format!("http://127.0.0.1:{port}/announce"), options);
    let (mut seeder, _) = Agent::seeder(&torrent, &tree.root, "127.0.0.2", "");
    let (for_aria2, for_libtorrent, for_us) = (tree.beside("aria2"), tree.beside("libtorrent"), tree.beside("ours"));
    let aria2 = match aria2 {
        Aria2Takes::It => Some(Aria2::join(&torrent, &for_aria2)),
        Aria2Takes::Another => None,
    };
    let libtorrent = Libtorrent::join(&torrent, &for_libtorrent, "127.0.0.3:0", &[]);
    Agent::peer(&torrent, &for_us, "127.0.0.4", "--seed-for 1s").succeed();
    tree.assert_copied_to(&for_us);
    assert!(!part_of(&for_us).exists());
    libtorrent.finish();
    tree.assert_copied_to(&for_libtorrent.join("site"));
    if let Some(mut aria2) = aria2 {
        aria2.finish();
        tree.assert_copied_to(&for_aria2.join("site"));
    }
    assert!(seeder.terminate().success());
}

#[test]
fn our_seeder_gives_a_folder_to_all() {
    if clients_are_there() {
        give_to_all(41, &["--v1"], Aria2Takes::It);
    }
}

#[test]
fn our_seeder_gives_a_folder_with_padding_to_all() {
    if clients_are_there() {
        give_to_all(42, &["--v1", "--pads"], Aria2Takes::It);
    }
}

/// A hybrid of BitTorrent 1 and 2, which libtorrent makes unless told otherwise, is padded as well. aria2 1.36 takes it for
/// another torrent: it hashes what it understood of the info dictionary, not the bytes.
#[test]
fn our_seeder_gives_a_hybrid_torrent_to_all() {
    if clients_are_there() {
        give_to_all(43, &[], Aria2Takes::Another);
    }
}

/// Our peer gets a folder from libtorrent, by a torrent that libtorrent made.
fn take_from_libtorrent(seed: u64, options: &[&str]) {
    let tree = Tree::new(seed);
    let (_tracker, port) = Agent::tracker();
    let torrent = tree.beside("site.torrent");
    libtorrent_creates(&tree.root, &torrent, &format!("http://127.0.0.1:{port}/announce"), options);
    let (_seeder, _) = Libtorrent::seed(&torrent, tree.root.parent().unwrap(), "127.0.0.2:0", &[]);
    let copy = tree.beside("ours");
    Agent::peer(&torrent, &copy, "127.0.0.4", "").succeed();
    tree.assert_copied_to(&copy);
    assert!(!part_of(&copy).exists() && !copy.join(".pad").exists());
}

#[test]
fn our_peer_takes_a_folder_from_libtorrent() {
    if clients_are_there() {
        take_from_libtorrent(44, &["--v1"]);
    }
}

#[test]
fn our_peer_takes_a_hybrid_torrent_from_libtorrent() {
    if clients_are_there() {
        take_from_libtorrent(45, &[]);
    }
}

/// A torrent of a folder as we describe it, its files in a given order.
fn by_hand(root: &Path, paths: &[&str], announce: String) -> Metainfo {
    let mut payload = Vec::new();
    let files = paths.iter().map(|path| {
        let bytes = fs::read(root.join(path)).unwrap();
        payload.extend_from_slice(&bytes);
        let path = path.split('/').map(str::to_owned).collect();
        FileEntry { length: bytes.len() as u64, path, kind: FileKind::File }
    });
    let content = Content::Multi(files.collect());
    let layout = Layout::new(payload.len() as u64, 65_536).unwrap();
    let pieces: Vec<_> = payload.chunks(65_536).map(|piece| Sha1Digest::new(sha1(piece))).collect();
    let info = Info::describe("site", &content, layout, &pieces, Privacy::Public).unwrap();
    Metainfo::new(Some(announce), info)
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    use sha1::Digest;
    sha1::Sha1::digest(bytes).into()
}

#[test]
fn a_partial_folder_is_taken_up_and_gets_its_name_only_when_whole() {
    let tree = Tree::new(46);
    let (_tracker, port) = Agent::tracker();
    let paths = ["z/big", "empty", "a/tiny", "a/b/c/deep", "ünïcode…", "a/b/whole piece", "z/last, empty"];
    let torrent = tree.beside("site.torrent");
    fs::write(&torrent, by_hand(&tree.root, &paths, format!("http://127.0.0.1:{port}/announce")).encode()).unwrap();
    let copy = tree.beside("ours");
    fs::create_dir_all(part_of(&copy).join("z")).unwrap();
    fs::copy(tree.root.join("z/big"), part_of(&copy).join("z/big")).unwrap();
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.4", "");
    let before = peer.wait_for(|status| match status {
        Status::Progress(progress) => Some(progress.pieces),
        _ => None,
    });
    assert_eq!(before, 900_000 / 65_536, "the pieces of the file that is there");
    wait_until("its files are there", || part_of(&copy).join("z/last, empty").exists());
    assert!(!copy.exists());
    let (_seeder, _) = Agent::seeder(&torrent, &tree.root, "127.0.0.2", "");
    peer.succeed();
    tree.assert_copied_to(&copy);
    assert!(!part_of(&copy).exists());
}

#[test]
fn a_torrent_whose_files_would_leave_the_folder_is_refused_by_name() {
    let tree = Tree::new(47);
    let good = by_hand(&tree.root, &["a/tiny", "z/big"], "http://127.0.0.1:9/announce".to_owned()).encode();
    let swap = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    for (bytes, reason) in [
        (swap(b"4:pathl1:a4:tinye", b"4:pathl2:..4:tinye"), "`..` cannot name a file"),
        (swap(b"4:pathl1:a4:tinye", b"4:pathl4:/etc4:tinye"), "`/etc` cannot name a file"),
        (swap(b"4:pathl1:a4:tinye", b"4:pathl1:z3:bige"), "holds `z/big` twice"),
        (swap(b"4:pathl1:a4:tinye", b"4:pathl1:ze"), "holds `z` twice, or as a file and as a folder"),
    ] {
        let torrent = tree.beside("bad.torrent");
        fs::write(&torrent, bytes).unwrap();
        let (code, stderr) = Agent::peer(&torrent, &tree.beside("never"), "127.0.0.4", "").end();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
        assert!(!part_of(&tree.beside("never")).exists());
    }
}
