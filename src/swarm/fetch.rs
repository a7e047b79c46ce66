//! What we want: blocks asked for, taken, verified, and asked for again.

use std::collections::VecDeque;

use bytes::Bytes;

use super::locality::Side;
use super::machine::PayloadOrigin;
use super::peer::{Asked, Gate, Interest, Peer};
use super::picker::Asker;
use super::pieces::{Overdue, Receipt};
use super::{ConnectionId, Note, Output, PeerFault, Swarm};
use crate::base::{BLOCK_LENGTH, Bitfield, Block, ByteCount, Instant, PieceIndex, Sha1Digest};
use crate::wire::Message;

impl Swarm {
    /// Routes a message.
    pub(super) fn received(&mut self, now: Instant, connection: ConnectionId, message: Message) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.heard = now;
        let fast = peer.fast;
        let pieces = self.layout.piece_count();
        match message {
            Message::KeepAlive | Message::Port(_) => {}
            Message::Choke => self.choked(now, connection),
            Message::Unchoke => self.unchoked(now, connection),
            Message::Interested => self.wanted(now, connection, Interest::Some),
            Message::NotInterested => self.wanted(now, connection, Interest::None),
            Message::Have(piece) => self.has(now, connection, piece),
            Message::Bitfield(bytes) => match Bitfield::from_bytes(&bytes, pieces) {
                Ok(has) => self.told(now, connection, &has),
                Err(error) => self.disconnect(now, connection, PeerFault::Garbled(error.to_string())),
            },
            Message::Request(block) => self.requested(now, connection, block),
            Message::Piece { piece, begin, data } => self.block_received(now, connection, (piece, begin), data),
            Message::Cancel(block) => self.cancelled(now, connection, block),
            Message::Extended { id, payload } => self.extended(now, connection, id, &payload),
            Message::Suggest(_)
            | Message::HaveAll
            | Message::HaveNone
            | Message::Reject(_)
            | Message::AllowedFast(_)
                if !fast =>
            {
                self.disconnect(now, connection, PeerFault::Senseless("of an extension it does not speak"));
            }
            Message::HaveAll => self.told(now, connection, &Bitfield::full(pieces)),
            Message::HaveNone => self.told(now, connection, &Bitfield::empty(pieces)),
            Message::Suggest(piece) => {
                peer.suggests = true;
                Peer::offer(&mut peer.suggested, piece);
            }
            Message::AllowedFast(piece) => {
                Peer::offer(&mut peer.allowed_fast, piece);
                self.fill(now, connection);
            }
            Message::Reject(block) => self.rejected(now, connection, block),
        }
    }

    fn choked(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.asking.gate = Gate::Choking;
        if !peer.fast {
            let asked = std::mem::take(&mut peer.asking.asked);
            peer.asking.taken_back = peer.asking.taken_back.saturating_add(asked.len() as u32);
            self.release_all(connection, asked);
            self.fill_all(now);
        }
    }

    fn unchoked(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.asking.gate = Gate::Open;
        }
        self.fill(now, connection);
    }

    fn has(&mut self, now: Instant, connection: ConnectionId, piece: PieceIndex) {
        if !self.layout.contains(piece) {
            return self.disconnect(now, connection, PeerFault::Senseless("a piece that does not exist"));
        }
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if !peer.has.insert(piece) {
            return;
        }
        self.picker.gain(piece);
        self.spread.stale(piece);
        if let Some(locality) = &mut self.locality {
            locality.gain(connection, piece, now);
        }
        if self.have.contains(piece) {
            self.shown_piece_is_out(now, connection, piece);
            return self.part_if_redundant(now, connection);
        }
        peer.useful += 1;
        self.heed(now, connection);
    }

    /// A refused block is asked of somebody else, or of the same peer after a pause.
    fn rejected(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if let Some(asked) = peer.asking.settle(block) {
            peer.asking.quiet_until = now + self.config.refused_pause;
            self.release_all(connection, VecDeque::from([asked]));
            self.fill_all(now);
        }
    }

    /// Asks every peer for as much as it may be asked for, beginning with another one each time.
    pub(super) fn fill_all(&mut self, now: Instant) {
        if self.have.is_full() {
            return;
        }
        let all = self.peers.iter_after(self.last_filled);
        let connections: Vec<_> = all.filter(|(_, peer)| peer.useful > 0).map(|(connection, _)| *connection).collect();
        for connection in connections {
            if !self.download.is_ready() {
                break;
            }
            self.last_filled = connection;
            self.fill(now, connection);
        }
    }

    /// Asks a peer for as much as it may be asked for.
    pub(super) fn fill(&mut self, now: Instant, connection: ConnectionId) {
        for _ in 0..self.room(now, connection) {
            if !self.download.is_ready() || self.unwritten >= self.config.unwritten_max || self.is_line_full(now) {
                break;
            }
            let mut block = self.pick(now, connection, false);
            if block.is_none() && self.is_in_need(connection) {
                block = self.pick(now, connection, true);
            }
            let Some(block) = block.or_else(|| self.pick_again(now, connection)) else { break };
            self.ask(now, connection, block);
        }
    }

    /// Whether as much is asked for as a slow line brings in a while. More would wait in the network, each peer's blocks
    /// behind those of all others, until they all seem silent. While the line moves, what is overdue may still be on it.
    fn is_line_full(&self, now: Instant) -> bool {
        let rate = self.meters.0.rate(self.config.tick);
        if rate >= self.config.slow_line {
            return false;
        }
        let overdue_max =
            if now.since(self.last_block) < self.config.asked_span { self.config.pipeline_min } else { 0 };
        let due = self.peers.values().map(|peer| {
            let asked = peer.asking.asked.len();
            if peer.asking.is_overdue() { asked.min(overdue_max) } else { asked }
        });
        let worth = rate.0.saturating_mul(self.config.asked_span.as_secs());
        due.sum::<usize>() as u64 * u64::from(BLOCK_LENGTH) >= worth.max(self.config.asked_min)
    }

    /// A block to ask a peer for; in `relief` without a look at the border.
    fn pick(&mut self, now: Instant, connection: ConnectionId, relief: bool) -> Option<Block> {
        let peer = self.peers.get_mut(&connection)?;
        let far = peer.side == Side::Far;
        let asker = Asker {
            connection,
            has: &peer.has,
            allowed: match peer.asking.gate {
                Gate::Open => None,
                Gate::Choking => Some(&peer.allowed_fast),
            },
            suggested: &peer.suggested,
            current: peer.asking.current,
            abroad: self.locality.as_ref().filter(|_| far && !relief).map(|locality| locality.abroad(now)),
        };
        let piece = self.picker.pick(&self.pieces, asker, self.config.under_way_max)?;
        if !self.pieces.contains(piece) {
            self.pieces.start(piece);
            self.picker.close(piece);
        }
        peer.asking.current = Some(piece);
        peer.suggested.remove(&piece);
        let block = self.pieces.next_unasked(piece, connection);
        if relief {
            self.relieved += u64::from(BLOCK_LENGTH);
        } else if far {
            self.claim(now, piece);
        }
        block
    }

    /// For a peer that has nothing else to do: a block that another one owes us for too long (endgame).
    fn pick_again(&self, now: Instant, connection: ConnectionId) -> Option<Block> {
        let peer = self.peers.get(&connection).filter(|peer| peer.asking.gate == Gate::Open)?;
        if peer.asking.asked.len() >= self.config.pipeline_min {
            return None;
        }
        let endgame = !self.picker.any_open() && !self.pieces.any_unasked();
        let age = if endgame {
            self.config.endgame_after.max(self.usual_wait * 2)
        } else {
            self.config.assist_after.max(self.usual_wait * 4)
        };
        let age = match peer.side {
            Side::Near => age,
            Side::Far => age * 2,
        };
        let limits = (now, age, self.config.copies_max);
        self.pieces.overdue(&peer.has, connection, limits, |block| peer.asking.has_asked(block))
    }

    fn ask(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.asking.ask(block, now);
        self.pieces.ask(block, connection, now);
        self.download.take(u64::from(block.length));
        self.tell(now, connection, Message::Request(block));
    }

    fn block_received(&mut self, now: Instant, from: ConnectionId, (piece, begin): (PieceIndex, u32), data: Bytes) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let block = Block { piece, begin, length };
        let whole = self.layout.block(piece, begin / BLOCK_LENGTH);
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if whole != Some(block) {
            return self.disconnect(now, from, PeerFault::Senseless("a block of the wrong place or length"));
        }
        let settled = peer.asking.settle(block);
        let took = settled.map(|asked| now.since(asked.at));
        peer.asking.meter.add(u64::from(length));
        match settled {
            Some(_) => peer.asking.received(now, &self.config),
            None => peer.asking.last_block = now,
        }
        self.usual_wait = took.map_or(self.usual_wait, |took| (self.usual_wait * 15 + took) / 16);
        if settled.is_none() {
            peer.asking.strayed();
            if peer.asking.strays > self.config.strays_max {
                let strays = peer.asking.strays;
                return self.disconnect(now, from, PeerFault::Unrequested(strays));
            }
        }
        let sender = peer.sender(from);
        self.last_block = now;
        self.revive(now, from);
        self.count_down(u64::from(length));
        let receipt = self.pieces.receive(block, sender);
        if let Some(asked) = settled {
            self.pieces.settle(block, asked.overdue);
        }
        match receipt {
            Receipt::Unwanted => self.totals.wasted += ByteCount(u64::from(length)),
            Receipt::Stored { whole } => {
                self.cancel_elsewhere(now, block);
                self.unwritten += u64::from(length);
                self.say(Output::Write { block, data });
                if whole {
                    self.say(Output::Verify(piece));
                }
            }
        }
        self.fill(now, from);
    }

    /// Takes back what others were asked for, too.
    fn cancel_elsewhere(&mut self, now: Instant, block: Block) {
        if self.pieces.copies(block) == 0 {
            return;
        }
        let asked = self.peers.iter().filter(|(_, peer)| peer.asking.has_asked(block));
        let connections: Vec<_> = asked.map(|(connection, _)| *connection).collect();
        for connection in connections {
            let Some(peer) = self.peers.get_mut(&connection) else { continue };
            if let Some(asked) = peer.asking.settle(block) {
                peer.asking.taken_back = peer.asking.taken_back.saturating_add(1);
                self.pieces.settle(block, asked.overdue);
                self.download.give_back(u64::from(block.length));
                self.tell(now, connection, Message::Cancel(block));
            }
        }
    }

    pub(super) fn written(&mut self, now: Instant, block: Block) {
        let full = self.unwritten >= self.config.unwritten_max;
        self.unwritten = self.unwritten.saturating_sub(u64::from(block.length));
        if full && self.unwritten < self.config.unwritten_max {
            self.fill_all(now);
        }
    }

    /// A piece is here.
    pub(super) fn verified(&mut self, now: Instant, piece: PieceIndex) {
        if !self.pieces.is_whole(piece) || !self.have.insert(piece) {
            return;
        }
        self.pieces.remove(piece);
        if self.blame.is_open(piece) {
            self.say(Output::Digest(piece));
        }
        if self.picker.availability(piece) == 0 {
            self.spread.freshen(piece);
        }
        if let Some(locality) = &mut self.locality {
            locality.done(piece);
        }
        self.say(Output::PieceDone(piece));
        let complete = self.have.is_full();
        let connections: Vec<_> = self.peers.keys().copied().collect();
        for connection in &connections {
            let Some(peer) = self.peers.get_mut(connection) else { continue };
            peer.suggested.remove(&piece);
            let had = peer.has.contains(piece);
            if peer.serving.veil.is_none() {
                peer.serving.unsaid.push(piece);
                if !had || complete {
                    self.tell_haves(now, *connection);
                }
            }
            if had {
                self.useless_piece(now, *connection);
            }
        }
        self.show(now);
        if complete {
            self.completed(now);
            for connection in connections {
                self.part_if_redundant(now, connection);
            }
        }
    }

    /// A peer has one piece less that we lack.
    fn useless_piece(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.useful = peer.useful.saturating_sub(1);
        if peer.useful == 0 {
            self.heed(now, connection);
        }
    }

    /// Tells a peer of the pieces that have come since the last time. One it lacks is told at once; of one it has it
    /// learns with the next such, or a tick later: many in one packet.
    pub(super) fn tell_haves(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        for piece in std::mem::take(&mut peer.serving.unsaid) {
            self.tell(now, connection, Message::Have(piece));
        }
    }

    /// A piece is not what was promised. What known liars sent of it is asked of others; when there are none, one sender
    /// alone is guilty, and of several a good copy will tell.
    pub(super) fn corrupted(&mut self, now: Instant, piece: PieceIndex) {
        if !self.pieces.is_whole(piece) {
            return;
        }
        self.totals.corrupt += 1;
        let (senders, retracted) = self.pieces.retract(piece, |peer_id| self.bans.contains_key(&peer_id));
        self.say(Output::Note(Note::Corrupt { piece, senders }));
        if retracted > ByteCount(0) {
            self.totals.wasted += retracted;
        } else {
            self.totals.wasted += ByteCount(u64::from(self.layout.piece_length(piece)));
            self.accuse(now, piece);
        }
        self.fill_all(now);
    }

    /// All of a corrupt piece is asked for again.
    fn accuse(&mut self, now: Instant, piece: PieceIndex) {
        let Some(provenance) = self.pieces.reset(piece) else { return };
        match provenance.senders[..] {
            [] => {}
            [only] => self.ban(now, only, PeerFault::Corrupt(piece)),
            [_, _, ..] => {
                if self.blame.open(piece, provenance, self.config.blame_max) {
                    self.say(Output::Digest(piece));
                }
            }
        }
    }

    /// The blocks of a copy of a piece that was corrupt: the bad one's are kept, the good one's tell who lied.
    pub(super) fn digested(&mut self, now: Instant, piece: PieceIndex, blocks: Vec<Sha1Digest>) {
        if !self.have.contains(piece) {
            return self.blame.note(piece, blocks);
        }
        for liar in self.blame.close(piece, &blocks) {
            self.ban(now, liar, PeerFault::Corrupt(piece));
        }
    }

    /// A piece has come by another way: it is checked like any other.
    pub(super) fn injected(&mut self, now: Instant, piece: PieceIndex) {
        if self.origin == PayloadOrigin::Swarm {
            self.veil();
        }
        if self.layout.contains(piece) && !self.have.contains(piece) {
            self.layout.blocks(piece).for_each(|block| self.cancel_elsewhere(now, block));
            self.pieces.remove(piece);
            self.picker.close(piece);
            self.pieces.start_whole(piece);
            self.say(Output::Verify(piece));
        }
        self.dial(now);
    }

    /// Requests that ended without their blocks.
    pub(super) fn release_all(&mut self, connection: ConnectionId, asked: VecDeque<Asked>) {
        self.take_back(connection, asked);
        self.pieces.forsake(connection);
    }

    /// Requests that are taken back.
    pub(super) fn take_back(&mut self, connection: ConnectionId, asked: VecDeque<Asked>) {
        for Asked { block, overdue, .. } in asked {
            self.download.give_back(u64::from(block.length));
            if self.pieces.release(block, connection, overdue) {
                self.picker.reopen(block.piece);
            }
        }
    }

    /// What a peer owes for too long may be asked of others; what it owes for far too long ends the connection.
    pub(super) fn expire_requests(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection).filter(|peer| !peer.asking.asked.is_empty()) else { return };
        let waited = now.since(peer.asking.last_block);
        if waited < self.config.request_timeout {
            return;
        }
        for asked in peer.asking.asked.iter_mut().filter(|asked| asked.overdue == Overdue::No) {
            asked.overdue = Overdue::Yes;
            self.pieces.expire(asked.block, connection);
        }
        if let Some(locality) = &mut self.locality {
            locality.heed(connection, Overdue::Yes, &peer.has, now);
        }
        let since = peer.asking.last_block;
        let others = self.peers.iter().any(|(id, peer)| *id != connection && peer.asking.last_block > since);
        if waited >= self.config.snubbed_after && others {
            self.disconnect(now, connection, PeerFault::Snubbed(self.config.snubbed_after));
        }
    }

    /// A peer sends after all: what it owes counts again.
    fn revive(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&connection).filter(|peer| peer.asking.is_overdue()) else { return };
        for asked in &mut peer.asking.asked {
            asked.overdue = Overdue::No;
            self.pieces.revive(asked.block);
        }
        if let Some(locality) = &mut self.locality {
            locality.heed(connection, Overdue::No, &peer.has, now);
        }
    }
}
