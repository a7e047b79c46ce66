//! Sequences and programs that tell the operator something outside of the screen.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{Progress, TerminalEnv};

/// Notices that are being told at once; more are dropped, the bell has rung for them too.
const NOTICES_MAX: usize = 4;

/// A command that tells a notice may take this long.
const NOTICE_MAX: Duration = Duration::from_secs(30);

/// Between two looks at it.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes of text that terminals take into their clipboard.
const COPY_MAX: usize = 74_994;

/// The sequence for a task bar (OSC 9;4).
pub(super) fn task_bar(progress: Progress) -> String {
    let (state, percent) = match progress {
        Progress::None => (0, 0),
        Progress::Running(percent) => (1, percent),
        Progress::Failing(percent) => (2, percent),
        Progress::Paused(percent) => (4, percent),
    };
    format!("\x1b]9;4;{state};{percent}\x1b\\")
}

/// The sequence that copies a text (OSC 52). tmux takes it as it is or passes it on, as it is set up, so it gets both.
pub(super) fn clipboard(text: &str, env: &TerminalEnv) -> String {
    let end = (0..=text.len().min(COPY_MAX)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let plain = format!("\x1b]52;c;{}\x07", base64(&text.as_bytes()[..end]));
    if env.tmux.is_empty() {
        return plain;
    }
    let passed = plain.replace('\x1b', "\x1b\x1b");
    format!("{plain}\x1bPtmux;{passed}\x1b\\")
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        let digit = move |at: usize| char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize & 63]);
        let digits = group.len() + 1;
        (0..4).map(move |at| if at < digits { digit(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Runs the operator's own command with a notice as its last argument.
#[derive(Debug, Default)]
pub(super) struct Herald {
    command: Vec<String>,
    telling: Arc<AtomicUsize>,
}

impl Herald {
    pub(super) fn new(command: Vec<String>) -> Self {
        Self { command, telling: Arc::default() }
    }

    /// Tells a notice, and does not wait. A command that cannot be run is in the log.
    pub(super) fn tell(&self, notice: String) {
        let Some((program, arguments)) = self.command.split_first() else { return };
        if self.telling.load(Ordering::SeqCst) >= NOTICES_MAX {
            return;
        }
        let mut command = Command::new(program);
        command.args(arguments).arg(notice).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(mut child) => {
                let telling = Arc::clone(&self.telling);
                telling.fetch_add(1, Ordering::SeqCst);
                let waited = thread::Builder::new().name("notice".to_owned()).spawn(move || {
                    let until = Instant::now() + NOTICE_MAX;
                    while matches!(child.try_wait(), Ok(None)) {
                        if Instant::now() >= until {
                            let _ = child.kill();
                        }
                        thread::park_timeout(LOOK_INTERVAL);
                    }
                    telling.fetch_sub(1, Ordering::SeqCst);
                });
                if let Err(error) = waited {
                    tracing::warn!(%error, "nobody waits for the notice's command");
                }
            }
            Err(error) => tracing::warn!(%error, program, "the notice's command cannot be run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_coded_as_the_standard_says() {
        let table =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (text, coded) in table {
            assert_eq!(base64(text.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn tmux_is_told_twice_and_nobody_too_much() {
        let env = |tmux: &str| TerminalEnv { tmux: tmux.to_owned(), ..TerminalEnv::default() };
        assert_eq!(clipboard("foo", &env("")), "\x1b]52;c;Zm9v\x07");
        let both = clipboard("foo", &env("/tmp/tmux,1,0"));
        assert_eq!(both, "\x1b]52;c;Zm9v\x07\x1bPtmux;\x1b\x1b]52;c;Zm9v\x07\x1b\\");
        assert!(clipboard(&"é".repeat(COPY_MAX), &env("")).len() <= 100_000 + 16);
    }

    #[test]
    fn a_command_gets_the_notice_as_its_last_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("told");
        let script = format!("printf '%s|%s' \"$1\" \"$2\" > {0}.new && mv {0}.new {0}", file.display());
        let herald = Herald::new(["sh", "-c", &script, "sh", "first"].map(str::to_owned).to_vec());
        herald.tell("it's; $(over)".to_owned());
        let until = Instant::now() + NOTICE_MAX;
        while !file.exists() && Instant::now() < until {
            thread::park_timeout(LOOK_INTERVAL);
        }
        assert_eq!(std::fs::read_to_string(file).expect("it was told"), "first|it's; $(over)");
        Herald::new(vec!["/nonexistent".to_owned()]).tell("nobody hears".to_owned());
        Herald::default().tell("nobody hears".to_owned());
    }
}
