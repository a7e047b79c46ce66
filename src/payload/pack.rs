//! A source becomes a payload.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;

use rustix::fs::FileType;

use super::exclude::{Exclude, GlobError};
use super::modes::Modes;
use super::sample::Sample;
use super::sink::Sink;
use super::tree::{Digesting, TreeWriter, link_target};
use super::walk::{Item, walk};
use super::{FileError, Format, PIECE_LENGTH_MAX, ReadError, hash, link, piece_length_for, text};
use crate::base::{BLOCK_LENGTH, ByteCount, Layout, LayoutError, PieceIndex, Sha1Digest, Sha256Digest};

/// Whether an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compress {
    /// When a sample says that it pays.
    #[default]
    Auto,
    /// Never.
    None,
    /// Always.
    Zstd,
}

/// How to pack.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// Globs of paths to leave out of a directory, besides `.git`: `*.log` anywhere, `/a/b` from the source.
    pub exclude: Vec<String>,
    /// Whether an archive is compressed.
    pub compress: Compress,
    /// A piece length other than [`piece_length_for`] the payload: a power of two from 16 KiB to 16 MiB.
    pub piece_length: Option<u32>,
    /// The `rwx` bits of everything; execution is for directories, and for what anybody could execute.
    pub mode: Option<u32>,
}

/// What packing does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackPhase {
    /// It finds what there is; the total is not known.
    Scanning,
    /// It reads the source into the archive.
    Archiving,
    /// It hashes the pieces of the payload.
    Hashing,
}

/// How far packing is. Told often: a caller that draws should look at its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackProgress {
    /// What it does.
    pub phase: PackPhase,
    /// How much of this phase is done.
    pub done: ByteCount,
    /// Of how much.
    pub total: ByteCount,
}

/// A payload, ready to be seeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Where it lies: a source that is a file is its own payload.
    pub path: PathBuf,
    /// How it becomes a release.
    pub format: Format,
    /// How it is cut.
    pub layout: Layout,
    /// The hash of each piece.
    pub pieces: Vec<Sha1Digest>,
    /// The digest of the payload as it travels.
    pub sha256: Sha256Digest,
    /// The digest of the release: of the archive before compression, or of the file.
    pub content_sha256: Sha256Digest,
    /// Bytes of the files in the release.
    pub unpacked_bytes: ByteCount,
    /// Number of files, directories and links in the release, its root included.
    pub unpacked_entries: u64,
    /// The `rwx` bits of the source itself. An archive holds them; for a file they have to be told to [`unpack`](super::unpack).
    pub mode: u32,
}

/// Why a source cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be read, changed meanwhile, or the payload cannot be written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A glob is none.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// There is nothing in it.
    #[error("{path} holds nothing to deploy", path = .path.display())]
    Empty {
        /// The source.
        path: PathBuf,
    },
    /// Something that is neither file, directory nor link.
    #[error("{path} is a {kind}, which cannot be deployed; leave it out with --exclude-path", path = .path.display())]
    Kind {
        /// Where it lies.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A link that hosts would refuse.
    #[error("{path} links to {target}, out of the release; make it relative and inside, or leave it out with --exclude-path", path = .path.display())]
    LinkOut {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: String,
    },
    /// The payload would be part of itself.
    #[error("the payload {out} would lie inside its source {path}", out = .out.display(), path = .path.display())]
    Inside {
        /// The source.
        path: PathBuf,
        /// The payload.
        out: PathBuf,
    },
    /// A piece length that is not used.
    #[error("piece length {found} is not a power of two from 16 KiB to 16 MiB")]
    PieceLength {
        /// The length wanted.
        found: u32,
    },
    /// The payload cannot be cut.
    #[error("cannot cut the payload into pieces: {0}")]
    Layout(#[from] LayoutError),
}

impl From<FileError> for PackError {
    fn from(error: FileError) -> Self {
        Self::Read(error.into())
    }
}

/// Packs `source`, a directory or a file; a link given as the source is followed.
///
/// A directory is archived to `out`, which is replaced if it exists, has mode 0600 and is removed on failure. A file is its own
/// payload, and `out` is not touched. `progress` is called from any thread.
///
/// # Errors
///
/// See [`PackError`]; the source is never written to.
pub fn pack(
    source: &Path,
    out: &Path,
    options: &PackOptions,
    progress: &(dyn Fn(PackProgress) + Sync),
    cancel: &AtomicBool,
) -> Result<Packed, PackError> {
    if let Some(found) = options.piece_length
        && (!found.is_power_of_two() || !(BLOCK_LENGTH..=PIECE_LENGTH_MAX).contains(&found))
    {
        return Err(PackError::PieceLength { found });
    }
    let metadata = std::fs::metadata(source).map_err(FileError::at("inspect", source))?;
    let packing = Packing { source, options, progress, cancel };
    if metadata.is_file() {
        packing.file(&metadata)
    } else if metadata.is_dir() {
        packing.directory(&metadata, out)
    } else {
        let kind = FileType::from_raw_mode(metadata.mode());
        Err(PackError::Kind { path: source.to_owned(), kind: kind_name(kind) })
    }
}

struct Packing<'a> {
    source: &'a Path,
    options: &'a PackOptions,
    progress: &'a (dyn Fn(PackProgress) + Sync),
    cancel: &'a AtomicBool,
}

