//! The .torrent file: [`Metainfo`], and [`Info`], the part that is hashed (BEP 3, 12, 27).
//!
//! Values and their bytes. The info-hash is always that of the info dictionary's bytes as they were found, unknown keys
//! included. It reads no file, computes no piece hash and resolves no tracker's name.

use bt_bencode::ByteString;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::base::{BencodeError, InfoHash, Layout, LayoutError, PieceIndex, Sha1Digest, check_bencode};

/// Longest .torrent in bytes: as many pieces as a [`Layout`] may have, with room for files and unknown keys.
pub const METAINFO_LENGTH_MAX: usize = 32 << 20;

/// Most bencoded values in a .torrent: about 40 000 files.
const VALUES_MAX: usize = 1 << 18;
/// Longest name of a file or directory, in bytes, as on every usual file system.
const COMPONENT_LENGTH_MAX: usize = 255;
/// Deepest path of a file in a torrent.
const COMPONENTS_MAX: usize = 64;
/// Most tracker addresses that are kept.
const TRACKERS_MAX: usize = 64;

/// Why bytes are not a .torrent, or values cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// Past the bound.
    #[error("the torrent is {0} bytes long; {METAINFO_LENGTH_MAX} are allowed")]
    Long(usize),
    /// Not bencode.
    #[error("the torrent is not bencode: {0}")]
    Bencode(#[from] BencodeError),
    /// Bencode, but a key is missing or has another type.
    #[error("the torrent is not as BEP 3 has it: {0}")]
    Keys(String),
    /// `info` is something else.
    #[error("the torrent's info is no dictionary")]
    NoInfo,
    /// A text that is not UTF-8.
    #[error("the torrent's {0} is not UTF-8")]
    Text(&'static str),
    /// A name that could leave its folder, or that no file system takes.
    #[error("`{0}` cannot name a file; it is empty, too long, or holds `/`, `..` or NUL")]
    UnsafePath(String),
    /// A path with no or too many components.
    #[error("a path in `{name}` has {components} components; 1 to {COMPONENTS_MAX} are allowed")]
    Depth {
        /// The torrent's name.
        name: String,
        /// Components of the path.
        components: usize,
    },
    /// Neither one file nor several, or both.
    #[error("the torrent must have either a length or a list of files")]
    Content,
    /// `pieces` is no list of SHA-1 digests.
    #[error("the torrent's pieces are {0} bytes, not a multiple of 20")]
    Pieces(usize),
    /// More or fewer digests than the length asks for.
    #[error("the torrent has {found} piece hashes for {expected} pieces")]
    PieceCount {
        /// Digests.
        found: usize,
        /// Pieces.
        expected: u32,
    },
    /// Sizes that no payload has.
    #[error("the torrent's sizes are impossible: {0}")]
    Layout(#[from] LayoutError),
    /// A piece length or a sum of file lengths past its integer.
    #[error("the torrent's {0} is too large")]
    TooLarge(&'static str),
}

/// A .torrent file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// The tracker's URL.
    pub announce: Option<String>,
    /// Tiers of trackers (BEP 12); empty when there is none.
    pub announce_list: Vec<Vec<String>>,
    /// The part that is hashed.
    pub info: Info,
}

/// The part of a .torrent that is hashed: what the payload is.
///
/// ```
/// use rookery::base::{Layout, Sha1Digest};
/// use rookery::metainfo::{Info, Metainfo};
///
/// let layout = Layout::new(100_000, 65_536).expect("a payload of two pieces");
/// let info = Info::single("site.tar", layout, &[Sha1Digest::new([7; 20]); 2]).expect("a plain name");
/// let torrent = Metainfo::new(Some("http://192.0.2.1:8998/announce".to_owned()), info);
/// assert_eq!(Metainfo::parse(&torrent.encode()), Ok(torrent));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    name: String,
    layout: Layout,
    pieces: Vec<Sha1Digest>,
    content: Content,
    private: bool,
    raw: Bytes,
    hash: InfoHash,
}

/// What the bytes of a payload are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One file, called as the torrent.
    Single,
    /// Several files in a folder called as the torrent, laid end to end.
    Multi(Vec<FileEntry>),
}

