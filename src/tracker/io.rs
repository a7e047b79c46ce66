//! What a tracker is told, and what it says.

use std::net::IpAddr;

use crate::announce::{AnnounceRequest, AnnounceResponse, PeerForm, ScrapeRequest, ScrapeResponse};
use crate::base::InfoHash;

/// Joins an answer to its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A peer announces. Answered by [`Output::Announced`].
    Announce {
        /// The question's name.
        id: RequestId,
        /// Where it comes from.
        from: IpAddr,
        /// What it says.
        request: AnnounceRequest,
    },
    /// Somebody asks for counts. Answered by [`Output::Scraped`].
    Scrape {
        /// The question's name.
        id: RequestId,
        /// Where it comes from.
        from: IpAddr,
        /// What it says.
        request: ScrapeRequest,
    },
    /// These addresses may ask from now on; nothing changes where anybody may.
    Allow(Vec<IpAddr>),
    /// The deadline has come.
    Elapsed,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Answer an announce.
    Announced {
        /// The question's name.
        id: RequestId,
        /// The answer, and the form its peers were asked for in.
        answer: Result<(AnnounceResponse, PeerForm), Refusal>,
    },
    /// Answer a scrape.
    Scraped {
        /// The question's name.
        id: RequestId,
        /// The answer.
        answer: Result<ScrapeResponse, Refusal>,
    },
}

/// Why somebody gets no answer. The text is the `failure reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not one of those who may ask.
    #[error("{0} is not part of this run")]
    Stranger(IpAddr),
    /// Not a swarm of this tracker.
    #[error("this tracker does not serve {0}")]
    UnknownSwarm(InfoHash),
    /// No room for another swarm or peer.
    #[error("this tracker is full")]
    Full,
}
