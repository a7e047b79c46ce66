//! A question over the screen: what, on which hosts, with what effect, and what counts as yes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::text;
use crate::console::actions::count;
use crate::console::dialog::{Demand, Dialog, Question};
use crate::console::grace::GRACE;
use crate::console::keymap::{Act, Verb};
use crate::console::model::Model;
use crate::console::theme::{Glyphs, Scope, Theme};
use crate::inventory::{HostId, Mode};
use crate::rollout::{Stage, Standing, StateName};

/// Hosts that are named.
const NAMED: usize = 10;

pub(super) fn draw(model: &Model, dialog: &Dialog, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(74);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for text in body(model, dialog) {
        lines.extend(
            wrap(&text::plain(theme, &text), inner)
                .into_iter()
                .map(|line| Line::styled(line, theme.scope(Scope::Text))),
        );
    }
    lines.push(Line::default());
    let typed_row = lines.len();
    match &dialog.demand {
        Demand::Enter => lines.push(Line::from(vec![
            Span::styled("enter", theme.scope(Scope::Key)),
            Span::raw(" goes on    "),
            Span::styled("a", theme.scope(Scope::Key)),
            Span::raw(" aborts the run    "),
            Span::styled("esc", theme.scope(Scope::Key)),
            Span::raw(" looks around"),
        ])),
        Demand::Yes => lines.push(Line::from(vec![
            Span::styled("y", theme.scope(Scope::Key)),
            Span::raw(" yes    "),
            Span::styled("esc", theme.scope(Scope::Key)),
            Span::raw(" no"),
        ])),
        Demand::Text(wanted) => lines.push(Line::from(vec![
            Span::raw("type "),
            Span::styled(wanted.clone(), theme.scope(Scope::Key)),
            Span::raw(" and enter; esc goes back: "),
            Span::styled(dialog.typed.clone(), theme.scope(Scope::Prompt)),
        ])),
    }
    lines.push(Line::styled(dialog.remark.unwrap_or_default(), theme.scope(Scope::Warning)));
    // The answer is the last thing to be cut.
    let height = area.height.min(lines.len() as u16 + 2);
    let cut = (lines.len() + 2).saturating_sub(usize::from(height));
    let from = cut.min(typed_row);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, frame.buffer_mut());
    let border = match theme.glyphs() {
        Glyphs::Unicode => ratatui::symbols::border::PLAIN,
        Glyphs::Ascii => ASCII_BORDER,
    };
    let style = theme.scope(Scope::Dialog);
    let block =
        Block::bordered().border_set(border).border_style(style).title(Span::styled(title(model, dialog), style));
    let inside = block.inner(place);
    block.render(place, frame.buffer_mut());
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    for (row, line) in (0_u16..).zip(lines.iter().skip(from)) {
        text::put(frame.buffer_mut(), inside, row, line);
    }
    let row = (typed_row - from) as u16;
    if row < inside.height && inside.width > 0 {
        let end = lines[typed_row].width().min(usize::from(inside.width - 1)) as u16;
        frame.set_cursor_position((inside.x + end, inside.y + row));
    }
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

fn title(model: &Model, dialog: &Dialog) -> String {
    match &dialog.question {
        Question::Retry(hosts) => format!(" Retry {}? ", count(hosts.len())),
        Question::Abort(hosts) => format!(" Abort {}? ", count(hosts.len())),
        Question::AbortRun => " Abort the whole run? ".to_owned(),
        Question::Gate => {
            let wave = model.rollout().wave();
            format!(" Wave {} of {} is over: open wave {}? ", wave.wave, wave.waves, wave.wave + 1)
        }
        Question::Halted => " The run has stopped: go on all the same? ".to_owned(),
        Question::Quit => " The run is not over ".to_owned(),
        Question::Finish => " End the run? ".to_owned(),
        Question::LeaveUncleaned => " Leave before everything is cleaned up? ".to_owned(),
        Question::Suspend => " Stop this console, and the run with it? ".to_owned(),
    }
}