/// One of several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its length in bytes.
    pub length: u64,
    /// Its path below the torrent's folder: at least one component, each safe to use as a file name.
    pub path: Vec<String>,
}

impl Metainfo {
    /// A .torrent with at most one tracker.
    pub const fn new(announce: Option<String>, info: Info) -> Self {
        Self { announce, announce_list: Vec::new(), info }
    }

    /// Reads a .torrent.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        if bytes.len() > METAINFO_LENGTH_MAX {
            return Err(MetainfoError::Long(bytes.len()));
        }
        check_bencode(bytes, VALUES_MAX)?;
        let raw: RawMetainfo<'_> = bt_bencode::from_slice(bytes).map_err(|error| keys(&error))?;
        let announce = raw.announce.map(|url| text(url, "announce")).transpose()?;
        let mut room = TRACKERS_MAX;
        let mut announce_list = Vec::new();
        for tier in raw.announce_list.unwrap_or_default() {
            let urls: Vec<_> =
                tier.into_iter().take(room).map(|url| text(url, "announce-list")).collect::<Result<_, _>>()?;
            room -= urls.len();
            if !urls.is_empty() {
                announce_list.push(urls);
            }
        }
        Ok(Self { announce, announce_list, info: Info::parse(raw.info)? })
    }

    /// The bytes of a .torrent; the info dictionary goes in as it was found.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = b"d".to_vec();
        if let Some(announce) = &self.announce {
            put_string(&mut out, "announce");
            put_string(&mut out, announce);
        }
        if !self.announce_list.is_empty() {
            put_string(&mut out, "announce-list");
            out.push(b'l');
            for tier in &self.announce_list {
                out.push(b'l');
                for url in tier {
                    put_string(&mut out, url);
                }
                out.push(b'e');
            }
            out.push(b'e');
        }
        put_string(&mut out, "info");
        out.extend_from_slice(&self.info.raw);
        out.push(b'e');
        out
    }

    /// The name of the torrent's swarm.
    pub const fn info_hash(&self) -> InfoHash {
        self.info.hash
    }

    /// How the payload is cut.
    pub const fn layout(&self) -> Layout {
        self.info.layout
    }

    /// Every tracker's URL, in the order they are to be tried.
    pub fn trackers(&self) -> impl Iterator<Item = &str> {
        let listed = self.announce_list.iter().flatten();
        self.announce
            .iter()
            .filter(|url| !self.announce_list.iter().flatten().any(|other| other == *url))
            .chain(listed)
            .map(String::as_str)
    }
}

impl Info {
    /// Describes a payload of one file, private to its tracker (BEP 27).
    pub fn single(name: &str, layout: Layout, pieces: &[Sha1Digest]) -> Result<Self, MetainfoError> {
        let dictionary = RawInfo {
            name: name.into(),
            piece_length: u64::from(layout.nominal_piece_length()),
            pieces: pieces.iter().flat_map(Sha1Digest::as_bytes).copied().collect::<Vec<_>>().into(),
            length: Some(layout.total()),
            files: None,
            private: Some(1),
        };
        let raw = bt_bencode::to_vec(&dictionary).map_err(|error| keys(&error))?;
        Self::from_raw(dictionary, raw.into())
    }

    /// Reads the info dictionary alone.
    pub fn parse(raw: &[u8]) -> Result<Self, MetainfoError> {
        if raw.first() != Some(&b'd') {
            return Err(MetainfoError::NoInfo);
        }
        if raw.len() > METAINFO_LENGTH_MAX {
            return Err(MetainfoError::Long(raw.len()));
        }
        check_bencode(raw, VALUES_MAX)?;
        let dictionary = bt_bencode::from_slice(raw).map_err(|error| keys(&error))?;
        Self::from_raw(dictionary, Bytes::copy_from_slice(raw))
    }

