//! Reading an archive that may want to do harm: only what our own archives hold is understood.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::archive::{RECORD, padding};
use super::{DEPTH_MAX, MODE_MASK, PATH_MAX, link, text};

/// What is wrong with an entry of an archive. The text reads after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Danger {
    /// It starts with `/`.
    #[error("has an absolute path")]
    Absolute,
    /// It climbs.
    #[error("has `..` in its path")]
    Climbing,
    /// Empty, `.`, too long, or with a zero byte.
    #[error("has a path that is none")]
    Path,
    /// Too many directories within each other.
    #[error("lies too deep")]
    Depth,
    /// Where it links to.
    #[error("links out of the release, to {target}")]
    LinkOut {
        /// The link's target.
        target: String,
    },
    /// A hard link can name any file.
    #[error("is a hard link")]
    HardLink,
    /// Neither file, directory nor symbolic link.
    #[error("is neither a file, a directory nor a link")]
    Kind,
    /// Set-user-id, set-group-id or sticky.
    #[error("has mode {mode:o}, which is more than rwx")]
    Mode {
        /// The mode found.
        mode: u32,
    },
    /// The name is taken.
    #[error("is there twice")]
    Twice,
    /// Its directory is a link, a file, or does not come right before it.
    #[error("does not lie in a directory of the archive")]
    Orphan,
    /// More content than promised.
    #[error("is beyond the {promised} bytes promised")]
    Bytes {
        /// Bytes promised.
        promised: u64,
    },
    /// More entries than promised.
    #[error("is beyond the {promised} entries promised")]
    Entries {
        /// Entries promised.
        promised: u64,
    },
}

/// Why the next entry cannot be had.
#[derive(Debug)]
pub(super) enum EntryError {
    /// An entry is refused.
    Unsafe { entry: String, why: Danger },
    /// The bytes are no archive of ours.
    Damaged(&'static str),
    /// They cannot be read.
    Read(io::Error),
}

/// What an entry is.
pub(super) enum Kind {
    Directory,
    File { size: u64 },
    Link { target: Vec<u8> },
}

/// One entry, safe by itself.
pub(super) struct Entry {
    /// Plain components from the root, which is empty itself.
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) kind: Kind,
}

/// The entries of an archive, one after the other.
pub(super) struct Entries<R> {
    input: R,
}

impl<R: Read> Entries<R> {
    /// Reads an archive from its start.
    pub(super) fn new(input: R) -> Self {
        Self { input }
    }

    /// Reads up to the next entry's content, `None` at the end of the archive. The content of the one before must have been
    /// taken by [`content`](Self::content).
    pub(super) fn next(&mut self) -> Result<Option<Entry>, EntryError> {
        let (mut long_name, mut long_target) = (None, None);
        loop {
            let mut record = [0; RECORD];
            self.fill(&mut record)?;
            if record.iter().all(|byte| *byte == 0) {
                if long_name.is_some() || long_target.is_some() {
                    return Err(EntryError::Damaged("it ends after a long name"));
                }
                return self.end().map(|()| None);
            }
            let header = Header::from_byte_slice(&record);
            check_sum(header)?;
            let kind = header.entry_type();
            if kind == EntryType::GNULongName && long_name.is_none() {
                long_name = Some(self.long(header)?);
            } else if kind == EntryType::GNULongLink && long_target.is_none() {
                long_target = Some(self.long(header)?);
            } else {
                return entry(header, long_name, long_target).map(Some);
            }
        }
    }

    /// Hands out the content of the entry just read, chunk by chunk, and skips what fills up its last record.
    pub(super) fn content<E: From<EntryError>>(
        &mut self,
        size: u64,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = size;
        while left > 0 {
            let part = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.fill(&mut buffer[..part])?;
            take(&buffer[..part])?;
            left -= part as u64;
        }
        Ok(self.fill(&mut [0; RECORD][..padding(size)])?)
    }

