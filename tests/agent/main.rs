//! An agent from the console's side, over `rookery-agent attach`: orders in, statuses out, releases on disk, nothing left
//! behind; and what becomes of it when the console comes and goes.

#![cfg(feature = "agent")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]
#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod host;
mod lease;
#[path = "../rogue/mod.rs"]
#[expect(dead_code, reason = "these tests need less of it")]
mod rogue;
mod turns;

use std::time::Duration;

use bytes::Bytes;
use rookery::base::{ByteCount, Sha256Digest};
use rookery::control::{
    AgentFailure, DataSource, HelloOrder, Holder, Order, PROTOCOL, PackOrder, PortRange, ServeRole, Status,
};

use host::{Host, PIECE_LENGTH, Source, is_running};

#[test]
fn a_pushed_payload_becomes_a_release_on_every_host_and_nothing_is_left() {
    let source = Source::new(1);
    let mut seeder = Host::new();
    let tracker = seeder.track("127.0.0.1", &source);
    let mut order = source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2");
    order.tracker = Some(tracker);
    seeder.serve(order);
    assert_eq!(seeder.serving("127.0.0.2").1, 0);
    let mut peers: Vec<_> = (3..7).map(|i| (format!("127.0.0.{i}"), Host::new())).collect();
    for (ip, peer) in &mut peers {
        let mut order = source.order(ServeRole::Peer, ip);
        order.tracker = Some(tracker);
        peer.serve(order);
        peer.serving(ip);
    }
    seeder.push(&source);
    for host in peers.iter().map(|(_, peer)| peer).chain([&seeder]) {
        assert!(!host.delivered());
        host.assert_has(&source);
    }
    for (_, peer) in peers {
        peer.stop();
    }
    seeder.stop();
}

#[test]
fn a_tracker_whose_port_is_taken_says_which_it_has() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut host = Host::new();
    let (bind, info_hash) = ("127.0.0.1".parse().unwrap(), Source::new(3).info_hash);
    host.order(&Order::Track { bind, port, info_hash, allow: Vec::new() });
    let other = host.wait_for(|status| match status {
        Status::Tracking { port } => Some(*port),
        _ => None,
    });
    assert_ne!(other, port);
    host.stop();
}

#[test]
fn whether_others_can_be_reached_and_a_port_is_free_is_known_before_anything_is_served() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (bind, address) = ("127.0.0.1".parse().unwrap(), taken.local_addr().unwrap());
    let mut host = Host::new();
    for (port, free) in [(address.port(), false), (0, true)] {
        let ports = PortRange { first: port, last: port };
        host.order(&Order::Knock { at: vec![address], bind, ports });
        let (why, fault) = host.wait_for(|status| match status {
            Status::Knocked { why, fault } => Some((why.clone(), fault.clone())),
            _ => None,
        });
        assert_eq!((why, fault.is_none()), (vec![String::new()], free), "{fault:?}");
        assert!(free || matches!(fault, Some(AgentFailure::PortsInUse { .. })));
    }
    host.stop();
}

#[test]
fn a_host_that_does_not_have_its_address_listens_on_any() {
    let source = Source::new(4);
    let mut host = Host::new();
    let (bind, info_hash) = ("192.0.2.7".parse().unwrap(), source.info_hash);
    host.order(&Order::Track { bind, port: 0, info_hash, allow: Vec::new() });
    host.wait_for(|status| matches!(status, Status::Tracking { .. }).then_some(()));
    host.serve(source.order(ServeRole::Peer, "192.0.2.7"));
    host.serving("192.0.2.7");
    host.stop();
}

