//! Many host names in few characters: `web[001-250].dc[1-2]`, written out and folded again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// One pattern stands for no more hosts than this, and an inventory holds no more.
pub const EXPANSION_MAX: u64 = 200_000;

/// Why a text is not a host pattern, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct PatternError {
    /// The bytes of the pattern that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub fault: PatternFault,
}

/// Everything that can be wrong with a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// A `[` without its `]`.
    #[error("`[` is never closed; write `web[001-250]`")]
    Unclosed,
    /// A `]` without its `[`.
    #[error("`]` without `[`; write `web[001-250]`")]
    Unopened,
    /// Nothing between brackets or commas.
    #[error("an empty choice in brackets; write `web[001-250]` or `web[a,b,1-3]`")]
    Empty,
    /// A range of things that cannot be counted.
    #[error("`{0}` is not a range; use two numbers (`001-250`) or two letters (`a-f`)")]
    Range(String),
    /// A range that runs the wrong way.
    #[error("the range `{0}` runs backwards; write the smaller number first")]
    Backwards(String),
    /// `[1-010]`: is it `1` or `001`?
    #[error("the ends of the range `{0}` are padded differently; write both as wide as the wider one")]
    Padding(String),
    /// More hosts than anything is built for.
    #[error("this stands for {0} hosts, more than the {EXPANSION_MAX} allowed; is a digit too many in it?")]
    TooMany(String),
}

/// A host name with ranges and lists in it.
///
/// ```
/// use rookery::inventory::HostPattern;
/// let pattern: HostPattern = "web[009-011].dc[1,b]".parse().expect("a pattern");
/// assert_eq!(pattern.count(), 6);
/// assert_eq!(pattern.iter().nth(1).as_deref(), Some("web009.dcb"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    parts: Vec<Part>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Choice(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    Numbers { first: u64, last: u64, width: usize },
    Letters { first: u8, last: u8 },
}

impl HostPattern {
    /// How many names it stands for, at most [`EXPANSION_MAX`]; the same name may be among them twice.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether it has brackets.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The names, the last bracket counting fastest.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.count).map(|index| self.name(index))
    }

    fn name(&self, index: u64) -> String {
        let mut left = index;
        let mut pieces: Vec<String> = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().rev() {
            match part {
                Part::Text(text) => pieces.push(text.clone()),
                Part::Choice(items) => {
                    let choices = choice_count(items).max(1);
                    pieces.push(choose(items, left % choices));
                    left /= choices;
                }
            }
        }
        pieces.reverse();
        pieces.concat()
    }
}

impl std::str::FromStr for HostPattern {
    type Err = PatternError;

    /// Reads `web[001-250].dc1`, `[a,b,1-3]`, `[2001:db8::1]`; counts before it allocates.
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let offset = usize::from(is_bracketed_address(text));
        let inner = &text[offset..text.len() - offset];
        let fail = |span: Range<usize>, fault| PatternError { span: span.start + offset..span.end + offset, fault };
        let mut parts = Vec::new();
        let mut count: u64 = 1;
        let mut at = 0;
        while let Some(found) = inner[at..].find(['[', ']']) {
            let open = at + found;
            if inner[open..].starts_with(']') {
                return Err(fail(open..open + 1, PatternFault::Unopened));
            }
            let Some(close) = inner[open..].find(']').map(|length| open + length) else {
                return Err(fail(open..inner.len(), PatternFault::Unclosed));
            };
            let items = parse_choice(&inner[open + 1..close])
                .map_err(|error| fail(error.span.start + open + 1..error.span.end + open + 1, error.fault))?;
            let total = u128::from(count) * items.iter().map(|item| u128::from(item.count())).sum::<u128>();
            count = u64::try_from(total)
                .ok()
                .filter(|total| *total <= EXPANSION_MAX)
                .ok_or_else(|| fail(open..close + 1, PatternFault::TooMany(total.to_string())))?;
            push_text(&mut parts, &inner[at..open]);
            parts.push(Part::Choice(items));
            at = close + 1;
        }
        push_text(&mut parts, &inner[at..]);
        Ok(Self { parts, count })
    }
}

/// Every name a pattern stands for: at most [`EXPANSION_MAX`], counted before the first is made.
pub fn expand(pattern: &str) -> Result<impl Iterator<Item = String>, PatternError> {
    let pattern: HostPattern = pattern.parse()?;
    Ok((0..pattern.count).map(move |index| pattern.name(index)))
}

/// Names as people read them, with how many there are: `web[003,017-019].dc1 (4)`.
///
/// ```
/// use rookery::inventory::fold;
/// assert_eq!(fold(["web017.dc1", "web003.dc1", "web018.dc1", "web019.dc1"]), "web[003,017-019].dc1 (4)");
/// ```
pub fn fold<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    format!("{} ({})", fold_patterns(&names).join(", "), names.len())
}

