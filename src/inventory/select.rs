//! Which hosts a selector means.

use std::fmt;
use std::io;
use std::ops::Range;

use super::glob::glob_matches;
use super::nearest::did_you_mean;
use super::select_fault::SelectFault;
use super::selector::{Fault, Selector, Step, Term, TermKind};
use super::{Diagnostic, Host, HostId, HostPattern, HostSet, Inventory, Severity};

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

impl SelectContext<'static> {
    /// Nothing outside the inventory: no earlier run, no files.
    pub fn bare() -> Self {
        Self { failed: None, unreachable: None, file: &|_| Err(io::ErrorKind::NotFound.into()), seed: 0 }
    }
}

/// Why a selector means no host, where in it, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectError {
    /// The place is `selector`, or the file that the selector names.
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
    ///
    /// Commas bind tightest (`web,db ! @canary` is both without the canaries), then `&` and `!` from left to right; `10%`
    /// and `pick:5` take from what is left of them, or from the fleet. Whatever names no host is an error, wherever it
    /// stands: a mistyped exclusion must not let a host through.
    ///
    /// # Errors
    ///
    /// The selector cannot be read, names something that is not there, or leaves no host.
    pub fn select(&self, selector: &str, context: &SelectContext<'_>) -> Result<HostSet, SelectError> {
        let fleet = self.fleet();
        let mut search = Search { inventory: self, context, fleet, emptied: None, files: 0 };
        let place = Place { name: "selector", text: selector, offset: 0 };
        if self.hosts.is_empty() {
            return Err(place.error(&(0..selector.len()), &SelectFault::EmptyInventory));
        }
        let found = search.line(&place, selector)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let nothing = || place.error(&(0..selector.len()), &SelectFault::NoneLeft { before: 0 });
        Err(search.emptied.take().unwrap_or_else(nothing))
    }

    /// The hosts that a selector within the inventory means; none is not an error here.
    pub(super) fn select_within(&self, text: &str, selector: &Selector) -> Result<HostSet, Fault> {
        let context = SelectContext::bare();
        let mut search = Search { inventory: self, context: &context, fleet: self.fleet(), emptied: None, files: 0 };
        let fleet = search.fleet.clone();
        let place = Place { name: "selector", text, offset: 0 };
        search.selector(&place, selector, &fleet).map_err(|stop| match stop {
            Stop::Fault(fault) => fault,
            Stop::Error(error) => {
                (0..text.len(), SelectFault::File { path: text.to_owned(), reason: error.to_string() })
            }
        })
    }
}

/// The text a selector stands in.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    text: &'a str,
    /// Where in the text the selector begins.
    offset: usize,
}

impl Place<'_> {
    fn error(&self, span: &Range<usize>, fault: &SelectFault) -> SelectError {
        let span = self.offset + span.start..self.offset + span.end;
        let diagnostic = Diagnostic::new(Severity::Error, self.name, self.text, &span, fault.to_string());
        SelectError { diagnostic }
    }
}

/// Why a search ended: here, or in a file that was named here.
enum Stop {
    Fault(Fault),
    Error(SelectError),
}

struct Search<'a> {
    inventory: &'a Inventory,
    context: &'a SelectContext<'a>,
    fleet: HostSet,
    /// Where the hosts first ran out, should none be left in the end.
    emptied: Option<SelectError>,
    /// Files read so far.
    files: usize,
}

