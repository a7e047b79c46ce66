//! Whether compression pays: a sample of the content, spread evenly over all of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{FileError, ReadError, sink};

/// Bytes of one place looked at.
const CHUNK_LENGTH: u64 = 64 * 1024;

/// Most places looked at: 4 MiB in all, a tenth of a second.
const CHUNKS_MAX: usize = 64;

/// Compression pays when less than this share of the bytes is left, in percent.
const WORTH_PERCENT: usize = 90;

/// Where to look, chosen while files are found one after the other; the same files give the same places.
pub(super) struct Sample {
    stride: u64,
    total: u64,
    places: Vec<Place>,
}

struct Place {
    position: u64,
    path: Vec<u8>,
    offset: u64,
}

impl Sample {
    /// A sample of nothing yet.
    pub(super) fn new() -> Self {
        Self { stride: CHUNK_LENGTH, total: 0, places: Vec::new() }
    }

    /// Takes note of a file: every `stride`-th byte of all content is a place.
    pub(super) fn add(&mut self, path: &[u8], size: u64) {
        let end = self.total + size;
        let mut position = self.total.next_multiple_of(self.stride);
        while position < end {
            self.places.push(Place { position, path: path.to_vec(), offset: position - self.total });
            if self.places.len() > CHUNKS_MAX {
                self.stride *= 2;
                let stride = self.stride;
                self.places.retain(|place| place.position % stride == 0);
            }
            position = (position + 1).next_multiple_of(self.stride);
        }
        self.total = end;
    }

    /// Reads the places below `root`, compresses them and says whether it pays.
    pub(super) fn pays(&self, root: &Path) -> Result<bool, ReadError> {
        let mut content = Vec::new();
        for place in &self.places {
            let path = root.join(OsStr::from_bytes(&place.path));
            let file = std::fs::File::open(&path).map_err(FileError::at("open", &path))?;
            let start = content.len();
            content.resize(start + CHUNK_LENGTH as usize, 0);
            let got = file.read_at(&mut content[start..], place.offset).map_err(FileError::at("read", &path))?;
            content.truncate(start + got);
        }
        let compressed = sink::compressed_length(&content).map_err(FileError::at("compress", root))?;
        Ok(content.is_empty() || compressed * 100 < content.len() * WORTH_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_bounded_and_spread() {
        let mut sample = Sample::new();
        for file in 0..1_000_u32 {
            sample.add(&file.to_be_bytes(), 1 << 20);
        }
        assert!((CHUNKS_MAX / 3..=CHUNKS_MAX).contains(&sample.places.len()), "{}", sample.places.len());
        assert!(sample.places.last().unwrap().path > 900_u32.to_be_bytes().to_vec());
    }

    #[test]
    fn random_content_is_left_alone_and_text_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(300_000).collect();
        for (name, content, pays) in [("noise", noise, false), ("text", b"again and ".repeat(30_000), true)] {
            std::fs::write(folder.path().join(name), &content).unwrap();
            let mut sample = Sample::new();
            sample.add(name.as_bytes(), content.len() as u64);
            assert_eq!(sample.pays(folder.path()).unwrap(), pays, "{name}");
        }
    }
}
