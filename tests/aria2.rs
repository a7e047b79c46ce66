//! The swarm with another client: aria2 downloads from our seeder, and seeds to our peer, both found by our tracker.

#![cfg(feature = "agent")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Agent, Payload, wait_for_exit};

const MIB: usize = 1 << 20;

/// Whether aria2c is there. On a developer's machine it may be missing; where `CI` is set that is a failure.
fn aria2_is_there() -> bool {
    let found = Command::new("aria2c").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    assert!(found || std::env::var_os("CI").is_none(), "aria2c is missing: apt-get install aria2");
    found
}

/// aria2 with everything off that leaves this machine.
fn aria2(torrent: &Path, folder: &Path, options: &[&str]) -> Aria2 {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--disable-ipv6", "--enable-peer-exchange=false", "--check-integrity=true", "--quiet=true"]);
    command.arg(format!("--listen-port={port}")).arg("--dir").arg(folder).args(options).arg(torrent);
    Aria2(command.stdin(Stdio::null()).spawn().unwrap())
}

/// Killed when dropped.
struct Aria2(Child);

impl Drop for Aria2 {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn aria2_downloads_from_our_seeder_by_our_tracker() {
    if !aria2_is_there() {
        return;
    }
    let payload = Payload::of(12 * MIB + 777, 11);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let (mut seeder, _) = Agent::seeder(&torrent, &payload.path, "127.0.0.2", "");
    let folder = payload.copy("aria2");
    fs::create_dir(&folder).unwrap();
    let mut aria2 = aria2(&torrent, &folder, &["--seed-time=0"]);
    assert!(wait_for_exit(&mut aria2.0).success());
    payload.assert_copied_to(&folder.join("payload.bin"));
    assert!(seeder.terminate().success());
}

#[test]
fn our_peer_downloads_from_an_aria2_seeder_by_our_tracker() {
    if !aria2_is_there() {
        return;
    }
    let payload = Payload::of(12 * MIB + 777, 12);
    let (_tracker, port) = Agent::tracker();
    let torrent = payload.torrent(port);
    let _seeder = aria2(&torrent, payload.folder.path(), &["--seed-ratio=0.0"]);
    let copy = payload.copy("copy");
    let mut peer = Agent::peer(&torrent, &copy, "127.0.0.3", "");
    peer.succeed();
    payload.assert_copied_to(&copy);
}