    fn from_raw(dictionary: RawInfo, raw: Bytes) -> Result<Self, MetainfoError> {
        let name = component(dictionary.name)?;
        let piece_length =
            u32::try_from(dictionary.piece_length).map_err(|_too_large| MetainfoError::TooLarge("piece length"))?;
        let (total, content) = match (dictionary.length, dictionary.files) {
            (Some(length), None) => (length, Content::Single),
            (None, Some(files)) => {
                let files = files.into_iter().map(|file| file.safe(&name)).collect::<Result<Vec<_>, _>>()?;
                let total = files.iter().try_fold(0_u64, |total, file| total.checked_add(file.length));
                (total.ok_or(MetainfoError::TooLarge("length"))?, Content::Multi(files))
            }
            (Some(_), Some(_)) | (None, None) => return Err(MetainfoError::Content),
        };
        let layout = Layout::new(total, piece_length)?;
        let (digests, rest) = dictionary.pieces.as_chunks::<{ Sha1Digest::LENGTH }>();
        if !rest.is_empty() {
            return Err(MetainfoError::Pieces(dictionary.pieces.len()));
        }
        if digests.len() != layout.piece_count() as usize {
            return Err(MetainfoError::PieceCount { found: digests.len(), expected: layout.piece_count() });
        }
        let pieces = digests.iter().copied().map(Sha1Digest::new).collect();
        let hash = InfoHash::new(Sha1::digest(&raw).into());
        Ok(Self { name, layout, pieces, content, private: dictionary.private == Some(1), raw, hash })
    }

    /// What the file, or the folder of several files, is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the payload is cut.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The digest of every piece, first to last.
    pub fn pieces(&self) -> &[Sha1Digest] {
        &self.pieces
    }

    /// The digest one piece must have.
    pub fn piece(&self, piece: PieceIndex) -> Option<Sha1Digest> {
        self.pieces.get(piece.as_usize()).copied()
    }

    /// One file or several.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Whether peers come from the tracker only (BEP 27).
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// The name of the swarm: the SHA-1 of [`Self::raw`].
    pub const fn info_hash(&self) -> InfoHash {
        self.hash
    }

    /// The dictionary's bytes as they were found or made.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }
}

#[derive(Deserialize)]
struct RawMetainfo<'a> {
    announce: Option<ByteString>,
    #[serde(rename = "announce-list")]
    announce_list: Option<Vec<Vec<ByteString>>>,
    #[serde(borrow)]
    info: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct RawInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<RawFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    name: ByteString,
    #[serde(rename = "piece length")]
    piece_length: u64,
    pieces: ByteString,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct RawFile {
    length: u64,
    path: Vec<ByteString>,
}

impl RawFile {
    fn safe(self, name: &str) -> Result<FileEntry, MetainfoError> {
        if !(1..=COMPONENTS_MAX).contains(&self.path.len()) {
            return Err(MetainfoError::Depth { name: name.to_owned(), components: self.path.len() });
        }
        let path = self.path.into_iter().map(component).collect::<Result<_, _>>()?;
        Ok(FileEntry { length: self.length, path })
    }
}

fn component(bytes: ByteString) -> Result<String, MetainfoError> {
    let name = text(bytes, "file name")?;
    let unsafe_name = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if unsafe_name || name.len() > COMPONENT_LENGTH_MAX {
        return Err(MetainfoError::UnsafePath(name.chars().take(80).collect()));
    }
    Ok(name)
}

fn text(bytes: ByteString, what: &'static str) -> Result<String, MetainfoError> {
    String::from_utf8(bytes.into_vec()).map_err(|_not_utf8| MetainfoError::Text(what))
}

