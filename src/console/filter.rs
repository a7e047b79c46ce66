//! Which hosts the operator wants to see: the text after `/`.
//!
//! Words are all required, alternatives are joined by commas, `!` turns a word round:
//! `failed,unreachable !web* rack=r7`. A word is a state, `marked`, `label=value` (with `*`), `@group`,
//! `cause=host-key-changed`, a host pattern (`web[001-010].dc1`, `*.dc2`), `~regex`, or a part of a name.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Host, HostId, HostPattern, NameRegex};
use crate::rollout::{HostRecord, Rollout, StateName};

/// The labels of hosts: their tags, and `group` for each group they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<HostId, Vec<(String, String)>>);

/// The label of a host's wave.
const WAVE: &str = "wave";

impl Labels {
    /// Remembers what the inventory says about a host.
    pub fn describe(&mut self, id: HostId, host: &Host) {
        let groups = host.groups.iter().map(|group| ("group".to_owned(), group.clone()));
        let tags = host.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
        self.0.insert(id, groups.chain(tags).collect());
    }

    /// Gives every host its wave as a label, where there are several.
    pub(super) fn number_waves(&mut self, rollout: &Rollout) {
        for host in rollout.hosts() {
            if let Some(wave) = rollout.wave_of(host.id) {
                let labels = self.0.entry(host.id).or_default();
                // A tag of that name is the inventory's word, which counts more.
                if labels.iter().all(|(label, _)| label != WAVE) {
                    labels.push((WAVE.to_owned(), wave.to_string()));
                }
            }
        }
    }

    /// The labels of a host.
    pub fn of(&self, id: HostId) -> &[(String, String)] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// What a filter looks at.
pub(super) struct Subject<'a> {
    pub(super) record: &'a HostRecord,
    pub(super) name: &'a str,
    pub(super) labels: &'a [(String, String)],
    pub(super) marked: bool,
}

/// A filter, parsed. Any text is one: what is nothing else is a part of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    inverse: bool,
    /// What it may be, each with how it was written.
    any: Vec<(String, Term)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    State(StateName),
    Marked,
    Cause(String),
    Label(String, String),
    Names(BTreeSet<String>),
    Glob(String),
    Regex(NameRegex),
    /// `~` and what is no expression, or is not finished: why. It means no host.
    Broken(String),
    Part(String),
}

impl Filter {
    /// Characters of a filter.
    pub(super) const LENGTH_MAX: usize = 200;
    /// Names a bracket pattern in a filter stands for, at most; with more it is read as a part of a name.
    const NAMES_MAX: u64 = 20_000;

    pub(super) fn parse(text: &str) -> Self {
        let text: String = text.chars().take(Self::LENGTH_MAX).collect();
        let words = text
            .split_whitespace()
            .filter_map(|word| {
                let (inverse, rest) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
                let written = alternatives(rest).into_iter().filter(|term| !term.is_empty());
                let any: Vec<_> = written.map(|written| (written.to_owned(), term(written))).collect();
                (!any.is_empty()).then_some(Word { inverse, any })
            })
            .collect();
        Self { text: text.trim().to_owned(), words }
    }

    /// Hosts that failed for this cause.
    pub(super) fn of_cause(cause: &str) -> Self {
        Self::parse(&format!("cause={}", dashed(cause)))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What is wrong with its first expression that is none; such a filter means no host, not even turned round.
    pub(super) fn fault(&self) -> Option<&str> {
        self.words.iter().flat_map(|word| &word.any).find_map(|(_, term)| match term {
            Term::Broken(why) => Some(why.as_str()),
            Term::State(_)
            | Term::Marked
            | Term::Cause(_)
            | Term::Label(..)
            | Term::Names(_)
            | Term::Glob(_)
            | Term::Regex(_)
            | Term::Part(_) => None,
        })
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.fault().is_none()
            && self.words.iter().all(|word| word.any.iter().any(|(_, term)| term.matches(subject)) != word.inverse)
    }

    /// Whether an event is meant: its host, or a part of its own line.
    pub(super) fn means(&self, subject: Option<&Subject<'_>>, line: &str) -> bool {
        self.words.iter().all(|word| {
            let meant = |(written, term): &(String, Term)| {
                subject.is_some_and(|subject| term.matches(subject)) || line.contains(written.as_str())
            };
            word.any.iter().any(meant) != word.inverse
        })
    }
}

impl Term {
    fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::State(state) => subject.record.state.name() == *state,
            Self::Marked => subject.marked,
            Self::Cause(cause) => {
                subject.record.state.failure().is_some_and(|failure| glob(cause, &dashed(failure.cause())))
            }
            Self::Label(label, value) => subject.labels.iter().any(|(key, own)| key == label && glob(value, own)),
            Self::Names(names) => names.contains(subject.name),
            Self::Glob(pattern) => glob(pattern, subject.name),
            Self::Regex(regex) => regex.is_match(subject.name),
            Self::Broken(_) => false,
            Self::Part(part) => subject.name.contains(part.as_str()),
        }
    }
}

