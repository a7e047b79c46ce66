//! Checks: what must hold after every event, whatever the scenario.

use super::host::Host;
use super::network::Ledger;
use crate::base::{Block, ByteCount, Instant, PieceIndex};

/// A law that was broken: always a fault of Rookery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A piece was announced that is not on the disk, or is wrong.
    #[error("at {at:?}: host {host} announced piece {} which is not intact", piece.0)]
    NotIntact {
        /// When.
        at: Instant,
        /// Who.
        host: usize,
        /// What.
        piece: PieceIndex,
    },
    /// A block was sent by a host that does not have it.
    #[error("at {at:?}: host {host} served {block:?} which it does not have")]
    FromNowhere {
        /// When.
        at: Instant,
        /// Who.
        host: usize,
        /// What.
        block: Block,
    },
    /// A host fetched a piece that was on its disk when it started.
    #[error("at {at:?}: host {host} fetched piece {} again", piece.0)]
    FetchedAgain {
        /// When.
        at: Instant,
        /// Who.
        host: usize,
        /// What.
        piece: PieceIndex,
    },
    /// Bytes appeared or vanished.
    #[error("at {at:?}: {sent:?} sent are not {accounted:?} received, lost or under way")]
    Bytes {
        /// When.
        at: Instant,
        /// What was sent.
        sent: ByteCount,
        /// What is known of it.
        accounted: ByteCount,
    },
    /// A host said it was complete and is not.
    #[error("at {at:?}: host {host} said it was complete with {pieces} pieces")]
    NotComplete {
        /// When.
        at: Instant,
        /// Who.
        host: usize,
        /// Pieces on its disk.
        pieces: u32,
    },
    /// The same machine said the same moment again and again.
    #[error("at {at:?}: host {host} wants to be woken without end")]
    Spinning {
        /// When.
        at: Instant,
        /// Who.
        host: usize,
    },
}

/// A piece is announced only when it is intact.
pub(super) fn announced(host: &Host, piece: PieceIndex, at: Instant) -> Result<(), Violation> {
    if host.disk.verified().contains(piece) {
        return Ok(());
    }
    Err(Violation::NotIntact { at, host: host.index, piece })
}

/// Nobody has what nobody gave: only what is on a disk is sent.
pub(super) fn served(host: &Host, block: Block, at: Instant) -> Result<(), Violation> {
    if host.disk.verified().contains(block.piece) {
        return Ok(());
    }
    Err(Violation::FromNowhere { at, host: host.index, block })
}

/// No piece is fetched that was there from the start.
pub(super) fn fetched(host: &Host, piece: PieceIndex, at: Instant) -> Result<(), Violation> {
    if !host.began_with.contains(piece) {
        return Ok(());
    }
    Err(Violation::FetchedAgain { at, host: host.index, piece })
}

/// Complete means every piece.
pub(super) fn completed(host: &Host, at: Instant) -> Result<(), Violation> {
    let verified = host.disk.verified();
    if verified.is_full() {
        return Ok(());
    }
    Err(Violation::NotComplete { at, host: host.index, pieces: verified.count() })
}

/// Bytes sent are received, lost or under way.
pub(super) fn balanced(ledger: Ledger, at: Instant) -> Result<(), Violation> {
    let accounted = ledger.received + ledger.lost + ledger.under_way;
    if ledger.sent == accounted {
        return Ok(());
    }
    Err(Violation::Bytes { at, sent: ledger.sent, accounted })
}
