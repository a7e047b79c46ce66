//! A source of this machine becomes a payload, with its progress on stderr.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::args::{CompressArg, RunArgs};
use super::exit::{Ending, Exit, Or};
use crate::base::ByteCount;
use crate::control::{PayloadFacts, PayloadFormat};
use crate::metainfo::{Info, Metainfo};
use crate::payload::{Compress, Format, PackOptions, PackPhase, PackProgress, Packed, pack};
use crate::rollout::Payload;

/// Between two lines of progress.
const TELL_INTERVAL: Duration = Duration::from_millis(200);

/// A payload and where it lies.
#[derive(Debug)]
pub(super) struct Package {
    /// What is sent.
    pub(super) payload: Payload,
    /// The file that is sent.
    pub(super) path: PathBuf,
    /// Whether the file was made for this run.
    pub(super) made: bool,
}

impl Package {
    /// Removes the file, if it was made for this run.
    pub(super) fn remove(&self) -> Option<String> {
        if !self.made {
            return None;
        }
        let removed = std::fs::remove_file(&self.path);
        removed.err().map(|error| format!("{} ({error})", self.path.display()))
    }
}

/// The piece length in bytes, if one is given.
pub(super) fn piece_length(given: Option<ByteCount>) -> Result<Option<u32>, Ending> {
    given
        .map(|ByteCount(bytes)| u32::try_from(bytes).or_exit(Exit::Usage))
        .transpose()
        .map_err(|_: Ending| Ending::new(Exit::Usage, "--piece-length takes a power of two from 16K to 16M"))
}

/// The name a release gets its default tag from.
pub(super) fn base_name(path: &Path) -> String {
    let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || "._+@:=,~-".contains(c) { c } else { '-' }).collect();
    let safe = safe.trim_start_matches(['.', '-']).to_owned();
    if safe.is_empty() { "release".to_owned() } else { safe.chars().take(100).collect() }
}

/// Packages `source` into `out` (a file is its own payload), until `cancel` is set.
pub(super) fn package(source: &Path, out: &Path, args: &RunArgs, cancel: &AtomicBool) -> Result<Package, Ending> {
    let compress = match args.compress {
        CompressArg::Auto => Compress::Auto,
        CompressArg::None => Compress::None,
        CompressArg::Zstd => Compress::Zstd,
    };
    let options =
        PackOptions { exclude: args.exclude_path.clone(), compress, piece_length: piece_length(args.piece_length)? };
    let teller = Teller::new(args.show.quiet || args.show.json);
    let packed = pack(source, out, &options, &|progress| teller.tell(progress), cancel);
    teller.clear();
    let packed = packed.or_unexpected(format_args!("package {}", source.display()))?;
    let payload = payload(&packed, &base_name(source))?;
    let made = packed.path == out;
    Ok(Package { payload, path: packed.path, made })
}

fn payload(packed: &Packed, name: &str) -> Result<Payload, Ending> {
    let info = Info::single(name, packed.layout, &packed.pieces).or_unexpected("make the torrent")?;
    let metainfo = Metainfo::new(None, info);
    let facts = PayloadFacts {
        format: match packed.format {
            Format::File => PayloadFormat::File,
            Format::Tar => PayloadFormat::Tar,
            Format::TarZstd => PayloadFormat::TarZstd,
        },
        sha256: packed.sha256,
        content_sha256: packed.content_sha256,
        unpacked_bytes: packed.unpacked_bytes,
        unpacked_entries: packed.unpacked_entries,
        mode: packed.mode,
    };
    let torrent = Bytes::from(metainfo.encode());
    Ok(Payload { torrent, info_hash: metainfo.info_hash(), layout: packed.layout, facts })
}

/// A line on stderr that overwrites itself.
struct Teller {
    told: Mutex<Instant>,
    silent: bool,
}

impl Teller {
    fn new(quiet: bool) -> Self {
        Self { told: Mutex::new(Instant::now()), silent: quiet || !std::io::stderr().is_terminal() }
    }

    fn tell(&self, progress: PackProgress) {
        if self.silent {
            return;
        }
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.elapsed() < TELL_INTERVAL {
            return;
        }
        *told = Instant::now();
        let phase = match progress.phase {
            PackPhase::Scanning => "looking",
            PackPhase::Archiving => "packaging",
            PackPhase::Hashing => "hashing",
        };
        eprint!("\r\x1b[K{phase} {} of {}", progress.done, progress.total);
        let _ = std::io::stderr().flush();
    }

    fn clear(&self) {
        if !self.silent {
            eprint!("\r\x1b[K");
        }
    }
}
