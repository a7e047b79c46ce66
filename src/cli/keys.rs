//! `rookery keys`: the keys of the console, as they are in use.

use super::exit::Ended;
use super::{out, settings};

/// Prints the table.
pub(super) fn main() -> Ended {
    out::print(settings::load()?.keymap.markdown())
}
