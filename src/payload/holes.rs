//! Where a file holds nothing: what was preallocated and never written.

use std::fs::File;
use std::ops::Range;

use rustix::fs::SeekFrom;
use rustix::fs::seek;

/// Most holes that are kept; a file with more is read where the others are.
const HOLES_MAX: usize = 65_536;

/// The holes of a file, looked up once: on some file systems (tmpfs) every look goes through all pages behind it.
#[derive(Debug, Default)]
pub(super) struct Holes {
    ranges: Vec<Range<u64>>,
}

impl Holes {
    /// Finds them; none where the file system does not tell. The file's own offset is of no use afterwards.
    pub(super) fn of(file: &File) -> Self {
        let mut holes = Self::default();
        let Ok(length) = seek(file, SeekFrom::End(0)) else { return holes };
        let mut at = 0;
        while at < length && holes.ranges.len() < HOLES_MAX {
            let data = match seek(file, SeekFrom::Data(at)) {
                Ok(data) => data.min(length),
                Err(rustix::io::Errno::NXIO) => length,
                Err(_) => break,
            };
            if data > at {
                holes.ranges.push(at..data);
            }
            match seek(file, SeekFrom::Hole(data)) {
                Ok(hole) if hole > data => at = hole,
                Ok(_) | Err(_) => break,
            }
        }
        holes
    }

    /// Whether there is nothing but hole in `range`.
    pub(super) fn cover(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|hole| hole.end < range.end);
        self.ranges.get(after).is_some_and(|hole| hole.start <= range.start)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_where_nothing_was_written() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 << 20).unwrap();
        file.write_all_at(&[1; 4096], 8 << 20).unwrap();
        let holes = Holes::of(&file);
        if holes.ranges.is_empty() {
            return; // This file system does not tell.
        }
        assert!(holes.cover(&(0..8 << 20)) && holes.cover(&(9 << 20..16 << 20)));
        assert!(!holes.cover(&(0..(8 << 20) + 1)) && !holes.cover(&(8 << 20..16 << 20)));
        assert!(!holes.cover(&(15 << 20..17 << 20)));
    }
}
