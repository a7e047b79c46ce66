//! Diagnostics: to a file, never to the screen.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use super::exit::{Ending, Or};

/// Sends diagnostics to `file` until the guard is dropped. `ROOKERY_LOG` says which, as in `debug` or `rookery=trace`.
pub(super) fn start(file: &Path) -> Result<WorkerGuard, Ending> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    let opened = opened.or_unexpected(format_args!("open the log {}", file.display()))?;
    let (writer, guard) = tracing_appender::non_blocking(opened);
    let filter = EnvFilter::try_from_env("ROOKERY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second run in one process (the tests' demo) keeps the first log.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).try_init();
    Ok(guard)
}
