//! Draws the model: [`view`] changes nothing, and costs what is visible.
//!
//! One widget a file. Where things are is in `geometry`, which the cursor keys use too.

mod geometry;

use ratatui::Frame;

pub(super) use geometry::{Grid, Parts};

use super::{Model, Theme};

/// Draws the whole screen, whatever its size.
pub fn view(_model: &Model, _theme: &Theme, _frame: &mut Frame<'_>) {}
