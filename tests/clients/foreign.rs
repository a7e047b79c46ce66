//! aria2 and libtorrent as processes: everything off that leaves this machine, killed when dropped.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{wait_for_exit, wait_until};

/// Debian's Python: the one that python3-libtorrent is for.
const PYTHON: &str = "/usr/bin/python3";

/// Whether the other clients are there. On a developer's machine they may be missing; where `CI` is set that is a failure.
pub(crate) fn clients_are_there() -> bool {
    let answers = |program: &str, arguments: &[&str]| {
        let silent = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        silent.is_ok_and(|status| status.success())
    };
    let missing = match (answers("aria2c", &["--version"]), answers(PYTHON, &["-c", "import libtorrent"])) {
        (true, true) => return true,
        (false, _) => "aria2c is missing: apt-get install aria2",
        (true, false) => "libtorrent is missing: apt-get install python3-libtorrent",
    };
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    false
}

/// Whether this machine has an IPv6 loopback. It always has where `CI` is set.
pub(crate) fn ipv6_is_there() -> bool {
    let bound = std::net::TcpListener::bind("[::1]:0");
    assert!(bound.is_ok() || std::env::var_os("CI").is_none(), "no ::1: {bound:?}");
    bound.is_ok()
}

/// Where aria2 listens, at all addresses: one of these ports that is free. No port the kernel gives to who asks for none
/// is among them, nor one that a test names, so that nobody else's port on a 127.x address is in its way.
const ARIA2_PORTS: &str = "20000-29999";

/// aria2 in a swarm.
pub(crate) struct Aria2 {
    child: Child,
    done: PathBuf,
    log: PathBuf,
}

impl Drop for Aria2 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Aria2 {
    /// Gets the payload into `folder`, or checks what is there, and seeds until it is dropped.
    pub(crate) fn join(torrent: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let hooks = folder.with_extension("aria2-hooks");
        fs::create_dir_all(&hooks).unwrap();
        let (hook, done, log) = (hooks.join("hook"), hooks.join("done"), hooks.join("log"));
        fs::write(&hook, format!("#!/bin/sh\n: > '{}'\n", done.display())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("aria2c");
        command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
        command.args(["--disable-ipv6", "--enable-peer-exchange=false", "--check-integrity=true", "--quiet=true"]);
        command.args(["--seed-ratio=0.0", "--bt-stop-timeout=120", "--file-allocation=none"]);
        command.arg(format!("--on-bt-download-complete={}", hook.display()));
        command.arg("--log-level=error").arg("--log").arg(&log);
        command.arg(format!("--listen-port={ARIA2_PORTS}")).arg("--dir").arg(folder).arg(torrent);
        Self { child: command.stdin(Stdio::null()).spawn().unwrap(), done, log }
    }

    /// Waits until it has everything.
    pub(crate) fn finish(&mut self) {
        wait_until("aria2 has everything", || {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "aria2 ended: {}", fs::read_to_string(&self.log).unwrap_or_default());
            self.done.exists()
        });
    }
}

/// libtorrent in a swarm; it ends with its stdin.
pub(crate) struct Libtorrent {
    child: Child,
    lines: Receiver<String>,
    finished: Cell<bool>,
}

impl Drop for Libtorrent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Libtorrent {
    /// Gets the payload into `folder`, seeding on, with options of the script besides.
    pub(crate) fn join(torrent: &Path, folder: &Path, listen: &str, options: &[&str]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut command = script();
        command.arg("join").arg(torrent).arg(folder).args(["--listen", listen]).args(options);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, finished: Cell::new(false) }
    }

    /// Has the payload in `folder`, and listens; returns the port.
    pub(crate) fn seed(torrent: &Path, folder: &Path, listen: &str, options: &[&str]) -> (Self, u16) {
        let seeder = Self::join(torrent, folder, listen, &[&["--seed"], options].concat());
        let port = seeder.wait_for("listening ").parse().unwrap();
        (seeder, port)
    }

    /// Waits for a line that begins so; returns the rest of it.
    pub(crate) fn wait_for(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no `{start}`: {error}"));
            assert!(!line.starts_with("error"), "{line}");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Waits until it has everything.
    pub(crate) fn finish(&self) {
        if !self.finished.replace(true) {
            self.wait_for("finished");
        }
    }
}

/// Makes a .torrent of a file or folder with libtorrent.
pub(crate) fn libtorrent_creates(path: &Path, torrent: &Path, announce: &str, options: &[&str]) {
    let mut command = script();
    command.arg("create").arg(path).arg("--out").arg(torrent).args(["--announce", announce]).args(options);
    assert!(wait_for_exit(&mut command.stdin(Stdio::null()).spawn().unwrap()).success());
}

/// Nothing that is waited for takes that long unless it never happens.
const PATIENCE: Duration = Duration::from_secs(60);

fn script() -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/libtorrent_client.py"));
    command
}
