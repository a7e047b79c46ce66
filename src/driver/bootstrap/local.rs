//! A command on this machine, as a [`Channel`].

use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};

use rustix::process::{Pid, Signal as UnixSignal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};

use crate::driver::channel::{Channel, Exit, LINES_MAX, Lines, Signal};

/// Runs `command` in a shell, in a process group of its own: keys pressed in the terminal do not reach it.
pub(super) fn exec(command: &str) -> io::Result<Channel> {
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("exec {}", command.strip_prefix("exec ").unwrap_or(command)))
        .env_remove("SSH_CONNECTION")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let input = child.stdin.take().expect("piped");
    let output = child.stdout.take().expect("piped");
    let stderr = child.stderr.take().expect("piped");
    let (lines_in, lines) = mpsc::channel(LINES_MAX);
    let (exit_in, exit) = oneshot::channel();
    let (signals, signals_out) = mpsc::channel(2);
    tokio::spawn(read_lines(stderr, lines_in));
    tokio::spawn(async move {
        exit_in.send(wait(child, signals_out).await).ok();
    });
    Ok(Channel { input: Box::new(Stdin(Some(input))), output: Box::new(output), lines, exit, signals })
}

/// Stdin of a child. Shutting it down closes it: tokio's own stays open until it is dropped.
struct Stdin(Option<ChildStdin>);

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.as_mut() {
            Some(pipe) => Pin::new(pipe).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().map_or(Poll::Ready(Ok(())), |pipe| Pin::new(pipe).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}

async fn read_lines(mut stderr: ChildStderr, lines: mpsc::Sender<String>) {
    let (mut buffer, mut partial) = (vec![0; 4096], Lines::default());
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        partial.push(&buffer[..length], |line| {
            lines.try_send(line).ok();
        });
    }
    partial.flush(|line| {
        lines.try_send(line).ok();
    });
}

async fn wait(mut child: Child, mut signals: mpsc::Receiver<Signal>) -> Exit {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status.map_or_else(|error| Exit::Lost(error.to_string()), exit_of),
            signal = signals.recv() => signal,
        };
        let unix = match signal {
            Some(Signal::Term) => UnixSignal::TERM,
            Some(Signal::Kill) | None => UnixSignal::KILL,
        };
        // A group that is gone already is what was wanted.
        group.map(|group| kill_process_group(group, unix));
        if signal.is_none() {
            return child.wait().await.map_or_else(|error| Exit::Lost(error.to_string()), exit_of);
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code.cast_unsigned()),
        (None, Some(9)) => Exit::Signal("KILL".to_owned()),
        (None, Some(15)) => Exit::Signal("TERM".to_owned()),
        (None, signal) => Exit::Signal(signal.map_or_else(|| "?".to_owned(), |signal| signal.to_string())),
    }
}