#[test]
fn a_release_that_is_there_is_done_at_once_and_another_is_not_touched() {
    let (source, other) = (Source::new(2), Source::new(3));
    let mut host = Host::new();
    let file = DataSource::File(source.payload.display().to_string());
    host.serve(source.order(ServeRole::Seeder(file), "127.0.0.2"));
    assert!(!host.delivered());
    host.serve(source.order(ServeRole::Peer, "127.0.0.2"));
    assert!(host.delivered());
    host.serve(other.order(ServeRole::Peer, "127.0.0.2"));
    let failure = host.failed();
    assert!(matches!(failure, AgentFailure::ReleaseDiffers { .. }), "{failure}");
    host.assert_has(&source);
    host.stop();
}

#[test]
fn a_host_without_room_says_so_before_a_byte_moves_and_heals() {
    let source = Source::new(4);
    let mut host = Host::new();
    let role = ServeRole::Seeder(DataSource::File(source.payload.display().to_string()));
    let mut huge = source.order(role.clone(), "127.0.0.2");
    huge.payload.unpacked_bytes = ByteCount(1 << 60);
    host.serve(huge);
    let failure = host.failed();
    assert!(matches!(failure, AgentFailure::DiskFull { needed, .. } if needed >= ByteCount(1 << 60)), "{failure}");
    host.serve(source.order(role, "127.0.0.2"));
    assert!(!host.delivered());
    host.stop();
}

#[test]
fn a_payload_that_is_not_what_was_packed_is_thrown_away() {
    let source = Source::new(5);
    let mut host = Host::new();
    let mut order = source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2");
    order.payload.sha256 = Sha256Digest::new([7; 32]);
    host.serve(order);
    host.serving("127.0.0.2");
    host.push(&source);
    let failure = host.failed();
    assert!(matches!(&failure, AgentFailure::DigestMismatch { what, .. } if what == "payload"), "{failure}");
    host.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    assert_eq!(host.serving("127.0.0.2").1, 0);
    host.push(&source);
    assert!(!host.delivered());
    host.stop();
}

#[test]
fn what_an_agent_had_is_there_for_the_next_when_the_console_or_the_agent_dies() {
    let source = Source::new(6);
    let half = source.bytes().len() as u64 / u64::from(PIECE_LENGTH) / 2 * u64::from(PIECE_LENGTH);
    let mut host = Host::new();
    let order = || source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2");
    host.serve(order());
    host.serving("127.0.0.2");
    host.order(&Order::Data { offset: 0, bulk: source.bytes().slice(..half as usize) });
    let expected = (half / u64::from(PIECE_LENGTH)) as u32;
    host.wait_for(|status| matches!(status, Status::Progress(progress) if progress.pieces == expected).then_some(()));
    host.send(0, &Order::Leave);
    assert_eq!(host.exit_code(), Some(0));
    assert!(!is_running(host.agent.replace(0)) && host.work().join("runs/r1/web1/payloads").exists());

    let folder = std::mem::replace(&mut host.folder, tempfile::tempdir().unwrap());
    let mut host = Host::on(folder);
    host.serve(order());
    assert_eq!(host.serving("127.0.0.2").1, expected);
    host.kill_agent();
    assert_eq!(host.exit_code(), Some(70), "an agent that dies is told from one that ends");

    let folder = std::mem::replace(&mut host.folder, tempfile::tempdir().unwrap());
    let mut host = Host::on(folder);
    host.serve(order());
    assert_eq!(host.serving("127.0.0.2").1, expected);
    host.push(&source);
    assert!(!host.delivered());
    host.assert_has(&source);
    host.stop();
}

