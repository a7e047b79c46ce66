//! `rookery torrent`: standard .torrent files, for any client.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::args::{TorrentArgs, TorrentCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::package::piece_length;
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

fn create(path: &Path, announce: &str, output: &Path, length: Option<ByteCount>) -> Ended {
    if !path.is_file() {
        let why = format!("{} is not a file; `rookery run` packages directories", path.display());
        return Err(Ending::new(Exit::Usage, why));
    }
    if !announce.starts_with("http://") {
        return Err(Ending::new(
            Exit::Usage,
            format!("`{announce}` is no tracker; write http://ADDRESS:PORT/announce"),
        ));
    }
    let options = PackOptions { exclude: Vec::new(), compress: Compress::None, piece_length: piece_length(length)? };
    let packed = pack(path, output, &options, &|_| (), &AtomicBool::new(false))
        .or_unexpected(format_args!("hash {}", path.display()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let info = Info::single(&name, packed.layout, &packed.pieces).or_unexpected("make the .torrent")?;
    let metainfo = Metainfo::new(Some(announce.to_owned()), info);
    fs::write(output, metainfo.encode()).or_unexpected(format_args!("write {}", output.display()))?;
    println!("{}  {}  {} pieces", metainfo.info_hash(), output.display(), packed.layout.piece_count());
    Ok(Exit::Done)
}

fn show(file: &Path) -> Ended {
    let bytes = fs::read(file).or_unexpected(format_args!("read {}", file.display()))?;
    let metainfo = Metainfo::parse(&bytes).or_exit(Exit::Invalid)?;
    let (info, layout) = (&metainfo.info, metainfo.layout());
    println!("name          {}", info.name());
    println!("info-hash     {}", metainfo.info_hash());
    println!("size          {} ({} bytes)", ByteCount(layout.total()), layout.total());
    println!("pieces        {} x {}", layout.piece_count(), ByteCount(u64::from(layout.nominal_piece_length())));
    println!("private       {}", if info.is_private() { "yes" } else { "no" });
    metainfo.trackers().for_each(|tracker| println!("tracker       {tracker}"));
    match info.content() {
        Content::Single { .. } => {}
        Content::Multi(files) => {
            for file in files {
                println!("{:>14}  {}", file.length, file.path.join("/"));
            }
        }
    }
    Ok(Exit::Done)
}
