//! The bytes under SSH, watched: whether a banner came, and a switch that ends the connection for good.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Bytes kept of what a server says first.
const GREETING_MAX: usize = 512;

/// What a server said first.
#[derive(Debug, Clone, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

impl Greeting {
    /// Whether it said that it speaks SSH.
    pub(super) fn is_ssh(&self) -> bool {
        let bytes = self.bytes();
        bytes.starts_with(b"SSH-") || bytes.windows(5).any(|window| window == b"\nSSH-")
    }

    /// Its words, printable.
    pub(super) fn text(&self) -> String {
        crate::driver::channel::printable(String::from_utf8_lossy(&self.bytes()).trim())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, bytes: &[u8]) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = GREETING_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        kept.len() < GREETING_MAX
    }
}

/// A stream that ends when its [`Lifeline`] is dropped: russh's own task would otherwise outlive whoever gave it up.
pub(super) struct Watched<S> {
    stream: S,
    greeting: Option<Greeting>,
    cut: oneshot::Receiver<()>,
}

/// Keeps a [`Watched`] stream alive.
#[derive(Debug)]
pub(super) struct Lifeline {
    _held: oneshot::Sender<()>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, Greeting, Lifeline) {
        let (held, cut) = oneshot::channel();
        let greeting = Greeting::default();
        (Self { stream, greeting: Some(greeting.clone()), cut }, greeting, Lifeline { _held: held })
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut self.cut).poll(context) {
            Poll::Ready(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "hung up")),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        let full = self.greeting.as_ref().is_some_and(|greeting| !greeting.keep(&into.filled()[before..]));
        if full {
            self.greeting = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