#[test]
fn a_peer_that_is_told_to_seed_keeps_its_pieces_and_takes_the_rest_from_the_console() {
    let source = Source::new(9);
    let half = source.bytes().len() as u64 / u64::from(PIECE_LENGTH) / 2 * u64::from(PIECE_LENGTH);
    let (mut first, mut heir, mut last) = (Host::new(), Host::new(), Host::new());
    first.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    let (address, _) = first.serving("127.0.0.2");
    let mut order = source.order(ServeRole::Peer, "127.0.0.3");
    order.peers = vec![address];
    heir.serve(order.clone());
    let (joined, _) = heir.serving("127.0.0.3");
    first.order(&Order::Data { offset: 0, bulk: source.bytes().slice(..half as usize) });
    let expected = (half / u64::from(PIECE_LENGTH)) as u32;
    heir.wait_for(|status| matches!(status, Status::Progress(progress) if progress.pieces == expected).then_some(()));
    first.kill_agent();

    order.role = ServeRole::Seeder(DataSource::Pushed);
    order.ports = PortRange { first: joined.port(), last: joined.port() };
    heir.serve(order);
    // What was under way while it joined again must not harm it.
    heir.order(&Order::Data { offset: 0, bulk: source.bytes().slice(..PIECE_LENGTH as usize) });
    let (address, pieces) = heir.serving("127.0.0.3");
    assert_eq!((address, pieces), (joined, expected), "the same port, and what it had");
    let mut order = source.order(ServeRole::Peer, "127.0.0.4");
    order.peers = vec![address];
    last.serve(order);
    heir.push(&source);
    for host in [&heir, &last] {
        assert!(!host.delivered());
        host.assert_has(&source);
    }
    heir.stop();
    last.stop();
}

#[test]
fn a_console_that_comes_back_hears_what_it_missed_and_a_new_one_how_things_stand() {
    let source = Source::new(7);
    let pieces = source.bytes().len().div_ceil(PIECE_LENGTH as usize) as u32;
    let mut host = Host::new();
    host.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    let (address, _) = host.serving("127.0.0.2");
    let (agent, said) = (host.agent.get(), host.said);
    host.push(&source);
    host.wait_for(|status| matches!(status, Status::Taken { order } if *order > said).then_some(()));
    let (folder, seen) = host.lose();

    let host = Host::attached(folder, seen);
    assert_eq!(host.agent.get(), agent, "the same agent");
    // Whatever was on its way when the console was lost, the agent takes all of it, once.
    let mut host = host;
    let missing = source.bytes();
    let taken = (host.said - said) as usize * 4 * PIECE_LENGTH as usize;
    for (index, chunk) in
        missing.chunks(4 * PIECE_LENGTH as usize).enumerate().skip(taken / (4 * PIECE_LENGTH as usize))
    {
        let offset = (index * 4 * PIECE_LENGTH as usize) as u64;
        host.order(&Order::Data { offset, bulk: Bytes::copy_from_slice(chunk) });
    }
    assert!(!host.delivered());
    let (folder, _) = host.lose();

    let mut host = Host::attached(folder, None);
    assert_eq!(host.serving("127.0.0.2"), (address, pieces), "how things stand, without an order");
    assert!(!host.delivered());
    host.hello(Duration::from_secs(900));
    host.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    assert_eq!(host.serving("127.0.0.2"), (address, pieces), "the same order once more changes nothing");
    assert!(!host.delivered());
    host.assert_has(&source);
    host.stop();
}

#[test]
fn orders_that_were_taken_are_not_taken_twice() {
    let source = Source::new(10);
    let mut host = Host::new();
    host.serve(source.order(ServeRole::Peer, "127.0.0.2"));
    host.serving("127.0.0.2");
    let again = host.said;
    host.send(again, &Order::Stop { discard_partial: true });
    let (bind, info_hash) = ("127.0.0.1".parse().unwrap(), source.info_hash);
    host.order(&Order::Track { bind, port: 0, info_hash, allow: Vec::new() });
    host.wait_for(|status| matches!(status, Status::Tracking { .. }).then_some(()));
    host.stop();
}

