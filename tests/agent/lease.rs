//! Agents that no console tells anything any more: they end with their lease, whatever their peers are at.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rookery::base::ByteRate;
use rookery::control::{DataSource, Order, ServeRole, Status};
use rustix::process::{Pid, Signal, kill_process};

use super::host::{Host, Source, is_running};
use super::rogue::Rogue;

const LEASE: Duration = Duration::from_secs(2);

/// Far more than an agent needs to end, and far less than any other of its deadlines.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A host that seeds and tracks, and one peer that has the release; both are delivered.
fn pair(source: &Source) -> (Host, Host, SocketAddr) {
    let mut seeder = Host::attached(tempfile::tempdir().unwrap(), None);
    seeder.hello(LEASE);
    let tracker = seeder.track("127.0.0.2", source);
    let mut order = source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2");
    order.tracker = Some(tracker);
    seeder.serve(order);
    seeder.serving("127.0.0.2");
    seeder.push(source);
    assert!(!seeder.delivered());
    let peer = peer(source, "127.0.0.3", tracker, ByteRate::UNLIMITED);
    assert!(!peer.delivered());
    (seeder, peer, tracker)
}

/// A peer that knows the tracker only.
fn peer(source: &Source, ip: &str, tracker: SocketAddr, cap: ByteRate) -> Host {
    let mut peer = Host::attached(tempfile::tempdir().unwrap(), None);
    peer.hello(LEASE);
    let mut order = source.order(ServeRole::Peer, ip);
    order.tracker = Some(tracker);
    order.max_download = cap;
    peer.serve(order);
    peer.serving(ip);
    peer
}

fn has_some_pieces(peer: &Host) {
    peer.wait_for(|status| matches!(status, Status::Progress(progress) if progress.pieces > 1).then_some(()));
}

/// The console dies: what its host's agent is, and where its folder of the run and its folder of work are.
fn lose(host: Host) -> (u32, PathBuf, PathBuf, tempfile::TempDir) {
    let (agent, runs, beside) = (host.agent.get(), host.work().join("runs"), host.releases().join(".rookery"));
    (agent, runs, beside, host.lose().0)
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    let (_never, pause) = channel::<()>();
    while !done() {
        assert!(begun.elapsed() < ENDS_WITHIN, "{what} in time");
        assert_eq!(pause.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
    }
}

/// Two delivered hosts whose consoles die end by themselves, with their leases and not before, and leave releases only.
fn end_alone(hosts: [Host; 2], source: &Source) {
    for host in &hosts {
        host.assert_has(source);
    }
    let begun = Instant::now();
    for (agent, runs, beside, _folder) in hosts.map(lose) {
        wait_until("an agent without a console ends", || !is_running(agent));
        assert!(begun.elapsed() + Duration::from_secs(1) >= LEASE, "it ended before its time");
        assert!(!runs.exists() && !beside.exists(), "it left more than its release");
    }
}

#[test]
fn a_host_that_seeds_and_tracks_ends_with_its_lease_when_everybody_has_the_release() {
    let source = Source::new(20);
    let (seeder, peer, _) = pair(&source);
    end_alone([seeder, peer], &source);
}

#[test]
fn a_peer_that_was_killed_keeps_nobody_alive() {
    let source = Source::new(21);
    let (seeder, done, tracker) = pair(&source);
    let killed = peer(&source, "127.0.0.4", tracker, ByteRate(128 << 10));
    has_some_pieces(&killed);
    killed.kill_agent();
    end_alone([seeder, done], &source);
}

#[test]
fn a_peer_that_stands_still_keeps_nobody_alive() {
    let source = Source::new(22);
    let (seeder, done, tracker) = pair(&source);
    let frozen = peer(&source, "127.0.0.4", tracker, ByteRate(128 << 10));
    has_some_pieces(&frozen);
    let agent = Pid::from_raw(frozen.agent.get().cast_signed()).expect("it runs");
    kill_process(agent, Signal::STOP).unwrap();
    end_alone([seeder, done], &source);
}

#[test]
fn rubbish_that_comes_again_and_again_renews_no_lease() {
    let source = Source::new(24);
    // One after the other, each until it is found out: for far longer than the lease.
    let liar =
        |number: u64| Rogue::late(source.info_hash, &format!("127.0.1.{number}"), Duration::from_millis(700 * number));
    let liars: Vec<Rogue> = (1..=24).map(liar).collect();
    let mut host = Host::attached(tempfile::tempdir().unwrap(), None);
    host.hello(LEASE);
    let mut order = source.order(ServeRole::Peer, "127.0.0.6");
    order.peers = liars.iter().map(Rogue::address).collect();
    order.allow.extend(order.peers.iter().map(SocketAddr::ip));
    host.serve(order);
    host.serving("127.0.0.6");
    let fed = || liars.iter().filter(|liar| !liar.fed().is_empty()).count();
    wait_until("the first one lies", || fed() > 0);
    let (agent, _, _, _folder) = lose(host);
    wait_until("an agent that gets nothing but rubbish ends", || !is_running(agent));
    assert!((2..16).contains(&fed()), "{} of them fed it", fed());
}

#[test]
fn an_agent_whose_console_is_there_ends_with_the_deadline_of_its_run_all_the_same() {
    let source = Source::new(23);
    let mut host = Host::attached(tempfile::tempdir().unwrap(), None);
    host.hello_until(Duration::from_secs(900), Duration::from_secs(2));
    host.serve(source.order(ServeRole::Peer, "127.0.0.5"));
    host.serving("127.0.0.5");
    host.send(0, &Order::Alive);
    let why = host.wait_for(|status| match status {
        Status::Line { text } if text.contains("deadline") => Some(text.clone()),
        _ => None,
    });
    assert!(why.ends_with("the run's deadline has passed; leaving, what is fetched is kept"), "{why}");
    assert_eq!(host.exit_code(), Some(0));
    assert!(!is_running(host.agent.replace(0)));
}
