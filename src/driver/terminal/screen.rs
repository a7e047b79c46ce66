//! Frames on their way to the terminal: made whole in memory, written by a thread of their own.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Writes waiting at most; a frame is not drawn while one waits, so these are a frame, a title and a bell.
const WAITING_MAX: usize = 8;

/// How long the last frame may take to leave when the terminal is given back.
const FINISH_MAX: Duration = Duration::from_millis(500);

/// What a frame is drawn into. Flushing it sends it to the terminal as one synchronized update.
#[derive(Debug, Clone)]
pub struct FrameBuffer {
    bytes: Arc<Mutex<Vec<u8>>>,
    lane: Lane,
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        if !bytes.is_empty() {
            self.lane.send([b"\x1b[?2026h", &bytes[..], b"\x1b[?2026l"].concat());
        }
        Ok(())
    }
}

/// The way to the writing thread.
#[derive(Debug, Clone)]
struct Lane {
    sender: SyncSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
}

impl Lane {
    /// Hands bytes over; they are dropped when the terminal is gone or stopped and the lane is full.
    fn send(&self, bytes: Vec<u8>) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.sender.try_send(bytes).is_err() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The writing thread.
#[derive(Debug)]
pub struct Screen {
    lane: Lane,
    writer: Option<JoinHandle<()>>,
}

impl Screen {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(WAITING_MAX);
        let (waiting, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let lane = Lane { sender, waiting: Arc::clone(&waiting), gone: Arc::clone(&gone) };
        let writer = thread::Builder::new().name("screen".to_owned()).spawn(move || {
            for bytes in receiver {
                let mut out = io::stdout().lock();
                if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
                    gone.store(true, Ordering::SeqCst);
                }
                waiting.fetch_sub(1, Ordering::SeqCst);
            }
        })?;
        Ok(Self { lane, writer: Some(writer) })
    }

    /// A buffer whose frames go to this screen.
    pub fn buffer(&self) -> FrameBuffer {
        FrameBuffer { bytes: Arc::default(), lane: self.lane.clone() }
    }

    /// Sends bytes behind the frame under way.
    pub fn send(&self, bytes: Vec<u8>) {
        self.lane.send(bytes);
    }

    /// Whether everything sent has reached the terminal.
    pub fn is_idle(&self) -> bool {
        self.lane.waiting.load(Ordering::SeqCst) == 0
    }

    /// Whether a write failed.
    pub fn is_gone(&self) -> bool {
        self.lane.gone.load(Ordering::SeqCst)
    }

    /// Waits, not for long, until everything sent has reached the terminal.
    pub fn finish(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        let until = Instant::now() + FINISH_MAX;
        while !self.is_idle() && !writer.is_finished() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}