#[test]
fn an_agent_without_a_console_keeps_what_it_has_and_ends_with_its_lease() {
    let source = Source::new(11);
    let mut host = Host::attached(tempfile::tempdir().unwrap(), None);
    host.hello(Duration::from_secs(1));
    host.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    host.serving("127.0.0.2");
    let first = source.bytes().slice(..PIECE_LENGTH as usize);
    host.order(&Order::Data { offset: 0, bulk: first });
    host.wait_for(|status| matches!(status, Status::Progress(progress) if progress.pieces == 1).then_some(()));
    assert_eq!(host.exit_code(), Some(0), "a console that says nothing is none");
    assert!(!is_running(host.agent.replace(0)) && !host.work().join("runs/r1/web1/socket").exists());

    let folder = std::mem::replace(&mut host.folder, tempfile::tempdir().unwrap());
    let mut host = Host::attached(folder, None);
    host.hello(Duration::from_secs(2));
    host.serve(source.order(ServeRole::Seeder(DataSource::Pushed), "127.0.0.2"));
    assert_eq!(host.serving("127.0.0.2").1, 1);
    host.push(&source);
    assert!(!host.delivered());
    host.assert_has(&source);
    assert_eq!(host.exit_code(), Some(0));
    assert!(!is_running(host.agent.replace(0)));
    assert!(!host.work().join("runs").exists() && !host.releases().join(".rookery").exists(), "nothing to keep");
}

#[test]
fn a_seeder_packs_what_lies_on_its_host() {
    let source = Source::new(8);
    let mut seeder = Host::new();
    seeder.order(&Order::Pack(PackOrder {
        source: source.site().display().to_string(),
        exclude: Vec::new(),
        compress: "auto".to_owned(),
        piece_length: Some(PIECE_LENGTH),
        mode: None,
    }));
    let (facts, torrent) = seeder.wait_for(|status| match status {
        Status::Packed { payload, torrent } => Some((payload.clone(), torrent.clone())),
        Status::Failed { failure } => panic!("{failure}"),
        _ => None,
    });
    assert_eq!((&facts, &torrent), (&source.facts, &source.torrent));
    let mut order = source.order(ServeRole::Seeder(DataSource::Packed), "127.0.0.2");
    order.deliver = false;
    seeder.serve(order);
    let (address, _) = seeder.serving("127.0.0.2");
    let mut peer = Host::new();
    peer.serve(source.order(ServeRole::Peer, "127.0.0.3"));
    peer.serving("127.0.0.3");
    peer.order(&Order::Peers { listening: vec![address], allow: Vec::new() });
    assert!(!peer.delivered());
    peer.assert_has(&source);
    assert!(!seeder.releases().join("v1").exists());
    peer.stop();
    seeder.stop();
}

#[test]
fn a_source_that_is_not_there_is_told_as_that() {
    let mut seeder = Host::new();
    let source = seeder.folder.path().join("nothing").display().to_string();
    let (exclude, compress) = (Vec::new(), "auto".to_owned());
    seeder.order(&Order::Pack(PackOrder { source, exclude, compress, piece_length: None, mode: None }));
    let failure = seeder.failed();
    assert_eq!(failure.cause(), "source cannot be packaged");
    assert!(failure.to_string().ends_with("/nothing: No such file or directory (os error 2)"), "{failure}");
    seeder.stop();
}

#[test]
fn a_console_of_another_version_is_told_which_this_is() {
    let mut host = Host::attached(tempfile::tempdir().unwrap(), None);
    let text = |text: &str| text.to_owned();
    host.order(&Order::Hello(HelloOrder {
        protocol: PROTOCOL + 1,
        run: "r1".parse().unwrap(),
        host: text("web1"),
        destination: text("/nowhere"),
        holder: Holder { operator: text("alice"), from: text("jump1"), since: text("noon"), why: text("a test") },
        lease: Duration::from_secs(900),
        deadline: Duration::from_secs(900),
    }));
    host.wait_for(|status| matches!(status, Status::Hello { protocol: PROTOCOL, .. }).then_some(()));
    let said = host.failed().to_string();
    let versions = format!("it speaks version {}, this agent {PROTOCOL}", PROTOCOL + 1);
    assert!(said.ends_with(&versions), "{said}");
    host.stop();
}
