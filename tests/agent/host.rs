//! What these tests work with: a payload, and a host with an agent and the console's end of its pipes.

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rookery::base::{ByteRate, InfoHash};
use rookery::control::{
    AgentFailure, Codec, HelloOrder, Holder, Mark, Order, Owner, PROTOCOL, PayloadFacts, Placing, PortRange,
    ServeOrder, ServeRole, Status, encode,
};
use rookery::metainfo::{Info, Metainfo};
use rookery::payload::{PackOptions, content_digest, pack};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PIECE_LENGTH: u32 = 32 * 1024;
pub(crate) static GO: AtomicBool = AtomicBool::new(false);

/// A directory to deploy, packed.
pub(crate) struct Source {
    pub(crate) folder: TempDir,
    pub(crate) payload: PathBuf,
    pub(crate) facts: PayloadFacts,
    pub(crate) torrent: Bytes,
    pub(crate) info_hash: InfoHash,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
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
        let facts = PayloadFacts::from(&packed);
        let info_hash = info.info_hash();
        Self { payload: packed.path, facts, info_hash, torrent: Metainfo::new(None, info).encode().into(), folder }
    }

    pub(crate) fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    pub(crate) fn bytes(&self) -> Bytes {
        fs::read(&self.payload).unwrap().into()
    }

    pub(crate) fn order(&self, role: ServeRole, ip: &str) -> ServeOrder {
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
pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) child: Child,
    pub(crate) orders: Option<ChildStdin>,
    pub(crate) statuses: Receiver<(u64, Status)>,
    pub(crate) said: u64,
    pub(crate) heard: Cell<Option<Mark>>,
    pub(crate) agent: Cell<u32>,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.kill_agent();
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    pub(crate) fn on(folder: TempDir) -> Self {
        let mut host = Self::attached(folder, None);
        host.hello(Duration::from_secs(900));
        host
    }

    /// A console that attaches, and has seen so much.
    pub(crate) fn attached(folder: TempDir, seen: Option<Mark>) -> Self {
        let work = folder.path().join("work").display().to_string();
        let program = |what: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rookery-agent"));
            command.args([what, "r1/web1", "--work-dir", &work]).stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let socket = folder.path().join("work/runs/r1/web1/socket");
        let runs = UnixStream::connect(&socket).is_ok();
        let mut agent = program("serve").spawn().unwrap();
        if runs {
            // That one is the one that is meant; a second which came late would take its place when it ends.
            agent.wait().unwrap();
        } else {
            std::thread::spawn(move || agent.wait());
        }
        let deadline = Instant::now() + PATIENCE;
        let (_never, pause) = channel::<()>();
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "the agent does not begin");
            assert_eq!(pause.recv_timeout(Duration::from_millis(5)), Err(RecvTimeoutError::Timeout));
        }
        let mut command = program("attach");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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
        let (heard, agent) = (Cell::new(None), Cell::new(0));
        let mut host = Self { folder, child, orders, statuses, said: 0, heard, agent };
        host.send(0, &Order::Attach { seen });
        host.said = host.wait_for(|status| match status {
            Status::Attached(attached) => Some(attached.taken),
            _ => None,
        });
        host
    }

    pub(crate) fn hello(&mut self, lease: Duration) {
        self.hello_until(lease, Duration::from_secs(900));
    }

    pub(crate) fn hello_until(&mut self, lease: Duration, deadline: Duration) {
        let text = |text: &str| text.to_owned();
        self.order(&Order::Hello(HelloOrder {
            protocol: PROTOCOL,
            run: "r1".parse().unwrap(),
            host: text("web1"),
            destination: self.releases().display().to_string(),
            holder: Holder { operator: text("alice"), from: text("jump1"), since: text("noon"), why: text("a test") },
            lease,
            deadline,
        }));
        self.wait_for(|status| matches!(status, Status::Hello { .. }).then_some(()));
    }

    /// The console and its connection are gone; what it knew is returned.
    pub(crate) fn lose(mut self) -> (TempDir, Option<Mark>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.agent.set(0);
        (std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), self.heard.get())
    }

    pub(crate) fn kill_agent(&self) {
        if let Some(pid) = Pid::from_raw(self.agent.get().cast_signed()) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.folder.path().join("releases")
    }

    /// Has it track the swarm of a payload, for the hosts of a test; returns where.
    pub(crate) fn track(&mut self, ip: &str, source: &Source) -> SocketAddr {
        let bind = ip.parse().unwrap();
        let allow = (1..9).map(|host| IpAddr::from([127, 0, 0, host])).collect();
        self.order(&Order::Track { bind, port: 0, info_hash: source.info_hash, allow });
        self.wait_for(|status| match status {
            Status::Tracking { port } => Some(SocketAddr::new(bind, *port)),
            _ => None,
        })
    }

    pub(crate) fn order(&mut self, order: &Order) {
        self.said += 1;
        self.send(self.said, order);
    }

    pub(crate) fn send(&mut self, number: u64, order: &Order) {
        let (head, bulk) = encode(number, order);
        let orders = self.orders.as_mut().unwrap();
        orders.write_all(&head).and_then(|()| orders.write_all(&bulk)).unwrap();
    }

    pub(crate) fn serve(&mut self, order: ServeOrder) {
        self.order(&Order::Serve(Box::new(order)));
    }

    pub(crate) fn wait_for<T>(&self, wanted: impl Fn(&Status) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.statuses.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let (number, status) = status.expect("the status that is waited for comes");
            if let Status::Attached(attached) = &status {
                self.agent.set(attached.pid);
                let number = self.heard.get().map_or(0, |mark| mark.number);
                self.heard.set(Some(Mark { instance: attached.instance, number }));
            }
            if let Some(mark) = self.heard.get().filter(|_| number > 0) {
                assert!(number > mark.number, "{status:?} was said before");
                self.heard.set(Some(Mark { number, ..mark }));
            }
            if let Some(found) = wanted(&status) {
                return found;
            }
        }
    }

    /// Waits until it listens; returns where, and how many pieces it has.
    pub(crate) fn serving(&self, ip: &str) -> (SocketAddr, u32) {
        self.wait_for(|status| match status {
            Status::Serving { port, bitfield } => {
                let pieces = bitfield.iter().map(|byte| byte.count_ones()).sum();
                Some((SocketAddr::new(ip.parse().unwrap(), *port), pieces))
            }
            Status::Failed { failure } => panic!("{failure}"),
            _ => None,
        })
    }

    pub(crate) fn delivered(&self) -> bool {
        self.wait_for(|status| match status {
            Status::Delivered { already } => Some(*already),
            Status::Failed { failure } => panic!("{failure}"),
            _ => None,
        })
    }

    pub(crate) fn failed(&self) -> AgentFailure {
        self.wait_for(|status| match status {
            Status::Failed { failure } => Some(failure.clone()),
            _ => None,
        })
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
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
    pub(crate) fn stop(mut self) {
        self.order(&Order::Stop { discard_partial: true });
        let left = self.wait_for(|status| match status {
            Status::Stopped { left_behind } => Some(left_behind.clone()),
            _ => None,
        });
        assert_eq!((left, self.exit_code()), (Vec::new(), Some(0)));
        assert!(!is_running(self.agent.replace(0)));
        assert!(!self.work().join("runs").exists());
        assert!(!self.releases().join(".rookery").exists());
    }

    pub(crate) fn assert_has(&self, source: &Source) {
        let release = self.releases().join("v1");
        assert_eq!(content_digest(&release, &GO).unwrap(), source.facts.content_sha256);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&release.join("run.sh")), mode(&source.site().join("run.sh")));
        assert_eq!(fs::read_link(release.join("link")).unwrap(), Path::new("bin/large"));
    }

    /// Pushes what is missing of the payload, as the console does.
    pub(crate) fn push(&mut self, source: &Source) {
        let bytes = source.bytes();
        let length = 4 * PIECE_LENGTH as usize;
        for (index, chunk) in bytes.chunks(length).enumerate() {
            self.order(&Order::Data { offset: (index * length) as u64, bulk: Bytes::copy_from_slice(chunk) });
        }
    }
}

pub(crate) fn is_running(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}
