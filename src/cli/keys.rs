//! `rookery keys`: the keys of the console.

use super::exit::Ended;
use super::out;
use crate::console::Keymap;

/// Prints the table.
pub(super) fn main() -> Ended {
    out::print(Keymap::default().markdown())
}
