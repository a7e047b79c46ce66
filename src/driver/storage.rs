//! The payload on disk: one file, or the files of a torrent laid end to end, read and written by position.

use std::array;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use sha1::{Digest, Sha1};

use super::segment::{Access, Segment};
use super::tally::Tally;
use crate::base::{Bitfield, Block, ByteCount, Layout, PieceIndex, Sha1Digest};
use crate::control::AgentFailure;
use crate::metainfo::{Content, FileEntry, FileKind, Info};
use crate::payload::{ReadError, verify_existing};

/// Bytes read at once to be hashed.
const CHUNK: usize = 256 << 10;

/// Bytes that are written at once, in blocks: a quarter of a mebibyte.
pub(super) const RUN_MAX: usize = 16;

/// Files of a torrent that stay open, at most; the others are opened for each use. Half of the descriptors that a process
/// usually may have.
const FILES_OPEN_MAX: usize = 512;

/// The payload's files.
#[derive(Debug)]
pub(super) struct Storage {
    info: Info,
    path: PathBuf,
    access: Access,
    contents: Contents,
    segments: Vec<Segment>,
}

/// What the files held when they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// Nothing: there is nothing to hash.
    None,
    /// Something.
    Some,
}

impl Storage {
    /// Opens what lies at `path`: the file itself, or the folder with the files of a torrent of several.
    pub(super) fn open(info: Info, path: &Path, access: Access) -> Result<Self, AgentFailure> {
        let segments = match info.content() {
            Content::Single => vec![Segment::open(0, info.layout().total(), path.to_owned(), access)?],
            Content::Multi(files) => open_all(files, path, access)?,
        };
        let empty = segments.iter().all(|segment| segment.held == 0);
        let contents = if empty { Contents::None } else { Contents::Some };
        Ok(Self { path: path.to_owned(), access, contents, segments, info })
    }

