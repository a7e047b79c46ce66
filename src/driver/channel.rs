//! A command that runs somewhere: what goes in, what comes out, and how it ends.
//!
//! An SSH channel today; a local child process and, later, a socket of an agent that outlives its connection look the
//! same. Nothing here knows what is said over it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

/// Lines of stderr that wait to be taken; more are dropped.
pub(super) const LINES_MAX: usize = 64;

/// Longest line of stderr that is kept, in bytes.
const LINE_LENGTH_MAX: usize = 1000;

/// What a question of ours begins with; it ends with a colon instead of a line's end.
pub(super) const PROMPT: &str = "@rookery-sudo-";

/// Bytes of stdout that wait to be taken before the sender is slowed down.
pub(super) const OUTPUT_MAX: usize = 256 << 10;

/// A running command.
pub struct Channel {
    /// Its stdin; shutting it down is the end of its input.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its stdout.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Its stderr by lines, printable.
    pub lines: mpsc::Receiver<String>,
    /// How it ends, once.
    pub exit: oneshot::Receiver<Exit>,
    /// Signals to it. When this is dropped, the channel is closed.
    pub signals: mpsc::Sender<Signal>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Status(u32),
    /// By a signal, named without `SIG`.
    Signal(String),
    /// Nobody knows: the connection is gone, for this reason.
    Lost(String),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // What a shell makes of a signal.
            Self::Status(137) => write!(f, "exit status 137, killed by SIGKILL"),
            Self::Status(143) => write!(f, "exit status 143, killed by SIGTERM"),
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "killed by SIG{signal}"),
            Self::Lost(why) => write!(f, "connection lost: {why}"),
        }
    }
}

/// What a command can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Term,
    /// End.
    Kill,
}

/// Cuts bytes into printable lines of bounded length.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and passes on each line that they end.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LENGTH_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.flush(&mut each);
            }
        }
        // Who is asked has to hear the question before its line ends. A login shell may have said something before it.
        let asked = self.partial.ends_with(b":").then(|| String::from_utf8_lossy(&self.partial).contains(PROMPT));
        if asked == Some(true) {
            self.flush(&mut each);
        }
    }

    /// Passes on what is left without an end.
    pub(super) fn flush(&mut self, mut each: impl FnMut(String)) {
        let line = printable(&String::from_utf8_lossy(&self.partial));
        self.partial.clear();
        if !line.is_empty() {
            each(line);
        }
    }
}

/// What a remote text may put on a screen: no control characters, and none that turn the writing direction.
pub fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown: String = text.chars().filter(|c| *c == '\t' || !(c.is_control() || turns(*c))).collect();
    shown.replace('\t', " ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_screen() {
        assert_eq!(printable("\x1b[2Jred\u{202e}\t\u{9b}x\r\n"), "[2Jred x");
    }

    #[test]
    fn lines_are_cut_and_bounded() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for part in [&b"one\ntw"[..], b"o\n\n", &[b'x'; 3000], b"\nlast"] {
            lines.push(part, |line| seen.push(line));
        }
        lines.flush(|line| seen.push(line));
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [3, 3, LINE_LENGTH_MAX, 4]);
    }
}
