//! Every known key, by host: what the lines of files amount to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::HostKey;
use super::line::{Line, Marker, Parsed, parse};
use super::name::{host_name, wildcard};

/// What is known about a key that a host presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's.
    Known,
    /// Nothing is known about the host, or only that an authority would vouch for it.
    Unknown,
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

/// What is known about the authority that signed a host's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patron<'a> {
    /// It may sign for this host, and did: `file:line` of its `@cert-authority` line.
    Vouches(&'a str),
    /// It may sign for this host, but the certificate is for others: `file:line`.
    ForOthers(&'a str),
    /// No `@cert-authority` line of this host has its key.
    Stranger,
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
            keys.vouch(name, found.authorities);
        }
        if port != 22 {
            let is_known = !keys.known.is_empty();
            for name in names {
                let found = self.lookup(&host_name(name, 22));
                keys.vouch(name, found.authorities);
                keys.revoked.extend(found.revoked);
                if !is_known {
                    keys.without_port.extend(found.known);
                }
            }
        }
        keys
    }

    fn lookup(&self, name: &str) -> Found {
        let mut keys = Found::default();
        let direct = self.by_name.get(name).into_iter().flatten();
        let scanned = self.scanned.iter().filter(|id| self.lines[**id].names.matches(name));
        let mut ids: Vec<usize> = direct.chain(scanned).copied().collect();
        ids.sort_unstable();
        for line in ids.into_iter().map(|id| &self.lines[id]) {
            match line.marker {
                Marker::Host => keys.known.push((line.key.clone(), line.at.clone())),
                Marker::Revoked => keys.revoked.push((line.key.clone(), line.at.clone())),
                Marker::Authority => keys.authorities.push((line.key.clone(), line.at.clone())),
            }
        }
        keys
    }
}

/// The lines of one name.
#[derive(Debug, Default)]
struct Found {
    known: Vec<(HostKey, String)>,
    revoked: Vec<(HostKey, String)>,
    authorities: Vec<(HostKey, String)>,
}

/// An authority that may sign for a host under one of its names.
#[derive(Debug, Clone)]
struct Authority {
    key: HostKey,
    at: String,
    /// The name, without its port, in lower case.
    name: String,
}

/// What is known about one host, each key with its `file:line`.
#[derive(Debug, Clone, Default)]
pub struct HostKeys {
    known: Vec<(HostKey, String)>,
    /// Keys of the same names without a port: they vouch for a host, but do not speak against it.
    without_port: Vec<(HostKey, String)>,
    revoked: Vec<(HostKey, String)>,
    authorities: Vec<Authority>,
}

impl HostKeys {
    fn vouch(&mut self, name: &str, authorities: Vec<(HostKey, String)>) {
        let name = name.to_ascii_lowercase();
        self.authorities.extend(authorities.into_iter().map(|(key, at)| Authority { key, at, name: name.clone() }));
    }

    /// `file:line` of the first authority that may sign for the host: a reason to ask the host for a certificate.
    pub fn authority(&self) -> Option<&str> {
        self.authorities.first().map(|authority| authority.at.as_str())
    }

    /// What to think of a certificate that `signer` signed for `principals`; as for OpenSSH, principals may be patterns, and
    /// none at all means every host.
    pub fn patron(&self, signer: &HostKey, principals: &[String]) -> Patron<'_> {
        let may_sign = || self.authorities.iter().filter(|authority| authority.key == *signer);
        let is_meant = |authority: &&Authority| {
            principals.is_empty() || principals.iter().any(|name| wildcard(&name.to_ascii_lowercase(), &authority.name))
        };
        match (may_sign().find(is_meant), may_sign().next()) {
            (Some(authority), _) => Patron::Vouches(&authority.at),
            (None, Some(authority)) => Patron::ForOthers(&authority.at),
            (None, None) => Patron::Stranger,
        }
    }

    /// `file:line` of the line that revokes `key`.
    pub fn revoked(&self, key: &HostKey) -> Option<&str> {
        place(&self.revoked, key)
    }

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
        if let Some(revoked_at) = self.revoked(key) {
            return Verdict::Revoked { revoked_at: revoked_at.to_owned() };
        }
        if place(&self.known, key).or_else(|| place(&self.without_port, key)).is_some() {
            return Verdict::Known;
        }
        let same_type = self.known.iter().find(|(known, _)| known.algorithm() == key.algorithm());
        match same_type.or_else(|| self.known.first()) {
            Some((_, known_at)) => Verdict::Changed { known_at: known_at.clone() },
            None => Verdict::Unknown,
        }
    }
}

/// Where `key` stands among `keys`.
fn place<'a>(keys: &'a [(HostKey, String)], key: &HostKey) -> Option<&'a str> {
    keys.iter().find(|(known, _)| known == key).map(|(_, at)| at.as_str())
}
