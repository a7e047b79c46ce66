//! Every known key, by host: what the lines of files amount to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::HostKey;
use super::line::{Line, Marker, Parsed, parse};
use super::name::host_name;

/// What is known about a key that a host presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Known,
    /// Nothing is known about the host, or only that an authority (`file:line`) would vouch for it.
    Unknown {
        /// `file:line` of an `@cert-authority` line for the host, which is not supported.
        authority: Option<String>,
    },
    /// The host is known by other keys.
    Changed {
        /// `file:line` of the first of them, of the same type if there is one.
        known_at: String,
    },
    /// The key is revoked.
    Revoked {
        /// `file:line`.
        revoked_at: String,
    },
}

/// Every known key, from one or more files.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    lines: Vec<Line>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// Lines that must be tried one by one: hashed names, wildcards, negations.
    scanned: Vec<usize>,
    /// How many lines each file has.
    lengths: BTreeMap<PathBuf, usize>,
    warnings: Vec<String>,
}

impl Index {
    /// Adds lines at the end of a file.
    pub(super) fn read(&mut self, path: &Path, text: &str) {
        let length = self.lengths.entry(path.to_owned()).or_default();
        let first = *length + 1;
        *length += text.lines().count();
        for (number, text) in text.lines().enumerate() {
            let at = format!("{}:{}", path.display(), first + number);
            match parse(text, &at) {
                Parsed::Nothing => {}
                Parsed::Bad(why) => self.warnings.push(format!("{at} {why}: the line is not used")),
                Parsed::Line(line) => self.insert(*line),
            }
        }
    }

    /// Adds one line.
    fn insert(&mut self, line: Line) {
        if line.marker == Marker::Authority {
            self.warnings.push(format!("{} is a host certificate authority: these are not supported yet", line.at));
        }
        let id = self.lines.len();
        match line.names.plain() {
            Some(names) => {
                for name in names {
                    self.by_name.entry(name.to_owned()).or_default().push(id);
                }
            }
            None => self.scanned.push(id),
        }
        self.lines.push(line);
    }

    /// Lines that are not used, each with its place and reason.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Everything known about a host that goes by `names`, the most telling first: the first name that is known decides,
    /// but a revoked key is revoked under any.
    pub(super) fn of_host(&self, names: &[&str], port: u16) -> HostKeys {
        let mut keys = HostKeys::default();
        for name in names {
            let found = self.lookup(&host_name(name, port));
            keys.revoked.extend(found.revoked);
            if keys.known.is_empty() {
                keys.known = found.known;
            }
            keys.authority = keys.authority.or(found.authority);
        }
        if port != 22 && keys.known.is_empty() {
            for name in names {
                let found = self.lookup(&host_name(name, 22));
                keys.revoked.extend(found.revoked);
                keys.without_port.extend(found.known);
            }
        }
        keys
    }

    fn lookup(&self, name: &str) -> HostKeys {
        let mut keys = HostKeys::default();
        let direct = self.by_name.get(name).into_iter().flatten();
        let scanned = self.scanned.iter().filter(|id| self.lines[**id].names.matches(name));
        let mut ids: Vec<usize> = direct.chain(scanned).copied().collect();
        ids.sort_unstable();
        for line in ids.into_iter().map(|id| &self.lines[id]) {
            match line.marker {
                Marker::Host => keys.known.push((line.key.clone(), line.at.clone())),
                Marker::Revoked => keys.revoked.push((line.key.clone(), line.at.clone())),
                Marker::Authority => keys.authority = keys.authority.or_else(|| Some(line.at.clone())),
            }
        }
        keys
    }
}

/// What is known about one host, each key with its `file:line`.
#[derive(Debug, Clone, Default)]
pub struct HostKeys {
    known: Vec<(HostKey, String)>,
    /// Keys of the same names without a port: they vouch for a host, but do not speak against it.
    without_port: Vec<(HostKey, String)>,
    revoked: Vec<(HostKey, String)>,
    authority: Option<String>,
}

impl HostKeys {
    /// Whether `key` is one of the host's.
    pub(super) fn has(&self, key: &HostKey) -> bool {
        self.known.iter().any(|(known, _)| known == key)
    }

    /// The key types the host is known by: the ones to ask it for first.
    pub fn algorithms(&self) -> Vec<&str> {
        let mut seen = Vec::new();
        for (key, _) in self.known.iter().chain(&self.without_port) {
            if !seen.contains(&key.algorithm()) {
                seen.push(key.algorithm());
            }
        }
        seen
    }

    /// What to think of `key`.
    pub fn check(&self, key: &HostKey) -> Verdict {
        let place = |keys: &[(HostKey, String)]| keys.iter().find(|(known, _)| known == key).map(|(_, at)| at.clone());
        if let Some(revoked_at) = place(&self.revoked) {
            return Verdict::Revoked { revoked_at };
        }
        if place(&self.known).or_else(|| place(&self.without_port)).is_some() {
            return Verdict::Known;
        }
        let same_type = self.known.iter().find(|(known, _)| known.algorithm() == key.algorithm());
        match same_type.or_else(|| self.known.first()) {
            Some((_, known_at)) => Verdict::Changed { known_at: known_at.clone() },
            None => Verdict::Unknown { authority: self.authority.clone() },
        }
    }
}
