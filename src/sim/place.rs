//! Place: where in a scenario's text a mistake is.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::{Scenario, ScenarioError};
use crate::inventory::{Diagnostic, Severity};

/// The values that are checked beyond their type, and where they stand; any may be missing.
#[derive(Deserialize)]
struct Places {
    hosts: Option<Spanned<IgnoredAny>>,
    pieces: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    fault: Vec<FaultPlace>,
}

#[derive(Deserialize)]
struct FaultPlace {
    host: Spanned<u32>,
}

impl Scenario {
    /// Reads the TOML of a file; a mistake is shown with its line and a caret, as those of an inventory are.
    ///
    /// ```
    /// use rookery::sim::Scenario;
    /// let mistake = Scenario::read("s.toml", "hosts = 2\npieces = 'x'").expect_err("no number");
    /// assert_eq!((mistake.line, mistake.column), (2, 10));
    /// ```
    pub fn read(place: &str, text: &str) -> Result<Self, Diagnostic> {
        Self::parse(text)
            .map_err(|error| Diagnostic::new(Severity::Error, place, text, &span(&error, text), error.to_string()))
    }
}

/// The bytes that are meant.
fn span(error: &ScenarioError, text: &str) -> Range<usize> {
    let places = || toml::from_str::<Places>(text).ok();
    let found = match error {
        ScenarioError::Format { span, .. } => Some(span.clone()),
        ScenarioError::Layout(_) => places().and_then(|places| Some(places.pieces?.span())),
        ScenarioError::TooManyHosts(_) => places().and_then(|places| Some(places.hosts?.span())),
        ScenarioError::NoSuchHost { host, .. } => places().and_then(|places| {
            places.fault.iter().map(|fault| &fault.host).find(|found| found.get_ref() == host).map(Spanned::span)
        }),
    };
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_shown_where_it_is() {
        for (text, line, column, why) in [
            ("hosts = 2\npiece = 1", 2, 1, "piece"),
            ("hosts = 2\npieces = 0", 2, 10, "empty"),
            ("hosts = 99999\npieces = 1", 1, 9, "99999"),
            ("hosts = 2\npieces = 1\nlimit = '5 apples'", 3, 9, "5 apples"),
            ("hosts = 2\npieces = 1\n[[fault]]\nhost = 2\ntrouble = 'selfish'", 4, 8, "host 2"),
        ] {
            let found = Scenario::read("s.toml", text).unwrap_err();
            assert_eq!((found.line, found.column), (line, column), "{found}");
            assert!(found.message.contains(why), "{found}");
        }
    }
}
