//! Hosts that are real OpenSSH servers on 127.0.0.2 and up, each with folders of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const SSHD: &str = "/usr/sbin/sshd";

/// Whether nothing may be skipped.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| !ci.is_empty())
}

/// A fleet of sshds. Dropping it ends them.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    /// The ssh-agent of `rookery`, when it has one.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) hosts: Vec<LabHost>,
}

/// One host.
pub(crate) struct LabHost {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    sshd: Child,
}

impl LabHost {
    pub(crate) fn releases(&self) -> PathBuf {
        self.folder.join("releases")
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Processes whose program lies in this host's folders.
    pub(crate) fn agents(&self) -> Vec<u32> {
        processes_below(&self.folder)
    }

    /// The process id of its sshd.
    pub(crate) fn sshd(&self) -> u32 {
        self.sshd.id()
    }

    pub(crate) fn stop_sshd(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

impl Lab {
    /// Starts `count` hosts named `127.0.0.2` and up; `None` where there is no sshd, which is an error in CI.
    pub(crate) fn of(count: u8) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(!is_ci(), "{SSHD} is missing: apt-get install openssh-server (.ci/run does)");
            eprintln!("skipped: {SSHD} is missing: apt-get install openssh-server");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("rk").tempdir().expect("a folder for the lab");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::create_dir_all("/run/sshd").ok();
        keygen(&folder.path().join("id"));
        let mut lab = Self { folder, agent: None, hosts: Vec::new() };
        for number in 2..2 + count {
            let host = lab.start_host(number);
            lab.hosts.push(host);
        }
        lab.hosts.iter().for_each(wait_for_banner);
        let keys: String = lab.hosts.iter().map(Self::known_key).collect();
        fs::write(lab.path("known_hosts"), keys).expect("the lab's folder takes files");
        lab.write_inventory("");
        Some(lab)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A line of `known_hosts`.
    pub(crate) fn known_key(host: &LabHost) -> String {
        let key = fs::read_to_string(host.folder.join("hostkey.pub")).expect("the key was made");
        format!("[{}]:{} {}\n", host.name, host.port, key.trim())
    }

    /// The inventory, with `extra` TOML behind it.
    pub(crate) fn write_inventory(&self, extra: &str) {
        let mut text = format!(
            "version = 1\n[defaults]\nuser = \"{}\"\nidentity = [\"{}\"]\nknown_hosts = [\"{}\"]\nconnect_timeout = \"5s\"\n\
             [swarm]\nport = \"6881-6999\"\ntracker_port = 0\n[group.all]\nhosts = [{}]\n",
            user(),
            self.path("id").display(),
            self.path("known_hosts").display(),
            self.hosts.iter().map(|host| format!("\"{}\"", host.name)).collect::<Vec<_>>().join(", "),
        );
        for host in &self.hosts {
            let _ = write!(
                text,
                "[host.\"{}\"]\nport = {}\nto = \"{}\"\nwork_dir = \"{}\"\n",
                host.name,
                host.port,
                host.releases().display(),
                host.work_dir().display()
            );
        }
        fs::write(self.path("inventory.toml"), text + extra).expect("the lab's folder takes files");
    }

    /// Starts a host's sshd again, with the configuration it has now.
    pub(crate) fn reload(&mut self, index: usize) {
        self.hosts[index].stop_sshd();
        let sshd = sshd(&self.hosts[index].folder);
        self.hosts[index].sshd = sshd;
        wait_for_banner(&self.hosts[index]);
    }

    /// Has a host appear to run under systemd: `systemd-run` and `systemctl` there are these scripts, in front of all others.
    /// False where a mount namespace cannot be had, which is an error in CI.
    pub(crate) fn pretend_systemd(&mut self, index: usize, run: &str, ctl: &str) -> bool {
        let there = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/run"]).status();
        if !there.is_ok_and(|status| status.success()) {
            assert!(!is_ci(), "this test mounts in a namespace of its own and needs root");
            eprintln!("skipped: mounting in a namespace needs root");
            return false;
        }
        let bin = self.path("bin");
        fs::create_dir_all(&bin).expect("the lab's folder takes folders");
        for (name, script) in [("systemd-run", run), ("systemctl", ctl)] {
            fs::write(bin.join(name), format!("#!/bin/sh\n{script}")).expect("it takes files");
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        let path = format!("SetEnv PATH={}:/usr/local/bin:/usr/bin:/bin", bin.display());
        self.configure(index, &path);
        self.hosts[index].stop_sshd();
        let script =
            format!("mount -t tmpfs none /run && mkdir -p /run/sshd /run/systemd/system && exec {SSHD} \"$@\"");
        let sshd =
            sshd_by(Command::new("unshare").args(["--mount", "sh", "-c", &script, "sshd"]), &self.hosts[index].folder);
        self.hosts[index].sshd = sshd;
        wait_for_banner(&self.hosts[index]);
        true
    }

    /// Puts `lines` in front of a host's configuration, where sshd hears them first, and starts it again.
    pub(crate) fn configure(&mut self, index: usize, lines: &str) {
        let config = self.hosts[index].folder.join("sshd_config");
        let before = fs::read_to_string(&config).expect("the lab wrote it");
        fs::write(&config, format!("{lines}\n{before}")).expect("it takes files");
        self.reload(index);
    }

    /// Writes the file of known host keys.
    pub(crate) fn know(&self, lines: &str) {
        fs::write(self.path("known_hosts"), lines).expect("it takes files");
    }

    /// Replaces a part of the inventory.
    pub(crate) fn edit_inventory(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("inventory.toml")).expect("the lab wrote it");
        assert!(text.contains(from), "the inventory has {from}");
        fs::write(self.path("inventory.toml"), text.replace(from, to)).expect("it takes files");
    }

    fn start_host(&self, number: u8) -> LabHost {
        let name = format!("127.0.0.{number}");
        let folder = self.path(&format!("h{number}"));
        fs::create_dir_all(folder.join("releases")).expect("the lab's folder takes folders");
        keygen(&folder.join("hostkey"));
        let port = free_port(&name);
        self.write_config(&folder, &name, port);
        let sshd = sshd(&folder);
        LabHost { name, port, folder, sshd }
    }

    fn write_config(&self, folder: &Path, address: &str, port: u16) {
        let config = format!(
            "ListenAddress {address}:{port}\nHostKey {0}/hostkey\nPidFile none\nAuthorizedKeysFile {1}/id.pub\nStrictModes no\n\
             UsePAM no\nUseDNS no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100:30:200\nPrintMotd no\n",
            folder.display(),
            self.folder.path().display()
        );
        fs::write(folder.join("sshd_config"), config).expect("the lab's folder takes files");
    }

    /// Starts an sshd in a network namespace, and waits until it speaks.
    pub(crate) fn start_island(&self, namespace: &str, folder: &Path, address: &str, port: u16) -> Child {
        keygen(&folder.join("hostkey"));
        self.write_config(folder, address, port);
        let sshd = sshd_by(Command::new("ip").args(["netns", "exec", namespace, SSHD]), folder);
        wait_until("sshd on the island speaks", || speaks(address, port));
        sshd
    }

    /// A command of `rookery` in this lab.
    pub(crate) fn rookery(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("USER", user())
            .env("ROOKERY_INVENTORY", self.path("inventory.toml"))
            .stdin(Stdio::null());
        if let Some(agent) = &self.agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        command
    }

    /// Starts `rookery run SOURCE --json …`; its events are read as they come.
    pub(crate) fn start(&self, source: &Path, arguments: &[&str]) -> Run {
        let source = source.display().to_string();
        self.begin(&[&["run", &source, "--json", "--yes"], arguments].concat())
    }

    fn begin(&self, all: &[&str]) -> Run {
        let errors = fs::File::create(self.path("stderr")).expect("the lab's folder takes files");
        let mut child = self.rookery(all).stdout(Stdio::piped()).stderr(errors).spawn().expect("rookery was built");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Run { child, output, events: Vec::new(), stderr: self.path("stderr") }
    }

    /// Takes up the last run, to its end.
    pub(crate) fn resume(&self, arguments: &[&str]) -> Ended {
        self.begin(&[&["resume", "--json"], arguments].concat()).finish()
    }

    /// Runs to the end.
    pub(crate) fn run(&self, source: &Path, arguments: &[&str]) -> Ended {
        self.start(source, arguments).finish()
    }

    /// Every host but `except` has exactly `source` as `tag`, and nothing of ours is left anywhere.
    pub(crate) fn assert_delivered(&self, source: &Path, tag: &str, except: &[usize]) {
        let expected = tree(source);
        for (index, host) in self.hosts.iter().enumerate() {
            let release = host.releases().join(tag);
            if except.contains(&index) {
                assert!(!release.exists(), "{} has a release it should not have", host.name);
            } else {
                assert_eq!(tree(&release), expected, "the release on {}", host.name);
            }
        }
    }

    /// No process and no file of a run is left on any host (the agent's own file stays: it is the next run's).
    pub(crate) fn assert_clean(&self) {
        for host in &self.hosts {
            wait_until(&format!("no agent is left on {}", host.name), || host.agents().is_empty());
            assert!(!host.releases().join(".rookery").exists(), "{}: .rookery is left", host.name);
            let runs = fs::read_dir(host.work_dir().join("runs")).map_or(0, Iterator::count);
            assert_eq!(runs, 0, "{}: a run's folder is left", host.name);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            let _ = host.sshd.kill();
            let _ = host.sshd.wait();
        }
        for pid in processes_below(self.folder.path()) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) events: Vec<Value>,
    stderr: PathBuf,
}

impl Run {
    /// Reads events until one satisfies `wanted`.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(event) = self.next() else { panic!("the run ended before {what}\n{}", self.story()) };
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Reads on until each of these hosts has pieces, which says as well that its agent has its orders.
    pub(crate) fn until_all_have_pieces(&mut self, hosts: &[LabHost]) {
        let mut missing: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        while !missing.is_empty() {
            let event = self.until(&format!("{missing:?} had pieces"), |event| {
                event["event"] == "host.progress" && event["pieces"].as_u64() > Some(0)
            });
            missing.retain(|name| event["host"] != *name);
        }
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("events are text");
        if line.is_empty() {
            return None;
        }
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not an event: {line}: {error}"));
        self.events.push(event.clone());
        Some(event)
    }

    fn story(&self) -> String {
        let mut errors = String::new();
        let _ = fs::File::open(&self.stderr).and_then(|mut file| file.read_to_string(&mut errors));
        let told = self.events.iter().filter(|event| event["event"] != "host.progress");
        told.map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n" + &errors
    }

    /// Whether an event that was read already satisfies `wanted`.
    pub(crate) fn has_told(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    /// What the run is called.
    pub(crate) fn id(&self) -> String {
        self.events.first().and_then(|event| event["run"].as_str()).expect("every event names the run").to_owned()
    }

    /// Reads to the end.
    pub(crate) fn finish(mut self) -> Ended {
        while self.next().is_some() {}
        let status = self.child.wait().expect("it was started here");
        let story = self.story();
        Ended { code: status.code().unwrap_or(-1), events: self.events, story }
    }
}

/// A run that ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) events: Vec<Value>,
    /// Events and stderr, to show when a test fails.
    pub(crate) story: String,
}

impl Ended {
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n{}", self.story);
        self
    }

    /// The reason of the host's last state.
    pub(crate) fn reason(&self, host: &LabHost) -> String {
        let mut states =
            self.events.iter().filter(|event| event["event"] == "host.state" && event["host"] == host.name.as_str());
        let last = states.next_back().unwrap_or_else(|| panic!("nothing was told of {}\n{}", host.name, self.story));
        format!("{}: {}", last["state"].as_str().unwrap_or_default(), last["reason"].as_str().unwrap_or_default())
    }

    pub(crate) fn end(&self) -> &Value {
        let end = self.events.last().unwrap_or_else(|| panic!("no event at all\n{}", self.story));
        assert_eq!(end["event"], "run.end", "the last event\n{}", self.story);
        end
    }
}

/// Waits for a condition.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "gave up waiting until {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What is in a folder: path, kind, mode, content.
pub(crate) fn tree(root: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("it can be read").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let name = plain(path.strip_prefix(root).expect("it is below"));
            let mode = metadata.permissions().mode() & 0o777;
            if metadata.is_symlink() {
                seen.push(format!("{name} -> {}", plain(&fs::read_link(&path).expect("it is a link"))));
            } else if metadata.is_dir() {
                seen.push(format!("{name} {mode:o}/"));
                folders.push(path);
            } else {
                seen.push(format!("{name} {mode:o} {:?}", checksum(&fs::read(&path).expect("it can be read"))));
            }
        }
    }
    seen.sort();
    seen
}