/// What a first look at a directory found; the archive must hold exactly that.
#[derive(Default, PartialEq, Eq)]
struct Tally {
    bytes: u64,
    entries: u64,
}

impl Packing<'_> {
    fn file(&self, before: &Metadata) -> Result<Packed, PackError> {
        if before.len() == 0 {
            return Err(PackError::Empty { path: self.source.to_owned() });
        }
        let file = File::open(self.source).map_err(FileError::at("open", self.source))?;
        let layout = self.layout(before.len())?;
        let (pieces, sha256) = thread::scope(|scope| {
            let whole = scope.spawn(|| hash::sha256_file(self.source, self.cancel, &|_| {}));
            let pieces = self.pieces(&file, self.source, &layout);
            (pieces, whole.join().expect("a hashing thread does not panic"))
        });
        let after = std::fs::metadata(self.source).map_err(FileError::at("inspect", self.source))?;
        if stamp(before) != stamp(&after) {
            return Err(ReadError::Changed { path: self.source.to_owned() }.into());
        }
        let sha256 = sha256?;
        Ok(Packed {
            path: self.source.to_owned(),
            format: Format::File,
            layout,
            pieces: pieces?,
            sha256,
            content_sha256: sha256,
            unpacked_bytes: ByteCount(before.len()),
            unpacked_entries: 1,
            mode: Modes::packed(self.options.mode).of_file(before.mode()),
        })
    }

    fn directory(&self, metadata: &Metadata, out: &Path) -> Result<Packed, PackError> {
        self.refuse_inside(out)?;
        let exclude = Exclude::new(&self.options.exclude)?;
        let (tally, sample) = self.scan(&exclude)?;
        if tally.entries < 2 {
            return Err(PackError::Empty { path: self.source.to_owned() });
        }
        let format = match self.options.compress {
            Compress::Zstd => Format::TarZstd,
            Compress::Auto if sample.pays(self.source)? => Format::TarZstd,
            Compress::Auto | Compress::None => Format::Tar,
        };
        let unfinished = Unfinished { path: Some(out) };
        let sink = match format {
            Format::File | Format::Tar => Sink::plain(create(out)?),
            Format::TarZstd => Sink::zstd(create(out)?, hash::workers()).map_err(FileError::at("write", out))?,
        };
        let (sink, content_sha256, _) = self.archive(&exclude, &tally, sink, out)?.finish();
        let (file, sha256, length) = sink.finish().map_err(FileError::at("write", out))?;
        let layout = self.layout(length)?;
        let pieces = self.pieces(&file, out, &layout)?;
        unfinished.keep();
        Ok(Packed {
            path: out.to_owned(),
            format,
            layout,
            pieces,
            sha256,
            content_sha256,
            unpacked_bytes: ByteCount(tally.bytes),
            unpacked_entries: tally.entries,
            mode: Modes::packed(self.options.mode).of_directory(metadata.mode()),
        })
    }

    fn refuse_inside(&self, out: &Path) -> Result<(), PackError> {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let canonical = |path: &Path| path.canonicalize().map_err(FileError::at("find", path));
        if canonical(folder)?.starts_with(canonical(self.source)?) {
            return Err(PackError::Inside { path: self.source.to_owned(), out: out.to_owned() });
        }
        Ok(())
    }

    fn scan(&self, exclude: &Exclude) -> Result<(Tally, Sample), PackError> {
        let (mut tally, mut sample) = (Tally::default(), Sample::new());
        walk(self.source, Some(exclude), self.cancel, &mut |item| {
            let size = check(item)?;
            sample.add(item.path, size);
            tally.bytes += size;
            tally.entries += 1;
            self.tell(PackPhase::Scanning, tally.bytes, 0);
            Ok::<_, PackError>(())
        })?;
        Ok((tally, sample))
    }

    fn archive(
        &self,
        exclude: &Exclude,
        scanned: &Tally,
        sink: Sink,
        out: &Path,
    ) -> Result<Digesting<Sink>, PackError> {
        let (mut found, mut done) = (Tally::default(), 0);
        let mut read = |bytes| {
            done += bytes;
            self.tell(PackPhase::Archiving, done, scanned.bytes);
        };
        let mut writer =
            TreeWriter::new(Digesting::new(sink), out, Modes::packed(self.options.mode), self.cancel, &mut read);
        walk(self.source, Some(exclude), self.cancel, &mut |item| {
            found.bytes += check(item)?;
            found.entries += 1;
            Ok::<_, PackError>(writer.append(item)?)
        })?;
        if found != *scanned {
            return Err(ReadError::Changed { path: self.source.to_owned() }.into());
        }
        Ok(writer.finish()?)
    }

    fn layout(&self, total: u64) -> Result<Layout, LayoutError> {
        Layout::new(total, self.options.piece_length.unwrap_or_else(|| piece_length_for(total)))
    }

    fn pieces(&self, file: &File, path: &Path, layout: &Layout) -> Result<Vec<Sha1Digest>, ReadError> {
        let which: Vec<PieceIndex> = layout.pieces().collect();
        let told = |ByteCount(done)| self.tell(PackPhase::Hashing, done, layout.total());
        let hashes = hash::hash_pieces(file, path, layout, &which, self.cancel, &told)?;
        let complete: Option<Vec<_>> = hashes.into_iter().collect();
        complete.ok_or_else(|| ReadError::Changed { path: path.to_owned() })
    }

    fn tell(&self, phase: PackPhase, done: u64, total: u64) {
        (self.progress)(PackProgress { phase, done: ByteCount(done), total: ByteCount(total) });
    }
}

