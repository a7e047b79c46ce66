//! A directory tree as a stream of bytes: the archive, or only its digest.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, readlinkat, statat};
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::modes::Modes;
use super::walk::{Item, same, walk};
use super::{BUFFER_LENGTH, FileError, ReadError, archive, hash};
use crate::base::Sha256Digest;

/// Writes items of a tree as a tar archive.
pub(super) struct TreeWriter<'a, W> {
    out: W,
    out_path: &'a Path,
    modes: Modes,
    cancel: &'a AtomicBool,
    read: &'a mut dyn FnMut(u64),
    buffer: Vec<u8>,
}

impl<'a, W: Write> TreeWriter<'a, W> {
    /// Writes to `out`, which errors call `out_path`; `read` is told how many bytes of content were read.
    pub(super) fn new(
        out: W,
        out_path: &'a Path,
        modes: Modes,
        cancel: &'a AtomicBool,
        read: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self { out, out_path, modes, cancel, read, buffer: vec![0; BUFFER_LENGTH] }
    }

    /// Writes one item, with its content if it is a file.
    pub(super) fn append(&mut self, item: &Item<'_>) -> Result<(), ReadError> {
        let mode = self.modes.of_file(item.stat.st_mode);
        match item.kind() {
            FileType::Directory => {
                let mode = self.modes.of_directory(item.stat.st_mode);
                let name = if item.path.is_empty() { b"./".to_vec() } else { [item.path, b"/"].concat() };
                self.put(&archive::header(EntryType::Directory, &name, mode, 0, b""))
            }
            FileType::RegularFile => self.append_file(item, mode),
            FileType::Symlink => {
                let target = link_target(item)?;
                self.put(&archive::header(EntryType::Symlink, item.path, 0o777, 0, &target))
            }
            FileType::Fifo => self.put(&archive::header(EntryType::Fifo, item.path, mode, 0, b"")),
            FileType::CharacterDevice => self.put(&archive::header(EntryType::Char, item.path, mode, 0, b"")),
            FileType::BlockDevice => self.put(&archive::header(EntryType::Block, item.path, mode, 0, b"")),
            FileType::Socket | FileType::Unknown => {
                self.put(&archive::header(EntryType::new(b's'), item.path, mode, 0, b""))
            }
        }
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<W, ReadError> {
        self.put(&[0; 2 * archive::RECORD])?;
        Ok(self.out)
    }

    fn append_file(&mut self, item: &Item<'_>, mode: u32) -> Result<(), ReadError> {
        let file = item.open()?;
        let size = u64::try_from(item.stat.st_size).unwrap_or(0);
        self.put(&archive::header(EntryType::Regular, item.path, mode, size, b""))?;
        self.copy(item, &file, size)?;
        self.put(&[0; archive::RECORD][..archive::padding(size)])?;
        item.unchanged(&file)
    }

    fn copy(&mut self, item: &Item<'_>, file: &OwnedFd, size: u64) -> Result<(), ReadError> {
        let mut left = size;
        while left > 0 {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(ReadError::Cancelled);
            }
            let want = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = rustix::io::retry_on_intr(|| rustix::io::read(file, &mut self.buffer[..want]))
                .map_err(|error| item.error("read", error))?;
            if got == 0 {
                return Err(ReadError::Changed { path: item.location() });
            }
            self.out.write_all(&self.buffer[..got]).map_err(FileError::at("write", self.out_path))?;
            left -= got as u64;
            (self.read)(got as u64);
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        Ok(self.out.write_all(bytes).map_err(FileError::at("write", self.out_path))?)
    }
}

/// Reads where a link leads; errs when it changed since it was found.
pub(super) fn link_target(item: &Item<'_>) -> Result<Vec<u8>, ReadError> {
    let target = readlinkat(item.dir, item.name, Vec::new()).map_err(|error| match error {
        rustix::io::Errno::INVAL => ReadError::Changed { path: item.location() },
        error => item.error("read", error),
    })?;
    let now = statat(item.dir, item.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| item.error("inspect", error))?;
    if same(&item.stat, &now) { Ok(target.into_bytes()) } else { Err(ReadError::Changed { path: item.location() }) }
}

/// Passes bytes on and digests them.
pub(super) struct Digesting<W> {
    inner: W,
    digest: Sha256,
    count: u64,
}

impl<W> Digesting<W> {
    /// Digests what goes to `inner`.
    pub(super) fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), count: 0 }
    }

    /// Returns what is behind, the digest and the number of bytes.
    pub(super) fn finish(self) -> (W, Sha256Digest, u64) {
        (self.inner, Sha256Digest::new(self.digest.finalize().into()), self.count)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Computes the content digest of what lies at `path`: equal for two trees exactly when names, contents, modes (all bits)
/// and links are; of a file, the digest of its content.
///
/// For a release it equals [`Packed::content_sha256`](super::Packed::content_sha256) of the payload it came from.
pub fn content_digest(path: &Path, cancel: &AtomicBool) -> Result<Sha256Digest, ReadError> {
    let metadata = std::fs::symlink_metadata(path).map_err(FileError::at("inspect", path))?;
    if metadata.is_file() {
        return hash::sha256_file(path, cancel, &|_| {});
    }
    let mut ignore = |_| {};
    let mut tree = TreeWriter::new(Digesting::new(io::sink()), path, Modes::Own(0o7777), cancel, &mut ignore);
    if metadata.is_dir() {
        walk(path, None, cancel, &mut |item| tree.append(item))?;
    } else {
        // Nothing that could have been unpacked: its digest must only differ from that of everything that could.
        tree.put(b"neither a file nor a directory")?;
    }
    let (_, digest, _) = tree.finish()?.finish();
    Ok(digest)
}
