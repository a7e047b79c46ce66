//! `rookery keys`: the keys of the console.

use super::exit::{Ended, Exit};
use crate::console::Keymap;

/// Prints the table.
pub(super) fn main() -> Ended {
    print!("{}", Keymap::default().markdown());
    Ok(Exit::Done)
}
