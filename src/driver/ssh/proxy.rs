//! A connection that is a program's stdin and stdout: `proxy_command`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Join, ReadBuf, join};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::Hop;
use crate::driver::channel::Lines;
use crate::driver::ssh_config::expand;
use crate::rollout::Failure;

/// A running proxy command; it ends with this.
pub(super) struct Proxy {
    pipe: Join<ChildStdout, ChildStdin>,
    last: LastLine,
    _child: Child,
}

/// The last line a program said on stderr.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLine(Arc<Mutex<Option<String>>>);

impl LastLine {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Proxy {
    /// Starts the proxy command of a host, in a process group of its own: keys pressed here do not reach it.
    pub(super) fn start(hop: &Hop, command: &[String]) -> Result<Self, Failure> {
        let failed = |why: String| Failure::Connect { address: hop.endpoint(), why };
        let words = expand(command, (&hop.name, &hop.address), hop.port, &hop.user)
            .map_err(|error| failed(format!("proxy_command: {error}")))?;
        let Some((program, arguments)) = words.split_first() else {
            return Err(failed("proxy_command names no program".to_owned()));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("the proxy command `{program}` cannot be started: {error}")))?;
        let (output, input) = (child.stdout.take().expect("piped"), child.stdin.take().expect("piped"));
        let last = LastLine::default();
        tokio::spawn(listen(child.stderr.take().expect("piped"), last.clone()));
        Ok(Self { pipe: join(output, input), last, _child: child })
    }

    /// What it says last, now and later.
    pub(super) fn last_line(&self) -> LastLine {
        self.last.clone()
    }
}

async fn listen(mut stderr: ChildStderr, last: LastLine) {
    let (mut buffer, mut partial) = (vec![0; 1024], Lines::default());
    let keep = |line: String| *last.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        partial.push(&buffer[..length], keep);
    }
    partial.flush(keep);
}

impl AsyncRead for Proxy {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(context, into)
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}
