//! `rookery torrent`: standard .torrent files, for any client.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::args::{TorrentArgs, TorrentCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::out::{self, Rows, count};
use crate::base::ByteCount;
use crate::metainfo::{Content, Info, Metainfo};
use crate::payload::{Compress, PackOptions, pack};

/// Makes or shows a .torrent.
pub(super) fn main(args: &TorrentArgs) -> Ended {
    match &args.command {
        TorrentCommand::Create { path, announce, output, piece_length } => {
            create(path, announce, output, *piece_length)
        }
        TorrentCommand::Show { file } => show(file),
    }
}

fn create(path: &Path, announce: &str, output: &Path, length: Option<u32>) -> Ended {
    check(path, announce, output)?;
    let options = PackOptions { exclude: Vec::new(), compress: Compress::None, piece_length: length };
    let packed = pack(path, output, &options, &|_| (), &AtomicBool::new(false)).or_unexpected("hash the file")?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let info = Info::single(&name, packed.layout, &packed.pieces).or_unexpected("make the .torrent")?;
    let metainfo = Metainfo::new(Some(announce.to_owned()), info);
    fs::write(output, metainfo.encode()).or_unexpected(format_args!("write {}", output.display()))?;
    let pieces = count(u64::from(packed.layout.piece_count()), "piece", "pieces");
    out::print(format!("{}  {}  {pieces}\n", metainfo.info_hash(), output.display()))
}

fn check(path: &Path, announce: &str, output: &Path) -> Result<(), Ending> {
    let usage = |why: String| Err(Ending::new(Exit::Usage, why));
    if !path.exists() {
        return usage(format!("{} does not exist", path.display()));
    }
    if !path.is_file() {
        let what = if path.is_dir() { "is a directory" } else { "is no file" };
        let why =
            format!("{} {what}; a .torrent is made of one file (`rookery run` packages directories)", path.display());
        return usage(why);
    }
    if !["http://", "https://", "udp://"].iter().any(|scheme| announce.starts_with(scheme)) {
        return usage(format!("`{announce}` is no tracker; write http://ADDRESS:PORT/announce"));
    }
    if output.exists() && output.canonicalize().ok() == path.canonicalize().ok() {
        return usage(format!("-o {} is the file itself", output.display()));
    }
    Ok(())
}

fn show(file: &Path) -> Ended {
    let bytes = fs::read(file).or_unexpected(format_args!("read {}", file.display()))?;
    let metainfo = Metainfo::parse(&bytes).or_unexpected(format_args!("read {}", file.display()))?;
    let (info, layout) = (&metainfo.info, metainfo.layout());
    let mut rows = Rows::default();
    rows.add("name", info.name());
    rows.add("info-hash", metainfo.info_hash());
    rows.add("size", format!("{} ({} bytes)", ByteCount(layout.total()), layout.total()));
    rows.add("pieces", format!("{} of {}", layout.piece_count(), ByteCount(u64::from(layout.nominal_piece_length()))));
    rows.add("private", if info.is_private() { "yes" } else { "no" });
    metainfo.trackers().for_each(|tracker| rows.add("tracker", tracker));
    match info.content() {
        Content::Single => {}
        Content::Multi(files) => {
            for file in files {
                rows.add("file", format!("{:>14}  {}", file.length, file.path.join("/")));
            }
        }
    }
    out::print(printable(&rows.into_text()))
}

/// A .torrent may come from anywhere: what would move the cursor is shown instead.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(shown).collect()
}
