//! What goes into the console and what comes out of it, and the keys of a terminal in our own words.

use std::fmt;
use std::str::FromStr;

use super::settings::Settings;
use crate::inventory::HostId;
use crate::rollout;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// Something for the rollout: the fleet said something, or its deadline passed.
    Fleet(rollout::Input),
    /// A key was pressed.
    Key(Key),
    /// Text arrived as a bracketed paste. It is typed into a prompt, and never confirms anything.
    Paste(String),
    /// The mouse was pressed there.
    Click {
        /// From the left, from 0.
        column: u16,
        /// From the top, from 0.
        row: u16,
    },
    /// The terminal has this size now.
    Resize {
        /// Wide.
        columns: u16,
        /// High.
        rows: u16,
    },
    /// Time passed: see [`Model::deadline`](super::Model::deadline).
    Tick,
    /// The process was told to end.
    Signal(Signal),
    /// The process was asked to stop for a while, and did not.
    Suspend,
    /// The process goes on after a stop: another program may have used the terminal.
    Resumed,
    /// [`Effect::LoadTheme`] was carried out; the new theme is in use unless there is a problem.
    ThemeLoaded {
        /// Its name.
        name: String,
        /// Why it is not in use.
        problem: Option<String>,
    },
    /// Files of settings have changed: these are the settings now, or why they stay as they were.
    SettingsChanged(Result<Box<Settings>, String>),
    /// [`Effect::WriteReport`] was carried out: where the report is, or why there is none.
    ReportWritten(Result<String, String>),
    /// [`Effect::Login`] was carried out and the terminal is the console's again, or why it could not be.
    LoginEnded(Result<(), String>),
}

/// A signal that ends programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: asks, as `ctrl-c` does.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Carry out (or write to the journal) what the rollout says.
    Rollout(rollout::Output),
    /// Clear the terminal and draw every cell again.
    Redraw,
    /// Ring the bell.
    Bell,
    /// Set the terminal's title.
    Title(String),
    /// Show how far the run is where the terminal has a place for it.
    Progress(Progress),
    /// Tell the operator, who may look elsewhere.
    Notify(String),
    /// Put a text into the operator's clipboard.
    Copy(String),
    /// Leave the terminal to an ssh session with this host, and answer [`Msg::LoginEnded`]; the run goes on meanwhile.
    Login(HostId),
    /// Give the terminal back and stop the process, until somebody continues it.
    Suspend,
    /// Find the theme of this name, use it, and answer [`Msg::ThemeLoaded`].
    LoadTheme(String),
    /// Write a report of the run as it is, and answer [`Msg::ReportWritten`].
    WriteReport,
    /// Leave the terminal.
    Quit(Leave),
}

/// How far the run is, in whole percents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// There is nothing to show.
    #[default]
    None,
    /// All is well.
    Running(u8),
    /// Hosts have failed.
    Failing(u8),
    /// No more hosts are launched.
    Paused(u8),
}

/// What becomes of the last screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastScreen {
    /// It goes with the console.
    #[default]
    Goes,
    /// It stays on the terminal.
    Stays,
}

/// Why the console leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// The run is over.
    Ended,
    /// The operator did not wait for the clean-up.
    Uncleaned {
        /// Places that were not proved clean.
        left: usize,
    },
    /// A signal said so; the run can be resumed.
    Signal(Signal),
}

/// A key with its modifiers.
///
/// ```
/// use rookery::console::{Key, KeyCode};
/// assert_eq!("ctrl-d".parse(), Ok(Key::ctrl('d')));
/// assert_eq!(Key::plain(KeyCode::Char(' ')).to_string(), "space");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// Control was held.
    pub ctrl: bool,
    /// Alt was held.
    pub alt: bool,
    /// Shift was held; never set for characters, which are what shift made of them.
    pub shift: bool,
}

/// A key of the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyCode {
    /// A character, as shift made it.
    Char(char),
    /// Enter.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key.
    F(u8),
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key; write `g`, `G`, `space`, `enter`, `ctrl-d`, `f5` and the like")]
pub struct KeyError(String);

const NAMES: [(&str, KeyCode); 17] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("del", KeyCode::Delete),
    ("ins", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("minus", KeyCode::Char('-')),
];

impl Key {
    /// A key alone.
    pub const fn plain(code: KeyCode) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// A character.
    pub const fn char(character: char) -> Self {
        Self::plain(KeyCode::Char(character))
    }

    /// A character with control.
    pub const fn ctrl(character: char) -> Self {
        Self { code: KeyCode::Char(character), ctrl: true, alt: false, shift: false }
    }

