//! Tar headers, always the same for the same entry.
//!
//! GNU format: names and link targets longer than 100 bytes travel in an `L` or `K` entry before theirs, sizes of 8 GiB and
//! more are binary, and names may hold any byte. The first entry is the root, `./`; directories end in `/`.

use tar::{EntryType, Header};

use super::MTIME;

/// Unit of a tar archive.
pub(super) const RECORD: usize = 512;

/// What a long name's entry is called in every GNU archive.
const LONG_NAME: &[u8] = b"././@LongLink";

/// Returns the header of one entry with all that goes before it: whole records, to be followed by the content.
pub(super) fn header(kind: EntryType, name: &[u8], mode: u32, size: u64, target: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD);
    let mut header = plain(kind, mode, size);
    let gnu = header.as_gnu_mut().expect("the header was made as a GNU one");
    for (field, text, long) in [(&mut gnu.linkname, target, b'K'), (&mut gnu.name, name, b'L')] {
        if text.len() > field.len() {
            push_long(&mut bytes, long, text);
        }
        let short = text.len().min(field.len());
        field[..short].copy_from_slice(&text[..short]);
    }
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// Returns how many zero bytes fill up the last record of `size` bytes of content.
pub(super) fn padding(size: u64) -> usize {
    (size.next_multiple_of(RECORD as u64) - size) as usize
}

fn push_long(bytes: &mut Vec<u8>, kind: u8, text: &[u8]) {
    let size = text.len() as u64 + 1;
    let mut header = plain(EntryType::new(kind), 0o644, size);
    header.as_gnu_mut().expect("the header was made as a GNU one").name[..LONG_NAME.len()].copy_from_slice(LONG_NAME);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(text);
    bytes.resize(bytes.len() + 1 + padding(size), 0);
}

fn plain(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_eight_gib_fit() {
        let bytes = header(EntryType::Regular, b"big", 0o644, 10 << 30, b"");
        assert_eq!(Header::from_byte_slice(&bytes).entry_size().unwrap(), 10 << 30);
    }

    #[test]
    fn long_names_go_before_their_entry() {
        let name = vec![b'n'; 300];
        let bytes = header(EntryType::Symlink, &name, 0o777, 0, &[b't'; 101]);
        assert_eq!(bytes.len(), 5 * RECORD);
        assert_eq!(Header::from_byte_slice(&bytes[..RECORD]).entry_type(), EntryType::GNULongLink);
        assert_eq!(Header::from_byte_slice(&bytes[2 * RECORD..3 * RECORD]).entry_type(), EntryType::GNULongName);
        assert_eq!(header(EntryType::Regular, &[b'n'; 100], 0o644, 0, b"").len(), RECORD);
    }

    #[test]
    fn content_is_padded_to_whole_records() {
        for (size, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), zeros);
        }
    }
}
