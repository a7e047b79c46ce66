//! All demo hosts, and the folder they live in.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use tokio::net::TcpListener;

use super::files::{inventory, write_payload};
use super::{Fault, Keys, Server, ServerOptions};

/// Bytes of the demo's payload.
const PAYLOAD_BYTES: u64 = 16 << 20;

/// When the full disk is freed, after the start of the agent that found it full.
const FREED_AFTER: Duration = Duration::from_secs(5);

/// When the agent that dies does, after its start.
const DIES_AFTER: Duration = Duration::from_secs(9);

/// More hosts than this do not fit one machine.
const HOSTS_MAX: usize = 500;

/// What a demo is like.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How many hosts.
    pub hosts: usize,
    /// Which of them have faults, and what the payload's bytes are.
    pub seed: u64,
    /// Whether there are faults.
    pub faults: bool,
    /// Where the demo's folder is made; the system's folder for temporary files unless given.
    pub dir: Option<PathBuf>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Not a number of hosts that one machine can be.
    #[error("{0} hosts cannot be made here; choose 1 to {HOSTS_MAX}")]
    Hosts(usize),
    /// A file or socket could not be made.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: String,
        /// The operating system's words.
        source: io::Error,
    },
}

/// A demo host, as its inventory has it.
#[derive(Debug, Clone)]
pub struct DemoHost {
    /// Its name.
    pub name: String,
    /// The group it is in.
    pub group: &'static str,
    /// Where its server listens.
    pub address: SocketAddr,
    /// Its user's home.
    pub home: PathBuf,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// Running demo hosts. Dropping them kills their processes and removes their folder.
#[derive(Debug)]
pub struct DemoFleet {
    folder: Folder,
    hosts: Vec<DemoHost>,
    servers: Vec<Server>,
}

impl DemoFleet {
    /// Starts the hosts, and writes their keys, inventory and payload.
    pub async fn start(options: DemoOptions) -> Result<Self, DemoError> {
        if !(1..=HOSTS_MAX).contains(&options.hosts) {
            return Err(DemoError::Hosts(options.hosts));
        }
        let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder = Folder::create(&parent)
            .map_err(|source| failed(&format!("make the demo's folder in {}", parent.display()), source))?;
        let key = Keys::generate();
        key.write(&folder.0.join("id_ed25519")).map_err(|source| failed("write a key", source))?;
        let mut fleet = Self { folder, hosts: Vec::new(), servers: Vec::new() };
        let faults = faults(&options);
        for number in 0..options.hosts {
            let fault = faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
            fleet.add(number, fault, &key, &options).await.map_err(|source| failed("start a demo host", source))?;
        }
        fleet.write(options.seed).map_err(|source| failed("write the demo's files", source))?;
        Ok(fleet)
    }

    /// The hosts.
    pub fn hosts(&self) -> &[DemoHost] {
        &self.hosts
    }

    /// The servers, by host.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The inventory file.
    pub fn inventory(&self) -> PathBuf {
        self.folder.0.join("inventory.toml")
    }

    /// The directory to distribute.
    pub fn payload(&self) -> PathBuf {
        self.folder.0.join("release")
    }

    /// Ends the servers and their processes, and removes the folder.
    pub fn stop(self) -> io::Result<()> {
        self.servers.iter().for_each(Server::stop);
        fs::remove_dir_all(&self.folder.0)
    }

