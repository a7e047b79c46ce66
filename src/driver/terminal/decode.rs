//! The bytes a terminal sends, as keys, pastes and clicks. Pure: no byte makes it fail or grow.

use crate::console::{Key, KeyCode};

/// Longest escape sequence; what is longer is no key.
const SEQUENCE_MAX: usize = 64;

/// Bytes kept of a paste; nobody types that much into a prompt.
const PASTE_MAX: usize = 64 << 10;

/// What the operator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Pressed a key.
    Key(Key),
    /// Pasted a text.
    Paste(String),
    /// Used the mouse, at a column and row from 0.
    Mouse(MouseAct, u16, u16),
}

/// What was done with the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseAct {
    /// The left button was pressed.
    Press,
    /// The wheel was turned away.
    WheelUp,
    /// The wheel was turned near.
    WheelDown,
}

/// What has arrived and is not understood yet.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    paste: Option<Vec<u8>>,
}

/// What the first bytes are.
enum Step {
    /// So many bytes, and what they mean.
    Take(usize, Option<Typed>),
    /// So many bytes that begin a paste.
    Paste(usize),
    /// The beginning of something.
    More,
}

const PASTE_END: &[u8] = b"\x1b[201~";

impl Decoder {
    /// Takes bytes, and returns what they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        self.bytes.extend_from_slice(bytes);
        let mut typed = Vec::new();
        while self.step(&mut typed) {}
        typed
    }

    /// Whether what has arrived may be the beginning of something longer.
    pub fn is_undecided(&self) -> bool {
        !self.bytes.is_empty() && self.paste.is_none()
    }

    /// Nothing followed: an escape was the key of that name, and what cannot be anything is dropped.
    pub fn settle(&mut self) -> Vec<Typed> {
        if !self.is_undecided() {
            return Vec::new();
        }
        let bytes = std::mem::take(&mut self.bytes);
        match bytes.as_slice() {
            [0x1b] => vec![Typed::Key(Key::plain(KeyCode::Esc))],
            [0x1b, letter @ (b'[' | b'O')] => vec![alt(Key::char(char::from(*letter)))],
            _ => Vec::new(),
        }
    }

    fn step(&mut self, typed: &mut Vec<Typed>) -> bool {
        if let Some(paste) = &mut self.paste {
            let end = self.bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END);
            // The end may have arrived in part.
            let taken = end.unwrap_or_else(|| self.bytes.len().saturating_sub(PASTE_END.len() - 1));
            let room = PASTE_MAX.saturating_sub(paste.len());
            paste.extend(self.bytes.drain(..taken).take(room));
            if end.is_none() {
                return false;
            }
            self.bytes.drain(..PASTE_END.len());
            let text = String::from_utf8_lossy(&self.paste.take().unwrap_or_default()).into_owned();
            typed.push(Typed::Paste(text));
            return true;
        }
        if self.bytes.is_empty() {
            return false;
        }
        match first(&self.bytes) {
            Step::Take(length, what) => {
                self.bytes.drain(..length);
                typed.extend(what);
            }
            Step::Paste(length) => {
                self.bytes.drain(..length);
                self.paste = Some(Vec::new());
            }
            Step::More if self.bytes.len() > SEQUENCE_MAX => self.bytes.clear(),
            Step::More => return false,
        }
        true
    }
}

fn alt(key: Key) -> Typed {
    Typed::Key(Key { alt: true, ..key })
}

fn first(bytes: &[u8]) -> Step {
    match bytes {
        [0x1b] => Step::More,
        [0x1b, 0x1b, ..] => Step::Take(1, Some(Typed::Key(Key::plain(KeyCode::Esc)))),
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', rest @ ..] => match rest {
            [] => Step::More,
            [letter, ..] => Step::Take(3, lettered(*letter, Key::plain).map(Typed::Key)),
        },
        [0x1b, rest @ ..] => match character(rest) {
            Some((length, Some(key))) => Step::Take(1 + length, Some(alt(key))),
            Some((length, None)) => Step::Take(1 + length, None),
            None => Step::More,
        },
        _ => match character(bytes) {
            Some((length, key)) => Step::Take(length, key.map(Typed::Key)),
            None => Step::More,
        },
    }
}

/// A key of one character, and its bytes; nothing when some are missing.
fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let byte = *bytes.first()?;
    let key = match byte {
        b'\r' => Key::plain(KeyCode::Enter),
        b'\t' => Key::plain(KeyCode::Tab),
        0x7f => Key::plain(KeyCode::Backspace),
        0 => Key::ctrl(' '),
        0x01..=0x1a => Key::ctrl(char::from(byte - 1 + b'a')),
        0x1b => Key::plain(KeyCode::Esc),
        0x1c..=0x1f => Key::ctrl(char::from(byte - 0x1c + b'4')),
        b' '..=0x7e => Key::char(char::from(byte)),
        0x80.. => return beyond_ascii(bytes),
    };
    Some((1, Some(key)))
}

fn beyond_ascii(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((1, None)),
    };
    let wrong = bytes.iter().take(length).skip(1).any(|byte| !(0x80..=0xbf).contains(byte));
    if wrong {
        return Some((1, None));
    }
    let character = std::str::from_utf8(bytes.get(..length)?).ok().and_then(|text| text.chars().next());
    Some((length, character.map(Key::char)))
}

