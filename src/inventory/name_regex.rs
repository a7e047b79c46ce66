//! `~regex`: hosts by a part of their names.

use regex_lite::{Regex, RegexBuilder};

/// A regular expression that names are held against; it may match anywhere in them.
#[derive(Debug, Clone)]
pub struct NameRegex(Regex);

impl NameRegex {
    /// Bytes of memory that a compiled expression may take: many times what names need, and no more than a mistake may cost.
    const SIZE_MAX: usize = 1 << 20;

    /// Reads an expression, without the `~`.
    ///
    /// # Errors
    /// In the words of the library, when it is none or would take too much memory.
    pub fn new(text: &str) -> Result<Self, String> {
        RegexBuilder::new(text).size_limit(Self::SIZE_MAX).build().map(Self).map_err(|error| error.to_string())
    }

    /// Whether a name has it.
    pub fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for NameRegex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for NameRegex {}