impl Search<'_> {
    fn line(&mut self, place: &Place<'_>, line: &str) -> Result<HostSet, SelectError> {
        let selector = Selector::parse(line).map_err(|(span, fault)| place.error(&span, &fault))?;
        let fleet = self.fleet.clone();
        self.selector(place, &selector, &fleet).map_err(|stop| match stop {
            Stop::Fault((span, fault)) => place.error(&span, &fault),
            Stop::Error(error) => error,
        })
    }

    fn selector(&mut self, place: &Place<'_>, selector: &Selector, base: &HostSet) -> Result<HostSet, Stop> {
        let mut left = match &selector.first {
            Some(terms) => self.union(place, terms, base)?,
            None => base.clone(),
        };
        for (step, terms) in &selector.steps {
            let right = self.union(place, terms, &left)?;
            let before = left.len();
            left = match step {
                Step::Keep => left.intersection(&right),
                Step::Remove => left.minus(&right),
            };
            if left.is_empty() && before > 0 {
                let start = terms.first().map_or(0, |term| term.span.start);
                let end = terms.last().map_or(start, |term| term.span.end);
                self.ran_out(place, &(start..end), &SelectFault::NoneLeft { before });
            }
        }
        Ok(left)
    }

    fn union(&mut self, place: &Place<'_>, terms: &[Term], base: &HostSet) -> Result<HostSet, Stop> {
        let mut found = HostSet::new();
        for term in terms {
            found.extend(&self.term(place, term, base)?);
        }
        Ok(found)
    }

    fn term(&mut self, place: &Place<'_>, term: &Term, base: &HostSet) -> Result<HostSet, Stop> {
        let found = match &term.kind {
            TermKind::Nested(selector) => return self.selector(place, selector, base),
            TermKind::At(name) => return self.at(place, &term.span, name),
            TermKind::Name(name) => match self.inventory.group(name) {
                Some(_) => return self.at(place, &term.span, name),
                None => self.name(name),
            },
            TermKind::Pattern(pattern) => self.pattern(place, &term.span, pattern),
            TermKind::Glob(pattern) => self.globs(pattern),
            TermKind::Regex(regex) => self
                .non_empty(|host| regex.is_match(&host.name))
                .ok_or_else(|| SelectFault::NoMatch { word: format!("~{}", regex.as_str()), hint: String::new() }),
            TermKind::Tag { key, value } => self.tag(key, value),
            TermKind::Percent(percent) => Ok(self.sample(base, (base.len() * usize::from(*percent)).div_ceil(100))),
            TermKind::Pick(count) => Ok(self.sample(base, *count)),
        };
        found.map_err(|fault| Stop::Fault((term.span.clone(), fault)))
    }

    fn name(&self, name: &str) -> Result<HostSet, SelectFault> {
        if let Some(host) = self.inventory.find(name) {
            return Ok([host].into_iter().collect());
        }
        if name == "all" {
            return Ok(self.fleet.clone());
        }
        let groups = self.inventory.groups.iter().map(|group| group.name.as_str());
        let hint = did_you_mean(name, groups.chain(self.host_names()));
        Err(SelectFault::UnknownName { name: name.to_owned(), hint })
    }

    fn at(&mut self, place: &Place<'_>, span: &Range<usize>, name: &str) -> Result<HostSet, Stop> {
        if let Some(group) = self.inventory.group(name) {
            if group.hosts.is_empty() {
                let file = self.inventory.path.display().to_string();
                let fault = SelectFault::EmptyGroup { name: name.to_owned(), place: file, line: group.line };
                self.ran_out(place, span, &fault);
            }
            return Ok(group.hosts.clone());
        }
        match name {
            "failed" => self.last_run(place, span, "failed", self.context.failed),
            "unreachable" => self.last_run(place, span, "unreachable", self.context.unreachable),
            "all" => Ok(self.fleet.clone()),
            path => self.file(place, span, path),
        }
    }

    fn last_run(
        &mut self,
        place: &Place<'_>,
        span: &Range<usize>,
        state: &'static str,
        names: Option<&[String]>,
    ) -> Result<HostSet, Stop> {
        let Some(names) = names else {
            return Err(Stop::Fault((span.clone(), SelectFault::NoLastRun(state))));
        };
        let found: HostSet = names.iter().filter_map(|name| self.inventory.find(name)).collect();
        if found.is_empty() {
            self.ran_out(place, span, &SelectFault::NoneInLastRun(state));
        }
        Ok(found)
    }

    /// One selector a line; `#` begins a comment.
    fn file(&mut self, place: &Place<'_>, span: &Range<usize>, path: &str) -> Result<HostSet, Stop> {
        let fail = |fault| Stop::Fault((span.clone(), fault));
        let text = match (self.context.file)(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.contains(['/', '.']) => {
                let groups = self.inventory.groups.iter().map(|group| group.name.as_str());
                let hint = did_you_mean(path, groups.chain(["failed", "unreachable"]));
                return Err(fail(SelectFault::UnknownGroup { name: path.to_owned(), hint }));
            }
            Err(error) => return Err(fail(SelectFault::File { path: path.to_owned(), reason: error.to_string() })),
        };
        if text.len() > FILE_MAX || self.files >= FILES_MAX {
            return Err(fail(SelectFault::FileTooLarge { path: path.to_owned(), max: FILE_MAX }));
        }
        self.files += 1;
        let mut found = HostSet::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let words = line.split_once('#').map_or(line, |(words, _)| words).trim_end();
            let inner = Place { name: path, text: &text, offset: start };
            if !words.trim().is_empty() {
                found.extend(&self.line(&inner, words).map_err(Stop::Error)?);
            }
            start = end;
        }
        if found.is_empty() {
            self.ran_out(place, span, &SelectFault::EmptyFile { path: path.to_owned() });
        }
        Ok(found)
    }

    /// The hosts of a range that are there; not one of them is an error.
    fn pattern(&self, place: &Place<'_>, span: &Range<usize>, pattern: &HostPattern) -> Result<HostSet, SelectFault> {
        let found: HostSet = pattern.iter().filter_map(|name| self.inventory.find(&name)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let word = place.text.get(place.offset + span.start..place.offset + span.end);
        let first = pattern.iter().next().unwrap_or_default();
        let word = word.map_or_else(|| first.clone(), str::to_owned);
        Err(SelectFault::NoMatch { word, hint: did_you_mean(&first, self.host_names()) })
    }

    fn globs(&self, pattern: &HostPattern) -> Result<HostSet, SelectFault> {
        let mut found = HostSet::new();
        for glob in pattern.iter() {
            let matching = self.non_empty(|host| glob_matches(&glob, &host.name));
            found.extend(&matching.ok_or(SelectFault::NoMatch { word: glob, hint: String::new() })?);
        }
        Ok(found)
    }

    fn tag(&self, key: &str, value: &str) -> Result<HostSet, SelectFault> {
        let has = |host: &Host| host.tags.get(key).is_some_and(|own| glob_matches(value, own));
        if let Some(found) = self.non_empty(has) {
            return Ok(found);
        }
        let hosts = &self.inventory.hosts;
        let key = key.to_owned();
        let mut values = hosts.iter().filter_map(|host| host.tags.get(&key)).peekable();
        if values.peek().is_none() {
            let hint = did_you_mean(&key, hosts.iter().flat_map(|host| host.tags.keys()).map(String::as_str));
            return Err(SelectFault::UnknownTag { key, hint });
        }
        let hint = did_you_mean(value, values.map(String::as_str));
        Err(SelectFault::UnknownTagValue { key, value: value.to_owned(), hint })
    }

    /// The hosts of the fleet that are `wanted`, unless there is none.
    fn non_empty(&self, wanted: impl Fn(&Host) -> bool) -> Option<HostSet> {
        let is_wanted = |id: &HostId| self.inventory.host(*id).is_some_and(&wanted);
        let found: HostSet = self.fleet.iter().filter(is_wanted).collect();
        (!found.is_empty()).then_some(found)
    }

    /// Takes `count` hosts by the rank of their names under the seed, so that a larger sample holds every smaller one and a
    /// host that joins the inventory moves no other.
    fn sample(&self, base: &HostSet, count: usize) -> HostSet {
        let rank = |id: HostId| self.inventory.host(id).map(|host| (rank(self.context.seed, &host.name), id));
        let mut ranked: Vec<(u64, HostId)> = base.iter().filter_map(rank).collect();
        ranked.sort_unstable();
        ranked.into_iter().take(count).map(|(_, id)| id).collect()
    }

    fn host_names(&self) -> impl Iterator<Item = &str> {
        self.inventory.hosts.iter().map(|host| host.name.as_str())
    }

    fn ran_out(&mut self, place: &Place<'_>, span: &Range<usize>, fault: &SelectFault) {
        if self.emptied.is_none() {
            self.emptied = Some(place.error(span, fault));
        }
    }
}

/// FNV-1a of the name, then the finisher of splitmix64, so that neighbouring names end far apart.
fn rank(seed: u64, name: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut mixed = name.bytes().fold(0xcbf2_9ce4_8422_2325, fold) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bytes of a file of selectors: every host of the largest inventory on a line of its own.
const FILE_MAX: usize = 16 << 20;

/// Files that one selector may bring in, those that files name included: one that names itself ends here.
const FILES_MAX: usize = 32;
