//! Every known key, by host.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::line::{Line, Marker, Parsed, parse};
use super::name::host_name;
use super::{HostKey, append};

/// Why host keys cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum KnownHostsError {
    /// A file is there but cannot be read: that is not the same as an empty one.
    #[error("cannot read {path}: {source}; make it readable, or name another in `known_hosts`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A key could not be written down.
    #[error("cannot add a host key to {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A name that would change the meaning of the line.
    #[error("`{0}` cannot be written to known_hosts")]
    Name(String),
}

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
#[derive(Debug, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// Lines that must be tried one by one: hashed names, wildcards, negations.
    scanned: Vec<usize>,
    added: RwLock<Vec<(String, HostKey, String)>>,
    write_to: Option<PathBuf>,
    warnings: Vec<String>,
}

impl KnownHosts {
    /// Reads the files; those that do not exist are empty. New keys go to the first of them.
    pub fn load(paths: &[PathBuf]) -> Result<Self, KnownHostsError> {
        let mut index = Self { write_to: paths.first().cloned(), ..Self::default() };
        for path in paths {
            match std::fs::read(path) {
                Ok(bytes) => index.read(path, &String::from_utf8_lossy(&bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(KnownHostsError::Read { path: path.clone(), source }),
            }
        }
        Ok(index)
    }

    fn read(&mut self, path: &Path, text: &str) {
        for (number, text) in text.lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            match parse(text, &at) {
                Parsed::Nothing => {}
                Parsed::Bad(why) => self.warnings.push(format!("{at} {why}: the line is not used")),
                Parsed::Line(line) => self.insert(*line),
            }
        }
    }

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
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Everything known about a host that goes by `names`, the most telling first: the first name that is known decides,
    /// but a revoked key is revoked under any.
    pub fn of_host(&self, names: &[&str], port: u16) -> HostKeys {
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
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        keys.known.extend(added.iter().filter(|(to, ..)| to == name).map(|(_, key, at)| (key.clone(), at.clone())));
        keys
    }

    /// Writes down the first key a host presents (`accept-new`).
    pub fn accept(&self, name: &str, port: u16, key: &HostKey) -> Result<(), KnownHostsError> {
        let name = host_name(name, port);
        let safe = |c: char| c.is_ascii_graphic() && !",#|*?!@\"".contains(c);
        if name.is_empty() || !name.chars().all(safe) {
            return Err(KnownHostsError::Name(name.escape_debug().to_string()));
        }
        let path = self.write_to.clone().unwrap_or_else(|| PathBuf::from("known_hosts"));
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let line = append::append(&path, &format!("{name} {}", key.to_line()))
            .map_err(|source| KnownHostsError::Write { path: path.clone(), source })?;
        added.push((name, key.clone(), format!("{}:{line}", path.display())));
        Ok(())
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

#[cfg(test)]
mod tests;