    async fn add(&mut self, number: usize, fault: Option<Fault>, key: &Keys, options: &DemoOptions) -> io::Result<()> {
        let (name, group) = name(number, options.hosts);
        let home = self.folder.0.join("hosts").join(&name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
        let server = ServerOptions { fault, ..ServerOptions::new(address(number).await, home.clone(), key) };
        let server = Server::start(server).await?;
        self.hosts.push(DemoHost { name, group, address: server.address(), home, fault });
        self.servers.push(server);
        Ok(())
    }

    fn write(&self, seed: u64) -> io::Result<()> {
        let mut known = String::new();
        for (host, server) in self.hosts.iter().zip(&self.servers) {
            let line = match host.fault {
                Some(Fault::KeyChanged) => Keys::generate().public_line(),
                Some(Fault::DiskFull(_) | Fault::AgentDies(_) | Fault::Slow) | None => server.public_line(),
            };
            writeln!(known, "[{}]:{} {line}", host.name, host.address.port()).expect("memory takes it");
        }
        fs::write(self.folder.0.join("known_hosts"), known)?;
        fs::write(self.inventory(), inventory(&self.hosts, &self.folder.0))?;
        write_payload(&self.payload(), PAYLOAD_BYTES, seed)
    }
}

/// `web01` and so on, a quarter of them `db01`.
fn name(number: usize, hosts: usize) -> (String, &'static str) {
    let web = hosts - hosts / 4;
    let (number, group) = if number < web { (number, "web") } else { (number - web, "db") };
    let width = if hosts < 100 { 2 } else { 3 };
    (format!("{group}{:0width$}", number + 1), group)
}

/// One host for each fault, never the first: it seeds.
fn faults(options: &DemoOptions) -> Vec<(usize, Fault)> {
    if !options.faults {
        return Vec::new();
    }
    let mut places: Vec<usize> = (1..options.hosts).collect();
    Rng::with_seed(options.seed).shuffle(&mut places);
    let all = [Fault::DiskFull(FREED_AFTER), Fault::KeyChanged, Fault::AgentDies(DIES_AFTER), Fault::Slow];
    places.into_iter().zip(all).collect()
}

/// An address of its own for each host, where the system takes all of 127.0.0.0/8 for itself.
async fn address(number: usize) -> IpAddr {
    let [.., high, low] = (number as u32 + 1).to_be_bytes();
    let own = IpAddr::V4(Ipv4Addr::new(127, 77, high, low));
    let bindable = TcpListener::bind((own, 0)).await.is_ok();
    if bindable { own } else { IpAddr::V4(Ipv4Addr::LOCALHOST) }
}

fn failed(operation: &str, source: io::Error) -> DemoError {
    DemoError::Io { operation: operation.to_owned(), source }
}

/// A folder that goes with its owner.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!("rookery-demo-{:012x}", fastrand::u64(..1 << 48)));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in a folder for temporary files.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Inventory;

    #[tokio::test]
    async fn a_demo_is_an_inventory_of_live_hosts_and_leaves_nothing() {
        let options = DemoOptions { hosts: 6, seed: 7, faults: true, dir: None };
        let fleet = DemoFleet::start(options).await.unwrap();
        let folder = fleet.folder().to_owned();
        let text = fs::read_to_string(fleet.inventory()).unwrap();
        let inventory = Inventory::parse(&fleet.inventory(), &text).unwrap();
        assert_eq!(inventory.hosts.len(), 6);
        assert!(inventory.warnings.is_empty(), "{:?}", inventory.warnings);
        for (host, made) in inventory.hosts.iter().zip(fleet.hosts()) {
            assert_eq!((host.name.as_str(), host.port), (made.name.as_str(), made.address.port()));
            tokio::net::TcpStream::connect(made.address).await.unwrap();
        }
        assert_eq!(fleet.hosts().iter().filter(|host| host.fault.is_some()).count(), 4);
        assert!(fleet.hosts()[0].fault.is_none(), "the seeder has none");
        assert!(fleet.payload().join("bin/hello").exists());
        let address = fleet.hosts()[0].address;
        fleet.stop().unwrap();
        assert!(!folder.exists());
        tokio::task::yield_now().await;
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }

    #[test]
    fn the_same_seed_makes_the_same_demo() {
        let options = DemoOptions { hosts: 24, seed: 1, faults: true, dir: None };
        assert_eq!(faults(&options), faults(&options));
        assert_ne!(faults(&options), faults(&DemoOptions { seed: 2, ..options }));
        assert_eq!(name(0, 24), ("web01".to_owned(), "web"));
        assert_eq!(name(18, 24), ("db01".to_owned(), "db"));
    }
}
