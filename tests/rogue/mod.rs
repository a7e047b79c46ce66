//! A peer that lies: it has everything, it says, and sends rubbish.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]
#![expect(clippy::disallowed_methods, reason = "a line that is not the fastest is made by waiting")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rookery::announce::{AnnounceEvent, AnnounceRequest};
use rookery::base::{ByteCount, InfoHash, PeerId};
use rookery::metainfo::Info;
use rookery::wire::{Framer, Handshake, Message, Received};

/// Between two blocks of one connection: 1.6 MB/s.
const PACE: Duration = Duration::from_millis(10);

/// How long it waits for a word before it looks whether it is to end.
const PATIENCE: Duration = Duration::from_millis(50);

/// What all its threads know.
struct Deeds {
    /// When it begins to send.
    opens: Instant,
    ending: AtomicBool,
    met: Mutex<BTreeSet<IpAddr>>,
    fed: Mutex<BTreeSet<IpAddr>>,
}

/// The liar. It ends when it is dropped.
pub(crate) struct Rogue {
    address: SocketAddr,
    deeds: Arc<Deeds>,
    listening: Option<JoinHandle<()>>,
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.deeds.ending.store(true, Ordering::Relaxed);
        // Accepting ends with one more connection.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

impl Rogue {
    /// Listens, and tells the tracker at `port` that it has everything.
    pub(crate) fn start(info: &Info, port: u16) -> Self {
        let rogue = Self::late(info.info_hash(), "127.0.0.1", Duration::ZERO);
        announce(info.info_hash(), rogue.address.port(), port);
        rogue
    }

    /// Listens at `ip`, and has nothing for anybody until `after` is over.
    pub(crate) fn late(info_hash: InfoHash, ip: &str, after: Duration) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let opens = Instant::now() + after;
        let (ending, met, fed) = (AtomicBool::default(), Mutex::default(), Mutex::default());
        let deeds = Arc::new(Deeds { opens, ending, met, fed });
        let shared = Arc::clone(&deeds);
        let listening = std::thread::spawn(move || accept(&listener, info_hash, &shared));
        Self { address, deeds, listening: Some(listening) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many have shaken hands with it.
    pub(crate) fn peers(&self) -> usize {
        self.deeds.met.lock().unwrap().len()
    }

    /// To whom it sent rubbish.
    pub(crate) fn fed(&self) -> BTreeSet<IpAddr> {
        self.deeds.fed.lock().unwrap().clone()
    }
}

/// Who listens at the port `own`.
fn me(own: u16) -> PeerId {
    let name = format!("-XX0000-rogue{own:07}");
    PeerId::new(name.into_bytes().try_into().unwrap())
}

fn announce(info_hash: InfoHash, own: u16, tracker: u16) {
    let request = AnnounceRequest {
        event: Some(AnnounceEvent::Started),
        left: ByteCount(0),
        ..AnnounceRequest::new(info_hash, me(own), own)
    };
    let mut stream = TcpStream::connect(("127.0.0.1", tracker)).unwrap();
    write!(stream, "GET /announce?{} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", request.to_query()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

fn accept(listener: &TcpListener, info_hash: InfoHash, deeds: &Arc<Deeds>) {
    let mut threads = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if deeds.ending.load(Ordering::Relaxed) {
            break;
        }
        let deeds = Arc::clone(deeds);
        threads.push(std::thread::spawn(move || drop(converse(stream, info_hash, &deeds))));
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Answers every request with rubbish until the other one has enough.
fn converse(mut stream: TcpStream, info_hash: InfoHash, deeds: &Deeds) -> std::io::Result<()> {
    let (who, own) = (stream.peer_addr()?.ip(), stream.local_addr()?.port());
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut framer = Framer::new();
    let mut buffer = [0; 4096];
    let mut waits = false;
    while !deeds.ending.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => framer.buffer_mut().extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        while let Ok(Some(received)) = framer.poll() {
            match received {
                Received::Handshake(_) => {
                    deeds.met.lock().unwrap().insert(who);
                    stream.write_all(&Handshake::new(info_hash, me(own)).encode())?;
                    stream.write_all(&Message::HaveAll.to_bytes())?;
                    waits = true;
                }
                Received::Message(Message::Request(block)) => {
                    let data = Bytes::from(vec![0xee; block.length as usize]);
                    let message = Message::Piece { piece: block.piece, begin: block.begin, data };
                    stream.write_all(&message.to_bytes())?;
                    deeds.fed.lock().unwrap().insert(who);
                    std::thread::sleep(PACE);
                }
                Received::Message(_) => {}
            }
        }
        if waits && Instant::now() >= deeds.opens {
            stream.write_all(&Message::Unchoke.to_bytes())?;
            waits = false;
        }
    }
    Ok(())
}
