//! The console, at the agent's socket: orders in, statuses out. It comes and goes; what is told meanwhile is kept.
//!
//! The last one that came is the console: an older connection is one that its console has lost. Nothing here ever waits for
//! a console that does not read, which must not stop the swarm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::outbox::{Frame, Outbox};
use crate::base::Instant;
use crate::control::{Attached, Codec, MARKER, Mark, Order, Status, encode};
use crate::driver::Clock;

/// Statuses waiting to be written; a console that reads so slowly is let go, and told how things stand when it is back.
const STATUSES_MAX: usize = 1024;

/// With more than this many statuses waiting, those that can be left out are.
const STATUSES_BUSY: usize = 32;

const READ_LENGTH: usize = 256 << 10;

/// What came from the console.
#[derive(Debug)]
pub(super) enum Heard {
    /// A console is there, and knows all that was told.
    Back,
    /// A console is there that has to be told how things stand.
    Stranger,
    /// An order.
    Order(Order),
    /// The console is not there any more, and why.
    Gone(String),
}

/// Whether orders are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ears {
    /// They are.
    Open,
    /// Not now: they wait where they are.
    Shut,
}

/// The console, as an agent sees it.
pub(super) struct Console {
    clock: Clock,
    listener: UnixListener,
    line: Option<Line>,
    outbox: Outbox,
    /// The last order's number.
    taken: u64,
    taken_told: u64,
    heard: Instant,
}

/// One connection.
struct Line {
    codec: Codec,
    read: OwnedReadHalf,
    frames: mpsc::Sender<Frame>,
    waiting: Arc<AtomicUsize>,
    writer: JoinHandle<()>,
    attached: bool,
}

impl Console {
    /// Listens for consoles; `instance` tells this agent from others.
    pub(super) fn new(clock: Clock, listener: UnixListener, instance: u64) -> Self {
        let outbox = Outbox::new(instance);
        Self { clock, listener, line: None, outbox, taken: 0, taken_told: 0, heard: clock.now() }
    }

    /// Has the console at the other end of a connection.
    pub(super) fn meet(&mut self, stream: UnixStream) {
        self.line = Some(Line::new(stream));
    }

    /// What the console says next. May be dropped and called again.
    pub(super) async fn next(&mut self, ears: Ears) -> Heard {
        loop {
            let frame = async {
                match &mut self.line {
                    Some(line) if ears == Ears::Open => line.next().await,
                    Some(_) | None => std::future::pending().await,
                }
            };
            let frame = tokio::select! {
                accepted = self.listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        self.meet(stream);
                    }
                    continue;
                }
                frame = frame => frame,
            };
            let heard = frame.and_then(|(number, order)| self.take(number, order));
            match heard {
                Ok(Some(heard)) => return heard,
                Ok(None) => {}
                Err(why) => {
                    let attached = self.line.take().is_some_and(|line| line.attached);
                    if attached {
                        return Heard::Gone(why);
                    }
                }
            }
        }
    }

    fn take(&mut self, number: u64, order: Order) -> Result<Option<Heard>, String> {
        self.heard = self.clock.now();
        let attached = self.line.as_ref().is_some_and(|line| line.attached);
        match (number, order) {
            (0, Order::Attach { seen }) if !attached => Ok(Some(self.attach(seen))),
            (0, Order::Alive) => Ok(None),
            (0, order @ Order::Leave) => Ok(Some(Heard::Order(order))),
            (number, _) if number > 0 && number <= self.taken && attached => Ok(None),
            (number, order) if number == self.taken + 1 && attached => {
                self.taken = number;
                Ok(Some(Heard::Order(order)))
            }
            (number, _) => Err(format!("order {number} came out of turn, after {}", self.taken)),
        }
    }

    fn attach(&mut self, seen: Option<Mark>) -> Heard {
        let Some(line) = &mut self.line else { return Heard::Stranger };
        line.attached = true;
        self.taken_told = self.taken;
        let attached = Attached { instance: self.outbox.instance(), taken: self.taken, pid: std::process::id() };
        line.send(encode(0, &Status::Attached(attached)));
        match self.outbox.since(seen) {
            Some(missed) => {
                for frame in missed {
                    line.send(frame.clone());
                }
                Heard::Back
            }
            None => Heard::Stranger,
        }
    }

    /// Whether a status that can be left out should be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.line.as_ref().is_none_or(|line| line.waiting.load(Ordering::Relaxed) < STATUSES_BUSY)
    }

    /// Tells the console, or keeps it until one is there.
    pub(super) fn tell(&mut self, status: &Status) {
        let frame = self.outbox.add(status);
        self.send(frame);
    }

    /// Tells which orders were obeyed, if that is news.
    pub(super) fn confirm(&mut self) {
        if self.taken > self.taken_told && self.line.is_some() {
            self.taken_told = self.taken;
            self.send(encode(0, &Status::Taken { order: self.taken }));
        }
    }

    fn send(&mut self, frame: Frame) {
        if self.line.as_ref().is_some_and(|line| line.attached && !line.send(frame)) {
            self.line = None;
        }
    }

    /// Whether a console is there.
    pub(super) fn is_attached(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.attached)
    }

    /// When one was last heard; when the agent began, if none was.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Waits until all has been written, for at most `patience`; nothing can be told afterwards.
    pub(super) async fn finish(&mut self, patience: Duration) {
        if let Some(mut line) = self.line.take() {
            // Without a sender the writer ends when it has written what waits.
            line.frames = mpsc::channel(1).0;
            // A console that does not read has been given its time.
            let _ = timeout(patience, &mut line.writer).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

impl Line {
    fn new(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        let (frames, queued) = mpsc::channel(STATUSES_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = tokio::spawn(write_frames(write, queued, Arc::clone(&waiting)));
        Self { codec: Codec::clean(), read, frames, waiting, writer, attached: false }
    }

    async fn next(&mut self) -> Result<(u64, Order), String> {
        loop {
            match self.codec.poll::<Order>() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            let buffer = self.codec.buffer_mut();
            buffer.reserve(READ_LENGTH);
            match self.read.read_buf(buffer).await {
                Ok(0) => return Err("the console hung up".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Sends a frame; false when the console does not read.
    fn send(&self, frame: Frame) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.frames.try_send(frame).is_ok()
    }
}

async fn write_frames(mut pipe: OwnedWriteHalf, mut queued: mpsc::Receiver<Frame>, waiting: Arc<AtomicUsize>) {
    let mut next = Some((Bytes::from_static(MARKER), Bytes::new()));
    while let Some((head, bulk)) = next {
        if pipe.write_all(&head).await.is_err() || pipe.write_all(&bulk).await.is_err() {
            // The other half is told that the console is gone.
            return;
        }
        next = queued.recv().await;
        waiting.fetch_sub(usize::from(next.is_some()), Ordering::Relaxed);
    }
}
