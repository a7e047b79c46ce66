//! TOML values as the kinds an inventory has, each mistake noted with its place.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::did_you_mean;
use super::{Diagnostic, Severity};

/// Reads values and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    place: &'a str,
    text: &'a str,
    /// What was found so far.
    pub(super) found: Vec<Diagnostic>,
    /// Host names that the patterns so far stand for.
    pub(super) names: u64,
}

/// A key, where it stands, and its value.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) span: Range<usize>,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(place: &'a str, text: &'a str) -> Self {
        Self { place, text, found: Vec::new(), names: 0 }
    }

    pub(super) fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.found.push(Diagnostic::new(Severity::Error, self.place, self.text, span, message));
    }

    pub(super) fn warn(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.found.push(Diagnostic::new(Severity::Warning, self.place, self.text, span, message));
    }

    /// Where bytes of the inventory are, as people say it.
    pub(super) fn whereabouts(&self, span: &Range<usize>) -> String {
        let diagnostic = Diagnostic::new(Severity::Error, self.place, self.text, span, "");
        format!("{}:{}", self.place, diagnostic.line)
    }

    /// The line that bytes of the inventory are in.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        Diagnostic::new(Severity::Error, self.place, self.text, span, "").line
    }

    pub(super) fn unknown(&mut self, entry: &Entry<'_>, section: &str, known: &[&str]) {
        let hint = did_you_mean(entry.key, known.iter().copied());
        let keys = if hint.is_empty() { format!("; known are {}", known.join(", ")) } else { hint };
        self.error(&entry.span, format!("unknown key `{}` {section}{keys}", entry.key));
    }

    /// The entries of a table, in file order.
    pub(super) fn table<'v>(&mut self, value: &'v Spanned<DeValue<'v>>, example: &str) -> Vec<Entry<'v>> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(value, "a table", example);
            return Vec::new();
        };
        entries(table)
    }

    pub(super) fn string(&mut self, value: &Spanned<DeValue<'_>>, example: &str) -> Option<Spanned<String>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(value, "a string", example);
            return None;
        };
        if text.chars().any(char::is_control) {
            self.error(&value.span(), "a control character has no place here; take it out");
            return None;
        }
        Some(Spanned::new(value.span(), text.to_owned()))
    }

    /// A string that is more than a string.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        let text = self.string(value, example)?;
        match parse(text.get_ref()) {
            Ok(parsed) => Some(Spanned::new(value.span(), parsed)),
            Err(error) => {
                self.error(&value.span(), error.to_string());
                None
            }
        }
    }

    /// One string, or an array of them.
    pub(super) fn strings(&mut self, value: &Spanned<DeValue<'_>>, example: &str) -> Vec<Spanned<String>> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().filter_map(|value| self.string(value, example)).collect(),
            None => self.string(value, example).into_iter().collect(),
        }
    }

    pub(super) fn boolean(&mut self, value: &Spanned<DeValue<'_>>, example: &str) -> Option<Spanned<bool>> {
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong_type(value, "a boolean", example);
        }
        boolean.map(|boolean| Spanned::new(value.span(), boolean))
    }

    pub(super) fn integer(&mut self, value: &Spanned<DeValue<'_>>, least: u16, example: &str) -> Option<Spanned<u16>> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(value, "an integer", example);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number >= least);
        if number.is_none() {
            self.error(
                &value.span(),
                format!("`{}` is not between {least} and 65535; write {example}", integer.as_str()),
            );
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    pub(super) fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, wanted: &str, example: &str) {
        let found = value.get_ref().type_str();
        self.error(&value.span(), format!("expected {wanted}, found {found}; write {example}"));
    }

    /// The bytes of the inventory that are `inner` of a string's; the whole string where it is written with escapes.
    pub(super) fn within(&self, string: &Spanned<String>, inner: &Range<usize>) -> Range<usize> {
        let span = string.span();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let quotes = raw.len().saturating_sub(string.get_ref().len()) / 2;
        let is_plain = raw.get(quotes..raw.len() - quotes) == Some(string.get_ref().as_str());
        if is_plain { span.start + quotes + inner.start..span.start + quotes + inner.end } else { span }
    }
}

/// The entries of a table, in file order.
pub(super) fn entries<'v>(table: &'v DeTable<'v>) -> Vec<Entry<'v>> {
    let mut entries: Vec<Entry<'_>> =
        table.iter().map(|(key, value)| Entry { key: key.get_ref(), span: key.span(), value }).collect();
    entries.sort_by_key(|entry| (entry.span.start, entry.value.span().start));
    entries
}
