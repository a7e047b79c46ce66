//! What a selector says, before anybody looks for hosts.
//!
//! ```text
//! selector = [ union ] { ( "&" | "!" ) union }      left to right; without the first union: the fleet
//! union    = term { "," term }                      commas bind tightest
//! term     = "(" selector ")" | word
//! ```

use std::ops::Range;

use super::host_name::parse_host_name;
use super::select_fault::SelectFault;
use super::{HostPattern, NameRegex, PatternError};

/// A selector, understood but not yet looked up.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    /// What is there before the first filter; `None`: the fleet.
    pub(super) first: Option<Vec<Term>>,
    /// What is kept or taken out, left to right.
    pub(super) steps: Vec<(Step, Vec<Term>)>,
}

/// What a filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// `&`: keeps what is in both.
    Keep,
    /// `!`: takes out what is in the other.
    Remove,
}

/// A part of a union, and the bytes of the selector it was read from.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) span: Range<usize>,
    pub(super) kind: TermKind,
}

/// A part of a union.
#[derive(Debug, Clone)]
pub(super) enum TermKind {
    /// `( … )`.
    Nested(Box<Selector>),
    /// `web`: a group or a host.
    Name(String),
    /// `@web`: a group, the last run's `failed` or `unreachable`, or a file.
    At(String),
    /// `web[001-010].dc1`.
    Pattern(HostPattern),
    /// `*.dc1`.
    Glob(HostPattern),
    /// `~regex`.
    Regex(NameRegex),
    /// `rack=r1`.
    Tag { key: String, value: String },
    /// `10%`.
    Percent(u8),
    /// `pick:5`.
    Pick(usize),
}

/// What is wrong, and in which bytes.
pub(super) type Fault = (Range<usize>, SelectFault);

