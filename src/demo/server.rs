//! One SSH server.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::fault::FULL_DISK;
use super::process::{Groups, Place, carry, free_disk, kill_agents, spawn};
use super::{Fault, Keys};

/// Commands whose texts are kept.
const COMMANDS_MAX: usize = 1000;

/// What somebody gets who logs in: lines that are obeyed. An interactive shell would ask for the terminal, which is the
/// console's, and be stopped.
const SHELL: &str = r#"echo 'a demo host: a line is a command, exit leaves'
while printf '$ ' && IFS= read -r line; do command eval "$line"; done"#;

/// What a server is like.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where it listens, on a free port.
    pub address: IpAddr,
    /// The folder that is its user's home; commands run there.
    pub home: PathBuf,
    /// The user that may log in.
    pub user: String,
    /// The keys that open it.
    pub authorized: Vec<Keys>,
    /// Its own key.
    pub host_key: Keys,
    /// Shell text that runs before every command: what a login shell's start-up files do.
    pub rc: String,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

impl ServerOptions {
    /// A server without faults for the user `demo`.
    pub fn new(address: IpAddr, home: PathBuf, key: &Keys) -> Self {
        Self {
            address,
            home,
            user: "demo".to_owned(),
            authorized: vec![key.clone()],
            host_key: Keys::generate(),
            rc: String::new(),
            fault: None,
        }
    }
}

/// A running server. Its sessions and processes end with it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    host: Arc<HostState>,
    accepting: JoinHandle<()>,
}

/// What all sessions of a server share.
#[derive(Debug)]
struct HostState {
    options: ServerOptions,
    authorized: Vec<PublicKey>,
    groups: Groups,
    commands: Mutex<Vec<String>>,
    starts: AtomicUsize,
}

impl Server {
    /// Starts to listen.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((options.address, 0)).await?;
        let address = listener.local_addr()?;
        let config = Arc::new(config(&options.host_key.private));
        let authorized = options.authorized.iter().map(|keys| keys.private.public_key().clone()).collect();
        let host = HostState {
            options,
            authorized,
            groups: Groups::default(),
            commands: Mutex::default(),
            starts: AtomicUsize::default(),
        };
        let host = Arc::new(host);
        let accepting = tokio::spawn(accept(listener, address, config, host.clone()));
        Ok(Self { address, host, accepting })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its own public key, as `known_hosts` has it.
    pub fn public_line(&self) -> String {
        self.host.options.host_key.public_line()
    }

    /// The commands it was given, first to last.
    pub fn commands(&self) -> Vec<String> {
        self.host.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many commands run.
    pub fn running(&self) -> usize {
        self.host.groups.len()
    }

    /// Kills every process it started, as an operator with root would.
    pub fn kill_processes(&self) {
        self.host.groups.kill_all();
        kill_agents(&self.host.options.home);
    }

    /// Ends it, its sessions and its processes.
    pub fn stop(&self) {
        self.accepting.abort();
        self.kill_processes();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn config(key: &PrivateKey) -> Config {
    Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        keys: vec![key.clone()],
        auth_rejection_time: Duration::from_millis(50),
        auth_rejection_time_initial: Some(Duration::ZERO),
        nodelay: true,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, config: Arc<Config>, host: Arc<HostState>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, client)) = accepted else { continue };
                let session = HostSession { host: host.clone(), client, address, channels: BTreeMap::new() };
                sessions.spawn(serve(config.clone(), stream, session));
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn serve(config: Arc<Config>, stream: TcpStream, session: HostSession) {
    if let Ok(running) = run_stream(config, stream, session).await {
        running.await.ok();
    }
}

/// One connection.
struct HostSession {
    host: Arc<HostState>,
    client: SocketAddr,
    address: SocketAddr,
    channels: BTreeMap<ChannelId, Channel<Msg>>,
}

impl HostSession {
    fn run(&mut self, channel: Channel<Msg>, command: &str, session: &Session) -> io::Result<()> {
        let options = &self.host.options;
        let is_start =
            command.contains("rookery-agent") && [" attach ", "eval "].iter().any(|word| command.contains(word));
        let is_first = is_start && self.host.starts.fetch_add(1, Ordering::Relaxed) == 0;
        let before = match options.fault {
            Some(Fault::DiskFull(_)) if is_first => FULL_DISK,
            Some(Fault::DiskFull(_) | Fault::KeyChanged | Fault::AgentDies(_) | Fault::Slow) | None => "",
        };
        let place = Place { home: &options.home, user: &options.user, client: self.client, server: self.address };
        let child = spawn(&format!("{}{before}{command}", options.rc), &place)?;
        let later = match options.fault {
            Some(Fault::AgentDies(after)) => Some((after, kill_agents as fn(&Path))),
            Some(Fault::DiskFull(after)) => Some((after, free_disk as fn(&Path))),
            Some(Fault::KeyChanged | Fault::Slow) | None => None,
        };
        if let (Some((after, act)), true) = (later, is_first) {
            let home = options.home.clone();
            tokio::spawn(async move {
                sleep(after).await;
                act(&home);
            });
        }
        tokio::spawn(carry(child, channel, session.handle(), self.host.groups.clone()));
        Ok(())
    }

    fn execute(&mut self, id: ChannelId, command: &str, session: &mut Session) -> Result<(), russh::Error> {
        let started = match self.channels.remove(&id) {
            Some(channel) => self.run(channel, command, session),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let mut commands = self.host.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.len() < COMMANDS_MAX {
            commands.push(command.to_owned());
        }
        drop(commands);
        match started {
            Ok(()) => session.channel_success(id),
            Err(_) => session.channel_failure(id),
        }
    }
}

impl Handler for HostSession {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, offer: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let known = self.host.authorized.iter().any(|key| key.key_data() == offer.public_key.key_data());
        Ok(if known && user == self.host.options.user { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Ok(port) = u16::try_from(port) else { return Ok(()) };
        // Dropping the reply refuses.
        let Ok(mut stream) = TcpStream::connect((host, port)).await else { return Ok(()) };
        reply.accept().await;
        tokio::spawn(async move {
            let mut channel = channel.into_stream();
            tokio::io::copy_bidirectional(&mut channel, &mut stream).await.ok();
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        // There are pipes only: without a terminal ssh leaves the operator's own as it is, which echoes and edits lines.
        session.channel_failure(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.execute(id, SHELL, session)
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.execute(id, &String::from_utf8_lossy(command), session)
    }
}
