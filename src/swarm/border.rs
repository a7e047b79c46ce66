//! The border: what hosts of one zone tell each other, so that each piece is brought in once, and how much they ask of each
//! other and across it.

use std::collections::{BTreeMap, VecDeque};

use super::locality::{Side, Station};
use super::{ConnectionId, Swarm};
use crate::base::{Bitfield, Instant, PieceIndex};
use crate::wire::{Message, ZoneMessage};

/// With fewer blocks asked of all peers than this, a host is in need.
const NEED: usize = 20;

/// Of what comes, this part may be asked for across the border in need.
const RELIEF_PART: u64 = 16;

impl Swarm {
    /// What of the extension protocol the zone needs.
    pub(super) fn zone_extension(&self) -> BTreeMap<String, u8> {
        self.locality.iter().map(|_| (ZoneMessage::NAME.to_owned(), ZoneMessage::ID)).collect()
    }

    /// A peer has shaken hands, or says where it is.
    pub(super) fn place(&mut self, now: Instant, connection: ConnectionId) {
        let (Some(locality), Some(peer)) = (&mut self.locality, self.peers.get_mut(&connection)) else { return };
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

    /// A piece is asked of a peer across the border: the zone hears of it.
    pub(super) fn claim(&mut self, now: Instant, piece: PieceIndex) {
        if self.locality.as_mut().is_some_and(|locality| locality.claim(piece)) {
            self.tell_zone(now, ZoneMessage::Claim(piece));
        }
    }

    /// Blocks that a peer may be asked for now. The others of a zone are few, and what they send waits behind much else, so
    /// that some are asked of each at least. With enough asked of all it is no more than of anybody, for what waits at one of
    /// them cannot be had of another; but for one that gives out first copies, as all wait for these.
    pub(super) fn room(&self, now: Instant, connection: ConnectionId) -> usize {
        let Some(peer) = self.peers.get(&connection).filter(|peer| peer.useful > 0) else { return 0 };
        let asking = &peer.asking;
        if self.locality.is_none() || peer.side == Side::Far {
            return asking.room(now, 0);
        }
        let room = asking.room(now, self.config.zone_asked_each);
        if peer.suggests || self.quickest > self.config.zone_quick {
            return room;
        }
        let least = self.config.pipeline_min.saturating_sub(asking.asked.len());
        room.min(self.config.zone_asked.saturating_sub(self.asked_of_all()).max(least))
    }

    /// Whether so little is asked of all that a peer across the border may be asked for what the zone has as well: the line
    /// would stand idle.
    pub(super) fn is_in_need(&self, connection: ConnectionId) -> bool {
        self.locality.is_some()
            && self.peers.get(&connection).is_some_and(|peer| peer.side == Side::Far)
            && self.relieved < self.totals.down.0 / RELIEF_PART
            && self.asked_of_all() < NEED
    }

    fn asked_of_all(&self) -> usize {
        self.peers.values().map(|peer| peer.asking.asked.len()).sum()
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
        let far = self.peers.iter().filter(|(_, peer)| peer.side == Side::Far);
        let far: Vec<_> = far.map(|(connection, _)| *connection).collect();
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
