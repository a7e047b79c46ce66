//! A connection that is a program's stdin and stdout: `proxy_command`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Join, ReadBuf, join};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Hop;
use crate::driver::channel::Lines;
use crate::driver::ssh_config::expand;
use crate::rollout::Failure;

/// For what a program that has ended said last.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// A running proxy command; it ends with this, and so does what it has started.
pub(super) struct Proxy {
    pipe: Join<ChildStdout, ChildStdin>,
    child: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Nobody has waited for it, so that its number is still its group's.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // A group that is gone is what is wanted.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// The last line a program says on stderr.
#[derive(Debug)]
pub(super) struct LastLine(JoinHandle<Option<String>>);

impl LastLine {
    /// Waits for the end of what it says, no longer than for what is on its way.
    pub(super) async fn get(self) -> Option<String> {
        timeout(LAST_WORDS_TIMEOUT, self.0).await.ok()?.ok()?
    }
}

impl Proxy {
    /// Starts the proxy command of a host, in a process group of its own: keys pressed here do not reach it.
    pub(super) fn start(hop: &Hop, command: &[String]) -> Result<(Self, LastLine), Failure> {
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
        let last = LastLine(tokio::spawn(listen(child.stderr.take().expect("piped"))));
        Ok((Self { pipe: join(output, input), child }, last))
    }
}

async fn listen(mut stderr: ChildStderr) -> Option<String> {
    let (mut buffer, mut partial, mut last) = (vec![0; 1024], Lines::default(), None);
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        partial.push(&buffer[..length], |line| last = Some(line));
    }
    partial.flush(|line| last = Some(line));
    last
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
