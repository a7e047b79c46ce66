//! What crossterm hears of the terminal, in the console's words.

use crossterm::event::{
    Event, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::console::{Key, KeyCode, Msg};

/// Bytes kept of a paste; nobody types that much into a prompt.
const PASTE_MAX: usize = 64 << 10;

/// What is told to the console, if it has a word for it.
pub(super) fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(event) => key(event).map(Msg::Key),
        Event::Paste(mut text) => {
            text.truncate(text.floor_char_boundary(PASTE_MAX));
            Some(Msg::Paste(text))
        }
        Event::Mouse(event) => mouse(event),
        // A new size is told by its signal, also while nothing is typed.
        Event::Resize(..) | Event::FocusGained | Event::FocusLost => None,
    }
}

fn mouse(event: MouseEvent) -> Option<Msg> {
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click { column: event.column, row: event.row }),
        MouseEventKind::ScrollUp => Some(Msg::Key(Key::plain(KeyCode::Up))),
        MouseEventKind::ScrollDown => Some(Msg::Key(Key::plain(KeyCode::Down))),
        MouseEventKind::Down(MouseButton::Middle | MouseButton::Right)
        | MouseEventKind::Up(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => None,
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let code = match event.code {
        Code::Char(character) => KeyCode::Char(character),
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        Code::Tab => KeyCode::Tab,
        Code::BackTab => KeyCode::BackTab,
        Code::Backspace => KeyCode::Backspace,
        Code::Delete => KeyCode::Delete,
        Code::Insert => KeyCode::Insert,
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        Code::F(number) => KeyCode::F(number),
        Code::Null
        | Code::CapsLock
        | Code::ScrollLock
        | Code::NumLock
        | Code::PrintScreen
        | Code::Pause
        | Code::Menu
        | Code::KeypadBegin
        | Code::Media(_)
        | Code::Modifier(_) => return None,
    };
    // A character and shift-tab are what shift made of them.
    let shifted = matches!(code, KeyCode::Char(_) | KeyCode::BackTab);
    Some(Key {
        code,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        alt: event.modifiers.contains(KeyModifiers::ALT),
        shift: event.modifiers.contains(KeyModifiers::SHIFT) && !shifted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_name_the_operator_gives_it() {
        let table = [
            (Code::Char('a'), KeyModifiers::NONE, Some("a")),
            (Code::Char('G'), KeyModifiers::SHIFT, Some("G")),
            (Code::Char('d'), KeyModifiers::CONTROL, Some("ctrl-d")),
            (Code::Char('é'), KeyModifiers::ALT, Some("alt-é")),
            (Code::BackTab, KeyModifiers::SHIFT, Some("shift-tab")),
            (Code::Down, KeyModifiers::SHIFT, Some("shift-down")),
            (Code::F(5), KeyModifiers::NONE, Some("f5")),
            (Code::CapsLock, KeyModifiers::NONE, None),
        ];
        for (code, modifiers, expected) in table {
            let named = key(KeyEvent::new(code, modifiers)).map(|key| key.to_string());
            assert_eq!(named.as_deref(), expected, "{code:?}");
        }
        let release = KeyEvent::new_with_kind(Code::Enter, KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(key(release), None);
    }

    #[test]
    fn a_paste_is_bounded_and_stays_text() {
        let Some(Msg::Paste(text)) = message(Event::Paste("€".repeat(PASTE_MAX))) else { panic!("it is a paste") };
        assert!(text.len() <= PASTE_MAX && text.len() > PASTE_MAX - 3 && text.ends_with('€'));
    }

    #[test]
    fn the_mouse_presses_and_turns_and_nothing_else() {
        let at = |kind| message(Event::Mouse(MouseEvent { kind, column: 2, row: 6, modifiers: KeyModifiers::NONE }));
        assert_eq!(at(MouseEventKind::Down(MouseButton::Left)), Some(Msg::Click { column: 2, row: 6 }));
        assert_eq!(at(MouseEventKind::ScrollDown), Some(Msg::Key(Key::plain(KeyCode::Down))));
        for kind in
            [MouseEventKind::Moved, MouseEventKind::Up(MouseButton::Left), MouseEventKind::Down(MouseButton::Right)]
        {
            assert_eq!(at(kind), None);
        }
    }
}
