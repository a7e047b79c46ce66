//! What was copied or written, to be selected by hand where the terminal's clipboard is out of reach.

use super::io::{Key, KeyCode};

/// A text over the screen. The next key closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Popup {
    pub(super) title: String,
    pub(super) lines: Vec<String>,
}

impl Popup {
    /// Whether a key only closes it; any other does what it always does as well.
    pub(super) fn takes(key: Key) -> bool {
        let closing = [KeyCode::Esc, KeyCode::Enter, KeyCode::Char(' '), KeyCode::Char('q'), KeyCode::Char('y')];
        key == Key::ctrl('c') || closing.map(Key::plain).contains(&key)
    }
}
