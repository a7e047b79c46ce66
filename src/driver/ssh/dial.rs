//! From a route to a session: TCP, banner, keys, authentication, each with its deadline.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Config, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, SshId, cipher, compression};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::auth::authenticate;
use super::bastions::Bastions;
use super::gate::{Gate, Reports, describe};
use super::logins::Logins;
use super::proxy::Proxy;
use super::stream::Watched;
use super::sudo::Sudo;
use super::{Credentials, Hop, Route, Session, SudoPassword};
use crate::driver::known_hosts::HostKeys;
use crate::rollout::{Failure, Phase};

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Banner and key exchange, on top of the inventory's `connect_timeout`.
    pub key_exchange: Duration,
    /// All keys together; PAM may be slow.
    pub authenticate: Duration,
    /// Opening a channel and starting a command.
    pub open: Duration,
    /// Between two keepalives.
    pub keepalive: Duration,
    /// Keepalives without an answer that end a connection.
    pub keepalive_max: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            key_exchange: Duration::from_secs(15),
            authenticate: Duration::from_secs(30),
            open: Duration::from_secs(15),
            keepalive: Duration::from_secs(15),
            keepalive_max: 3,
        }
    }
}

/// Connections that are closed before a banner are tried this often: sshd drops some at random when many come at once.
const TRIES_MAX: u32 = 3;

/// Least wait before the next of these tries; doubles, with as much jitter on top.
const BACKOFF_MIN: Duration = Duration::from_millis(400);

/// Makes sessions; shared by all hosts.
#[derive(Debug)]
pub struct Dialer {
    credentials: Credentials,
    deadlines: Deadlines,
    bastions: Bastions,
    logins: Logins,
    sudo_password: Option<Arc<SudoPassword>>,
}

impl Dialer {
    /// A dialer with the operator's keys.
    pub fn new(credentials: Credentials, deadlines: Deadlines) -> Self {
        let (bastions, logins) = (Bastions::default(), Logins::default());
        Self { credentials, deadlines, bastions, logins, sudo_password: None }
    }

    /// The same, with a password for sudo.
    pub fn with_sudo_password(self, password: SudoPassword) -> Self {
        Self { sudo_password: Some(Arc::new(password)), ..self }
    }

    /// The deadlines in force.
    pub const fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Connects and authenticates, through the jump hosts if there are any.
    pub async fn dial(&self, route: &Route) -> Result<Session, Failure> {
        let session = match route.jumps.split_last() {
            None => self.dial_directly(&route.host).await?,
            Some((last, before)) => {
                let via = self.bastion(last, before).await.map_err(|failure| through(last, &failure))?;
                self.dial_through(&via, last, &route.host).await?
            }
        };
        Ok(session.with_sudo(route.sudo.then(|| Sudo::new(self.sudo_password.clone()))))
    }