    /// How the payload is cut.
    pub(super) const fn layout(&self) -> Layout {
        self.info.layout()
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What may be done with it.
    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Hashes what is there, on all cores.
    pub(super) fn survey(
        &self,
        cancel: &AtomicBool,
        progress: &(dyn Fn(ByteCount) + Sync),
    ) -> Result<Bitfield, AgentFailure> {
        let layout = self.layout();
        if self.contents == Contents::None {
            return Ok(Bitfield::empty(layout.piece_count()));
        }
        match self.info.content() {
            Content::Single => Ok(verify_existing(&self.path, &layout, self.info.pieces(), cancel, progress)?),
            Content::Multi(_) => {
                let mut intact = Bitfield::empty(layout.piece_count());
                for piece in layout.pieces() {
                    if cancel.load(Ordering::Relaxed) {
                        return Err(ReadError::Cancelled.into());
                    }
                    if self.is_intact(piece, Tally::default())? {
                        intact.insert(piece);
                    }
                    progress(ByteCount(layout.piece_offset(piece)));
                }
                Ok(intact)
            }
        }
    }

    /// Whether the bytes of a piece hash to what the torrent promises; what is in the tally is not read.
    pub(super) fn is_intact(&self, piece: PieceIndex, tally: Tally) -> Result<bool, AgentFailure> {
        let Tally { mut digest, end: hashed } = tally;
        let begin = self.layout().piece_offset(piece);
        let end = begin + u64::from(self.layout().piece_length(piece));
        let mut at = begin + u64::from(hashed);
        let left = |at| usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = vec![0; left(at)];
        while at < end {
            let want = left(at);
            match self.read_exact_at(&mut buffer[..want], at) {
                Ok(()) => digest.update(&buffer[..want]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(AgentFailure::from_io("read", &self.path, &error)),
            }
            at += want as u64;
        }
        Ok(self.info.piece(piece) == Some(Sha1Digest::new(digest.finalize().into())))
    }

    /// The digest of each block of a piece.
    pub(super) fn digests(&self, piece: PieceIndex) -> Result<Vec<Sha1Digest>, AgentFailure> {
        let digest = |data: Bytes| Sha1Digest::new(Sha1::digest(&data).into());
        let blocks = self.layout().blocks(piece).map(|block| self.read(block).map(digest));
        blocks.collect::<io::Result<_>>().map_err(|error| AgentFailure::from_io("read", &self.path, &error))
    }

    /// Reads a block, however long that takes; what comes after it is made ready.
    pub(super) fn read(&self, block: Block) -> io::Result<Bytes> {
        let mut data = BytesMut::zeroed(block.length as usize);
        let offset = self.offset(block);
        if let Some((segment, within, _)) = self.part(offset, data.len()) {
            segment.read_ahead(within);
        }
        self.read_exact_at(&mut data, offset)?;
        Ok(data.freeze())
    }

    /// Fills `buffer` with the bytes of a block from `from` on if that takes no waiting;
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) is that it would.
    pub(super) fn read_now(&self, block: Block, from: usize, mut buffer: &mut [u8]) -> io::Result<()> {
        let mut offset = self.offset(block) + from as u64;
        while let Some((segment, within, length)) = self.part(offset, buffer.len()) {
            let (part, rest) = buffer.split_at_mut(length);
            segment.read_now(part, within)?;
            (offset, buffer) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// Writes blocks that follow each other, [`RUN_MAX`] at most.
    pub(super) fn write_run(&self, first: Block, run: &[Bytes]) -> Result<(), AgentFailure> {
        let mut offset = self.offset(first);
        let total = run.iter().map(Bytes::len).sum();
        let mut done = match self.part(offset, total) {
            Some((segment, within, length)) if length == total && run.len() <= RUN_MAX => {
                let slices: [_; RUN_MAX] =
                    array::from_fn(|at| IoSlice::new(run.get(at).map_or(&[][..], Bytes::as_ref)));
                segment.write_slices(&slices[..run.len()], within)?
            }
            Some(_) | None => 0,
        };
        // What was not taken at once is told why, or goes to several files.
        for data in run {
            let skip = done.min(data.len());
            self.write(offset + skip as u64, &data[skip..])?;
            (offset, done) = (offset + data.len() as u64, done - skip);
        }
        Ok(())
    }

    fn offset(&self, block: Block) -> u64 {
        self.layout().piece_offset(block.piece) + u64::from(block.begin)
    }

    /// Writes bytes at their place in the payload.
    pub(super) fn write(&self, mut offset: u64, mut data: &[u8]) -> Result<(), AgentFailure> {
        while let Some((segment, within, length)) = self.part(offset, data.len()) {
            let (part, rest) = data.split_at(length);
            segment.write(part, within)?;
            (offset, data) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), AgentFailure> {
        self.segments.iter().try_for_each(Segment::sync)
    }

    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while let Some((segment, within, length)) = self.part(offset, buffer.len()) {
            let (part, rest) = buffer.split_at_mut(length);
            segment.read(part, within)?;
            (offset, buffer) = (offset + length as u64, rest);
        }
        Ok(())
    }

    /// The file that holds the byte at `offset`, the byte's place in it, and how many of `length` bytes it takes.
    fn part(&self, offset: u64, length: usize) -> Option<(&Segment, u64, usize)> {
        let at = self.segments.partition_point(|segment| segment.start + segment.length <= offset);
        let segment = self.segments.get(at).filter(|_| length > 0)?;
        let within = offset - segment.start;
        let room = usize::try_from(segment.length - within).unwrap_or(usize::MAX);
        Some((segment, within, length.min(room)))
    }
}

/// Opens the files of a torrent of several; at most [`FILES_OPEN_MAX`] stay open.
fn open_all(files: &[FileEntry], folder: &Path, access: Access) -> Result<Vec<Segment>, AgentFailure> {
    let mut segments = Vec::with_capacity(files.len());
    if access == Access::Write {
        std::fs::create_dir_all(folder).map_err(|error| AgentFailure::from_io("create", folder, &error))?;
    }
    let root = File::open(folder).map_err(|error| AgentFailure::from_io("open", folder, &error))?;
    let root = Arc::new(root);
    let mut start = 0;
    for file in files {
        let within: PathBuf = file.path.iter().collect();
        let segment = match file.kind {
            FileKind::Padding => Segment::padding(start, file.length),
            FileKind::File => Segment::open(start, file.length, folder.join(&within), access)?,
        };
        if segments.len() < FILES_OPEN_MAX || file.kind == FileKind::Padding {
            segments.push(segment);
        } else {
            segments.push(segment.closed(Arc::clone(&root), within, access));
        }
        start += file.length;
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BLOCK_LENGTH;
    use crate::metainfo::Privacy;

    const PIECE: PieceIndex = PieceIndex(0);

    /// A torrent of two files whose border is within its first block, and the storage of it.
    fn two_files(folder: &Path, access: Access) -> Storage {
        let digest = Sha1Digest::new(Sha1::digest(content()).into());
        let head = "d5:filesld6:lengthi10000e4:pathl1:aeed6:lengthi30000e4:pathl1:beee4:name1:x12:piece lengthi65536e";
        let raw = [format!("{head}6:pieces20:").as_bytes(), digest.as_bytes(), b"e"].concat();
        Storage::open(Info::parse(&raw).unwrap(), folder, access).unwrap()
    }

    fn content() -> Vec<u8> {
        (0..40_000_u32).map(|at| (at / 7) as u8).collect()
    }

    fn blocks(storage: &Storage) -> Vec<(Block, Bytes)> {
        let content = Bytes::from(content());
        let cut = |block: Block| content.slice(block.begin as usize..(block.begin + block.length) as usize);
        storage.layout().blocks(PIECE).map(|block| (block, cut(block))).collect()
    }

    #[test]
    fn a_run_of_blocks_is_written_across_files_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        let blocks = blocks(&storage);
        let run: Vec<Bytes> = blocks.iter().map(|(_, data)| data.clone()).collect();
        storage.write_run(blocks[0].0, &run[..1]).unwrap();
        storage.write_run(blocks[1].0, &run[1..]).unwrap();
        for (block, data) in blocks {
            assert_eq!(storage.read(block).unwrap(), data);
            let mut now = vec![0; block.length as usize - 5];
            storage.read_now(block, 5, &mut now).unwrap();
            assert_eq!(now, data[5..]);
        }
        assert!(storage.is_intact(PIECE, Tally::default()).unwrap());
        assert_eq!(std::fs::read(folder.path().join("b")).unwrap(), content()[10_000..]);
    }

    #[test]
    fn only_what_is_not_hashed_yet_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        let run: Vec<Bytes> = blocks(&storage).into_iter().map(|(_, data)| data).collect();
        let first = Block { piece: PIECE, begin: 0, length: BLOCK_LENGTH };
        storage.write_run(first, &run).unwrap();
        storage.write(0, &[0; 100]).unwrap();
        let tally = Tally { digest: Sha1::new_with_prefix(&run[0]), end: BLOCK_LENGTH };
        assert!(storage.is_intact(PIECE, tally).unwrap());
        assert!(!storage.is_intact(PIECE, Tally::default()).unwrap());
    }

    #[test]
    fn a_file_that_became_shorter_cannot_be_read_and_says_so_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let storage = two_files(folder.path(), Access::Write);
        File::options().write(true).open(folder.path().join("b")).unwrap().set_len(100).unwrap();
        let (last, _) = blocks(&storage).pop().unwrap();
        let slow = storage.read(last).unwrap_err().kind();
        let fast = storage.read_now(last, 0, &mut [0; 50]).unwrap_err().kind();
        assert_eq!(slow, io::ErrorKind::UnexpectedEof);
        assert!(matches!(fast, io::ErrorKind::UnexpectedEof | io::ErrorKind::WouldBlock), "{fast}");
    }

    fn info(files: Vec<FileEntry>, payload: &[u8]) -> Info {
        let layout = Layout::new(payload.len() as u64, 16_384).unwrap();
        let pieces: Vec<_> = payload.chunks(16_384).map(|piece| Sha1Digest::new(Sha1::digest(piece).into())).collect();
        Info::describe("site", &Content::Multi(files), layout, &pieces, Privacy::Public).unwrap()
    }

    fn entry(name: &str, length: usize, kind: FileKind) -> FileEntry {
        FileEntry { length: length as u64, path: name.split('/').map(str::to_owned).collect(), kind }
    }

    fn survey(storage: &Storage) -> Bitfield {
        storage.survey(&AtomicBool::new(false), &|_| {}).unwrap()
    }

    #[test]
    fn more_files_than_stay_open_are_used_all_the_same_even_when_their_folder_is_renamed() {
        let root = tempfile::tempdir().unwrap();
        let (part, whole) = (root.path().join("part"), root.path().join("whole"));
        let count = FILES_OPEN_MAX + 100;
        let payload: Vec<u8> = (0..count * 50).map(|at| (at / 50) as u8).collect();
        let files = (0..count).map(|i| entry(&format!("d/{i}"), 50, FileKind::File)).collect();
        let info = info(files, &payload);
        let storage = Storage::open(info.clone(), &part, Access::Write).unwrap();
        assert!(survey(&storage).is_empty());
        storage.write(0, &payload[..20_000]).unwrap();
        std::fs::rename(&part, &whole).unwrap();
        storage.write(20_000, &payload[20_000..]).unwrap();
        storage.sync().unwrap();
        assert!(storage.is_intact(PieceIndex(1), Tally::default()).unwrap() && !part.exists());
        let again = Storage::open(info, &whole, Access::Read).unwrap();
        assert!(survey(&again).is_full());
        let last = Block { piece: PieceIndex(1), begin: payload.len() as u32 - 16_384 - 60, length: 60 };
        assert_eq!(again.read(last).unwrap()[..], payload[payload.len() - 60..]);
    }

    #[test]
    fn padding_is_zeros_whatever_is_written_and_lies_on_no_disk() {
        let root = tempfile::tempdir().unwrap();
        let payload = [vec![7; 10_000], vec![0; 6384], vec![8; 5]].concat();
        let files = vec![
            entry("a", 10_000, FileKind::File),
            entry(".pad/6384", 6384, FileKind::Padding),
            entry("empty", 0, FileKind::File),
            entry("b", 5, FileKind::File),
        ];
        let storage = Storage::open(info(files, &payload), root.path(), Access::Write).unwrap();
        let mut wrong = payload.clone();
        wrong[12_000] = 1;
        storage.write(0, &wrong).unwrap();
        assert_eq!(storage.read(Block { piece: PieceIndex(0), begin: 0, length: 16_384 }).unwrap(), payload[..16_384]);
        assert!(
            storage.is_intact(PieceIndex(0), Tally::default()).unwrap()
                && storage.is_intact(PieceIndex(1), Tally::default()).unwrap()
        );
        let mut names: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "empty"]);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp/elsewhere", root.path().join("a")).unwrap();
        let info = info(vec![entry("a", 5, FileKind::File)], &[1; 5]);
        assert!(Storage::open(info, root.path(), Access::Write).is_err());
    }
}
