//! Work that blocks, one job after the other: packing, preparing, delivering.
//!
//! A job that was cancelled may still run for a moment; the next one begins only when it has ended, and what it says is
//! not heard any more.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::aside;
use super::delivery::{Packed, Prepared};
use crate::base::ByteCount;
use crate::control::AgentFailure;

/// Reports waiting to be heard.
const REPORTS_MAX: usize = 64;

/// What a job says.
#[derive(Debug)]
pub(super) enum Report {
    /// Packing goes on; so many bytes are read.
    Packing(ByteCount),
    /// The payload is made.
    Packed(Box<Packed>),
    /// What was there is known, and there is room for the rest.
    Prepared(Prepared),
    /// Something worth a line.
    Note(String),
    /// The payload is what was packed; it is being unpacked.
    Unpacking,
    /// The release is verified and lies there; it is not in its place.
    Staged(PathBuf),
    /// The release is in place.
    Delivered,
    /// The health command of this try ended; why the host is not well, if it is not.
    Checked(u32, Option<String>),
    /// Why others could not be connected to, empty where one could; and why there is no port to listen on.
    Knocked(Vec<String>, Option<AgentFailure>),
    /// It cannot be done.
    Failed(AgentFailure),
}

/// What a job may use: a way to report, and a sign to stop.
pub(super) struct Context {
    number: u64,
    cancel: Arc<AtomicBool>,
    reporter: mpsc::Sender<(u64, Report)>,
}

impl Context {
    /// Set when the job should end.
    pub(super) fn cancel(&self) -> &AtomicBool {
        &self.cancel
    }

    /// Says something that may be lost when much is said.
    pub(super) fn mention(&self, report: Report) {
        let _ = self.reporter.try_send((self.number, report));
    }

    /// Says something that must be heard.
    pub(super) fn report(&self, report: Report) {
        // Nobody listens only when the process ends.
        let _ = self.reporter.blocking_send((self.number, report));
    }
}

/// The jobs of one agent.
pub(super) struct Jobs {
    number: u64,
    cancel: Arc<AtomicBool>,
    last: Option<JoinHandle<()>>,
    reporter: mpsc::Sender<(u64, Report)>,
    reports: mpsc::Receiver<(u64, Report)>,
}

impl Jobs {
    /// No job yet.
    pub(super) fn new() -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        Self { number: 0, cancel: Arc::default(), last: None, reporter, reports }
    }

    /// Cancels what is under way; its reports are not heard any more.
    pub(super) fn cancel(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.cancel = Arc::default();
        self.number += 1;
    }

    /// Begins a job once all before it have ended; they are cancelled. Its result is its last report.
    pub(super) fn start(&mut self, job: impl FnOnce(&Context) -> Result<Report, AgentFailure> + Send + 'static) {
        self.cancel();
        let (number, cancel, reporter) = (self.number, Arc::clone(&self.cancel), self.reporter.clone());
        let context = Context { number, cancel, reporter };
        self.then(async move {
            let run = move || {
                let report = job(&context).unwrap_or_else(Report::Failed);
                context.report(report);
            };
            // A job that panicked ends the agent by the profile's `panic = "abort"`.
            let _ = tokio::task::spawn_blocking(run).await;
        });
    }

    /// Does something beside the present job; what it says is heard as if the job said it.
    pub(super) fn beside(&self, task: Box<dyn FnOnce() -> Report + Send>) {
        let (number, reporter) = (self.number, self.reporter.clone());
        aside(Box::new(move || {
            // Nobody listens only when the process ends.
            let _ = reporter.blocking_send((number, task()));
        }));
    }

    /// Does something else once all jobs have ended, and before the next.
    pub(super) fn then(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        let before = self.last.take();
        self.last = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            future.await;
        }));
    }

    /// What the present job says next. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Report {
        loop {
            match self.reports.recv().await {
                Some((number, report)) if number == self.number => return report,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Cancels all, and waits until nothing runs any more, for at most `patience`; says whether that is so.
    pub(super) async fn end(&mut self, patience: Duration) -> bool {
        self.cancel();
        let ended = match self.last.take() {
            Some(last) => timeout(patience, last).await.is_ok(),
            None => true,
        };
        // A report that nobody hears any more may hold the payload open.
        while self.reports.try_recv().is_ok() {}
        ended
    }
}