    /// The shared session to a jump host, which may itself be behind others.
    fn bastion<'a>(
        &'a self,
        hop: &'a Hop,
        before: &'a [Hop],
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Arc<Session>, Failure>> + Send + 'a>> {
        let name: Vec<String> =
            before.iter().chain([hop]).map(|hop| format!("{}@{}", hop.user, hop.endpoint())).collect();
        let name = format!("{} {}", name.join(" "), self.bastions.turn(hop.connections));
        Box::pin(self.bastions.get(name, async move {
            match before.split_last() {
                None => self.dial_directly(hop).await,
                Some((last, earlier)) => {
                    let via = self.bastion(last, earlier).await?;
                    self.dial_through(&via, last, hop).await
                }
            }
        }))
    }

    async fn dial_directly(&self, hop: &Hop) -> Result<Session, Failure> {
        let mut backoff = BACKOFF_MIN;
        for _ in 1..TRIES_MAX {
            match self.dial_once(hop).await {
                Err(Failure::ClosedBeforeBanner { .. }) => sleep(backoff + jitter(backoff)).await,
                done => return done,
            }
            backoff *= 2;
        }
        self.dial_once(hop).await
    }

    async fn dial_once(&self, hop: &Hop) -> Result<Session, Failure> {
        if !hop.proxy_command.is_empty() {
            return self.dial_by_proxy(hop).await;
        }
        let stream = connect(hop).await?;
        let peer = stream.peer_addr().ok().map(|address| address.ip());
        let local = stream.local_addr().ok().map(|address| address.ip());
        self.greet(hop, stream, Ends { peer, local }, None).await
    }

    async fn dial_by_proxy(&self, hop: &Hop) -> Result<Session, Failure> {
        let (proxy, last) = Proxy::start(hop, &hop.proxy_command)?;
        match self.greet(hop, proxy, Ends::default(), None).await {
            Err(Failure::ClosedBeforeBanner { address }) => {
                let why = last.get().await.unwrap_or_else(|| "it ended".to_owned());
                Err(Failure::Connect { address, why: format!("proxy command `{}`: {why}", hop.proxy_command[0]) })
            }
            greeted => greeted,
        }
    }

    async fn dial_through(&self, via: &Arc<Session>, jump: &Hop, hop: &Hop) -> Result<Session, Failure> {
        let opened = within(Phase::Connect, hop.connect_timeout, via.tunnel(&hop.address, hop.port)).await?;
        let stream = opened.map_err(|why| Failure::Jump {
            jump: jump.name.clone(),
            why: format!("no way to {}: {why}", hop.endpoint()),
        })?;
        self.greet(hop, stream, Ends::default(), Some(via.clone())).await
    }

    /// Speaks SSH over a stream that leads to `hop`.
    async fn greet<S>(&self, hop: &Hop, stream: S, ends: Ends, via: Option<Arc<Session>>) -> Result<Session, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (own, alias) = ([hop.name.as_str(), hop.address.as_str()], [hop.key_alias.as_deref().unwrap_or_default()]);
        let names = if hop.key_alias.is_some() { &alias[..] } else { &own[..] };
        let keys = hop.known_hosts.of_host(names, hop.port).map_err(|error| Failure::Ssh { why: error.to_string() })?;
        let config = Arc::new(self.config(&keys));
        let reports = Reports::default();
        let (stream, greeting, lifeline) = Watched::new(stream);
        let gate = Gate::new(hop.clone(), keys, reports.clone());
        let after = self.deadlines.key_exchange.max(hop.connect_timeout);
        let greeted = within(Phase::KeyExchange, after, client::connect_stream(config, stream, gate)).await?;
        let mut handle: Handle<Gate> = greeted.map_err(|error| {
            reports.refused().unwrap_or_else(|| {
                if greeting.is_ssh() {
                    Failure::Ssh { why: reports.ended().unwrap_or_else(|| describe(&error)) }
                } else {
                    not_ssh(hop, &greeting.text(), &error)
                }
            })
        })?;
        let turn = within(Phase::Authenticate, self.deadlines.authenticate * 2, self.logins.enter());
        let _turn = turn.await??;
        let proving = authenticate(&mut handle, hop, &self.credentials, &reports);
        let proved = within(Phase::Authenticate, self.deadlines.authenticate, proving).await?;
        let key = proved.inspect_err(|failure| {
            if matches!(failure, Failure::Authentication { .. }) {
                self.credentials.doubt();
                self.logins.refused(failure);
            }
        })?;
        self.logins.accepted();
        reports.note(format!("logged in as {} with {key}", hop.user));
        Ok(Session::new(handle, reports, lifeline, ends, via, self.deadlines.open))
    }

    fn config(&self, keys: &HostKeys) -> Config {
        Config {
            client_id: SshId::Standard(concat!("SSH-2.0-Rookery_", env!("CARGO_PKG_VERSION")).into()),
            window_size: 2 << 20,
            keepalive_interval: Some(self.deadlines.keepalive),
            keepalive_max: self.deadlines.keepalive_max,
            nodelay: true,
            preferred: Preferred {
                key: Cow::Owned(host_key_order(&keys.algorithms())),
                // Asked for only where an authority could vouch for one.
                host_key_certificates: Cow::Owned(keys.authority().map_or_else(Vec::new, |_| host_key_order(&[]))),
                cipher: Cow::Borrowed(CIPHERS),
                compression: Cow::Borrowed(&[compression::NONE]),
                ..Preferred::DEFAULT
            },
            ..Config::default()
        }
    }
}

/// The addresses of a connection without jump hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) peer: Option<IpAddr>,
    pub(super) local: Option<IpAddr>,
}

/// AES-128-GCM costs the console half of what the others do.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// The key types a host is known by first, so that it presents one of these.
fn host_key_order(known: &[&str]) -> Vec<Algorithm> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let all = [
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    let is_known = |algorithm: &Algorithm| {
        let rsa = matches!(algorithm, Algorithm::Rsa { .. });
        known.contains(&if rsa { "ssh-rsa" } else { algorithm.as_str() })
    };
    let (mut first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_known);
    first.extend(rest);
    first
}

async fn connect(hop: &Hop) -> Result<TcpStream, Failure> {
    let after = hop.connect_timeout;
    let addresses = within(Phase::Connect, after, resolve(hop)).await??;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let tried = within(Phase::Connect, after, async {
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Some(stream),
                Err(error) => last = error,
            }
        }
        None
    });
    let stream = tried.await?;
    let stream = stream.ok_or_else(|| Failure::Connect { address: hop.endpoint(), why: last.to_string() })?;
    stream.set_nodelay(true).map_err(|error| Failure::Connect { address: hop.endpoint(), why: error.to_string() })?;
    Ok(stream)
}

async fn resolve(hop: &Hop) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = hop.address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, hop.port)]);
    }
    let failed = |why: String| Failure::Resolve { name: hop.address.clone(), why };
    let found = lookup_host((hop.address.as_str(), hop.port)).await.map_err(|error| failed(error.to_string()))?;
    let found: Vec<SocketAddr> = found.take(8).collect();
    if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
}

fn not_ssh(hop: &Hop, said: &str, error: &russh::Error) -> Failure {
    if matches!(error, russh::Error::Version) {
        return Failure::Ssh { why: format!("{} does not speak SSH: `{said}`", hop.endpoint()) };
    }
    Failure::ClosedBeforeBanner { address: hop.endpoint() }
}

fn through(hop: &Hop, failure: &Failure) -> Failure {
    if matches!(failure, Failure::Jump { .. }) {
        return failure.clone();
    }
    Failure::Jump { jump: hop.name.clone(), why: failure.to_string() }
}

/// Waits for `future`, but no longer than a phase may take.
pub(in crate::driver) async fn within<T>(
    phase: Phase,
    after: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout(after, future).await.ok().ok_or(Failure::Timeout { phase, after })
}

fn jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}
