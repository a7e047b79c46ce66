//! A source of this machine becomes a payload, with its progress on stderr.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::args::{CompressArg, RunArgs};
use super::exit::{Ending, Exit, Or};
use super::interrupt::Interrupt;
use super::out::tell_on;
use crate::control::PayloadFacts;
use crate::metainfo::{Info, Metainfo};
use crate::payload::{Compress, PackError, PackOptions, PackPhase, PackProgress, Packed, pack};
use crate::rollout::Payload;

/// Between two lines of progress.
const TELL_INTERVAL: Duration = Duration::from_millis(200);

/// A payload and where it lies.
#[derive(Debug)]
pub(super) struct Package {
    /// What is sent.
    pub(super) payload: Payload,
    /// The file that is sent: the source, or one that was made of it.
    pub(super) path: PathBuf,
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

/// Packages `source` into `out` (a file is its own payload), until a signal comes.
pub(super) fn package(
    source: &Path,
    out: &Path,
    args: &RunArgs,
    mode: Option<u32>,
    interrupt: &Interrupt,
) -> Result<Package, Ending> {
    let compress = match args.compress {
        CompressArg::Auto => Compress::Auto,
        CompressArg::None => Compress::None,
        CompressArg::Zstd => Compress::Zstd,
    };
    let exclude = args.exclude_path.clone();
    let options = PackOptions { exclude, compress, piece_length: args.piece_length, mode };
    let teller = Teller::new(args.show.quiet || args.show.json);
    let packed = pack(source, out, &options, &|progress| teller.tell(progress), interrupt.flag());
    teller.clear();
    interrupt.check()?;
    let packed = packed.map_err(|error| Ending::new(exit_of(&error), format!("failed to package: {error}")))?;
    let payload = payload(&packed, &base_name(source))?;
    Ok(Package { payload, path: packed.path })
}

/// What the operator has to change in the arguments or the source is not unexpected.
const fn exit_of(error: &PackError) -> Exit {
    match error {
        PackError::Glob(_)
        | PackError::Empty { .. }
        | PackError::Kind { .. }
        | PackError::LinkOut { .. }
        | PackError::Inside { .. }
        | PackError::PieceLength { .. }
        | PackError::Layout(_) => Exit::Usage,
        PackError::Read(_) => Exit::Unexpected,
    }
}

fn payload(packed: &Packed, name: &str) -> Result<Payload, Ending> {
    let info = Info::single(name, packed.layout, &packed.pieces).or_unexpected("make the torrent")?;
    let metainfo = Metainfo::new(None, info);
    let facts = PayloadFacts::from(packed);
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
        // A line that is written over needs a terminal that can.
        let overwrites = std::io::stderr().is_terminal() && super::theme::terminal().has_screen();
        Self { told: Mutex::new(Instant::now()), silent: quiet || !overwrites }
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
        let PackProgress { done, total, .. } = progress;
        match progress.phase {
            PackPhase::Scanning => tell_on(format_args!("\r\x1b[K{phase}: {done}")),
            PackPhase::Archiving | PackPhase::Hashing => tell_on(format_args!("\r\x1b[K{phase} {done} of {total}")),
        }
    }

    fn clear(&self) {
        if !self.silent {
            tell_on("\r\x1b[K");
        }
    }
}
