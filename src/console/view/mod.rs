//! Draws the model: [`view`] changes nothing, and costs what is visible.
//!
//! One widget a file. Where things are is in `geometry`, which the cursor keys use too.

mod detail;
mod dialog;
mod events;
mod failures;
mod focus;
mod footer;
mod geometry;
mod grid;
mod header;
mod help;
mod log;
mod popup;
mod reason;
mod small;
mod table;
mod text;
mod worst;

use ratatui::Frame;

use geometry::{COLUMNS_MIN, ROWS_MIN};
pub(super) use geometry::{Grid, Names, Parts, Spot};

use super::hits::Hits;
use super::model::View;
use super::{Model, Theme};

/// Draws the whole screen, whatever its size.
pub fn view(model: &Model, theme: &Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        small::draw(model, theme, frame, area);
    } else {
        let parts = Parts::of(area, model.view);
        let hits = Hits::of(model);
        header::draw(model, theme, frame, parts.header);
        match (model.help, model.view) {
            (Some(first), _) => help::draw(model, theme, frame, parts.body, first),
            (None, View::Grid) => {
                grid::draw(model, theme, frame, parts.body, &hits);
                worst::draw(model, theme, frame, parts.body, &hits);
            }
            (None, View::Table) => table::draw(model, theme, frame, parts.body),
            (None, View::Failures) => failures::draw(model, theme, frame, parts.body),
            (None, View::Events) => events::draw(model, theme, frame, parts.body),
            (None, View::Host) => detail::draw(model, theme, frame, parts.body),
            (None, View::Log) => log::draw(model, theme, frame, parts.body),
        }
        if parts.focus.height > 0 {
            focus::draw(model, theme, frame, parts.focus);
        }
        footer::draw(model, theme, frame, &parts, &hits);
    }
    if let Some(popup) = &model.popup {
        popup::draw(popup, theme, frame, area);
    }
    if let Some(question) = &model.dialog {
        dialog::draw(model, question, theme, frame, area);
    }
}
