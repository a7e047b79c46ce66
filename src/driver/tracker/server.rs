//! A tracker that listens.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::announce::{AnnounceRequest, PeerForm, ScrapeRequest, encode_refusal};
use crate::driver::Clock;
use crate::tracker::{Input, Output, Refusal, RequestId, Tracker, TrackerConfig};

/// Bounds of a listening tracker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first byte to the last of one connection; a request fits one packet.
    pub(super) connection: Duration,
    /// Connections at once; more wait in the listen queue.
    pub(super) connections_max: usize,
    /// Connections at once of those who may not ask; more are closed unanswered.
    pub(super) strangers_max: usize,
}

const LIMITS: Limits = Limits { connection: Duration::from_secs(10), connections_max: 512, strangers_max: 16 };
/// Bytes of a request's head at most: a query of the longest kind.
const HEAD_MAX: usize = 16 << 10;
/// Header fields of a request at most.
const HEADERS_MAX: usize = 64;
/// How long to wait when no connection can be taken, as when file descriptors run out.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A tracker's socket: others can connect, nobody is answered yet.
#[derive(Debug)]
pub struct TrackerServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// A tracker that answers until this is dropped.
#[derive(Debug)]
pub struct TrackerHandle {
    address: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

impl TrackerServer {
    /// Opens the socket; port 0 takes any free one.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, on the runtime this is called on.
    pub fn start(self, config: TrackerConfig, seed: u64) -> TrackerHandle {
        self.start_within(config, seed, LIMITS)
    }

    pub(super) fn start_within(self, config: TrackerConfig, seed: u64, limits: Limits) -> TrackerHandle {
        let desk = Arc::new(Desk { tracker: Mutex::new(Tracker::new(config, seed)), clock: Clock::start() });
        let task = tokio::spawn(serve(self.listener, Arc::clone(&desk), limits));
        TrackerHandle { address: self.address, desk, task }
    }
}

impl TrackerHandle {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets these addresses ask from now on.
    pub fn allow(&self, addresses: Vec<IpAddr>) {
        self.desk.ask(Input::Allow(addresses));
    }

    /// Closes the socket and every connection; both are closed when this returns.
    pub async fn stop(mut self) {
        self.task.abort();
        if let Err(error) = (&mut self.task).await {
            debug_assert!(error.is_cancelled(), "the tracker's task does not panic");
        }
    }
}

impl Drop for TrackerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The machine and its clock, shared by all connections.
#[derive(Debug)]
struct Desk {
    tracker: Mutex<Tracker>,
    clock: Clock,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().expect("nobody panics at the desk")
    }

    /// Tells the machine something and returns what it says; every input has at most one output.
    fn ask(&self, input: Input) -> Option<Output> {
        let mut tracker = self.lock();
        tracker.handle_input(self.clock.now(), input);
        tracker.poll_output()
    }

    fn deadline(&self) -> Option<tokio::time::Instant> {
        self.lock().deadline().map(|deadline| self.clock.timer(deadline))
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>, limits: Limits) {
    let (mut connections, mut strangers) = (JoinSet::new(), JoinSet::new());
    loop {
        let deadline = desk.deadline();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limits.connections_max => match accepted {
                Ok((stream, from)) => {
                    let known = desk.lock().allows(from.ip());
                    let connection = converse(stream, from.ip(), Arc::clone(&desk), limits);
                    if known {
                        connections.spawn(connection);
                    } else if strangers.len() < limits.strangers_max {
                        strangers.spawn(connection);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a tracker connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            },
            Some(_) = connections.join_next() => {}
            Some(_) = strangers.join_next() => {}
            () = due => {
                desk.ask(Input::Elapsed);
            }
        }
    }
}

/// One request, one answer, within the deadline.
async fn converse(stream: TcpStream, from: IpAddr, desk: Arc<Desk>, limits: Limits) {
    let service = service_fn(|request| {
        let response = answer(&desk, from, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(false).max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX);
    server.timer(TokioTimer::new()).header_read_timeout(limits.connection);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limits.connection, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%from, %error, "tracker request"),
        Err(_elapsed) => tracing::debug!(%from, "tracker request took too long"),
    }
}

/// Answers from the head alone: a request's body is never read.
fn answer(desk: &Desk, from: IpAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return respond(StatusCode::METHOD_NOT_ALLOWED, encode_refusal("only GET is understood"));
    }
    let query = request.uri().query().unwrap_or_default();
    let input = match request.uri().path() {
        "/announce" => AnnounceRequest::parse(query).map(|request| Input::Announce { id: ONLY, from, request }),
        "/scrape" => ScrapeRequest::parse(query).map(|request| Input::Scrape { id: ONLY, from, request }),
        _ => return respond(StatusCode::NOT_FOUND, encode_refusal("ask for /announce or /scrape")),
    };
    let output = match input {
        Ok(input) => desk.ask(input),
        Err(error) => return respond(StatusCode::OK, encode_refusal(&error.to_string())),
    };
    let answer = match output.expect("every question is answered") {
        Output::Announced { answer, .. } => answer.map(|(response, form): (_, PeerForm)| response.encode(form)),
        Output::Scraped { answer, .. } => answer.map(|response| response.encode()),
    };
    match answer {
        Ok(body) => respond(StatusCode::OK, body),
        Err(refusal @ Refusal::Stranger(_)) => respond(StatusCode::FORBIDDEN, encode_refusal(&refusal.to_string())),
        Err(refusal @ (Refusal::UnknownSwarm(_) | Refusal::Full)) => {
            respond(StatusCode::OK, encode_refusal(&refusal.to_string()))
        }
    }
}

/// Questions are answered one at a time, so that one name does for all.
const ONLY: RequestId = RequestId(0);

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain");
    response.body(Full::new(body.into())).expect("the head is made of constants")
}
