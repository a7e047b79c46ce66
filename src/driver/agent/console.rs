//! The two pipes to the console: orders in, statuses out, each pumped by a thread of its own.
//!
//! Neither pipe is ever waited for by the event loop: a console that stops reading must not stop the swarm.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::control::{Codec, MARKER, Order, Status, encode};

/// Orders waiting to be obeyed; each may carry a frame's worth of payload.
const ORDERS_MAX: usize = 2;

/// Statuses waiting to be written.
const STATUSES_MAX: usize = 1024;

/// With more than this many statuses waiting, those that can be left out are.
const STATUSES_BUSY: usize = 32;

const READ_LENGTH: usize = 256 << 10;

/// What came down from the console.
#[derive(Debug)]
pub(super) enum Heard {
    /// An order.
    Order(Order),
    /// Nothing more will come, and why.
    Gone(String),
}

/// The console, as an agent sees it.
pub(super) struct Console {
    orders: mpsc::Receiver<Heard>,
    statuses: Option<SyncSender<Status>>,
    waiting: Arc<AtomicUsize>,
    written: Receiver<()>,
}

impl Console {
    /// Says the marker on stdout, and starts both pumps.
    pub(super) fn open() -> Self {
        let (heard, orders) = mpsc::channel(ORDERS_MAX);
        let (statuses, queued) = sync_channel(STATUSES_MAX);
        let (done, written) = sync_channel(1);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waiting);
        std::thread::spawn(move || read_orders(&heard));
        std::thread::spawn(move || {
            // A console that does not read is found out by its silence on the other pipe.
            let _ = write_statuses(&queued, &counter);
            let _ = done.send(());
        });
        Self { orders, statuses: Some(statuses), waiting, written }
    }

    /// The next order. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Heard {
        self.orders.recv().await.unwrap_or_else(|| Heard::Gone("the orders' pipe is closed".to_owned()))
    }

    /// Whether a status that can be left out should be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < STATUSES_BUSY
    }

    /// Tells the console. A pipe that is full for a thousand statuses loses this one.
    pub(super) fn tell(&self, status: Status) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.statuses.as_ref().is_none_or(|statuses| statuses.try_send(status).is_err()) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits until all has been written, for at most `patience`; nothing can be told afterwards.
    pub(super) fn finish(&mut self, patience: Duration) {
        self.statuses = None;
        match self.written.recv_timeout(patience) {
            Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

fn read_orders(heard: &mpsc::Sender<Heard>) {
    let mut codec = Codec::clean();
    let mut buffer = vec![0; READ_LENGTH];
    let mut stdin = std::io::stdin().lock();
    loop {
        let why = match codec.poll::<Order>() {
            Ok(Some(order)) => match heard.blocking_send(Heard::Order(order)) {
                Ok(()) => continue,
                Err(_) => return,
            },
            Ok(None) => match stdin.read(&mut buffer) {
                Ok(0) => "the console closed the channel".to_owned(),
                Ok(length) => {
                    codec.push(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => format!("cannot read orders: {error}"),
            },
            Err(error) => error.to_string(),
        };
        let _ = heard.blocking_send(Heard::Gone(why));
        return;
    }
}

fn write_statuses(queued: &Receiver<Status>, waiting: &AtomicUsize) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(MARKER)?;
    stdout.flush()?;
    while let Ok(status) = queued.recv() {
        let (head, bulk) = encode(&status);
        stdout.write_all(&head)?;
        stdout.write_all(&bulk)?;
        stdout.flush()?;
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(())
}
