//! TCP to the peers of a swarm: listens, dials, and moves bytes between connections, files and the machine.
//!
//! One task looks after all connections, a turn at a time: everything that has come is read, the machine is asked, and
//! everything that it says is written, once for each connection. Who is let in, what is said and when to stop is the
//! machine's business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::bell::{Bell, Rope};
use super::disk::Disk;
use super::line::{Buffers, Line, More, SCRATCH, Written};
use super::storage::Storage;
use crate::base::Block;
use crate::control::{AgentFailure, PortRange};
use crate::swarm::{ConnectionId, Input};
use crate::wire::{Handshake, Message};

/// New connections waiting for the machine; beyond this none is accepted.
const EVENTS_MAX: usize = 64;

/// Wait after a failed accept: out of descriptors, most likely.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Connections not accepted yet.
const BACKLOG: u32 = 256;

/// A connection that came about, or did not.
enum Event {
    Accepted(SocketAddr, TcpStream),
    Dialed(SocketAddr, io::Result<TcpStream>),
}

/// Every connection of one host in one swarm. Dropping it closes them all.
pub(super) struct Peers {
    bind: IpAddr,
    port: u16,
    dial_timeout: Duration,
    storage: Arc<Storage>,
    lines: BTreeMap<ConnectionId, (Line, Arc<Rope>)>,
    next_id: u64,
    bell: Arc<Bell>,
    /// Connections that have something to read, and are not read for now.
    unread: Vec<ConnectionId>,
    /// Connections that may have something to write.
    unwritten: BTreeSet<ConnectionId>,
    buffers: Buffers,
    scratch: Vec<u8>,
    happened: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    arrived: Vec<Event>,
    accepting: JoinHandle<()>,
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Peers {
    /// Listens on the first free port of `ports`; serves from `storage`.
    pub(super) fn listen(
        bind: IpAddr,
        ports: PortRange,
        dial_timeout: Duration,
        storage: Arc<Storage>,
    ) -> Result<Self, AgentFailure> {
        let listener = bind_first_free(bind, ports)?;
        let port = listener.local_addr().map_err(|error| listen_failure(bind, ports, &error))?.port();
        let (happened, events) = mpsc::channel(EVENTS_MAX);
        let accepting = tokio::spawn(accept(listener, happened.clone()));
        Ok(Self {
            bind,
            port,
            dial_timeout,
            storage,
            lines: BTreeMap::new(),
            next_id: 0,
            bell: Arc::default(),
            unread: Vec::new(),
            unwritten: BTreeSet::new(),
            buffers: Buffers::default(),
            scratch: vec![0; SCRATCH],
            happened,
            events,
            arrived: Vec::new(),
            accepting,
        })
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
    pub(super) fn greet(&mut self, connection: ConnectionId, handshake: &Handshake) {
        if let Some((line, _)) = self.lines.get_mut(&connection) {
            line.greet(handshake);
            self.unwritten.insert(connection);
        }
    }

    /// Queues a message. A peer that does not read is closed, which is what is returned then.
    pub(super) fn send(&mut self, connection: ConnectionId, message: &Message) -> Option<Input> {
        let (line, _) = self.lines.get_mut(&connection)?;
        self.unwritten.insert(connection);
        if line.say(message) {
            return None;
        }
        self.disconnect(connection);
        Some(Input::Closed { connection })
    }

    /// Queues a block.
    pub(super) fn serve(&mut self, connection: ConnectionId, block: Block) {
        if let Some((line, _)) = self.lines.get_mut(&connection) {
            line.serve(block);
            self.unwritten.insert(connection);
        }
    }

    /// A block that was not in memory was read, or cannot be, which is what is returned then.
    pub(super) fn fetched(&mut self, connection: ConnectionId, block: Block, data: Option<Bytes>) -> Option<Input> {
        let (line, _) = self.lines.get_mut(&connection)?;
        let readable = data.is_some();
        let awaited = line.fetched(block, data);
        self.unwritten.insert(connection);
        (awaited && !readable).then_some(Input::Unreadable { connection, block })
    }

    /// Closes a connection at once; nothing more is said about it.
    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        self.lines.remove(&connection);
        self.unwritten.remove(&connection);
    }

    /// Waits until something has happened. May be dropped and called again.
    pub(super) async fn ready(&mut self) {
        poll_fn(|context| {
            if let Poll::Ready(Some(event)) = self.events.poll_recv(context) {
                self.arrived.push(event);
                return Poll::Ready(());
            }
            if self.unwritten.is_empty() { self.bell.poll(context) } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Reads all that has come, blocks only while the disk keeps up; returns how many bytes.
    pub(super) fn receive(&mut self, inputs: &mut VecDeque<Input>, disk: &Disk) -> usize {
        while let Some(event) = self.arrived.pop().or_else(|| self.events.try_recv().ok()) {
            inputs.push_back(self.begin(event));
        }
        let mut total = 0;
        let mut ready = std::mem::take(&mut self.unread);
        ready.extend(self.bell.take());
        for connection in ready {
            let Some((line, rope)) = self.lines.get_mut(&connection) else { continue };
            // It may have been told that there is room to write again.
            self.unwritten.insert(connection);
            if disk.is_behind() {
                self.unread.push(connection);
                continue;
            }
            let (length, more) = line.receive(connection, inputs, &mut self.buffers);
            total += length;
            match more {
                More::Now => rope.wake_by_ref(),
                More::Later => {}
                More::Never => self.disconnect(connection),
            }
        }
        total
    }

    /// Writes all that is queued, as far as connections take it; returns how many bytes.
    pub(super) fn write(&mut self, inputs: &mut VecDeque<Input>, disk: &Disk) -> usize {
        let mut total = 0;
        for connection in std::mem::take(&mut self.unwritten) {
            let Some((line, _)) = self.lines.get_mut(&connection) else { continue };
            let mut written = Written::default();
            let more = line.write(&self.storage, &mut self.scratch, &mut written);
            total += written.bytes;
            if written.payload > 0 {
                inputs.push_back(Input::Sent { connection, payload: written.payload });
            }
            inputs.extend(written.unreadable.into_iter().map(|block| Input::Unreadable { connection, block }));
            if let Some(block) = written.cold.filter(|block| !disk.read(connection, *block)) {
                line.fetched(block, None);
                inputs.push_back(Input::Unreadable { connection, block });
            }
            match more {
                More::Now => drop(self.unwritten.insert(connection)),
                More::Later => {}
                More::Never => {
                    self.disconnect(connection);
                    inputs.push_back(Input::Closed { connection });
                }
            }
        }
        total
    }

    fn begin(&mut self, event: Event) -> Input {
        match event {
            Event::Accepted(address, stream) => Input::Accepted { address, connection: self.start(stream) },
            Event::Dialed(address, Ok(stream)) => Input::Dialed { address, connection: self.start(stream) },
            Event::Dialed(address, Err(_)) => Input::DialFailed { address },
        }
    }

    fn start(&mut self, stream: TcpStream) -> ConnectionId {
        let connection = ConnectionId(self.next_id);
        self.next_id += 1;
        let rope = self.bell.rope(connection);
        let line = Line::new(stream, Waker::from(Arc::clone(&rope)));
        // Something may have come already.
        rope.wake_by_ref();
        self.lines.insert(connection, (line, rope));
        connection
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

/// The first port of a range that nobody listens on.
pub(super) fn bind_first_free(bind: IpAddr, ports: PortRange) -> Result<TcpListener, AgentFailure> {
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
