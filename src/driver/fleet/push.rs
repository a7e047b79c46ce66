//! The payload on this machine, cut into the frames that bring it to the seeder.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::base::{Bitfield, Layout};
use crate::control::Order;

/// Bytes in a frame, unless one piece is longer.
const FRAME_BYTES: u64 = 1 << 20;

/// A payload that lies on this machine.
#[derive(Debug, Clone)]
pub struct PushSource {
    /// The payload file.
    pub path: PathBuf,
    /// How it is cut.
    pub layout: Layout,
}

/// A part of the payload: whole pieces, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A push under way: the next frame is read while the last one travels.
#[derive(Debug)]
pub(super) struct Push {
    file: Arc<File>,
    parts: VecDeque<Part>,
    reading: Option<JoinHandle<io::Result<Order>>>,
}

impl Push {
    /// Begins to push what is not in `have`.
    pub(super) fn new(source: &PushSource, have: &Bitfield) -> io::Result<Self> {
        let file = Arc::new(File::open(&source.path)?);
        Ok(Self { file, parts: parts(&source.layout, have), reading: None })
    }

    /// Reads a part that was sent already.
    pub(super) async fn read_again(source: &PushSource, part: Part) -> io::Result<Order> {
        let path = source.path.clone();
        spawn_blocking(move || read(&File::open(path)?, part)).await.map_err(io::Error::other)?
    }

    /// The next frame, `None` after the last. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<io::Result<Order>> {
        if self.reading.is_none() {
            let part = self.parts.pop_front()?;
            let file = self.file.clone();
            self.reading = Some(spawn_blocking(move || read(&file, part)));
        }
        let read = self.reading.as_mut()?.await;
        self.reading = None;
        Some(read.map_err(io::Error::other).and_then(|order| order))
    }
}

fn read(file: &File, part: Part) -> io::Result<Order> {
    let mut bytes = vec![0; part.length as usize];
    file.read_exact_at(&mut bytes, part.offset)?;
    Ok(Order::Data { offset: part.offset, bulk: Bytes::from(bytes) })
}

fn parts(layout: &Layout, have: &Bitfield) -> VecDeque<Part> {
    let mut parts: VecDeque<Part> = VecDeque::new();
    for piece in layout.pieces().filter(|piece| !have.contains(*piece)) {
        let (offset, length) = (layout.piece_offset(piece), u64::from(layout.piece_length(piece)));
        match parts.back_mut() {
            Some(last) if last.offset + last.length == offset && last.length + length <= FRAME_BYTES => {
                last.length += length;
            }
            Some(_) | None => parts.push_back(Part { offset, length }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PieceIndex;

    #[test]
    fn frames_hold_whole_missing_pieces() {
        let layout = Layout::new(10 * (256 << 10) + 7, 256 << 10).unwrap();
        let mut have = Bitfield::empty(layout.piece_count());
        have.insert(PieceIndex(1));
        let parts: Vec<_> = parts(&layout, &have).iter().map(|p| (p.offset >> 18, p.length)).collect();
        assert_eq!(parts, [(0, 1 << 18), (2, 4 << 18), (6, 4 << 18), (10, 7)]);
    }

    #[test]
    fn a_long_piece_is_a_frame_of_its_own() {
        let layout = Layout::new(10 << 20, 4 << 20).unwrap();
        let parts = parts(&layout, &Bitfield::empty(3));
        assert_eq!(parts.iter().map(|p| p.length >> 20).collect::<Vec<_>>(), [4, 4, 2]);
    }
}