    /// Why no terminal sends it, if none does: without the newer keyboard protocols control is a few codes, shift is part
    /// of the character, and there is nothing in between.
    pub fn impossible(self) -> Option<&'static str> {
        let plain = !self.ctrl && !self.alt;
        match self.code {
            KeyCode::Char(_) if self.shift => Some("write the capital letter or the sign itself"),
            KeyCode::Char('i') if self.ctrl => Some("terminals send tab for it"),
            KeyCode::Char('m') if self.ctrl => Some("terminals send enter for it"),
            KeyCode::Char('[') if self.ctrl => Some("terminals send esc for it"),
            KeyCode::Char('h') if self.ctrl => Some("many terminals send it for backspace"),
            KeyCode::Char(letter) if self.ctrl && letter.is_ascii_uppercase() => {
                Some("write `ctrl-` and a small letter: control has no capitals")
            }
            KeyCode::Char(sign) if self.ctrl && !(sign == ' ' || sign.is_ascii_lowercase()) => {
                Some("control goes with letters and space only")
            }
            KeyCode::Enter | KeyCode::Esc | KeyCode::Tab | KeyCode::Backspace => {
                (!plain || self.shift).then_some("terminals leave control, alt and shift out of it")
            }
            KeyCode::BackTab => (!plain || self.shift).then_some("shift is all that goes with it"),
            KeyCode::F(0 | 13..) => Some("there are twelve of them"),
            KeyCode::Char(_)
            | KeyCode::Delete
            | KeyCode::Insert
            | KeyCode::Up
            | KeyCode::Down
            | KeyCode::Left
            | KeyCode::Right
            | KeyCode::Home
            | KeyCode::End
            | KeyCode::PageUp
            | KeyCode::PageDown
            | KeyCode::F(_) => None,
        }
    }

    /// The character it types into a prompt, if it types one.
    pub fn text(self) -> Option<char> {
        match self.code {
            KeyCode::Char(character) if !self.ctrl && !self.alt && !character.is_control() => Some(character),
            KeyCode::Char(_)
            | KeyCode::Enter
            | KeyCode::Esc
            | KeyCode::Tab
            | KeyCode::BackTab
            | KeyCode::Backspace
            | KeyCode::Delete
            | KeyCode::Insert
            | KeyCode::Up
            | KeyCode::Down
            | KeyCode::Left
            | KeyCode::Right
            | KeyCode::Home
            | KeyCode::End
            | KeyCode::PageUp
            | KeyCode::PageDown
            | KeyCode::F(_) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (held, prefix) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                text.push_str(prefix);
            }
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            // `-` reads well alone, and only needs its name after a prefix.
            (_, KeyCode::Char('-')) if text.is_empty() => text.push('-'),
            (Some((name, _)), _) => text.push_str(name),
            (None, KeyCode::Char(character)) => text.push(character),
            (None, KeyCode::F(number)) => text.push_str(&["f", &number.to_string()].concat()),
            (None, _) => text.push('?'),
        }
        f.pad(&text)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = Self::plain(KeyCode::Esc);
        let mut rest = text;
        loop {
            if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == rest) {
                return Ok(Self { code: *code, ..key });
            }
            let mut characters = rest.chars();
            if let (Some(character), None) = (characters.next(), characters.next()) {
                return Ok(Self { code: KeyCode::Char(character), ..key });
            }
            rest = if let Some(after) = rest.strip_prefix("ctrl-") {
                key.ctrl = true;
                after
            } else if let Some(after) = rest.strip_prefix("alt-") {
                key.alt = true;
                after
            } else if let Some(after) = rest.strip_prefix("shift-") {
                key.shift = true;
                after
            } else if let Some(Ok(number)) = rest.strip_prefix('f').map(str::parse) {
                return Ok(Self { code: KeyCode::F(number), ..key });
            } else {
                return Err(KeyError(text.chars().take(40).collect()));
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_they_are_written() {
        for text in ["g", "G", "space", "ctrl-d", "f5", "shift-tab", "-", "ctrl-minus", "alt-x", "pgdn", "+", "?", "f"]
        {
            assert_eq!(text.parse::<Key>().expect(text).to_string(), text);
        }
        assert!("hyper-x".parse::<Key>().is_err() && "".parse::<Key>().is_err());
    }

    #[test]
    fn control_characters_are_not_text() {
        assert_eq!(Key::char('x').text(), Some('x'));
        assert_eq!((Key::ctrl('x').text(), Key::char('\u{1b}').text()), (None, None));
    }
}
