//! TCP to the peers of a swarm: listens, dials, cuts bytes into messages, and writes queues that are bounded.
//!
//! Every connection has a task that reads and one that writes. Who is let in, what is said and when to stop is the
//! machine's business.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::control::{AgentFailure, PortRange};
use crate::swarm::{ConnectionId, Input};
use crate::wire::{Framer, Handshake, Message, Received};

/// Batches of inputs waiting for the machine; beyond this connections are not read, and TCP slows the peers.
const EVENTS_MAX: usize = 64;

/// Messages waiting to be written to one peer: every `have` of a large payload fits. A peer that lets more wait is not
/// reading, and is closed.
const QUEUE_MAX: usize = 16_384;

/// Messages written at once; with blocks in them 256 KiB, so that the machine hears often that some have left.
const BATCH_MAX: usize = 16;

/// Wait after a failed accept: out of descriptors, most likely.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Connections not accepted yet.
const BACKLOG: u32 = 256;

/// What happened to the connections.
enum Event {
    Accepted(SocketAddr, TcpStream),
    Dialed(SocketAddr, io::Result<TcpStream>),
    Inputs(ConnectionId, Vec<Input>),
}

enum Outgoing {
    Greeting(Handshake),
    Message(Message),
}

struct Connection {
    queue: mpsc::Sender<Outgoing>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Every connection of one host in one swarm. Dropping it closes them all.
pub(super) struct Peers {
    bind: IpAddr,
    port: u16,
    dial_timeout: Duration,
    connections: BTreeMap<ConnectionId, Connection>,
    next_id: u64,
    happened: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    accepting: JoinHandle<()>,
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Peers {
    /// Listens on the first free port of `ports`.
    pub(super) fn listen(bind: IpAddr, ports: PortRange, dial_timeout: Duration) -> Result<Self, AgentFailure> {
        let listener = bind_first_free(bind, ports)?;
        let port = listener.local_addr().map_err(|error| listen_failure(bind, ports, &error))?.port();
        let (happened, events) = mpsc::channel(EVENTS_MAX);
        let accepting = tokio::spawn(accept(listener, happened.clone()));
        Ok(Self { bind, port, dial_timeout, connections: BTreeMap::new(), next_id: 0, happened, events, accepting })
    }

    /// The port others dial.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Connects in the background, from the address that is listened on.
    pub(super) fn dial(&self, address: SocketAddr) {
        let (bind, timeout, happened) = (self.bind, self.dial_timeout, self.happened.clone());
        tokio::spawn(async move {
            let late = |_elapsed| Err(io::ErrorKind::TimedOut.into());
            let stream = tokio::time::timeout(timeout, connect(bind, address)).await.unwrap_or_else(late);
            // Nobody listens any more once the swarm is left.
            let _ = happened.send(Event::Dialed(address, stream)).await;
        });
    }

    /// Queues a handshake.
    pub(super) fn greet(&mut self, connection: ConnectionId, handshake: Handshake) -> Option<Input> {
        self.queue(connection, Outgoing::Greeting(handshake))
    }

    /// Queues a message. A peer that does not read is closed, which is what is returned then.
    pub(super) fn send(&mut self, connection: ConnectionId, message: Message) -> Option<Input> {
        self.queue(connection, Outgoing::Message(message))
    }

    /// Closes a connection at once; nothing more is said about it.
    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// What happened next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Vec<Input> {
        match self.events.recv().await {
            Some(event) => self.inputs(event),
            None => std::future::pending().await,
        }
    }

    /// What happened already.
    pub(super) fn try_next(&mut self) -> Option<Vec<Input>> {
        self.events.try_recv().ok().map(|event| self.inputs(event))
    }

    fn queue(&mut self, connection: ConnectionId, outgoing: Outgoing) -> Option<Input> {
        let queue = &self.connections.get(&connection)?.queue;
        if queue.try_send(outgoing).is_ok() {
            return None;
        }
        self.connections.remove(&connection);
        Some(Input::Closed { connection })
    }

    fn inputs(&mut self, event: Event) -> Vec<Input> {
        match event {
            Event::Accepted(address, stream) => vec![Input::Accepted { address, connection: self.start(stream) }],
            Event::Dialed(address, Ok(stream)) => vec![Input::Dialed { address, connection: self.start(stream) }],
            Event::Dialed(address, Err(_)) => vec![Input::DialFailed { address }],
            Event::Inputs(connection, inputs) if self.connections.contains_key(&connection) => {
                if inputs.iter().any(|input| matches!(input, Input::Closed { .. })) {
                    self.connections.remove(&connection);
                }
                inputs
            }
            Event::Inputs(..) => Vec::new(),
        }
    }