/// The patterns that stand for just these names, in the order of the first name of each.
pub fn fold_patterns<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut shapes: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for name in names {
        let (texts, numbers) = split_numbers(name.as_ref());
        shapes.entry(texts).or_default().insert(numbers);
    }
    let mut patterns = Vec::new();
    for (texts, rows) in shapes {
        for row in fold_rows(rows) {
            let numbers = row.iter().map(String::as_str).chain([""]);
            patterns.push(texts.iter().zip(numbers).flat_map(|(text, number)| [text, number]).collect());
        }
    }
    patterns.sort_by_cached_key(|pattern: &String| {
        pattern.parse().map_or_else(|_| pattern.clone(), |first: HostPattern| first.name(0))
    });
    patterns
}

/// `[2001:db8::1]`, and `[2001:db8::[1-4]]`: the outer brackets are the address's, not a choice.
fn is_bracketed_address(text: &str) -> bool {
    let mut depth: usize = 0;
    let closes_at_end = text.bytes().enumerate().find_map(|(at, byte)| {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at + 1 == text.len())
    });
    text.starts_with('[') && text.matches(':').count() >= 2 && closes_at_end == Some(true)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn parse_choice(text: &str) -> Result<Vec<Item>, PatternError> {
    let mut at = 0;
    let mut items = Vec::new();
    for part in text.split(',') {
        let span = at..at + part.len();
        at = span.end + 1;
        items.push(parse_item(part.trim()).map_err(|fault| PatternError { span, fault })?);
    }
    Ok(items)
}

fn parse_item(text: &str) -> Result<Item, PatternFault> {
    if text.is_empty() {
        return Err(PatternFault::Empty);
    }
    let Some((first, last)) = text.split_once('-') else {
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        return if is_word { Ok(Item::Text(text.to_owned())) } else { Err(PatternFault::Range(text.to_owned())) };
    };
    let (first, last) = (first.trim_end(), last.trim_start());
    if let ([first], [last]) = (first.as_bytes(), last.as_bytes())
        && first.is_ascii_alphabetic()
        && last.is_ascii_alphabetic()
        && first.is_ascii_lowercase() == last.is_ascii_lowercase()
    {
        let backwards = first > last;
        let letters = Item::Letters { first: *first, last: *last };
        return if backwards { Err(PatternFault::Backwards(text.to_owned())) } else { Ok(letters) };
    }
    parse_numbers(text, first, last)
}

fn parse_numbers(text: &str, first: &str, last: &str) -> Result<Item, PatternFault> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return Err(PatternFault::Range(text.to_owned()));
    }
    let too_many = || PatternFault::TooMany(format!("{last} - {first} + 1"));
    let start: u64 = first.parse().ok().ok_or_else(too_many)?;
    let end: u64 = last.parse().ok().ok_or_else(too_many)?;
    if start > end {
        return Err(PatternFault::Backwards(text.to_owned()));
    }
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    if is_padded(first) && last.len() < first.len() || is_padded(last) && last.len() != first.len() {
        return Err(PatternFault::Padding(text.to_owned()));
    }
    let width = if is_padded(first) { first.len() } else { 0 };
    Ok(Item::Numbers { first: start, last: end, width })
}

impl Item {
    const fn count(&self) -> u64 {
        match self {
            Self::Text(_) => 1,
            Self::Numbers { first, last, .. } => (*last - *first).saturating_add(1),
            Self::Letters { first, last } => (*last - *first) as u64 + 1,
        }
    }

    fn nth(&self, index: u64) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Numbers { first, width, .. } => format!("{:0width$}", first + index),
            Self::Letters { first, .. } => char::from(first.saturating_add(index as u8)).to_string(),
        }
    }
}

fn choice_count(items: &[Item]) -> u64 {
    items.iter().map(Item::count).sum()
}

fn choose(items: &[Item], index: u64) -> String {
    let mut left = index;
    for item in items {
        if left < item.count() {
            return item.nth(left);
        }
        left -= item.count();
    }
    String::new()
}

/// Cuts a name into the texts around its numbers and the numbers: one text more than numbers.
fn split_numbers(name: &str) -> (Vec<String>, Vec<String>) {
    let (mut texts, mut numbers) = (vec![String::new()], Vec::new());
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=NUMBER_DIGITS_MAX).contains(&digits) {
            numbers.push(rest[..digits].to_owned());
            texts.push(String::new());
            rest = &rest[digits..];
            continue;
        }
        let start = rest[digits..].find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len() - digits);
        if let Some(text) = texts.last_mut() {
            text.push_str(&rest[..digits + start]);
        }
        rest = &rest[digits + start..];
    }
    (texts, numbers)
}