    fn long(&mut self, header: &Header) -> Result<Vec<u8>, EntryError> {
        let size = header.entry_size().map_err(EntryError::Read)?;
        let length = usize::try_from(size).ok().filter(|length| (1..=PATH_MAX + 2).contains(length));
        let length = length.ok_or(EntryError::Damaged("a long name is empty or too long"))?;
        let mut name = vec![0; length + padding(size)];
        self.fill(&mut name)?;
        name.truncate(length - 1);
        Ok(name)
    }

    fn end(&mut self) -> Result<(), EntryError> {
        let mut rest = [0; RECORD + 1];
        let mut got = 0;
        while got < rest.len() {
            match self.input.read(&mut rest[got..]) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(EntryError::Read(error)),
            }
        }
        if got != RECORD || rest.iter().any(|byte| *byte != 0) {
            return Err(EntryError::Damaged("it does not end where it says it does"));
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntryError> {
        self.input.read_exact(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                EntryError::Damaged("it ends early")
            } else {
                EntryError::Read(error)
            }
        })
    }
}

fn check_sum(header: &Header) -> Result<(), EntryError> {
    let bytes = header.as_bytes();
    let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum();
    if header.cksum().ok() == Some(sum + 8 * u32::from(b' ')) {
        Ok(())
    } else {
        Err(EntryError::Damaged("a header's checksum is wrong"))
    }
}

fn entry(header: &Header, long_name: Option<Vec<u8>>, long_target: Option<Vec<u8>>) -> Result<Entry, EntryError> {
    let name = long_name.unwrap_or_else(|| header.path_bytes().into_owned());
    let refuse = |why| EntryError::Unsafe { entry: text(&name), why };
    let number = |_| EntryError::Damaged("a header holds a number that is none");
    let is_directory = header.entry_type() == EntryType::Directory;
    let path = plain_path(&name, is_directory).map_err(refuse)?;
    let kind = match kind_of(header).map_err(refuse)? {
        Shape::Directory => Kind::Directory,
        Shape::File => Kind::File { size: header.entry_size().map_err(number)? },
        Shape::Link => {
            let target = long_target.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
            let target = target.unwrap_or_default();
            if link::leads_out(&path, &target) || target.contains(&0) {
                return Err(refuse(Danger::LinkOut { target: text(&target) }));
            }
            Kind::Link { target }
        }
    };
    let mode = header.mode().map_err(number)?;
    if mode & !MODE_MASK != 0 {
        return Err(refuse(Danger::Mode { mode }));
    }
    Ok(Entry { path, mode, kind })
}

enum Shape {
    Directory,
    File,
    Link,
}

fn kind_of(header: &Header) -> Result<Shape, Danger> {
    let kind = header.entry_type();
    if kind.is_dir() {
        Ok(Shape::Directory)
    } else if kind.is_file() {
        Ok(Shape::File)
    } else if kind.is_symlink() {
        Ok(Shape::Link)
    } else if kind.is_hard_link() {
        Err(Danger::HardLink)
    } else {
        Err(Danger::Kind)
    }
}

/// Takes a name apart as our archives write it: `./` the root, `a/b/` a directory, `a/b` anything else.
fn plain_path(name: &[u8], is_directory: bool) -> Result<Vec<u8>, Danger> {
    if name == b"./" && is_directory {
        return Ok(Vec::new());
    }
    let path = if is_directory { name.strip_suffix(b"/").unwrap_or(name) } else { name };
    if path.starts_with(b"/") {
        return Err(Danger::Absolute);
    }
    if path.len() > PATH_MAX || path.contains(&0) {
        return Err(Danger::Path);
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b".." => return Err(Danger::Climbing),
            b"" | b"." => return Err(Danger::Path),
            _ => {}
        }
    }
    if link::depth(path) >= DEPTH_MAX { Err(Danger::Depth) } else { Ok(path.to_vec()) }
}
