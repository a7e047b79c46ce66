//! What tests with real agents share: a payload with its torrent, processes, and waiting for conditions with a deadline.

#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one status among all")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rookery::base::{ByteCount, Layout, Sha256Digest};
use rookery::control::Status;
use rookery::metainfo::{Info, Metainfo};
use rookery::payload::{hash_pieces, sha256_file};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nothing in these tests takes that long unless it never happens.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const PIECE_LENGTH: u32 = 64 * 1024;

/// A payload of pseudo-random bytes in a folder that vanishes with it.
pub(crate) struct Payload {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) info: Info,
    pub(crate) sha256: Sha256Digest,
}

impl Payload {
    /// `length` bytes, the same for the same `seed`.
    pub(crate) fn of(length: usize, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.bin");
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let (info, sha256) = (info_of(&path), sha256_of(&path));
        Self { folder, path, info, sha256 }
    }

    /// Writes a .torrent for the tracker at `port` of 127.0.0.1.
    pub(crate) fn torrent(&self, port: u16) -> PathBuf {
        self.torrent_at(&format!("http://127.0.0.1:{port}/announce"))
    }

    /// Writes a .torrent for a tracker.
    pub(crate) fn torrent_at(&self, announce: &str) -> PathBuf {
        let path = self.folder.path().join("payload.torrent");
        fs::write(&path, Metainfo::new(Some(announce.to_owned()), self.info.clone()).encode()).unwrap();
        path
    }

    /// A path for the copy of one peer.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asserts that the file is whole, and that no partial one is left beside it.
    pub(crate) fn assert_copied_to(&self, path: &Path) {
        assert_eq!(sha256_of(path), self.sha256, "{}", path.display());
        assert!(!part_of(path).exists(), "{} is left", part_of(path).display());
    }
}

pub(crate) fn part_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.part", path.display()))
}

fn info_of(path: &Path) -> Info {
    let file = fs::File::open(path).unwrap();
    let layout = Layout::new(file.metadata().unwrap().len(), PIECE_LENGTH).unwrap();
    let which: Vec<_> = layout.pieces().collect();
    let hashes = hash_pieces(&file, path, &layout, &which, &AtomicBool::new(false), &|_: ByteCount| {}).unwrap();
    let hashes: Vec<_> = hashes.into_iter().map(Option::unwrap).collect();
    Info::single("payload.bin", layout, &hashes).unwrap()
}

fn sha256_of(path: &Path) -> Sha256Digest {
    sha256_file(path, &AtomicBool::new(false), &|_| {}).unwrap()
}

/// An agent by hand; killed when dropped.
pub(crate) struct Agent {
    child: Child,
    pub(crate) statuses: Receiver<Status>,
    stderr: Receiver<String>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    /// Starts `rookery-agent` with these words, split at spaces, and `--json`.
    pub(crate) fn start(words: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rookery-agent"));
        command.args(words.split_whitespace()).arg("--json");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, statuses) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let status = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if tell.send(status).is_err() {
                    return;
                }
            }
        });
        Self { statuses, stderr: collect(child.stderr.take().unwrap()), child }
    }

    /// A tracker, and the port it listens on.
    pub(crate) fn tracker() -> (Self, u16) {
        let tracker = Self::start("track --listen 127.0.0.1:0");
        let port = tracker.wait_for(|status| match status {
            Status::Tracking { port } => Some(*port),
            _ => None,
        });
        (tracker, port)
    }

    /// A seeder of `data` that listens already, and its port.
    pub(crate) fn seeder(torrent: &Path, data: &Path, ip: &str, options: &str) -> (Self, u16) {
        let (torrent, data) = (torrent.display(), data.display());
        let seeder = Self::start(&format!("seed --torrent {torrent} --data {data} --listen {ip}:0 {options}"));
        let port = seeder.wait_for(|status| match status {
            Status::Serving { port, .. } => Some(*port),
            _ => None,
        });
        (seeder, port)
    }

    /// A peer.
    pub(crate) fn peer(torrent: &Path, data: &Path, ip: &str, options: &str) -> Self {
        let (torrent, data) = (torrent.display(), data.display());
        Self::start(&format!("peer --torrent {torrent} --data {data} --listen {ip}:0 {options}"))
    }

    /// Waits for a status.
    pub(crate) fn wait_for<T>(&self, wanted: impl Fn(&Status) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.statuses.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(status) => {
                    if let Some(found) = wanted(&status) {
                        return found;
                    }
                }
                Err(error) => panic!("{error:?}; stderr: {}", self.stderr.try_iter().collect::<String>()),
            }
        }
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        wait_for_exit(&mut self.child)
    }

    /// Waits for the end; returns its code and what it said on stderr.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let status = wait_for_exit(&mut self.child);
        (status.code(), self.stderr.iter().collect())
    }

    /// Waits for a good end.
    pub(crate) fn succeed(&mut self) {
        let (code, stderr) = self.end();
        assert_eq!(code, Some(0), "{stderr}");
    }
}

pub(crate) fn wait_for_exit(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Looks again and again until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let (_never, pause) = channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        assert_eq!(pause.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
    }
}

/// The text of a pipe, read so that it never fills up.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, text) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    text
}
