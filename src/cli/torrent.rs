//! `rookery torrent`: standard .torrent files, for any client.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::args::{TorrentArgs, TorrentCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::out::{self, Rows, count};
use crate::base::{ByteCount, Layout, Sha1Digest};
use crate::metainfo::{Content, FileKind, Info, Metainfo, Privacy};
use crate::payload::{Compress, PackOptions, hash_folder, pack};

/// Makes or shows a .torrent.
pub(super) fn main(args: &TorrentArgs) -> Ended {
    match &args.command {
        TorrentCommand::Create { path, announce, output, piece_length, private } => {
            let privacy = if *private { Privacy::Private } else { Privacy::Public };
            create(path, announce, output, *piece_length, privacy)
        }
        TorrentCommand::Show { file } => show(file),
    }
}

fn create(path: &Path, announce: &str, output: &Path, length: Option<u32>, privacy: Privacy) -> Ended {
    check(path, announce, output)?;
    let (content, layout, pieces) = hash(path, output, length)?;
    let name = path.canonicalize().or_unexpected(format_args!("find {}", path.display()))?;
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let info = Info::describe(&name, &content, layout, &pieces, privacy).or_unexpected("make the .torrent")?;
    let metainfo = Metainfo::new(Some(announce.to_owned()), info);
    fs::write(output, metainfo.encode()).or_unexpected(format_args!("write {}", output.display()))?;
    let pieces = count(u64::from(layout.piece_count()), "piece", "pieces");
    out::print(format!("{}  {}  {pieces}\n", metainfo.info_hash(), output.display()))
}

fn hash(path: &Path, output: &Path, length: Option<u32>) -> Result<(Content, Layout, Vec<Sha1Digest>), Ending> {
    let cancel = AtomicBool::new(false);
    if path.is_dir() {
        let folder = hash_folder(path, length, &cancel).or_unexpected("hash the folder")?;
        return Ok((Content::Multi(folder.files), folder.layout, folder.pieces));
    }
    let options = PackOptions { exclude: Vec::new(), compress: Compress::None, piece_length: length, mode: None };
    let packed = pack(path, output, &options, &|_| (), &cancel).or_unexpected("hash the file")?;
    Ok((Content::Single, packed.layout, packed.pieces))
}

fn check(path: &Path, announce: &str, output: &Path) -> Result<(), Ending> {
    let usage = |why: String| Err(Ending::new(Exit::Usage, why));
    if !path.exists() {
        return usage(format!("{} does not exist", path.display()));
    }
    if !path.is_file() && !path.is_dir() {
        return usage(format!("{} is neither a file nor a folder", path.display()));
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
            for file in files.iter().filter(|file| file.kind == FileKind::File) {
                rows.add("file", format!("{:>14}  {}", file.length, file.joined()));
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
