//! `rookery-agent serve` from the console's side: orders in, statuses out, releases on disk, nothing left behind.

#![cfg(feature = "agent")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]
#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

#[path = "agent/turns.rs"]
mod turns;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rookery::base::{ByteCount, ByteRate, InfoHash, Sha256Digest};
use rookery::control::{
    AgentFailure, Codec, DataSource, Order, Owner, PROTOCOL, PackOrder, PayloadFacts, PayloadFormat, Placing,
    PortRange, ServeOrder, ServeRole, Status, encode,
};
use rookery::metainfo::{Info, Metainfo};
use rookery::payload::{Format, PackOptions, content_digest, pack};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const PIECE_LENGTH: u32 = 32 * 1024;
static GO: AtomicBool = AtomicBool::new(false);

/// A directory to deploy, packed.
struct Source {
    folder: TempDir,
    payload: PathBuf,
    facts: PayloadFacts,
    torrent: Bytes,
    info_hash: InfoHash,
}

impl Source {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        fs::create_dir_all(root.join("bin/empty")).unwrap();
        let mut bytes = vec![0; 3_000_000];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        fs::write(root.join("bin/large"), bytes).unwrap();
        fs::write(root.join("odd name\u{e9}\n"), "x").unwrap();
        fs::write(root.join("run.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("bin/large", root.join("link")).unwrap();
        let out = folder.path().join("payload");
        let options = PackOptions { piece_length: Some(PIECE_LENGTH), ..PackOptions::default() };
        let packed = pack(&root, &out, &options, &|_| {}, &GO).unwrap();
        let info = Info::single("site", packed.layout, &packed.pieces).unwrap();
        let facts = PayloadFacts {
            format: match packed.format {
                Format::File => PayloadFormat::File,
                Format::Tar => PayloadFormat::Tar,
                Format::TarZstd => PayloadFormat::TarZstd,
            },
            sha256: packed.sha256,
            content_sha256: packed.content_sha256,
            unpacked_bytes: packed.unpacked_bytes,
            unpacked_entries: packed.unpacked_entries,
            mode: packed.mode,
        };
        let info_hash = info.info_hash();
        Self { payload: packed.path, facts, info_hash, torrent: Metainfo::new(None, info).encode().into(), folder }
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn bytes(&self) -> Bytes {
        fs::read(&self.payload).unwrap().into()
    }

    fn order(&self, role: ServeRole, ip: &str) -> ServeOrder {
        ServeOrder {
            torrent: self.torrent.clone(),
            payload: self.facts.clone(),
            role,
            tag: "v1".parse().unwrap(),
            owner: Owner::default(),
            deliver: true,
            placing: Placing::AtOnce,
            bind: ip.parse().unwrap(),
            ports: PortRange { first: 0, last: 0 },
            tracker: None,
            peers: Vec::new(),
            zone: None,
            allow: (2..9).map(|i| IpAddr::from([127, 0, 0, i])).collect(),
            max_upload: ByteRate::UNLIMITED,
            max_download: ByteRate::UNLIMITED,
        }
    }
}

/// A host with an agent, and the console's end of its pipes.
struct Host {
    folder: TempDir,
    child: Child,
    orders: Option<ChildStdin>,
    statuses: Receiver<Status>,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Host {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(folder: TempDir) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rookery-agent"));
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (tell, statuses) = channel();
        std::thread::spawn(move || {
            let mut codec = Codec::after_noise();
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                codec.push(&buffer[..length]);
                while let Some(status) = codec.poll().unwrap() {
                    if tell.send(status).is_err() {
                        return;
                    }
                }
            }
        });
        let orders = child.stdin.take();
        let mut host = Self { folder, child, orders, statuses };
        host.order(&Order::Hello {
            protocol: PROTOCOL,
            run: "r1".parse().unwrap(),
            host: "web1".to_owned(),
            work_dir: host.work().display().to_string(),
            destination: host.releases().display().to_string(),
        });
        host.wait_for(|status| matches!(status, Status::Hello { .. }).then_some(()));
        host
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn releases(&self) -> PathBuf {
        self.folder.path().join("releases")
    }

    fn order(&mut self, order: &Order) {
        let (head, bulk) = encode(order);
        let orders = self.orders.as_mut().unwrap();
        orders.write_all(&head).and_then(|()| orders.write_all(&bulk)).unwrap();
    }

    fn serve(&mut self, order: ServeOrder) {
        self.order(&Order::Serve(Box::new(order)));
    }

    fn wait_for<T>(&self, wanted: impl Fn(&Status) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.statuses.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            if let Some(found) = wanted(&status.expect("the status that is waited for comes")) {
                return found;
            }
        }
    }

    /// Waits until it listens; returns where, and how many pieces it has.
    fn serving(&self, ip: &str) -> (SocketAddr, u32) {
        self.wait_for(|status| match status {
            Status::Serving { port, bitfield } => {
                let pieces = bitfield.iter().map(|byte| byte.count_ones()).sum();
                Some((SocketAddr::new(ip.parse().unwrap(), *port), pieces))
            }
            Status::Failed { failure } => panic!("{failure}"),
            _ => None,
        })
    }

    fn delivered(&self) -> bool {
        self.wait_for(|status| match status {
            Status::Delivered { already } => Some(*already),
            Status::Failed { failure } => panic!("{failure}"),
            _ => None,
        })
    }

    fn failed(&self) -> AgentFailure {
        self.wait_for(|status| match status {
            Status::Failed { failure } => Some(failure.clone()),
            _ => None,
        })
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        let (_never, pause) = channel::<()>();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the agent does not end");
            assert_eq!(pause.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
        }
    }

    /// Stops the agent, and proves that only the releases are left.
    fn stop(mut self) {
        self.order(&Order::Stop { discard_partial: true });
        let left = self.wait_for(|status| match status {
            Status::Stopped { left_behind } => Some(left_behind.clone()),
            _ => None,
        });
        assert_eq!((left, self.exit_code()), (Vec::new(), Some(0)));
        assert!(!self.work().join("runs").exists());
        assert!(!self.releases().join(".rookery").exists());
    }

    fn assert_has(&self, source: &Source) {
        let release = self.releases().join("v1");
        assert_eq!(content_digest(&release, &GO).unwrap(), source.facts.content_sha256);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&release.join("run.sh")), mode(&source.site().join("run.sh")));
        assert_eq!(fs::read_link(release.join("link")).unwrap(), Path::new("bin/large"));
    }

    /// Pushes what is missing of the payload, as the console does.
    fn push(&mut self, source: &Source) {
        let bytes = source.bytes();
        let length = 4 * PIECE_LENGTH as usize;
        for (index, chunk) in bytes.chunks(length).enumerate() {
            self.order(&Order::Data { offset: (index * length) as u64, bulk: Bytes::copy_from_slice(chunk) });
        }
    }
}

