//! Scenarios as data: what is pressed on a live swarm, and what is seen of it.
//!
//! Keys are spelled as in `docs/keys.md`, so that a scenario says which actions it presses, and a test can find the key that
//! none does. Nothing counts that was on the screen before the key was pressed.

use rookery::console::{Key, KeyCode};

use super::session::Session;

/// One thing an operator does, by its name.
pub(crate) struct Scenario(pub(crate) &'static str, pub(crate) &'static [Step]);

/// A part of it.
pub(crate) enum Step {
    /// These keys are pressed, and this text comes.
    Shows(&'static str, &'static str),
    /// These keys are pressed, and this text goes.
    Hides(&'static str, &'static str),
    /// These keys are pressed, and the cursor comes to this host.
    At(&'static str, &'static str),
    /// These keys are pressed, and nothing has to come of it before the next step.
    Press(&'static str),
    /// This is typed as it is, and this text comes.
    Types(&'static str, &'static str),
    /// This question, once it takes answers, is answered with this text, and this comes of it.
    Answers(&'static str, &'static str, &'static str),
    /// The process gets this signal, and this text comes.
    Gets(&'static str, &'static str),
    /// The process gets this signal, and this text goes.
    Clears(&'static str, &'static str),
    /// The terminal gets these bytes, such as those of a mouse.
    Sends(&'static str),
    /// Another program writes this onto the terminal.
    Scribble(&'static str),
    /// This comes to be, for a reason that is no text on the screen.
    Holds(&'static str, fn(&Session) -> bool),
}

impl Scenario {
    /// Carries it out, from the map with the cursor on the first host, back to where that is.
    pub(crate) fn play(&self, session: &mut Session) {
        session.doing = self.0;
        home(session);
        for step in self.1 {
            step.play(session);
        }
    }

    /// The keys it presses, in order, one list a step.
    pub(crate) fn pressed(&self) -> impl Iterator<Item = Vec<Key>> {
        self.1.iter().filter_map(Step::keys).map(parse)
    }
}

impl Step {
    fn play(&self, session: &mut Session) {
        match *self {
            Self::Shows(keys, text) => comes(session, &typed(keys), text),
            Self::Types(text, shown) => comes(session, text, shown),
            Self::Hides(keys, text) => {
                session.wait_for(text);
                session.press(&typed(keys));
                session.wait_without(text);
            }
            Self::At(keys, host) => {
                assert_ne!(focus(session), host, "{}: {keys} proves nothing", session.doing);
                session.press(&typed(keys));
                session.wait(&format!("the cursor on {host} after {keys}"), |_| focus(session) == host);
            }
            Self::Press(keys) => session.press(&typed(keys)),
            Self::Answers(question, answer, text) => {
                assert_absent(session, text);
                session.answer(question, answer);
                session.wait_for(text);
            }
            Self::Gets(signal, text) => {
                assert_absent(session, text);
                session.signal(signal);
                session.wait_for(text);
            }
            Self::Clears(signal, text) => {
                session.wait_for(text);
                session.signal(signal);
                session.wait_without(text);
            }
            Self::Sends(bytes) => session.press(bytes),
            Self::Scribble(text) => {
                let mut seen = session.seen.lock().expect("no reader panics");
                seen.screen.process(format!("\x1b7\x1b[24;40H{text}\x1b8").as_bytes());
            }
            Self::Holds(what, holds) => session.wait(what, |_| holds(session)),
        }
    }

    fn keys(&self) -> Option<&'static str> {
        match *self {
            Self::Shows(keys, _) | Self::Hides(keys, _) | Self::At(keys, _) | Self::Press(keys) => Some(keys),
            Self::Types(..)
            | Self::Answers(..)
            | Self::Gets(..)
            | Self::Clears(..)
            | Self::Sends(_)
            | Self::Scribble(_)
            | Self::Holds(..) => None,
        }
    }
}

fn comes(session: &mut Session, bytes: &str, text: &str) {
    assert_absent(session, text);
    session.press_for(bytes, text);
}

/// What is there already proves nothing.
fn assert_absent(session: &Session, text: &str) {
    let (doing, screen) = (session.doing, session.screen());
    assert!(!screen.contains(text), "{doing}: {text} is there already:\n{screen}");
}

/// The map, everything closed and cleared, the last remark gone, and the cursor on the first host.
fn home(session: &mut Session) {
    // A question, a line, the help, a range, a page, a filter and marks are one step each. The line that is typed at the end
    // shows that all of it is done.
    session.press(&typed("esc esc esc esc esc esc esc 1 g g : n e x t"));
    session.wait_for(":next");
    session.press(&typed("esc"));
    session.wait("the map, with the cursor on the first host", |screen| {
        focus(session) == "web01" && !screen.contains(":next") && !screen.contains("marked")
    });
}

/// The host under the cursor: of its line in a view, or of that under the map.
pub(crate) fn focus(session: &Session) -> String {
    let screen = session.screen();
    let line = screen.lines().find(|line| line.starts_with('▸')).unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn parse(keys: &str) -> Vec<Key> {
    keys.split(' ').map(|key| key.parse().expect("it is spelled as the table of keys spells it")).collect()
}

/// What a terminal sends for keys.
fn typed(keys: &str) -> String {
    parse(keys).into_iter().map(sent).collect()
}

fn sent(key: Key) -> String {
    if let KeyCode::Char(letter) = key.code {
        return if key.ctrl { char::from(letter as u8 & 0x1f) } else { letter }.to_string();
    }
    let known = TERMINAL.iter().find(|(known, _)| *known == key.code);
    known.map(|(_, bytes)| (*bytes).to_owned()).expect("xterm has such a key")
}

const TERMINAL: [(KeyCode, &str); 14] = [
    // One alone may be the beginning of the next key.
    (KeyCode::Esc, "\x1b\x1b"),
    (KeyCode::Enter, "\r"),
    (KeyCode::Tab, "\t"),
    (KeyCode::BackTab, "\x1b[Z"),
    (KeyCode::Backspace, "\x7f"),
    (KeyCode::Up, "\x1b[A"),
    (KeyCode::Down, "\x1b[B"),
    (KeyCode::Right, "\x1b[C"),
    (KeyCode::Left, "\x1b[D"),
    (KeyCode::Home, "\x1b[H"),
    (KeyCode::End, "\x1b[F"),
    (KeyCode::PageUp, "\x1b[5~"),
    (KeyCode::PageDown, "\x1b[6~"),
    (KeyCode::F(1), "\x1bOP"),
];