impl Selector {
    /// Understands `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut reader = Reader { text, at: 0 };
        let selector = reader.selector(0)?;
        match reader.peek() {
            None => Ok(selector),
            Some(')') => Err((reader.at..reader.at + 1, SelectFault::Unopened)),
            Some(_) => Err((reader.at..text.len(), SelectFault::SideBySide)),
        }
    }

    /// Every term, those in parentheses included.
    pub(super) fn terms(&self) -> Vec<&Term> {
        let mut found = Vec::new();
        for term in self.first.iter().flatten().chain(self.steps.iter().flat_map(|(_, terms)| terms)) {
            match &term.kind {
                TermKind::Nested(selector) => found.extend(selector.terms()),
                TermKind::Name(_)
                | TermKind::At(_)
                | TermKind::Pattern(_)
                | TermKind::Glob(_)
                | TermKind::Regex(_)
                | TermKind::Tag { .. }
                | TermKind::Percent(_)
                | TermKind::Pick(_) => found.push(term),
            }
        }
        found
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// The next character that is not a space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn selector(&mut self, depth: usize) -> Result<Selector, Fault> {
        if self.peek().is_none() {
            return Err((0..self.text.len(), SelectFault::Empty));
        }
        let first = if self.peek() == Some('!') { None } else { Some(self.union(depth)?) };
        let mut steps = Vec::new();
        loop {
            let step = if self.take('&') {
                if self.take('!') { Step::Remove } else { Step::Keep }
            } else if self.take('!') {
                Step::Remove
            } else {
                return Ok(Selector { first, steps });
            };
            steps.push((step, self.union(depth)?));
        }
    }

    fn union(&mut self, depth: usize) -> Result<Vec<Term>, Fault> {
        let mut terms = vec![self.term(depth)?];
        while self.take(',') {
            if self.peek() == Some('!') {
                return Err((self.at..self.at + 1, SelectFault::NotAfterComma));
            }
            terms.push(self.term(depth)?);
        }
        match self.peek() {
            None | Some('&' | '!' | ')') => Ok(terms),
            Some(_) => Err((self.at..self.word_end(), SelectFault::SideBySide)),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Term, Fault> {
        let (next, start) = (self.peek(), self.at);
        match next {
            None => Err((start..start, SelectFault::EndsEarly)),
            Some(found @ (',' | '&' | '!' | ')')) => Err((start..start + 1, SelectFault::Operand(found))),
            Some('(') if depth >= NESTING_MAX => Err((start..start + 1, SelectFault::TooDeep)),
            Some('(') => {
                self.at += 1;
                let selector = self.selector(depth + 1)?;
                if !self.take(')') {
                    return Err((start..start + 1, SelectFault::Unclosed));
                }
                Ok(Term { span: start..self.at, kind: TermKind::Nested(Box::new(selector)) })
            }
            Some(_) => {
                self.at = self.word_end();
                let span = start..self.at;
                let word = &self.text[span.clone()];
                parse_word(word)
                    .map(|kind| Term { span, kind })
                    .map_err(|(inner, fault)| (start + inner.start..start + inner.end, fault))
            }
        }
    }

    /// Where the word that begins here ends; operators within brackets belong to it, as do those within a regex's own.
    fn word_end(&self) -> usize {
        let rest = &self.text[self.at..];
        let is_regex = rest.starts_with('~');
        let (mut depth, mut in_class, mut escaped): (usize, bool, bool) = (0, false, false);
        for (offset, letter) in rest.char_indices() {
            if std::mem::take(&mut escaped) {
                continue;
            }
            match letter {
                '\\' if is_regex => escaped = true,
                '[' if !in_class => in_class = true,
                ']' => in_class = false,
                _ if in_class => {}
                '(' | '{' if is_regex => depth += 1,
                ')' | '}' if is_regex && depth > 0 => depth -= 1,
                ',' | '&' | '!' | '(' | ')' if depth == 0 => return self.at + offset,
                letter if letter.is_whitespace() && depth == 0 => return self.at + offset,
                _ => {}
            }
        }
        self.text.len()
    }
}

fn parse_word(word: &str) -> Result<TermKind, Fault> {
    let whole = 0..word.len();
    if let Some(regex) = word.strip_prefix('~') {
        return NameRegex::new(regex).map(TermKind::Regex).map_err(|why| (whole, SelectFault::Regex(why)));
    }
    if let Some(name) = word.strip_prefix('@') {
        let named = Ok(TermKind::At(name.to_owned()));
        return if name.is_empty() { Err((whole, SelectFault::Nameless)) } else { named };
    }
    if let Some(count) = word.strip_prefix("pick:") {
        let count = count.parse().ok().filter(|count| *count > 0);
        return count.map(TermKind::Pick).ok_or_else(|| (whole, SelectFault::Pick(word.to_owned())));
    }
    if let Some(percent) = word.strip_suffix('%') {
        let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
        return percent.map(TermKind::Percent).ok_or_else(|| (whole, SelectFault::Percent(word.to_owned())));
    }
    if let Some((key, value)) = word.split_once('=') {
        let tag = TermKind::Tag { key: key.to_owned(), value: value.to_owned() };
        return if key.is_empty() || value.is_empty() { Err((whole, SelectFault::Tag)) } else { Ok(tag) };
    }
    parse_hosts(word)
}

fn parse_hosts(word: &str) -> Result<TermKind, Fault> {
    let pattern: HostPattern =
        word.parse().map_err(|PatternError { span, fault }| (span, SelectFault::Pattern(fault)))?;
    if word.contains(['*', '?']) {
        let too_many = Err((0..word.len(), SelectFault::TooManyGlobs { max: GLOBS_MAX }));
        return if pattern.count() > GLOBS_MAX { too_many } else { Ok(TermKind::Glob(pattern)) };
    }
    if !pattern.is_plain() {
        return Ok(TermKind::Pattern(pattern));
    }
    // A group's name may hold what a host's may not; whoever looks it up says so.
    Ok(TermKind::Name(parse_host_name(word).unwrap_or_else(|_| word.to_owned())))
}

/// Globs that one word stands for; each is held against every host.
const GLOBS_MAX: u64 = 256;

/// Parentheses within parentheses.
const NESTING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_that_cannot_be_read_says_where() {
        for (text, span, fault) in [
            ("", 0..0, SelectFault::Empty),
            ("web,", 4..4, SelectFault::EndsEarly),
            ("web & & db", 6..7, SelectFault::Operand('&')),
            ("web db", 4..6, SelectFault::SideBySide),
            ("web,!db", 4..5, SelectFault::NotAfterComma),
            ("(web", 0..1, SelectFault::Unclosed),
            ("web)", 3..4, SelectFault::Unopened),
            ("@", 0..1, SelectFault::Nameless),
            ("a & 0%", 4..6, SelectFault::Percent("0%".to_owned())),
            ("pick:none", 0..9, SelectFault::Pick("pick:none".to_owned())),
            ("rack=", 0..5, SelectFault::Tag),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err(), (span, fault), "{text}");
        }
    }

    #[test]
    fn operators_within_brackets_and_regexes_belong_to_the_word() {
        for (text, words) in [
            ("web[1,3-4],db", 2),
            (r"~^web\d{1,3}(a|b)$,db", 2),
            (r"~[(,] & web", 2),
            (r"~a\, , b", 2),
            ("(web,db) ! ( @canary & 10% )", 4),
        ] {
            assert_eq!(Selector::parse(text).unwrap().terms().len(), words, "{text}");
        }
    }

    #[test]
    fn parentheses_are_bounded() {
        let deep = format!("{}web{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(Selector::parse(&deep).unwrap_err().1, SelectFault::TooDeep);
    }
}