fn keys(error: &bt_bencode::Error) -> MetainfoError {
    MetainfoError::Keys(error.to_string())
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{}:{text}", text.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(dictionary: &str) -> Result<Info, MetainfoError> {
        Info::parse(dictionary.as_bytes())
    }

    fn dictionary(middle: &str) -> String {
        format!("d{middle}12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae")
    }

    #[test]
    fn our_torrents_are_private_and_have_sorted_keys() {
        let layout = Layout::new(5, 16_384).unwrap();
        let info = Info::single("x", layout, &[Sha1Digest::new([b'a'; 20])]).unwrap();
        let raw = "d6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1ee";
        assert_eq!(info.raw(), raw);
        assert_eq!(info.info_hash().to_string(), "3dbd0cd3d56695117a27c63e8683fb02242d8edf");
        let torrent = Metainfo::new(Some("http://h/a".to_owned()), info);
        assert_eq!(torrent.encode(), format!("d8:announce10:http://h/a4:info{raw}e").as_bytes());
    }

    #[test]
    fn unknown_keys_count_for_the_info_hash_and_survive() {
        let plain = info(&dictionary("6:lengthi5e4:name1:x")).unwrap();
        let raw = dictionary("6:lengthi5e4:name1:x6:sourced1:kli1eee");
        let tagged = info(&raw).unwrap();
        assert_ne!(plain.info_hash(), tagged.info_hash());
        let torrent = Metainfo::new(None, tagged);
        assert!(torrent.encode().windows(raw.len()).any(|window| window == raw.as_bytes()));
        assert_eq!(Metainfo::parse(&torrent.encode()).unwrap().info_hash(), torrent.info_hash());
    }

    #[test]
    fn several_files_are_laid_end_to_end() {
        let files = "5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi4e4:pathl1:ceee4:name1:d";
        let info = info(&dictionary(files)).unwrap();
        assert_eq!(info.layout().total(), 7);
        let entry = |length, path: &[&str]| FileEntry { length, path: path.iter().map(|&p| p.to_owned()).collect() };
        assert_eq!(info.content(), &Content::Multi(vec![entry(3, &["a", "b"]), entry(4, &["c"])]));
    }

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for name in ["2:..", "1:.", "0:", "3:a/b", "2:a\0"] {
            let single = info(&dictionary(&format!("6:lengthi5e4:name{name}")));
            assert!(matches!(single, Err(MetainfoError::UnsafePath(_))), "{name}");
            let multi = info(&dictionary(&format!("5:filesld6:lengthi5e4:pathl{name}eee4:name1:x")));
            assert!(matches!(multi, Err(MetainfoError::UnsafePath(_))), "{name}");
        }
        let nowhere = info(&dictionary("5:filesld6:lengthi5e4:pathleee4:name1:x"));
        assert!(matches!(nowhere, Err(MetainfoError::Depth { components: 0, .. })));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (middle, error) in [
            ("4:name1:x", MetainfoError::Content),
            ("5:filesle6:lengthi5e4:name1:x", MetainfoError::Content),
            ("6:lengthi0e4:name1:x", MetainfoError::Layout(LayoutError::EmptyPayload)),
            ("6:lengthi99999e4:name1:x", MetainfoError::PieceCount { found: 1, expected: 7 }),
        ] {
            assert_eq!(info(&dictionary(middle)), Err(error), "{middle}");
        }
        assert!(matches!(info(&dictionary("6:lengthi-1e4:name1:x")), Err(MetainfoError::Keys(_))));
        let huge = format!("5:filesl{}e4:name1:x", format!("d6:lengthi{}e4:pathl1:aee", u64::MAX).repeat(2));
        assert_eq!(info(&dictionary(&huge)), Err(MetainfoError::TooLarge("length")));
    }

    #[test]
    fn trackers_come_once_in_their_order() {
        let raw = dictionary("6:lengthi5e4:name1:x");
        let torrent = format!("d8:announce1:b13:announce-listll1:a1:bel1:cee4:info{raw}e");
        let torrent = Metainfo::parse(torrent.as_bytes()).unwrap();
        assert_eq!(torrent.trackers().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_no_torrent_says_why() {
        assert_eq!(Metainfo::parse(b"<html>"), Err(MetainfoError::Bencode(BencodeError::Malformed(0))));
        assert_eq!(Metainfo::parse(b"d4:infoi5ee"), Err(MetainfoError::NoInfo));
        let missing = Metainfo::parse(b"d8:announce1:ae").unwrap_err();
        assert!(missing.to_string().contains("info"), "{missing}");
    }
}