/// Splits at commas that are not in brackets; those of an expression are `[]`, `{}` and `()`.
fn alternatives(word: &str) -> Vec<&str> {
    let (mut depth, mut is_regex, mut before) = (0_usize, false, ',');
    word.split(|c: char| {
        if depth == 0 && before == ',' {
            is_regex = c == '~';
        }
        let is_escaped = is_regex && before == '\\';
        match c {
            _ if is_escaped => {}
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '{' | '(' if is_regex => depth += 1,
            '}' | ')' if is_regex => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A backslash that is escaped escapes nothing.
        before = if is_escaped { ' ' } else { c };
        c == ',' && depth == 0 && !is_escaped
    })
    .collect()
}

fn term(text: &str) -> Term {
    if let Some(state) = StateName::ALL.into_iter().find(|state| state.as_str() == text) {
        return Term::State(state);
    }
    if let Some(name) = text.strip_prefix('@').filter(|name| !name.is_empty()) {
        let state = StateName::ALL.into_iter().find(|state| state.as_str() == name);
        return state.map_or_else(|| Term::Label("group".to_owned(), name.to_owned()), Term::State);
    }
    if text == "marked" {
        return Term::Marked;
    }
    if let Some(regex) = text.strip_prefix('~') {
        return NameRegex::new(regex).map_or_else(Term::Broken, Term::Regex);
    }
    if let Some((label, value)) = text.split_once('=') {
        return match (label, StateName::ALL.into_iter().find(|state| state.as_str() == value)) {
            ("cause", _) => Term::Cause(value.to_owned()),
            ("state", Some(state)) => Term::State(state),
            _ => Term::Label(label.to_owned(), value.to_owned()),
        };
    }
    if text.contains('[')
        && let Ok(pattern) = text.parse::<HostPattern>()
        && pattern.count() <= Filter::NAMES_MAX
    {
        return Term::Names(pattern.iter().collect());
    }
    if text.contains(['*', '?']) { Term::Glob(text.to_owned()) } else { Term::Part(text.to_owned()) }
}

fn dashed(cause: &str) -> String {
    cause.replace(' ', "-")
}

/// Matches a whole text against a pattern with `*` and `?`, in time pattern times text.
fn glob(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        // Most are none, and every host of the fleet is looked at several times a frame.
        return pattern == text;
    }
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        if wanted == '*' {
            let first = reached.iter().position(|at| *at).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && (wanted == '?' || wanted == text[at]);
        }
        reached[0] = false;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Failure, HostState};

    fn matches(filter: &str, name: &str, state: HostState) -> bool {
        let record = HostRecord { state, ..HostRecord::new(HostId(0)) };
        let labels = [("rack".to_owned(), "r7".to_owned()), ("group".to_owned(), "web".to_owned())];
        Filter::parse(filter).matches(&Subject { record: &record, name, labels: &labels, marked: false })
    }

    #[test]
    fn words_are_all_required_and_commas_are_choices() {
        let failed = || HostState::Failed {
            failure: Failure::HostKeyRevoked { fingerprint: String::new(), revoked_at: String::new() },
        };
        for (filter, expected) in [
            ("", true),
            ("failed", true),
            ("failed,done", true),
            ("done", false),
            ("!done", true),
            ("failed rack=r7", true),
            ("failed rack=r8", false),
            ("rack=r*", true),
            ("group=web", true),
            ("@web", true),
            ("@db,@failed", true),
            ("!@web", false),
            ("state=failed", true),
            ("cause=host-key-revoked", true),
            ("cause=host-key-*", true),
            ("web[001-009]", true),
            ("web[001,007]", true),
            ("web[001-006]", false),
            ("!web[001-006]", true),
            ("*7", true),
            ("web00?", true),
            ("eb0", true),
            ("~^web0+7$", true),
            ("!~^web", false),
            (r"~^web\d{1,3}$", true),
            (r"~^web(001|007)$,done", true),
            (r"~7\,,done", false),
            ("~web[", false),
            ("!~web[", false),
            ("db", false),
            ("marked", false),
            ("!", true),
            ("[", false),
        ] {
            assert_eq!(matches(filter, "web007", failed()), expected, "{filter}");
        }
    }

    #[test]
    fn globs_match_the_whole_text() {
        for (pattern, text, expected) in
            [("*", "", true), ("a*c", "abbc", true), ("a*c", "abcd", false), ("**b?", "aabc", true), ("?", "", false)]
        {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
