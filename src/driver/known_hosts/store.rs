//! The files behind the index: read once, again when they change, and written to.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::index::Index;
use super::name::host_name;
use super::{HostKey, HostKeys, append};

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

/// The `known_hosts` files of some hosts.
///
/// A host that is tried again after its line was mended is judged by the mended line: files that changed are read again.
#[derive(Debug)]
pub struct KnownHosts {
    paths: Vec<PathBuf>,
    read: RwLock<Read>,
}

#[derive(Debug, Clone)]
struct Read {
    index: Arc<Index>,
    stamps: Vec<Stamp>,
}

/// What changes when a file does; `None` while there is none.
type Stamp = Option<(u64, i64, i64, u64)>;

impl KnownHosts {
    /// Reads the files; those that do not exist are empty. New keys go to the first of them.
    pub fn load(paths: &[PathBuf]) -> Result<Self, KnownHostsError> {
        Ok(Self { paths: paths.to_vec(), read: RwLock::new(read(paths)?) })
    }

    /// Lines that are not used, each with its place and reason.
    pub fn warnings(&self) -> Vec<String> {
        self.current().index.warnings().to_vec()
    }

    /// Everything known about a host that goes by `names`, the most telling first: the first name that is known decides,
    /// but a revoked key is revoked under any.
    ///
    /// # Errors
    /// [`KnownHostsError::Read`] when a file changed and cannot be read any more.
    pub fn of_host(&self, names: &[&str], port: u16) -> Result<HostKeys, KnownHostsError> {
        let current = self.current();
        if current.stamps == stamps(&self.paths) {
            return Ok(current.index.of_host(names, port));
        }
        let fresh = read(&self.paths)?;
        let keys = fresh.index.of_host(names, port);
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(keys)
    }

    /// Writes down the first key a host presents (`accept-new`), unless it is there by now.
    pub fn accept(&self, name: &str, port: u16, key: &HostKey) -> Result<(), KnownHostsError> {
        let written = host_name(name, port);
        let safe = |c: char| c.is_ascii_graphic() && !",#|*?!@\"".contains(c);
        if written.is_empty() || !written.chars().all(safe) {
            return Err(KnownHostsError::Name(written.escape_debug().to_string()));
        }
        if self.of_host(&[name], port)?.has(key) {
            return Ok(());
        }
        let path = self.paths.first().cloned().unwrap_or_else(|| PathBuf::from("known_hosts"));
        let line = format!("{written} {}", key.to_line());
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        let added =
            append::append(&path, &line).map_err(|source| KnownHostsError::Write { path: path.clone(), source })?;
        let now = stamps(&self.paths);
        // Nobody else wrote meanwhile: what was read needs this line, and need not be read again.
        if length(&now) == length(&read.stamps) + added && now.get(1..) == read.stamps.get(1..) {
            read.stamps = now;
            Arc::make_mut(&mut read.index).read(&path, &line);
        }
        Ok(())
    }

    fn current(&self) -> Read {
        self.read.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(paths: &[PathBuf]) -> Result<Read, KnownHostsError> {
    // Taken first: what is written while we read is read the next time.
    let stamps = stamps(paths);
    let mut index = Index::default();
    for path in paths {
        match std::fs::read(path) {
            Ok(bytes) => index.read(path, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(KnownHostsError::Read { path: path.clone(), source }),
        }
    }
    Ok(Read { index: Arc::new(index), stamps })
}

/// The length of the first file.
fn length(stamps: &[Stamp]) -> u64 {
    stamps.first().copied().flatten().map_or(0, |(.., length)| length)
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: Metadata| (file.ino(), file.mtime(), file.mtime_nsec(), file.len());
    paths.iter().map(|path| std::fs::metadata(path).ok().map(stamp)).collect()
}
