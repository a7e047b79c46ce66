//! The line that is typed: a filter after `/`, a command after `:`.

use super::filter::Filter;
use super::io::{Effect, Key, KeyCode};
use super::model::Model;
use super::{command, motion};

/// What is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Which hosts to show.
    Filter,
    /// What to do.
    Command,
    /// Which keys to show, in the help.
    Help,
}

/// The line, and where it is between what was typed before and what may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    pub(super) text: String,
    /// Which line of the history it is, with what was typed before.
    recalled: Option<(usize, String)>,
    /// Which completion it is, and of what.
    completed: Option<(usize, String)>,
}

/// What was typed before, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Histories {
    filters: Vec<String>,
    commands: Vec<String>,
    searches: Vec<String>,
}

impl Histories {
    /// Lines kept of each.
    const MAX: usize = 100;

    const fn of(&self, purpose: Purpose) -> &Vec<String> {
        match purpose {
            Purpose::Filter => &self.filters,
            Purpose::Command => &self.commands,
            Purpose::Help => &self.searches,
        }
    }

    fn remember(&mut self, purpose: Purpose, line: &str) {
        let lines = match purpose {
            Purpose::Filter => &mut self.filters,
            Purpose::Command => &mut self.commands,
            Purpose::Help => &mut self.searches,
        };
        lines.retain(|known| known != line);
        if !line.trim().is_empty() {
            lines.push(line.to_owned());
        }
        if lines.len() > Self::MAX {
            lines.remove(0);
        }
    }
}

/// Begins a line: the filter with what it is, a command with nothing.
pub(super) fn open(model: &mut Model, purpose: Purpose) {
    let text = match purpose {
        Purpose::Filter => model.filter.text().to_owned(),
        Purpose::Command => String::new(),
        Purpose::Help => std::mem::take(&mut model.sought),
    };
    model.prompt = Some(Prompt { purpose, text, recalled: None, completed: None });
}

/// Takes a key; returns the command that was entered, if one was.
pub(super) fn press(model: &mut Model, key: Key, effects: &mut Vec<Effect>) -> Option<String> {
    let mut prompt = model.prompt.take()?;
    let completed = prompt.completed.take();
    if key.code == KeyCode::Enter {
        model.histories.remember(prompt.purpose, &prompt.text);
        return (prompt.purpose == Purpose::Command).then_some(prompt.text);
    }
    if key.code == KeyCode::Esc || key == Key::ctrl('c') || (key.code == KeyCode::Backspace && prompt.text.is_empty()) {
        match prompt.purpose {
            Purpose::Filter => {
                model.filter = Filter::default();
                motion::settle(model);
            }
            Purpose::Help => model.sought.clear(),
            Purpose::Command => {}
        }
        return None;
    }
    match key.code {
        KeyCode::Tab => complete(model, &mut prompt, completed),
        KeyCode::Up => recall(model, &mut prompt, Direction::Older),
        KeyCode::Down => recall(model, &mut prompt, Direction::Newer),
        KeyCode::Char(_) | KeyCode::Backspace => edit(&mut prompt, key, effects),
        KeyCode::Enter
        | KeyCode::Esc
        | KeyCode::BackTab
        | KeyCode::Delete
        | KeyCode::Insert
        | KeyCode::Left
        | KeyCode::Right
        | KeyCode::Home
        | KeyCode::End
        | KeyCode::PageUp
        | KeyCode::PageDown
        | KeyCode::F(_) => {}
    }
    model.prompt = Some(prompt);
    follow(model);
    None
}

/// Types what was pasted, up to the end of its first line.
pub(super) fn paste(model: &mut Model, text: &str) {
    let Some(prompt) = &mut model.prompt else { return };
    let room = Filter::LENGTH_MAX.saturating_sub(prompt.text.chars().count());
    prompt.text.extend(text.chars().take_while(|c| *c != '\n' && *c != '\r').filter(|c| !c.is_control()).take(room));
    follow(model);
}

fn edit(prompt: &mut Prompt, key: Key, effects: &mut Vec<Effect>) {
    prompt.recalled = None;
    if let Some(character) = key.text() {
        if prompt.text.chars().count() < Filter::LENGTH_MAX {
            prompt.text.push(character);
        }
    } else if key.code == KeyCode::Backspace {
        prompt.text.pop();
    } else if key == Key::ctrl('u') {
        prompt.text.clear();
    } else if key == Key::ctrl('w') {
        let kept = prompt.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
        prompt.text.truncate(kept);
    } else if key == Key::ctrl('l') {
        effects.push(Effect::Redraw);
    }
}

/// What is shown follows what is typed.
fn follow(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    match prompt.purpose {
        Purpose::Filter => {
            model.filter = Filter::parse(&prompt.text);
            motion::settle(model);
        }
        Purpose::Help => {
            model.sought = prompt.text.to_lowercase();
            model.help = Some(0);
        }
        Purpose::Command => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Older,
    Newer,
}

fn recall(model: &Model, prompt: &mut Prompt, direction: Direction) {
    let lines = model.histories.of(prompt.purpose);
    let (at, typed) = prompt.recalled.take().unwrap_or_else(|| (lines.len(), prompt.text.clone()));
    let at = match direction {
        Direction::Older => at.saturating_sub(1),
        Direction::Newer => at + 1,
    };
    if let Some(line) = lines.get(at) {
        prompt.text.clone_from(line);
        prompt.recalled = Some((at, typed));
    } else {
        prompt.text = typed;
    }
}

/// Writes what all that may be meant have in common, and then each in turn.
fn complete(model: &Model, prompt: &mut Prompt, completed: Option<(usize, String)>) {
    let (at, typed) = completed.map_or_else(|| (None, prompt.text.clone()), |(at, typed)| (Some(at), typed));
    let all = command::completions(model, prompt.purpose, &typed);
    let common = common(&all);
    if at.is_none() && common.len() > typed.len() {
        prompt.text = common;
        return;
    }
    let next = at.map_or(0, |at| (at + 1) % all.len().max(1));
    if let Some(text) = all.get(next) {
        prompt.text.clone_from(text);
        prompt.completed = Some((next, typed));
    }
}

fn common(all: &[String]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let shared = |length: &usize| all.iter().all(|other| other.get(..*length) == first.get(..*length));
    let lengths = first.char_indices().map(|(at, character)| at + character.len_utf8());
    let length = lengths.take_while(shared).last().unwrap_or_default();
    first[..length].to_owned()
}
