//! Metainfo: a whole .torrent file.

use bt_bencode::ByteString;
use serde::Deserialize;

use super::error::{keys, text};
use super::{Info, METAINFO_LENGTH_MAX, MetainfoError, VALUES_MAX};
use crate::base::{InfoHash, Layout, check_bencode};

/// Most tracker addresses that are kept.
const TRACKERS_MAX: usize = 64;

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
        out.extend_from_slice(self.info.raw());
        out.push(b'e');
        out
    }

    /// The name of the torrent's swarm.
    pub const fn info_hash(&self) -> InfoHash {
        self.info.info_hash()
    }

    /// How the payload is cut.
    pub const fn layout(&self) -> Layout {
        self.info.layout()
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

#[derive(Deserialize)]
struct RawMetainfo<'a> {
    announce: Option<ByteString>,
    #[serde(rename = "announce-list")]
    announce_list: Option<Vec<Vec<ByteString>>>,
    #[serde(borrow)]
    info: &'a [u8],
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{}:{text}", text.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BencodeError;

    #[test]
    fn trackers_come_once_in_their_order() {
        let raw = "d6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let torrent = format!("d8:announce1:b13:announce-listll1:a1:bel1:cee4:info{raw}e");
        let torrent = Metainfo::parse(torrent.as_bytes()).unwrap();
        assert_eq!(torrent.trackers().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn more_trackers_than_the_bound_are_left_out() {
        let raw = "d6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let tiers = ["l1:a1:be"; 100].concat();
        let torrent = format!("d13:announce-listl{tiers}e4:info{raw}e");
        assert_eq!(Metainfo::parse(torrent.as_bytes()).unwrap().trackers().count(), TRACKERS_MAX);
    }

    #[test]
    fn what_is_no_torrent_says_why() {
        assert_eq!(Metainfo::parse(b"<html>"), Err(MetainfoError::Bencode(BencodeError::Malformed(0))));
        assert_eq!(Metainfo::parse(b"d4:infoi5ee"), Err(MetainfoError::NoInfo));
        let missing = Metainfo::parse(b"d8:announce1:ae").unwrap_err();
        assert!(missing.to_string().contains("info"), "{missing}");
    }
}