#[test]
fn a_pushed_payload_becomes_a_release_on_every_host_and_nothing_is_left() {
    let source = Source::new(1);
    let mut seeder = Host::new();
    let allow = (2..9).map(|i| IpAddr::from([127, 0, 0, i])).collect();
    let bind = "127.0.0.1".parse().unwrap();
    seeder.order(&Order::Track { bind, port: 0, info_hash: source.info_hash, allow });
    let tracker = seeder.wait_for(|status| match status {
        Status::Tracking { port } => Some(SocketAddr::new(bind, *port)),
        _ => None,
    });
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
    host.orders = None;
    assert_eq!(host.exit_code(), Some(1));

    let folder = std::mem::replace(&mut host.folder, tempfile::tempdir().unwrap());
    let mut host = Host::on(folder);
    host.serve(order());
    assert_eq!(host.serving("127.0.0.2").1, expected);
    host.child.kill().unwrap();

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
    first.child.kill().unwrap();

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
fn an_agent_that_a_lost_connection_left_behind_makes_room_for_the_next() {
    let source = Source::new(7);
    let mut old = Host::new();
    old.serve(source.order(ServeRole::Peer, "127.0.0.2"));
    old.serving("127.0.0.2");
    let folder = std::mem::replace(&mut old.folder, tempfile::tempdir().unwrap());
    let mut new = Host::on(folder);
    new.serve(source.order(ServeRole::Peer, "127.0.0.2"));
    new.serving("127.0.0.2");
    assert_eq!(old.exit_code(), Some(143));
    new.stop();
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
fn a_console_of_another_version_is_told_which_this_is() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rookery-agent"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let hello = Order::Hello {
        protocol: PROTOCOL + 1,
        run: "r1".parse().unwrap(),
        host: "web1".to_owned(),
        work_dir: "/nowhere".to_owned(),
        destination: "/nowhere".to_owned(),
    };
    child.stdin.as_mut().unwrap().write_all(&encode(&hello).0).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut codec = Codec::after_noise();
    codec.push(&output.stdout);
    assert!(matches!(codec.poll(), Ok(Some(Status::Hello { protocol: PROTOCOL, .. }))));
    assert!(matches!(codec.poll(), Ok(Some(Status::Failed { failure: AgentFailure::Protocol { .. } }))));
    assert_eq!(output.status.code(), Some(1));
}