/// What follows `ESC [`.
fn control_sequence(rest: &[u8]) -> Step {
    // The keys of the Linux console.
    if let [b'[', after @ ..] = rest {
        return match after {
            [] => Step::More,
            [letter @ b'A'..=b'E', ..] => Step::Take(4, Some(Typed::Key(Key::plain(KeyCode::F(letter - b'A' + 1))))),
            [..] => Step::Take(3, None),
        };
    }
    let Some(length) = rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else { return Step::More };
    let (parameters, last) = (&rest[..length], rest[length]);
    let taken = 2 + length + 1;
    if !(0x40..=0x7e).contains(&last) {
        // Something cut it short; what that is begins anew.
        return Step::Take(taken - 1, None);
    }
    if let [b'<', parameters @ ..] = parameters {
        return Step::Take(taken, mouse(&numbers(parameters), last));
    }
    let numbers = numbers(parameters);
    let held = numbers.get(1).copied().unwrap_or(1).saturating_sub(1);
    let with = |code| Key { code, ctrl: held & 4 != 0, alt: held & 2 != 0, shift: held & 1 != 0 };
    let key = match (last, numbers.first().copied().unwrap_or(0)) {
        (b'~', 200) => return Step::Paste(taken),
        (b'~', number) => numbered(number).map(with),
        (b'Z', _) => Some(Key::plain(KeyCode::BackTab)),
        (letter, _) => lettered(letter, with),
    };
    Step::Take(taken, key.map(Typed::Key))
}

fn numbers(parameters: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    text.split(';').take(8).map(|number| number.parse().unwrap_or(0)).collect()
}

fn lettered(letter: u8, with: impl Fn(KeyCode) -> Key) -> Option<Key> {
    let code = match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    };
    Some(with(code))
}

const fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F((number - 10) as u8),
        17..=21 => KeyCode::F((number - 11) as u8),
        23 | 24 => KeyCode::F((number - 12) as u8),
        _ => return None,
    })
}

/// SGR reports: button, column and row from 1, and whether it is down.
fn mouse(numbers: &[u16], last: u8) -> Option<Typed> {
    let [button, column, row] = *numbers else { return None };
    let act = match (button, last) {
        (0, b'M') => MouseAct::Press,
        (64, b'M') => MouseAct::WheelUp,
        (65, b'M') => MouseAct::WheelDown,
        _ => return None,
    };
    Some(Typed::Mouse(act, column.saturating_sub(1), row.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> String {
        let mut decoder = Decoder::default();
        let mut typed = decoder.feed(bytes);
        typed.extend(decoder.settle());
        let words = typed.iter().map(|typed| match typed {
            Typed::Key(key) => key.to_string(),
            Typed::Paste(text) => format!("<{text}>"),
            Typed::Mouse(act, column, row) => format!("{act:?}@{column},{row}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_terminals_send_is_what_was_pressed() {
        let table: [(&[u8], &str); 22] = [
            (b"aG?", "a G ?"),
            ("é✗".as_bytes(), "é ✗"),
            (b"\r\t\x7f \x03\x0c", "enter tab backspace space ctrl-c ctrl-l"),
            (b"\x00\x1c", "ctrl-space ctrl-4"),
            (b"\x1b", "esc"),
            (b"\x1b\x1b", "esc esc"),
            (b"\x1bx\x1b[", "alt-x alt-["),
            (b"\x1b[A\x1b[B\x1bOC\x1bOD", "up down right left"),
            (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", "home end home end home end"),
            (b"\x1b[5~\x1b[6~\x1b[2~\x1b[3~", "pgup pgdn ins del"),
            (b"\x1b[Z", "shift-tab"),
            (b"\x1bOP\x1bOS\x1b[15~\x1b[17~\x1b[24~\x1b[[A\x1b[[E", "f1 f4 f5 f6 f12 f1 f5"),
            (b"\x1b[1;5A\x1b[1;2B\x1b[3;3~", "ctrl-up shift-down alt-del"),
            (b"\x1b[200~some\ntext\x1b[201~x", "<some\ntext> x"),
            (b"\x1b[200~a\x1b[Ab\x1b[201~", "<a\x1b[Ab>"),
            (b"\x1b[<0;3;7M\x1b[<0;3;7m\x1b[<64;1;1M\x1b[<65;1;1M", "Press@2,6 WheelUp@0,0 WheelDown@0,0"),
            // Answers to questions nobody asked, and focus.
            (b"\x1b[?1;2c\x1b[I\x1b[Ox", "x"),
            (b"\xff\xc3(a", "( a"),
            (b"\x1b[12\x01b", "ctrl-a b"),
            (b"\x1b\xc3\xa9", "alt-é"),
            (b"\xc3", ""),
            (b"", ""),
        ];
        for (bytes, expected) in table {
            assert_eq!(keys(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_sequence_may_arrive_in_parts() {
        let bytes = "\x1b[1;5A\u{e9}\x1b[200~pasted\x1b[201~\x1bOP".as_bytes();
        let whole = Decoder::default().feed(bytes);
        let mut decoder = Decoder::default();
        let parts: Vec<_> = bytes.iter().flat_map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!((parts, decoder.is_undecided()), (whole, false));
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b[");
        for _ in 0..10_000 {
            decoder.feed(b"1;");
        }
        assert!(decoder.bytes.len() <= SEQUENCE_MAX + 2);
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b[200~");
        for _ in 0..3 * PASTE_MAX {
            decoder.feed(b"x");
        }
        let typed = decoder.feed(b"\x1b[201~");
        assert!(matches!(typed.as_slice(), [Typed::Paste(text)] if text.len() == PASTE_MAX));
    }

    #[test]
    fn any_bytes_are_taken() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut decoder = Decoder::default();
            for _ in 0..random.usize(1..40) {
                let pool = b"\x1b\x1b[[O<;0123456789~MmAZ\xc3\xa9\xf0a ";
                let byte = if random.bool() { pool[random.usize(0..pool.len())] } else { random.u8(..) };
                decoder.feed(&[byte]);
            }
            decoder.settle();
            assert!(!decoder.is_undecided());
        }
    }
}
