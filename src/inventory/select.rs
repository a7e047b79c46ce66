//! Which hosts a selector means.

use std::fmt;
use std::io;

use super::{Diagnostic, HostSet, Inventory, Severity};

/// What a selector may refer to outside the inventory.
#[derive(Clone, Copy)]
pub struct SelectContext<'a> {
    /// Names of the hosts that failed in the last run (`@failed`); `None`: there is no last run.
    pub failed: Option<&'a [String]>,
    /// Names of the hosts that could not be reached in the last run (`@unreachable`).
    pub unreachable: Option<&'a [String]>,
    /// Reads a file of selectors (`@./path`).
    pub file: &'a dyn Fn(&str) -> io::Result<String>,
    /// Which hosts `10%` and `pick:5` take: the same seed takes the same ones.
    pub seed: u64,
}

/// Why a selector means no host, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectError {
    /// Where, and the way out.
    pub diagnostic: Diagnostic,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for SelectError {}

impl Inventory {
    /// The hosts that `selector` means, in inventory order; never none.
    pub fn select(&self, selector: &str, _context: &SelectContext<'_>) -> Result<HostSet, SelectError> {
        let all = self.fleet();
        let diagnostic = Diagnostic::new(Severity::Error, "selector", selector, &(0..selector.len()), "no host");
        if all.is_empty() { Err(SelectError { diagnostic }) } else { Ok(all) }
    }
}
