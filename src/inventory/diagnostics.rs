//! What is wrong with a text, where, and what to do about it.

use std::fmt;
use std::ops::Range;

/// Whether the text can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but means something else than it seems to.
    Warning,
}

/// One thing wrong with a text: why, where, and the way out.
///
/// Displays like `cargo`'s: `place:line:column: message`, the line, and a caret under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the text can be used all the same.
    pub severity: Severity,
    /// The file, as the operator named it.
    pub place: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Characters the caret is wide, at least 1.
    pub width: usize,
    /// Why, and the way out.
    pub message: String,
    /// The offending line, fit for a terminal.
    pub excerpt: String,
}

impl Diagnostic {
    /// Points at the bytes `span` of `text`.
    pub fn new(severity: Severity, place: &str, text: &str, span: &Range<usize>, message: impl Into<String>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let before = text[line_start..start].chars().count();
        let width = text[start..end.min(line_end).max(start)].chars().count().max(1);
        Self {
            severity,
            place: place.to_owned(),
            line: text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before + 1,
            width,
            message: message.into().chars().map(printable).collect(),
            excerpt: text[line_start..line_end].trim_end_matches('\r').chars().map(printable).collect(),
        }
    }

    /// The part of the excerpt that is shown, and how many characters of it come before the caret.
    fn window(&self) -> (String, usize) {
        let before = self.column - 1;
        let length = self.excerpt.chars().count();
        if length <= EXCERPT_MAX {
            return (self.excerpt.clone(), before);
        }
        let skipped = before.saturating_sub(EXCERPT_MAX / 2).min(length - EXCERPT_MAX);
        (self.excerpt.chars().skip(skipped).take(EXCERPT_MAX).collect(), before - skipped)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        writeln!(f, "{}:{}:{}: {kind}{}", self.place, self.line, self.column, self.message)?;
        let (shown, before) = self.window();
        let carets = self.width.min(EXCERPT_MAX - before.min(EXCERPT_MAX - 1));
        writeln!(f, "{:>5} | {shown}", self.line)?;
        write!(f, "{:>5} | {:before$}{:^>carets$}", "", "", "")
    }
}

impl std::error::Error for Diagnostic {}

/// Everything wrong with a text, in the order of the text; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// All of them, in the order of the text.
    pub fn new(mut found: Vec<Diagnostic>) -> Self {
        found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        Self { found }
    }

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there is nothing wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl From<Diagnostics> for Vec<Diagnostic> {
    fn from(diagnostics: Diagnostics) -> Self {
        diagnostics.found
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.found.iter().take(SHOWN_MAX).enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{diagnostic}")?;
        }
        match self.found.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// The largest character boundary that is not after `index`.
fn floor_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

/// A tab or control character would move the caret, or the operator's terminal.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

/// Characters of a line that are shown, so that it fits a terminal.
const EXCERPT_MAX: usize = 100;

/// Diagnostics that are shown, so that the first is still on the screen.
const SHOWN_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_what_is_meant() {
        let text = "a = 1\n\tübel = \"x\"\n";
        let start = text.find("übel").unwrap();
        let shown = Diagnostic::new(Severity::Error, "f.toml", text, &(start..start + 5), "no").to_string();
        assert_eq!(shown, "f.toml:2:2: no\n    2 |  übel = \"x\"\n      |  ^^^^");
    }

    #[test]
    fn a_long_line_is_shown_around_the_caret_and_escapes_do_not_reach_the_terminal() {
        let text = format!("{}\u{1b}[2J{}", "a".repeat(500), "b".repeat(500));
        let shown = Diagnostic::new(Severity::Warning, "f", &text, &(500..501), "no").to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "f:1:501: warning: no");
        assert_eq!(lines[1].chars().count(), 8 + EXCERPT_MAX);
        assert_eq!(lines[1].chars().position(|c| c == '\u{fffd}'), lines[2].chars().position(|c| c == '^'));
    }

    #[test]
    fn any_span_can_be_shown() {
        for (start, end) in [(0, 0), (0, 99), (5, 2), (1, 2), (99, 100)] {
            let shown = Diagnostic::new(Severity::Error, "f", "äb\n", &(start..end), "no").to_string();
            assert!(shown.ends_with('^'), "{shown}");
        }
    }
}
