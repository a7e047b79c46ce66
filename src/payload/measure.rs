//! How large a payload and its release can be at most, without reading a byte of content.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use tar::EntryType;

use super::archive::{self, RECORD};
use super::exclude::Exclude;
use super::pack::check;
use super::walk::walk;
use super::{FileError, PackError};
use crate::base::ByteCount;

/// Upper bounds of what [`pack`](super::pack) would make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// The payload, when it is not compressed.
    pub payload: ByteCount,
    /// Content of the files.
    pub unpacked: ByteCount,
    /// Files, directories and links, the root included.
    pub entries: u64,
}

/// Measures `source`, a directory or a file, less what the globs leave out.
///
/// # Errors
///
/// Those of [`pack`](super::pack) that can be seen without reading a file.
pub fn measure(source: &Path, exclude: &[String], cancel: &AtomicBool) -> Result<Measure, PackError> {
    let metadata = std::fs::metadata(source).map_err(FileError::at("inspect", source))?;
    if !metadata.is_dir() {
        let bytes = ByteCount(metadata.len());
        return Ok(Measure { payload: bytes, unpacked: bytes, entries: 1 });
    }
    let exclude = Exclude::new(exclude)?;
    let mut all = Measure { payload: ByteCount(2 * RECORD as u64), ..Measure::default() };
    walk(source, Some(&exclude), cancel, &mut |item| {
        let size = check(item)?;
        let header = archive::header(EntryType::Regular, item.path, 0, size, b"").len();
        all.payload += ByteCount(size + (header + archive::padding(size)) as u64);
        all.unpacked += ByteCount(size);
        all.entries += 1;
        Ok::<_, PackError>(())
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Compress, PackOptions, pack};

    #[test]
    fn what_is_measured_is_what_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("site");
        std::fs::create_dir_all(source.join("a/.git")).unwrap();
        for (name, length) in [("a/one", 1), ("a/full", 1024), ("a/.git/HEAD", 5), ("left.log", 7)] {
            std::fs::write(source.join(name), vec![7; length]).unwrap();
        }
        std::fs::write(source.join("n".repeat(150)), b"long").unwrap();
        let (exclude, cancel) = (vec!["*.log".to_owned()], AtomicBool::new(false));
        let measured = measure(&source, &exclude, &cancel).unwrap();
        let options = PackOptions { exclude, compress: Compress::None, piece_length: None, mode: None };
        let packed = pack(&source, &folder.path().join("out"), &options, &|_| {}, &cancel).unwrap();
        assert_eq!(measured.payload, ByteCount(packed.layout.total()));
        assert_eq!((measured.unpacked, measured.entries), (packed.unpacked_bytes, packed.unpacked_entries));
    }
}
