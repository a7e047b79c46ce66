//! What a terminal says of itself when it is asked: its background, and whether it keeps 24-bit colours.
//!
//! It is asked before anybody reads keys, and what it is asked last every terminal answers (DA1), so that no answer means
//! that none will come. Who answers later than that is too late: [`Late`] keeps the answer from being taken for keys.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::mode;

/// The background (OSC 11), a 24-bit colour set and asked back (DECRQSS) and unset, and what every terminal answers (DA1).
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m\x1b[c";

/// Longest wait for answers: a slow line, there and back.
const ANSWER_MAX: Duration = Duration::from_millis(1000);

/// Bytes of answers that are read.
const ANSWER_LENGTH_MAX: usize = 4096;

/// What a terminal says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// Red, green and blue of the background.
    pub background: Option<(u8, u8, u8)>,
    /// It keeps 24-bit colours as they are.
    pub truecolor: bool,
}

impl Answers {
    /// Whether the background is a light one.
    pub fn is_light(&self) -> Option<bool> {
        let (red, green, blue) = self.background?;
        let luma = 0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue);
        Some(luma > 127.5)
    }

    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let background = text.split("\x1b]11;rgb:").nth(1).and_then(color);
        let set = text.split("\x1bP1$r").nth(1).and_then(|rest| rest.split('\x1b').next()).unwrap_or_default();
        let truecolor = set.contains("48") && (set.contains("1;2;3") || set.contains("1:2:3"));
        Self { background, truecolor }
    }
}

/// `ffff/ffff/ffff`, with one to four digits each, and whatever follows.
fn color(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.split(|c: char| !c.is_ascii_hexdigit()).map(|digits| {
        let most = 16_u32.checked_pow(u32::try_from(digits.len()).ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        u8::try_from(u32::from_str_radix(digits, 16).ok()? * 255 / most).ok()
    });
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Whether a terminal that was asked has not said its last word.
static OWES: AtomicBool = AtomicBool::new(false);

/// Asks the terminal, and gives it back as it was. Keys that are typed meanwhile are lost.
///
/// # Errors
/// When the terminal cannot be made raw.
pub fn probe() -> io::Result<Answers> {
    mode::raw()?;
    let answer = ask();
    mode::restore()?;
    Ok(Answers::read(&answer))
}

fn ask() -> Vec<u8> {
    let mut out = io::stdout();
    let mut answer = Vec::new();
    if out.write_all(QUESTION).and_then(|()| out.flush()).is_err() {
        return answer;
    }
    let until = Instant::now() + ANSWER_MAX;
    let stdin = io::stdin();
    while answer.len() < ANSWER_LENGTH_MAX {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { break };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&left)), Ok(1..)) || !fds[0].revents().contains(PollFlags::IN) {
            break;
        }
        let mut bytes = [0; 256];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(count @ 1..) => answer.extend_from_slice(&bytes[..count]),
            Ok(0) | Err(_) => break,
        }
        if has_ended(&answer) {
            return answer;
        }
    }
    OWES.store(true, Ordering::SeqCst);
    answer
}

/// Whether the answer to the last question is there: `ESC [ ? … c`.
fn has_ended(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.split("\x1b[?").skip(1).any(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        end.is_some_and(|end| rest[end..].starts_with('c'))
    })
}

/// Keeps answers that come late from the console: read as keys, a background would be `1`, `1`, `;`, `r`, `g`, `b` …
#[derive(Debug)]
pub(super) struct Late {
    /// Answers are looked for until then.
    until: Option<Instant>,
    /// Keys of the one that is being taken out.
    taken: Option<usize>,
}

impl Late {
    /// An answer that is later than this is none.
    const AFTER_MAX: Duration = Duration::from_secs(30);
    /// Keys of an answer; whatever is longer was typed.
    const LENGTH_MAX: usize = 64;

    pub(super) fn new() -> Self {
        let owes = OWES.swap(false, Ordering::SeqCst);
        Self { until: owes.then(|| Instant::now() + Self::AFTER_MAX), taken: None }
    }

    /// Whether an event is a part of an answer.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let Some(until) = self.until else { return false };
        let Event::Key(key) = event else { return false };
        let alt = |letter| key.code == KeyCode::Char(letter) && key.modifiers.contains(KeyModifiers::ALT);
        match self.taken {
            // An escape sequence that crossterm does not know is alt and its first letter, and then keys.
            None if Instant::now() < until && (alt(']') || alt('P')) => self.taken = Some(0),
            None => return false,
            Some(taken) => {
                let bell = key.code == KeyCode::Char('g') && key.modifiers.contains(KeyModifiers::CONTROL);
                let is_over = alt('\\') || bell || taken >= Self::LENGTH_MAX;
                self.taken = if is_over { None } else { Some(taken + 1) };
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn answers_of_real_terminals_are_understood() {
        let xterm = b"\x1b]11;rgb:1d1d/1f1f/2121\x1b\\\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?64;1;2c";
        let expected = Answers { background: Some((0x1d, 0x1f, 0x21)), truecolor: true };
        assert_eq!((Answers::read(xterm), has_ended(xterm)), (expected, true));
        let short = b"\x1b]11;rgb:f/ff/fff\x07\x1b[?62;22c";
        assert_eq!(Answers::read(short), Answers { background: Some((255, 255, 255)), truecolor: false });
        assert_eq!(Answers::read(short).is_light(), Some(true));
        let tmux = b"\x1b[?1;2c";
        assert_eq!((Answers::read(tmux), has_ended(tmux)), (Answers::default(), true));
        for cut in [&b"\x1b]11;rgb:"[..], b"\x1b]11;rgb:11/", b"\x1b[?1;2", b"\x1bP0$r\x1b\\", b"\xff\xfe", b""] {
            assert_eq!((Answers::read(cut), has_ended(cut)), (Answers::default(), false), "{cut:?}");
        }
    }

    #[test]
    fn an_answer_that_comes_late_is_no_key() {
        let mut late = Late { until: Some(Instant::now() + Late::AFTER_MAX), taken: None };
        let key = |code, modifiers| Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert!(!late.takes(&key('r', KeyModifiers::NONE)), "keys before it are keys");
        assert!(late.takes(&key(']', KeyModifiers::ALT)));
        assert!("11;rgb:1d1d".chars().all(|letter| late.takes(&key(letter, KeyModifiers::NONE))));
        assert!(late.takes(&key('\\', KeyModifiers::ALT)));
        assert!(!late.takes(&key('r', KeyModifiers::NONE)), "and so are those after it");
        let mut none = Late { until: None, taken: None };
        assert!(!none.takes(&key(']', KeyModifiers::ALT)), "who was not asked does not answer");
    }
}
