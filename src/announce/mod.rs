//! What peers and tracker say to each other: query strings up, bencode down (BEP 3, 7, 23, 48).
//!
//! Values and their bytes only. Who is in a swarm is for the tracker machine to say, HTTP is the driver's; and no name
//! is ever resolved: a tracker is an address, and a peer that is given by name is left out.

mod query;
mod request;
mod response;
mod scrape;
mod url;

pub use query::QueryError;
pub use request::{AnnounceEvent, AnnounceRequest};
pub use response::{
    AnnounceResponse, AnnouncedPeer, PEERS_MAX, PeerForm, RESPONSE_LENGTH_MAX, ResponseError, encode_refusal,
};
pub use scrape::{SCRAPES_MAX, ScrapeRequest, ScrapeResponse, SwarmCounts};
pub use url::{TrackerUrl, TrackerUrlError};
