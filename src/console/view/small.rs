//! What is left on a screen that is too small for anything else: how far, how many failed, and how much room is missing.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::geometry::{COLUMNS_MIN, ROWS_MIN};
use super::{header, text};
use crate::console::model::{Model, Urgency};
use crate::console::theme::{Scope, Theme};
use crate::rollout::StateName;

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let counts = model.shown().counts();
    let failed = counts.of(StateName::Failed) + counts.of(StateName::Unreachable);
    let (standing, scope) = header::standing(model);
    let bad = if failed > 0 { Scope::Bad } else { Scope::Muted };
    let lines = [
        (format!("{}/{} done", counts.of(StateName::Done), counts.total()), Scope::Title),
        (format!("{failed} failed"), bad),
        (standing, scope),
        (format!("{}x{}; {COLUMNS_MIN}x{ROWS_MIN} shows more", area.width, area.height), Scope::Muted),
        model.toast.as_ref().map_or_else(
            || ("q quits".to_owned(), Scope::Key),
            |toast| (toast.text.clone(), if toast.urgency == Urgency::Info { Scope::Good } else { Scope::Warning }),
        ),
    ];
    for (row, (words, scope)) in (0_u16..).zip(lines) {
        let words = text::begin(theme, &words, usize::from(area.width));
        text::put(frame.buffer_mut(), area, row, &Line::styled(words, theme.scope(scope)));
    }
}
