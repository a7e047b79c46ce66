//! A laboratory: one SSH server, the operator's files for it, and a fleet that goes there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rookery::control::Status;
use rookery::demo::{Keys, Server, ServerOptions};
use rookery::driver::bootstrap::AgentImage;
use rookery::driver::fleet::{Fleet, Limits, PushSource, Setup, Surroundings, Target, Targets};
use rookery::driver::ssh::{Credentials, Deadlines, Dialer};
use rookery::inventory::{Host, HostId, Place};
use rookery::rollout::{Failure, Input, Output};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Says marker, that it is attached, and hello, and ends with its input.
pub(super) const POLITE: &str = "#!/bin/sh
case \"$1$6\" in attach|serve) ;; serve*) exit 9;; *) exit 2;; esac
frame() { printf \"\\000\\000\\000\\\\$(printf %03o ${#2})\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\\\00$1%s\" \"$2\"; }
printf '\\000rookery-agent\\002\\n'
frame 0 \"{\\\"status\\\":\\\"attached\\\",\\\"instance\\\":7,\\\"taken\\\":0,\\\"pid\\\":$$}\"
frame 1 \"{\\\"status\\\":\\\"hello\\\",\\\"protocol\\\":2,\\\"version\\\":\\\"0\\\",\\\"pid\\\":$$}\"
";

pub(super) const HOST: Place = Place::Host(HostId(0));

/// A server, a key for it, and what the operator has.
pub(super) struct Lab {
    pub(super) folder: TempDir,
    pub(super) server: Server,
    pub(super) key: Keys,
    pub(super) host: Host,
}

impl Lab {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Keys::generate();
        key.write(&folder.path().join("id_ed25519")).unwrap();
        let server = start(folder.path(), "home", &key, change).await;
        let host = host("web1", server.address(), folder.path());
        let lab = Self { folder, server, key, host };
        lab.know(&format!("[web1]:{} {}", lab.server.address().port(), lab.server.public_line()));
        lab
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn know(&self, lines: &str) {
        std::fs::write(self.path("known_hosts"), format!("{lines}\n")).unwrap();
    }

    pub(super) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(super) async fn fleet(&self, agent: &str) -> Run {
        self.fleet_of(vec![self.host.clone()], agent, None).await
    }

    pub(super) async fn fleet_of(&self, hosts: Vec<Host>, agent: &str, payload: Option<PushSource>) -> Run {
        let image = Arc::new(AgentImage::from_bytes(agent.as_bytes()));
        let surroundings = Surroundings { home: None, user: "demo".to_owned() };
        let Targets { targets, identities, .. } = Targets::new(&hosts, &surroundings, &image).unwrap();
        let credentials = Credentials::load(None, &identities, &[], None, &mut |_, _| None).await;
        let work_dir = self.path("local").display().to_string();
        Run::new(targets, credentials, image, work_dir, payload)
    }

    pub(super) async fn ends_with(&self, agent: &str) -> Failure {
        let mut run = self.fleet(agent).await;
        run.connect(1);
        run.ended().await.0.expect("it fails")
    }
}

pub(super) fn host(name: &str, address: SocketAddr, folder: &Path) -> Host {
    Host {
        address: address.ip().to_string(),
        port: address.port(),
        user: Some("demo".to_owned()),
        identity: vec![folder.join("id_ed25519").display().to_string()],
        known_hosts: vec![folder.join("known_hosts").display().to_string()],
        connect_timeout: Duration::from_secs(5),
        ..Host::new(name)
    }
}

pub(super) async fn start(folder: &Path, home: &str, key: &Keys, change: impl FnOnce(&mut ServerOptions)) -> Server {
    let home = folder.join(home);
    std::fs::create_dir(&home).unwrap();
    let mut options = ServerOptions::new(IpAddr::V4(Ipv4Addr::LOCALHOST), home, key);
    change(&mut options);
    Server::start(options).await.unwrap()
}

/// A fleet under way.
pub(super) struct Run {
    pub(super) fleet: Fleet,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) seen: Vec<Input>,
}

impl Run {
    pub(super) fn new(
        targets: Vec<Target>,
        credentials: Credentials,
        image: Arc<AgentImage>,
        work_dir: String,
        payload: Option<PushSource>,
    ) -> Self {
        let deadlines = Deadlines { key_exchange: Duration::from_secs(2), ..Deadlines::default() };
        let limits = Limits { stop: Duration::from_secs(2), start: Duration::from_secs(4), ..Limits::default() };
        let dialer = Dialer::new(credentials, deadlines);
        let run = "r1".parse().unwrap();
        let setup = Setup { targets, dialer, image, work_dir, payload, limits, run };
        let (fleet, inputs) = Fleet::new(setup, Handle::current());
        Self { fleet, inputs, seen: Vec::new() }
    }

    pub(super) fn connect(&self, attempt: u32) {
        self.fleet.execute(Output::Connect { at: HOST, attempt });
    }

    pub(super) fn disconnect(&self, attempt: u32) {
        self.fleet.execute(Output::Disconnect { at: HOST, attempt });
    }

    /// The first input that `wanted` likes.
    pub(super) async fn wait<T>(&mut self, wanted: impl Fn(&Input) -> Option<T>) -> T {
        let found = timeout(Duration::from_secs(40), async {
            while let Some(input) = self.inputs.recv().await {
                let found = wanted(&input);
                self.seen.push(input);
                if let Some(found) = found {
                    return found;
                }
            }
            panic!("the fleet is gone");
        });
        match found.await {
            Ok(found) => found,
            Err(late) => panic!("{late}: nothing came after {:?}", self.seen),
        }
    }

    pub(super) async fn attached(&mut self) -> String {
        self.wait(|input| match input {
            Input::Attached { work_dir, .. } => Some(Ok(work_dir.clone())),
            Input::Ended { failure, .. } => Some(Err(failure.clone())),
            _ => None,
        })
        .await
        .expect("the agent starts")
    }

    pub(super) async fn pid(&mut self) -> u32 {
        self.wait(|input| match input {
            Input::Status { status: Status::Hello { pid, .. }, .. } => Some(*pid),
            _ => None,
        })
        .await
    }

    pub(super) async fn ended(&mut self) -> (Option<Failure>, Vec<String>) {
        self.wait(|input| match input {
            Input::Ended { failure, left_behind, .. } => Some((failure.clone(), left_behind.clone())),
            _ => None,
        })
        .await
    }
}

pub(super) fn polite() -> String {
    format!("{POLITE}cat >/dev/null\n")
}

pub(super) fn is_running(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}