    fn start(&mut self, stream: TcpStream) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        // Requests and haves are small and must not wait for each other; without it all is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let tasks = [
            tokio::spawn(read(id, reader, self.happened.clone())),
            tokio::spawn(write(id, writer, queued, self.happened.clone())),
        ];
        self.connections.insert(id, Connection { queue, tasks });
        id
    }
}

/// `bind`, or any address when this machine does not have that one: it may be translated on its way here.
pub(super) fn own_or_any(bind: IpAddr) -> IpAddr {
    let tried = socket_for(SocketAddr::new(bind, 0)).and_then(|socket| socket.bind(SocketAddr::new(bind, 0)));
    match tried {
        Err(error) if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::InvalidInput) => {
            if bind.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
        }
        Ok(()) | Err(_) => bind,
    }
}

fn bind_first_free(bind: IpAddr, ports: PortRange) -> Result<TcpListener, AgentFailure> {
    let mut last = None;
    for port in ports.first..=ports.last {
        match listen_on(SocketAddr::new(bind, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
    Err(listen_failure(bind, ports, &error))
}

/// The failure to listen on any port of a range; `error` is the last one's.
pub(super) fn listen_failure(bind: IpAddr, ports: PortRange, error: &io::Error) -> AgentFailure {
    let bind = bind.to_string();
    if error.kind() != io::ErrorKind::AddrInUse {
        return AgentFailure::Io { operation: "listen on".to_owned(), path: bind, why: error.to_string() };
    }
    let PortRange { first, last } = ports;
    AgentFailure::PortsInUse { ports: if first == last { first.to_string() } else { format!("{first}-{last}") }, bind }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

async fn connect(bind: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_for(address)?;
    if !bind.is_unspecified() && bind.is_ipv4() == address.is_ipv4() {
        socket.bind(SocketAddr::new(bind, 0))?;
    }
    socket.connect(address).await
}

async fn accept(listener: TcpListener, happened: mpsc::Sender<Event>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                if happened.send(Event::Accepted(address, stream)).await.is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}

async fn read(connection: ConnectionId, mut reader: OwnedReadHalf, happened: mpsc::Sender<Event>) {
    let mut framer = Framer::new();
    loop {
        let mut inputs = Vec::new();
        let open = matches!(reader.read_buf(framer.buffer_mut()).await, Ok(length) if length > 0);
        let garbled = loop {
            match framer.poll() {
                Ok(Some(Received::Handshake(handshake))) => inputs.push(Input::Handshaken { connection, handshake }),
                Ok(Some(Received::Message(message))) => inputs.push(Input::Received { connection, message }),
                Ok(None) => break false,
                Err(error) => {
                    inputs.push(Input::Garbled { connection, why: error.to_string() });
                    break true;
                }
            }
        };
        if !open {
            inputs.push(Input::Closed { connection });
        }
        if !inputs.is_empty() && happened.send(Event::Inputs(connection, inputs)).await.is_err() {
            return;
        }
        if !open || garbled {
            return;
        }
    }
}

async fn write(
    connection: ConnectionId,
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Outgoing>,
    happened: mpsc::Sender<Event>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (parts, payload) = encode(&mut batch);
        let input = match write_parts(&mut writer, parts).await {
            Ok(()) if payload == 0 => continue,
            Ok(()) => Input::Sent { connection, payload },
            Err(_) => Input::Closed { connection },
        };
        let closed = matches!(input, Input::Closed { .. });
        if happened.send(Event::Inputs(connection, vec![input])).await.is_err() || closed {
            return;
        }
    }
}

/// Turns messages into runs of bytes, block payload as it is, and counts that payload.
fn encode(batch: &mut Vec<Outgoing>) -> (Vec<Bytes>, u64) {
    let mut heads = BytesMut::with_capacity(batch.len() * 20);
    let mut parts = Vec::with_capacity(2 * batch.len());
    let mut payload = 0;
    for outgoing in batch.drain(..) {
        match outgoing {
            Outgoing::Greeting(handshake) => heads.extend_from_slice(&handshake.encode()),
            Outgoing::Message(message) => {
                if let Some(body) = message.encode(&mut heads) {
                    if matches!(message, Message::Piece { .. }) {
                        payload += body.len() as u64;
                    }
                    parts.push(heads.split().freeze());
                    parts.push(body);
                }
            }
        }
    }
    parts.push(heads.freeze());
    (parts, payload)
}

async fn write_parts(writer: &mut OwnedWriteHalf, mut parts: Vec<Bytes>) -> io::Result<()> {
    let mut first = 0;
    loop {
        while parts.get(first).is_some_and(Bytes::is_empty) {
            first += 1;
        }
        if first == parts.len() {
            return Ok(());
        }
        let slices: Vec<_> = parts[first..].iter().map(|part| IoSlice::new(part)).collect();
        let mut written = writer.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        for part in &mut parts[first..] {
            let length = written.min(part.len());
            part.advance(length);
            written -= length;
            if written == 0 {
                break;
            }
        }
    }
}
