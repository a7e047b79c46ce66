//! Where an archive goes: a payload file, plain or compressed.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use super::BUFFER_LENGTH;
use super::tree::Digesting;
use crate::base::Sha256Digest;

/// zstd's level: on few cores still faster than a network, and near the ratio of `gzip -9`.
const LEVEL: i32 = 3;

/// Bytes compressed as one job. The output depends on it and not on the number of workers, so it is the same everywhere.
const JOB_LENGTH: u32 = 4 * 1024 * 1024;

/// Most threads that compress: beyond this the reader is the limit, and each costs three jobs of memory.
const WORKERS_MAX: usize = 8;

/// A payload being written, with the digest of what arrives in the file.
pub(super) enum Sink {
    /// As it comes.
    Plain(Digesting<BufWriter<File>>),
    /// Compressed on all cores.
    Zstd(Encoder<'static, Digesting<BufWriter<File>>>),
}

impl Sink {
    /// Writes to `file` as it comes.
    pub(super) fn plain(file: File) -> Self {
        Self::Plain(digesting(file))
    }

    /// Writes to `file`, compressed by at most `workers` threads, at least one.
    pub(super) fn zstd(file: File, workers: usize) -> io::Result<Self> {
        let mut encoder = Encoder::new(digesting(file), LEVEL)?;
        encoder.multithread(u32::try_from(workers.clamp(1, WORKERS_MAX)).unwrap_or(1))?;
        encoder.set_parameter(CParameter::JobSize(JOB_LENGTH))?;
        encoder.include_checksum(true)?;
        Ok(Self::Zstd(encoder))
    }

    /// Writes what is left; returns the file, its digest and its length.
    pub(super) fn finish(self) -> io::Result<(File, Sha256Digest, u64)> {
        let (buffered, digest, count) = match self {
            Self::Plain(digesting) => digesting.finish(),
            Self::Zstd(encoder) => encoder.finish()?.finish(),
        };
        Ok((buffered.into_inner().map_err(io::IntoInnerError::into_error)?, digest, count))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(digesting) => digesting.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(digesting) => digesting.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// How long `content` would be, compressed.
pub(super) fn compressed_length(content: &[u8]) -> io::Result<usize> {
    zstd::bulk::compress(content, LEVEL).map(|compressed| compressed.len())
}

fn digesting(file: File) -> Digesting<BufWriter<File>> {
    Digesting::new(BufWriter::with_capacity(BUFFER_LENGTH, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_cores_changes_no_byte() {
        let mut random = fastrand::Rng::with_seed(1);
        let words: Vec<u8> = std::iter::repeat_with(|| random.u8(b'a'..b'e')).take(11_000_000).collect();
        let [one, two, eight] = [1, 2, 8].map(|workers| {
            let mut sink = Sink::zstd(tempfile::tempfile().unwrap(), workers).unwrap();
            words.chunks(100_003).for_each(|chunk| sink.write_all(chunk).unwrap());
            let (_, digest, length) = sink.finish().unwrap();
            (digest, length)
        });
        assert_eq!(one, two);
        assert_eq!(one, eight);
        assert!(one.1 < 6_000_000);
    }
}