/// Folds the column with the most values first, then the others where all else is the same.
fn fold_rows(mut rows: BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let width = rows.first().map_or(0, Vec::len);
    let distinct = |column: usize| rows.iter().map(|row| &row[column]).collect::<BTreeSet<_>>().len();
    let mut columns: Vec<(usize, usize)> = (0..width).map(|column| (distinct(column), column)).collect();
    columns.sort_by_key(|(values, column)| (std::cmp::Reverse(*values), *column));
    for (_, column) in columns {
        let mut alike: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for mut row in rows {
            let value = std::mem::take(&mut row[column]);
            alike.entry(row).or_default().push(value);
        }
        rows = alike
            .into_iter()
            .map(|(mut row, values)| {
                row[column] = fold_numbers(values);
                row
            })
            .collect();
    }
    rows
}

/// `7` stays `7`; `003 017 018` becomes `[003,017-018]`.
fn fold_numbers(mut numbers: Vec<String>) -> String {
    if let [only] = numbers.as_slice() {
        return only.clone();
    }
    numbers.sort_by_cached_key(|number| (number.parse::<u64>().unwrap_or(u64::MAX), number.len()));
    let mut ranges: Vec<(String, String)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((first, last)) if successor(first, last).as_ref() == Some(&number) => *last = number,
            _ => ranges.push((number.clone(), number)),
        }
    }
    let ranges: Vec<String> =
        ranges.into_iter().map(|(first, last)| if first == last { first } else { format!("{first}-{last}") }).collect();
    format!("[{}]", ranges.join(","))
}

/// The number after `last` as a range that begins with `first` would write it.
fn successor(first: &str, last: &str) -> Option<String> {
    let next = last.parse::<u64>().ok()?.checked_add(1)?;
    let width = if first.starts_with('0') { first.len() } else { 0 };
    Some(format!("{next:0width$}"))
}

/// More digits than this are part of a name, not a number.
const NUMBER_DIGITS_MAX: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap().collect()
    }

    #[test]
    fn ranges_lists_and_padding_expand() {
        for (pattern, names) in [
            ("web1", "web1"),
            ("web[8-11]", "web8 web9 web10 web11"),
            ("web[098-101].dc1", "web098.dc1 web099.dc1 web100.dc1 web101.dc1"),
            ("[a,b,1-3]", "a b 1 2 3"),
            ("n[a-c]", "na nb nc"),
            ("r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::[1-2]", "2001:db8::1 2001:db8::2"),
            ("[2001:db8::[1-2]]", "2001:db8::1 2001:db8::2"),
            ("10.0.0.[9-10]", "10.0.0.9 10.0.0.10"),
        ] {
            assert_eq!(expanded(pattern).join(" "), names, "{pattern}");
        }
    }

    #[test]
    fn a_bad_pattern_says_where_and_why() {
        for (pattern, span, fault) in [
            ("web[1-3", 3..7, PatternFault::Unclosed),
            ("web1-3]", 6..7, PatternFault::Unopened),
            ("web[]", 4..4, PatternFault::Empty),
            ("web[1,,2]", 6..6, PatternFault::Empty),
            ("web[3-1]", 4..7, PatternFault::Backwards("3-1".to_owned())),
            ("web[1-010]", 4..9, PatternFault::Padding("1-010".to_owned())),
            ("web[1:9]", 4..7, PatternFault::Range("1:9".to_owned())),
            ("web[1-b]", 4..7, PatternFault::Range("1-b".to_owned())),
            ("w[1-9]x[1-99999]", 7..16, PatternFault::TooMany("899991".to_owned())),
        ] {
            assert_eq!(pattern.parse::<HostPattern>(), Err(PatternError { span, fault }), "{pattern}");
        }
    }

    #[test]
    fn a_range_with_digits_too_many_is_refused_before_anything_is_allocated() {
        for pattern in ["[1-99999999999]", "[0-18446744073709551615]", "[1-99999999999999999999999]", "[1-999][1-999]"]
        {
            let fault = pattern.parse::<HostPattern>().unwrap_err().fault;
            assert!(matches!(fault, PatternFault::TooMany(_)), "{pattern}: {fault}");
        }
    }

    #[test]
    fn names_fold_as_people_read_them() {
        for (names, folded) in [
            ("web1", "web1 (1)"),
            ("web003.dc1 web017.dc1 web018.dc1 web019.dc1", "web[003,017-019].dc1 (4)"),
            ("web9 web10 web11 db1", "db1, web[9-11] (4)"),
            ("web099 web100 web0101", "web[099-100,0101] (3)"),
            ("a1.dc1 a2.dc1 a1.dc2 a2.dc2", "a[1-2].dc[1-2] (4)"),
            ("10.0.0.1 10.0.0.2", "10.0.0.[1-2] (2)"),
            ("web1 web1", "web1 (1)"),
        ] {
            assert_eq!(fold(names.split(' ')), folded);
        }
    }
}
