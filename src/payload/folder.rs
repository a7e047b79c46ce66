//! A folder as the payload of a .torrent: its files end to end, in byte order of their paths, hashed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FileType;
use sha1::{Digest, Sha1};

use super::walk::{Item, walk};
use super::{BUFFER_LENGTH, FileError, ReadError, piece_length_for};
use crate::base::{Layout, LayoutError, Sha1Digest};
use crate::metainfo::{FileEntry, FileKind};

/// Why a folder cannot be the payload of a .torrent.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Something that is neither a file nor a folder.
    #[error("{path} is no file; a .torrent holds no links, sockets or devices", path = .0.display())]
    Kind(PathBuf),
    /// A name that a .torrent cannot hold.
    #[error("the name of {path} is not UTF-8", path = .0.display())]
    Name(PathBuf),
    /// Sizes that no .torrent takes.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A folder, ready to be described in a .torrent. Empty folders, modes and times are not in it.
#[derive(Debug)]
pub struct HashedFolder {
    /// Its files, in the order of the payload.
    pub files: Vec<FileEntry>,
    /// How they are cut, end to end.
    pub layout: Layout,
    /// The digest of every piece.
    pub pieces: Vec<Sha1Digest>,
}

/// Reads all files below `root`; the piece length is chosen from their size when it is not given.
pub fn hash_folder(root: &Path, piece_length: Option<u32>, cancel: &AtomicBool) -> Result<HashedFolder, FolderError> {
    let mut files = Vec::new();
    walk(root, None, cancel, &mut |item: &Item<'_>| match item.kind() {
        FileType::Directory => Ok(()),
        FileType::RegularFile => {
            let path = std::str::from_utf8(item.path).map_err(|_not_utf8| FolderError::Name(item.location()))?;
            let path = path.split('/').map(str::to_owned).collect();
            files.push(FileEntry { length: item.stat.st_size.cast_unsigned(), path, kind: FileKind::File });
            Ok(())
        }
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(FolderError::Kind(item.location())),
    })?;
    let total = files.iter().map(|file| file.length).sum();
    let layout = Layout::new(total, piece_length.unwrap_or_else(|| piece_length_for(total)))?;
    let mut cutter =
        Cutter { left: u64::from(layout.nominal_piece_length()), digest: Sha1::new(), pieces: Vec::new(), layout };
    for file in &files {
        cutter.take(&root.join(file.joined()), file.length, cancel)?;
    }
    Ok(HashedFolder { files, layout, pieces: cutter.finish() })
}

/// Cuts what it is given into pieces and hashes them.
struct Cutter {
    layout: Layout,
    digest: Sha1,
    /// Bytes that the piece under way still takes.
    left: u64,
    pieces: Vec<Sha1Digest>,
}

impl Cutter {
    fn take(&mut self, path: &Path, length: u64, cancel: &AtomicBool) -> Result<(), ReadError> {
        let mut file = File::open(path).map_err(FileError::at("open", path))?;
        let mut buffer = vec![0; BUFFER_LENGTH];
        let mut done = 0;
        loop {
            if cancel.load(Ordering::Relaxed) {
                return Err(ReadError::Cancelled);
            }
            let room = usize::try_from(self.left).map_or(BUFFER_LENGTH, |left| left.min(BUFFER_LENGTH));
            let read = file.read(&mut buffer[..room]).map_err(FileError::at("read", path))?;
            if read == 0 {
                break;
            }
            self.digest.update(&buffer[..read]);
            done += read as u64;
            self.left -= read as u64;
            if self.left == 0 {
                self.cut();
            }
        }
        if done == length { Ok(()) } else { Err(ReadError::Changed { path: path.to_owned() }) }
    }

    fn cut(&mut self) {
        self.pieces.push(Sha1Digest::new(self.digest.finalize_reset().into()));
        self.left = u64::from(self.layout.nominal_piece_length());
    }

    fn finish(mut self) -> Vec<Sha1Digest> {
        if self.left < u64::from(self.layout.nominal_piece_length()) {
            self.cut();
        }
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn pieces_run_across_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/empty folder")).unwrap();
        fs::write(folder.path().join("b/two"), vec![2; 30_000]).unwrap();
        fs::write(folder.path().join("a"), vec![1; 10_000]).unwrap();
        fs::write(folder.path().join("c"), []).unwrap();
        let hashed = hash_folder(folder.path(), Some(16_384), &AtomicBool::new(false)).unwrap();
        let names: Vec<_> = hashed.files.iter().map(FileEntry::joined).collect();
        assert_eq!(names, ["a", "b/two", "c"]);
        let payload = [vec![1; 10_000], vec![2; 30_000]].concat();
        let expected: Vec<_> =
            payload.chunks(16_384).map(|piece| Sha1Digest::new(Sha1::digest(piece).into())).collect();
        assert_eq!(hashed.pieces, expected);
    }

    #[test]
    fn what_a_torrent_cannot_hold_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = AtomicBool::new(false);
        assert!(matches!(
            hash_folder(folder.path(), None, &cancel),
            Err(FolderError::Layout(LayoutError::EmptyPayload))
        ));
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        assert!(
            matches!(hash_folder(folder.path(), None, &cancel), Err(FolderError::Kind(path)) if path.ends_with("link"))
        );
    }
}
