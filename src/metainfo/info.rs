//! Info: the part of a .torrent that is hashed.

use bt_bencode::ByteString;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::error::keys;
use super::files::{RawFile, check_collisions, component};
use super::{Content, METAINFO_LENGTH_MAX, MetainfoError, VALUES_MAX};
use crate::base::{InfoHash, Layout, PieceIndex, Sha1Digest, check_bencode};

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
    privacy: Privacy,
    raw: Bytes,
    hash: InfoHash,
}

/// Who tells peers of each other (BEP 27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// The tracker alone: no exchange between peers.
    Private,
    /// Whoever knows some.
    Public,
}

impl Info {
    /// Describes a payload of one file, private to its tracker: that of a run.
    pub fn single(name: &str, layout: Layout, pieces: &[Sha1Digest]) -> Result<Self, MetainfoError> {
        Self::describe(name, &Content::Single, layout, pieces, Privacy::Private)
    }

    /// Describes any payload.
    pub fn describe(
        name: &str,
        content: &Content,
        layout: Layout,
        pieces: &[Sha1Digest],
        privacy: Privacy,
    ) -> Result<Self, MetainfoError> {
        let (length, files) = match content {
            Content::Single => (Some(layout.total()), None),
            Content::Multi(files) => (None, Some(files.iter().map(RawFile::of).collect())),
        };
        let dictionary = RawInfo {
            name: name.into(),
            piece_length: u64::from(layout.nominal_piece_length()),
            pieces: pieces.iter().flat_map(Sha1Digest::as_bytes).copied().collect::<Vec<_>>().into(),
            length,
            files,
            private: match privacy {
                Privacy::Private => Some(1),
                Privacy::Public => None,
            },
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
                let total = total.ok_or(MetainfoError::TooLarge("length"))?;
                check_collisions(&files)?;
                (total, Content::Multi(files))
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
        let privacy = if dictionary.private == Some(1) { Privacy::Private } else { Privacy::Public };
        Ok(Self { name, layout, pieces, content, privacy, raw, hash })
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

    /// Who tells peers of each other.
    pub const fn privacy(&self) -> Privacy {
        self.privacy
    }

    /// Whether peers come from the tracker only.
    pub const fn is_private(&self) -> bool {
        match self.privacy {
            Privacy::Private => true,
            Privacy::Public => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LayoutError;
    use crate::metainfo::Metainfo;

    fn info(dictionary: &str) -> Result<Info, MetainfoError> {
        Info::parse(dictionary.as_bytes())
    }

    fn dictionary(middle: &str) -> String {
        format!("d{middle}12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae")
    }

    #[test]
    fn torrents_of_runs_are_private_and_have_sorted_keys() {
        let layout = Layout::new(5, 16_384).unwrap();
        let info = Info::single("x", layout, &[Sha1Digest::new([b'a'; 20])]).unwrap();
        let raw = "d6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1ee";
        assert_eq!(info.raw(), raw);
        assert_eq!(info.info_hash().to_string(), "3dbd0cd3d56695117a27c63e8683fb02242d8edf");
        let torrent = Metainfo::new(Some("http://h/a".to_owned()), info);
        assert_eq!(torrent.encode(), format!("d8:announce10:http://h/a4:info{raw}e").as_bytes());
    }

    #[test]
    fn a_torrent_is_public_unless_it_says_otherwise() {
        let layout = Layout::new(5, 16_384).unwrap();
        let pieces = [Sha1Digest::new([b'a'; 20])];
        let public = Info::describe("x", &Content::Single, layout, &pieces, Privacy::Public).unwrap();
        assert!(!public.raw().windows(7).any(|window| window == b"private"));
        for (value, privacy) in [(0, Privacy::Public), (1, Privacy::Private), (2, Privacy::Public)] {
            let found = dictionary("6:lengthi5e4:name1:x").replace("aae", &format!("aa7:privatei{value}ee"));
            assert_eq!(info(&found).unwrap().privacy(), privacy, "{value}");
        }
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
}
