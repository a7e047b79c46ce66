//! Frames on their way to the terminal: made whole in memory, written by a thread of their own.
//!
//! Writes go to the descriptor itself and not through `io::stdout`, whose lock a stopped terminal would hold for ever.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::mode;

/// Writes waiting at most; a frame is not drawn while one waits, so these are a frame, a title and a bell.
const WAITING_MAX: usize = 8;

/// Bytes written at once: what a pty takes without waiting. An ordinary frame is less, and so one write; of a large one a
/// slow terminal is seen to take part after part.
const WRITE_MAX: usize = 4096;

/// A terminal that takes nothing for this long is stopped, and nobody waits for it.
const STOPPED_AFTER: Duration = Duration::from_secs(2);

/// Between two tries to write to a terminal that takes nothing now.
const BUSY_WAIT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Whether frames may be written. A panic gives the terminal back in the middle of everything, and what waits then must not
/// follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
}

static GATE: Mutex<Gate> = Mutex::new(Gate::Open);

/// Tries of [`close`], ten milliseconds apart: a terminal that takes a part of a frame takes it sooner.
const CLOSE_TRIES: usize = 20;

/// From now on nothing of a frame is written. It does not wait for a terminal that is stopped.
pub(super) fn close() {
    for _ in 0..CLOSE_TRIES {
        if let Ok(mut gate) = GATE.try_lock() {
            *gate = Gate::Closed;
            return;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// What a frame is drawn into.
#[derive(Debug, Clone)]
pub struct FrameBuffer {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// What was sent last, while the terminal shows it.
    sent: Vec<u8>,
    lane: Lane,
}

impl FrameBuffer {
    /// Sends the frame to the terminal, as one synchronized update. One in which no cell has changed is the end of the one
    /// before, attributes and cursor, and is not sent again.
    pub(super) fn send(&mut self) {
        let frame = std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.sent.ends_with(&frame) {
            self.lane.send(mode::synchronized(&frame));
            self.sent = frame;
        }
    }

    /// The terminal shows something else now.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing: a frame is flushed for its cells, its cursor and its end, and is sent whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way to the writing thread.
#[derive(Debug, Clone)]
struct Lane {
    sender: SyncSender<Vec<u8>>,
    way: Arc<Way>,
}

/// What the writing thread tells.
#[derive(Debug, Default)]
struct Way {
    /// Writes that are not out yet.
    waiting: AtomicUsize,
    /// Bytes that are out; goes round.
    moved: AtomicUsize,
    /// A write failed.
    gone: AtomicBool,
    /// Microseconds that the last write took.
    flush: AtomicU64,
}

impl Lane {
    /// Hands bytes over; they are dropped when the terminal is gone or stopped and the lane is full.
    fn send(&self, bytes: Vec<u8>) {
        self.way.waiting.fetch_add(1, Ordering::SeqCst);
        if self.sender.try_send(bytes).is_err() {
            self.way.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The writing thread.
#[derive(Debug)]
pub struct Screen {
    lane: Lane,
}

/// How the last bytes fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The terminal has them.
    Delivered,
    /// The terminal is stopped or gone.
    Stopped,
}

impl Screen {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start() -> io::Result<Self> {
        *GATE.lock().unwrap_or_else(PoisonError::into_inner) = Gate::Open;
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(WAITING_MAX);
        let way = Arc::new(Way::default());
        let told = Arc::clone(&way);
        thread::Builder::new().name("screen".to_owned()).spawn(move || {
            for bytes in receiver {
                let begun = Instant::now();
                if write(&bytes, &told.moved).is_err() {
                    told.gone.store(true, Ordering::SeqCst);
                }
                let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                told.flush.store(took, Ordering::SeqCst);
                told.waiting.fetch_sub(1, Ordering::SeqCst);
            }
        })?;
        Ok(Self { lane: Lane { sender, way } })
    }

    /// A buffer whose frames go to this screen.
    pub fn buffer(&self) -> FrameBuffer {
        FrameBuffer { bytes: Arc::default(), sent: Vec::new(), lane: self.lane.clone() }
    }

    /// Sends bytes behind the frame under way.
    pub fn send(&self, bytes: Vec<u8>) {
        self.lane.send(bytes);
    }

    /// Whether everything sent has reached the terminal.
    pub fn is_idle(&self) -> bool {
        self.lane.way.waiting.load(Ordering::SeqCst) == 0
    }

    /// How long the last write took.
    pub fn last_flush(&self) -> Duration {
        Duration::from_micros(self.lane.way.flush.load(Ordering::SeqCst))
    }

    /// Whether a write failed.
    pub fn is_gone(&self) -> bool {
        self.lane.way.gone.load(Ordering::SeqCst)
    }

    /// Sends the last bytes, and waits for as long as the terminal takes any: a slow one gets them all, a stopped one is
    /// left.
    pub(super) fn finish(&self, bytes: Vec<u8>) -> Delivery {
        self.send(bytes);
        let (mut moved, mut since) = (self.moved(), Instant::now());
        while !self.is_idle() {
            if self.is_gone() || since.elapsed() >= STOPPED_AFTER {
                return Delivery::Stopped;
            }
            thread::park_timeout(Duration::from_millis(5));
            if moved != self.moved() {
                (moved, since) = (self.moved(), Instant::now());
            }
        }
        if self.is_gone() { Delivery::Stopped } else { Delivery::Delivered }
    }

    fn moved(&self) -> usize {
        self.lane.way.moved.load(Ordering::SeqCst)
    }
}

fn write(bytes: &[u8], moved: &AtomicUsize) -> rustix::io::Result<()> {
    let terminal = io::stdout();
    let mut rest = bytes;
    while !rest.is_empty() {
        let gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        if *gate == Gate::Closed {
            return Ok(());
        }
        let written = rustix::io::write(&terminal, &rest[..rest.len().min(WRITE_MAX)]);
        drop(gate);
        match written {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                moved.fetch_add(written, Ordering::SeqCst);
                rest = &rest[written..];
            }
            // Whoever shares the terminal may have made it one that does not wait.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&terminal, PollFlags::OUT)], Some(&BUSY_WAIT));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