fn body(model: &Model, dialog: &Dialog) -> Vec<String> {
    let rollout = model.rollout();
    let counts = rollout.counts();
    let open = counts.total() - counts.settled();
    let done = counts.of(StateName::Done);
    match &dialog.question {
        Question::Retry(hosts) => vec![
            names(model, hosts),
            String::new(),
            "Each is connected to again at once. Pieces it has are kept.".to_owned(),
        ],
        Question::Abort(hosts) => vec![
            names(model, hosts),
            String::new(),
            "The agent is stopped; nothing is put in place. Pieces are kept for a retry; all other hosts go on."
                .to_owned(),
            grace(model),
        ],
        Question::AbortRun => vec![
            format!("{} not done will be aborted, every agent stopped and cleaned up.", count(open as usize)),
            format!("{} already done {} the release.", count(done as usize), if done == 1 { "keeps" } else { "keep" }),
            grace(model),
        ],
        Question::Gate => gate(model),
        Question::Halted => halted(model),
        Question::Quit => vec![
            format!(
                "{open} of {} {} still under way.",
                count(counts.total() as usize),
                if open == 1 { "is" } else { "are" }
            ),
            "esc keeps watching. To abort the run, clean up and leave:".to_owned(),
        ],
        Question::Finish => {
            let retry = model.setup.keymap.key_of(Verb::Act(Act::RetryAll));
            let missing = counts.total() - done;
            let (have, they) = if missing == 1 { ("has", "It keeps its") } else { ("have", "They keep their") };
            vec![
                format!("Every host is settled, and {} {have} not got the release.", count(missing as usize)),
                format!("{they} pieces: esc, then {retry} retries."),
                String::new(),
                "Yes stops every agent, removes temporary files, and leaves.".to_owned(),
            ]
        }
        Question::LeaveUncleaned => {
            let left = match rollout.stage() {
                Stage::Finishing { left } => *left,
                Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Ended(_) => 0,
            };
            vec![
                format!("{} not proved clean yet: agents or temporary files may be left there.", count(left)),
                "The report and the journal name them.".to_owned(),
            ]
        }
        Question::Suspend => vec![format!(
            "{} under way: they fetch on from each other, but nothing is launched, retried or cleaned up until this \
             program goes on, and a long stop loses their connections.",
            count(open as usize)
        )],
    }
}

/// What came of the wave, and what the next one is.
fn gate(model: &Model) -> Vec<String> {
    let (wave, key) = (model.rollout().wave(), model.setup.keymap.key_of(Verb::Act(Act::Proceed)));
    let canary = if wave.canary { "canaries: " } else { "" };
    let others = wave.hosts - wave.done - wave.failed;
    let others = if others > 0 { format!(", {others} aborted or skipped") } else { String::new() };
    let mut lines = vec![format!("{canary}{} of {} done, {} failed{others}.", wave.done, wave.hosts, wave.failed)];
    let are = if wave.next == 1 { "is" } else { "are" };
    lines.push(match model.rollout().plan().policy.mode {
        Mode::WaveByWave => format!("Next: {} {are} launched.", count(wave.next)),
        Mode::StageThenSwitch => {
            let ready = wave.staged;
            format!("Next: {} {are} put in place; of all that wait, {ready} have the release ready.", count(wave.next))
        }
    });
    lines.push(format!("After esc the run waits, and {key} asks again."));
    lines
}

/// Why no more hosts have their turn.
fn halted(model: &Model) -> Vec<String> {
    let wave = model.rollout().wave();
    let key = model.setup.keymap.key_of(Verb::Act(Act::Proceed));
    let why = match &wave.standing {
        Standing::Halted(halt) => halt.to_string(),
        Standing::Underway | Standing::Asking => String::new(),
    };
    let yes = if wave.unsettled == 0 && wave.next > 0 {
        format!("Yes opens wave {}, {}; a aborts the run.", wave.wave + 1, count(wave.next))
    } else {
        "Yes goes on until one more fails; a aborts the run.".to_owned()
    };
    vec![
        format!("{why}: no more hosts have their turn. Those under way go on."),
        yes,
        format!("After esc the run waits, and {key} asks again; a retry that succeeds may be enough."),
    ]
}

/// How long the way back is open.
fn grace(model: &Model) -> String {
    let key = model.setup.keymap.key_of(Verb::Undo);
    format!("It is done {} s after your answer; until then {key} takes it back.", GRACE.as_secs())
}

/// The exact hosts: the first ten, and how many more.
fn names(model: &Model, hosts: &[HostId]) -> String {
    let short = model.names;
    let named: Vec<_> = hosts.iter().take(NAMED).map(|host| short.short(model.rollout().name(*host))).collect();
    let more = hosts.len() - named.len();
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", named.join(", "))
}

/// Lines of at most `width` characters, cut at spaces.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().expect("it begins with a line");
            let used = line.chars().count();
            let needed = word.chars().count() + usize::from(used > 0);
            if used + needed <= width {
                if used > 0 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if used == 0 {
                let cut = word.char_indices().nth(width.max(1)).map_or(word.len(), |(at, _)| at);
                line.push_str(&word[..cut]);
                word = &word[cut..];
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn long_words_are_cut_and_nothing_is_lost() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("äöü", 1).concat(), "äöü");
    }
}