/// Refuses what a host would refuse; returns the bytes of content.
pub(super) fn check(item: &Item<'_>) -> Result<u64, PackError> {
    match item.kind() {
        FileType::RegularFile => Ok(u64::try_from(item.stat.st_size).unwrap_or(0)),
        FileType::Directory => Ok(0),
        FileType::Symlink => {
            let target = link_target(item)?;
            if link::leads_out(item.path, &target) {
                return Err(PackError::LinkOut { path: item.location(), target: text(&target) });
            }
            Ok(0)
        }
        kind @ (FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown) => Err(PackError::Kind { path: item.location(), kind: kind_name(kind) }),
    }
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "thing of unknown kind",
    }
}

/// What differs when a file was written to or replaced.
fn stamp(metadata: &Metadata) -> [i128; 8] {
    [
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.mode().into(),
        metadata.size().into(),
        metadata.mtime().into(),
        metadata.mtime_nsec().into(),
        metadata.ctime().into(),
        metadata.ctime_nsec().into(),
    ]
}

fn create(out: &Path) -> Result<File, FileError> {
    match std::fs::remove_file(out) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::at("replace", out)(error)),
        Ok(()) | Err(_) => {}
    }
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(out);
    let file = file.map_err(FileError::at("create", out))?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(FileError::at("protect", out))?;
    Ok(file)
}

/// A payload that is removed unless it is kept.
struct Unfinished<'a> {
    path: Option<&'a Path>,
}

impl Unfinished<'_> {
    fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.path {
            // It may not even have been created; what is left is found and named by whoever cleans the folder.
            let _ = std::fs::remove_file(path);
        }
    }
}