/// A path of any bytes, on one line.
fn plain(path: &Path) -> String {
    path.as_os_str().as_encoded_bytes().escape_ascii().to_string()
}

fn checksum(bytes: &[u8]) -> (usize, u64) {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    (bytes.len(), bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// Processes whose program lies below `folder`.
pub(crate) fn processes_below(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("this is Linux").filter_map(Result::ok);
    let numbered =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(|pid: u32| (pid, entry.path())));
    numbered
        .filter(|(_, path)| fs::read_link(path.join("exe")).is_ok_and(|exe| exe.starts_with(folder)))
        .map(|(pid, _)| pid)
        .collect()
}

pub(crate) fn user() -> String {
    let id = Command::new("id").arg("-un").output().expect("id is everywhere");
    String::from_utf8_lossy(&id.stdout).trim().to_owned()
}

fn sshd(folder: &Path) -> Child {
    sshd_by(&mut Command::new(SSHD), folder)
}

fn sshd_by(command: &mut Command, folder: &Path) -> Child {
    let log = fs::File::create(folder.join("sshd.log")).expect("the lab's folder takes files");
    command
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd is installed: apt-get install openssh-server (.ci/run does)")
}

pub(crate) fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.expect("ssh-keygen is installed: apt-get install openssh-client").success());
}

fn free_port(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("every 127.x address is ours on Linux");
    listener.local_addr().expect("it is bound").port()
}

fn wait_for_banner(host: &LabHost) {
    wait_until(&format!("sshd on {} speaks", host.name), || speaks(&host.name, host.port));
}

fn speaks(address: &str, port: u16) -> bool {
    let mut banner = [0; 4];
    let greeted = TcpStream::connect((address, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.read_exact(&mut banner)
    });
    greeted.is_ok() && &banner == b"SSH-"
}
