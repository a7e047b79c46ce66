//! A paste whose beginning was lost, put together again.
//!
//! crossterm takes two escapes in a row for one key. When esc was pressed right before a paste (on a slow line both come at
//! once), the second one was the beginning of the mark before the paste: what is left of the mark are keys, `[200~`, and all
//! that was pasted would be keys as well.

use std::mem;

use crossterm::event::{Event, KeyCode, KeyModifiers};

/// The mark without its escape.
const MARK: &str = "[200~";

/// Characters kept of such a paste; nobody types that much into a prompt.
const TEXT_MAX: usize = 16 << 10;

/// What has come in one go and may be such a paste.
#[derive(Debug, Default)]
pub(super) enum Torn {
    /// Nothing.
    #[default]
    Whole,
    /// Keys that are the beginning of the mark, so far.
    Doubtful(Vec<Event>),
    /// The text of a paste.
    Pasted(String),
}

impl Torn {
    /// Takes what was heard and says what of it is known to be what it seems.
    pub(super) fn take(&mut self, event: Event) -> Vec<Event> {
        match self {
            Self::Pasted(text) => match typed(&event) {
                Some(character) if text.len() < TEXT_MAX => {
                    text.push(character);
                    Vec::new()
                }
                Some(_) => Vec::new(),
                None if matches!(event, Event::Key(_)) => Vec::new(),
                None => vec![event],
            },
            Self::Whole | Self::Doubtful(_) => {
                let mut heard = match mem::take(self) {
                    Self::Doubtful(heard) => heard,
                    Self::Whole | Self::Pasted(_) => Vec::new(),
                };
                let next = MARK.chars().nth(heard.len());
                let fits = typed(&event) == next && next.is_some();
                heard.push(event);
                if !fits {
                    return heard;
                }
                *self = if heard.len() == MARK.len() { Self::Pasted(String::new()) } else { Self::Doubtful(heard) };
                Vec::new()
            }
        }
    }

    /// Nothing more has come: what was held back is what it is.
    pub(super) fn settle(&mut self) -> Vec<Event> {
        match mem::take(self) {
            Self::Whole => Vec::new(),
            Self::Doubtful(heard) => heard,
            Self::Pasted(text) => vec![Event::Paste(text)],
        }
    }
}

/// The character of a key, as a paste has it.
fn typed(event: &Event) -> Option<char> {
    let Event::Key(key) = event else { return None };
    let is_plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    match (key.code == KeyCode::Enter, key.code == KeyCode::Tab) {
        (true, _) => Some('\n'),
        (_, true) => Some('\t'),
        (false, false) => key.code.as_char().filter(|_| is_plain),
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn keys(text: &str) -> Vec<Event> {
        let key = |letter| if letter == '\r' { KeyCode::Enter } else { KeyCode::Char(letter) };
        text.chars().map(|letter| Event::Key(KeyEvent::new(key(letter), KeyModifiers::NONE))).collect()
    }

    fn heard(events: Vec<Event>) -> Vec<Event> {
        let mut torn = Torn::default();
        let mut known: Vec<_> = events.into_iter().flat_map(|event| torn.take(event)).collect();
        known.extend(torn.settle());
        known
    }

    #[test]
    fn a_paste_without_its_first_escape_is_a_paste_all_the_same() {
        let events = [keys("j[200~"), keys("y\rA")].concat();
        assert_eq!(heard(events), [keys("j"), vec![Event::Paste("y\nA".to_owned())]].concat());
    }

    #[test]
    fn keys_that_only_begin_like_it_are_keys() {
        for text in ["[", "[20", "[2000~", "[[200", "web[200-201]", "y"] {
            assert_eq!(heard(keys(text)), keys(text), "{text}");
        }
    }

    #[test]
    fn what_comes_later_is_typed_again() {
        let mut torn = Torn::default();
        assert!(keys("[200~y").into_iter().all(|event| torn.take(event).is_empty()));
        assert_eq!(torn.settle(), [Event::Paste("y".to_owned())]);
        assert_eq!(torn.take(keys("y").remove(0)), keys("y"));
    }
}
