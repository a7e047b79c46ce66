//! The border: what hosts of one zone tell each other, so that each piece is brought in once.

use std::collections::{BTreeMap, VecDeque};

use super::locality::{Side, Station};
use super::{ConnectionId, Swarm};
use crate::base::{Bitfield, Instant, PieceIndex};
use crate::wire::{Message, ZoneMessage};

impl Swarm {
    /// What of the extension protocol the zone needs.
    pub(super) fn zone_extension(&self) -> BTreeMap<String, u8> {
        self.locality.iter().map(|_| (ZoneMessage::NAME.to_owned(), ZoneMessage::ID)).collect()
    }

    /// Where a peer is; a host in no zone has only neighbours.
    pub(super) fn side(&self, connection: ConnectionId) -> Side {
        self.locality.as_ref().map_or(Side::Near, |locality| locality.side(connection))
    }

    /// A peer has shaken hands, or says where it is.
    pub(super) fn place(&mut self, now: Instant, connection: ConnectionId) {
        let (Some(locality), Some(peer)) = (&mut self.locality, self.peers.get(&connection)) else { return };
        let before = locality.station();
        locality.place(connection, peer, now);
        let after = locality.station();
        if before != after {
            self.tell_zone(now, after.into());
        } else if after == Station::Border {
            self.tell_mate(now, connection, after.into());
        }
    }

    /// A peer is gone, with what it has.
    pub(super) fn part(&mut self, now: Instant, connection: ConnectionId, has: &Bitfield) {
        let Some(locality) = &mut self.locality else { return };
        let before = locality.station();
        locality.leave(connection, has, now);
        let after = locality.station();
        if before != after {
            self.tell_zone(now, after.into());
        }
    }

    /// A piece is asked of a peer: when that is across the border, the zone hears of it.
    pub(super) fn claim(&mut self, now: Instant, connection: ConnectionId, piece: PieceIndex) {
        let Some(locality) = self.locality.as_mut().filter(|locality| locality.side(connection) == Side::Far) else {
            return;
        };
        if locality.claim(piece) {
            self.tell_zone(now, ZoneMessage::Claim(piece));
        }
    }

    /// A peer says something about the zone; from outside it is of no interest.
    pub(super) fn zone_told(&mut self, now: Instant, connection: ConnectionId, payload: &[u8]) {
        let (Some(locality), Some(message)) = (&mut self.locality, ZoneMessage::decode(payload)) else { return };
        match message {
            ZoneMessage::Border => locality.stand(connection, Station::Border),
            ZoneMessage::Inland => locality.stand(connection, Station::Inland),
            ZoneMessage::Claim(piece) => {
                if locality.claimed(connection, piece, now) {
                    self.leave_to_mate(now, piece);
                }
            }
        }
    }

    /// Takes back what was asked of peers across the border: somebody else brings it in.
    fn leave_to_mate(&mut self, now: Instant, piece: PieceIndex) {
        let far: Vec<_> = self.peers.keys().copied().filter(|peer| self.side(*peer) == Side::Far).collect();
        for connection in far {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            let (back, kept): (VecDeque<_>, _) =
                std::mem::take(&mut peer.asking.asked).into_iter().partition(|asked| asked.block.piece == piece);
            peer.asking.asked = kept;
            peer.asking.taken_back = peer.asking.taken_back.saturating_add(back.len() as u32);
            for asked in &back {
                self.tell(now, connection, Message::Cancel(asked.block));
            }
            self.take_back(connection, back);
        }
        self.fill_all(now);
    }

    fn tell_zone(&mut self, now: Instant, message: ZoneMessage) {
        let mates: Vec<_> = self.locality.iter().flat_map(|locality| locality.mates()).collect();
        for mate in mates {
            self.tell_mate(now, mate, message);
        }
    }

    fn tell_mate(&mut self, now: Instant, connection: ConnectionId, message: ZoneMessage) {
        if let Some(id) = self.peers.get(&connection).and_then(|peer| peer.zone_id) {
            self.tell(now, connection, message.to_message(id));
        }
    }
}

impl From<Station> for ZoneMessage {
    fn from(station: Station) -> Self {
        match station {
            Station::Border => Self::Border,
            Station::Inland => Self::Inland,
        }
    }
}
