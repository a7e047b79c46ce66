//! How many peers a tracker knows, without joining (BEP 48).

use std::collections::BTreeMap;

use bt_bencode::{ByteString, Value};

use super::query::{encode, parameters};
use super::request::twenty;
use super::{QueryError, RESPONSE_LENGTH_MAX, ResponseError};
use crate::base::{InfoHash, check_bencode};

/// Most swarms in one scrape.
pub const SCRAPES_MAX: usize = 74;

/// Most bencoded values in an answer to one: eight a swarm, and room for unknown keys.
const VALUES_MAX: usize = 4096;

/// Which swarms are asked about; none asks for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrapeRequest {
    /// At most [`SCRAPES_MAX`].
    pub info_hashes: Vec<InfoHash>,
}

/// The peers of one swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwarmCounts {
    /// Complete peers.
    pub complete: u32,
    /// Peers that have become complete since the tracker began.
    pub downloaded: u32,
    /// Incomplete peers.
    pub incomplete: u32,
}

/// Swarms and their peers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrapeResponse {
    /// Those of the swarms that the tracker knows.
    pub swarms: BTreeMap<InfoHash, SwarmCounts>,
}

impl ScrapeRequest {
    /// The query string, without `?`.
    pub fn to_query(&self) -> String {
        let mut query = String::new();
        for info_hash in &self.info_hashes {
            query.push_str(if query.is_empty() { "info_hash=" } else { "&info_hash=" });
            encode(&mut query, info_hash.as_bytes());
        }
        query
    }

    /// Reads a query string.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let asked = parameters(query)?.filter(|(key, _)| *key == "info_hash");
        let hashes = asked.map(|(_, value)| twenty(value, "info_hash").map(InfoHash::new));
        let info_hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        if info_hashes.len() > SCRAPES_MAX { Err(QueryError::Swarms) } else { Ok(Self { info_hashes }) }
    }
}

impl ScrapeResponse {
    /// Reads an answer.
    pub fn parse(bytes: &[u8]) -> Result<Self, ResponseError> {
        if bytes.len() > RESPONSE_LENGTH_MAX {
            return Err(ResponseError::Long(bytes.len()));
        }
        check_bencode(bytes, VALUES_MAX)?;
        let value: Value = bt_bencode::from_slice(bytes).map_err(|_malformed| ResponseError::Key("files"))?;
        let files = value.as_dict().and_then(|dictionary| dictionary.get(&b"files"[..])).and_then(Value::as_dict);
        let swarms = files.ok_or(ResponseError::Key("files"))?.iter().filter_map(|(hash, counts)| {
            let counts = counts.as_dict()?;
            let count = |key: &str| counts.get(key.as_bytes()).and_then(Value::as_u64)?.try_into().ok();
            let [complete, downloaded, incomplete] = ["complete", "downloaded", "incomplete"].map(count);
            let counts = SwarmCounts {
                complete: complete.unwrap_or_default(),
                downloaded: downloaded.unwrap_or_default(),
                incomplete: incomplete.unwrap_or_default(),
            };
            Some((InfoHash::from_slice(hash)?, counts))
        });
        Ok(Self { swarms: swarms.collect() })
    }

    /// The bytes of an answer.
    pub fn encode(&self) -> Vec<u8> {
        let files = self.swarms.iter().map(|(info_hash, counts)| {
            let counts: BTreeMap<ByteString, Value> =
                [("complete", counts.complete), ("downloaded", counts.downloaded), ("incomplete", counts.incomplete)]
                    .map(|(key, count)| (key.into(), count.into()))
                    .into();
            (ByteString::from(info_hash.as_bytes().as_slice()), Value::Dict(counts))
        });
        let dictionary = BTreeMap::from([("files", Value::Dict(files.collect()))]);
        bt_bencode::to_vec(&Value::from(dictionary)).expect("every value has a bencoding")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_as_bep_48_shows_it() {
        let hash = InfoHash::new([b'a'; 20]);
        let counts = SwarmCounts { complete: 11, downloaded: 13772, incomplete: 19 };
        let response = ScrapeResponse { swarms: BTreeMap::from([(hash, counts)]) };
        let bytes = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei11e10:downloadedi13772e10:incompletei19eeee";
        assert_eq!(response.encode(), bytes);
        assert_eq!(ScrapeResponse::parse(bytes), Ok(response));
        let request = ScrapeRequest { info_hashes: vec![hash, hash] };
        assert_eq!(ScrapeRequest::parse(&request.to_query()), Ok(request));
    }

    #[test]
    fn too_many_swarms_are_refused() {
        let request = ScrapeRequest { info_hashes: vec![InfoHash::new([b'a'; 20]); SCRAPES_MAX + 1] };
        assert_eq!(ScrapeRequest::parse(&request.to_query()), Err(QueryError::Swarms));
    }
}
