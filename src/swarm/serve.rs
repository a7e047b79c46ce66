//! What others want: requests taken, answered in the choker's order, at the pace of the line and under the upload cap.

use super::choker::{self, Candidate, Slot, Standing};
use super::machine::PayloadOrigin;
use super::peer::{Interest, Peer};
use super::{ConnectionId, Note, Output, PeerFault, Swarm};
use crate::base::{Block, ByteRate, Instant, PieceIndex};
use crate::wire::Message;

/// Longest block another client may ask for, in bytes; nobody asks for more than 16 KiB these days.
const BLOCK_LENGTH_MAX: u32 = 128 << 10;

/// A host knows what its line can do when as much has come as in so many of the quickest ticks.
const PACED_AFTER: u64 = 4;

/// Uploads are slower than the quickest tick by this part: what the seeder brings nobody has to send.
const PACED_BELOW: u64 = 16;

/// A host with so many peers is one of many: more than [`Config::connections_wanted`](super::Config::connections_wanted).
const MANY: usize = 17;

/// The part among many, of whom each gets next to nothing from the seeder.
const PACED_BELOW_AMONG_MANY: u64 = 64;

/// Requests of a peer that are looked at for the rarest piece.
const LOOKAHEAD: usize = 8;

impl Swarm {
    pub(super) fn requested(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        if !self.layout.holds(block) || block.length > BLOCK_LENGTH_MAX {
            return self.disconnect(now, connection, PeerFault::Senseless("a request for what does not exist"));
        }
        if peer.serving.requests.len() >= self.config.requests_max {
            let fault = PeerFault::TooManyRequests(self.config.requests_max);
            return self.disconnect(now, connection, fault);
        }
        if !self.have.contains(block.piece) || peer.serving.veil.as_ref().is_some_and(|veil| !veil.shows(block.piece)) {
            return self.refuse(now, connection, block);
        }
        if peer.serving.requests.is_empty() && peer.serving.slot.is_none() {
            peer.serving.served_at = now;
        }
        if let Some(at) = peer.serving.veil.as_ref().and_then(|veil| veil.shown_at(block.piece)) {
            self.spread.heeded(now.since(at));
        }
        if !peer.serving.requests.contains(&block) {
            peer.serving.requests.push_back(block);
        }
        self.serve(now);
    }

    pub(super) fn cancelled(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let before = peer.serving.requests.len();
        peer.serving.requests.retain(|request| *request != block);
        if peer.serving.requests.len() < before {
            self.refuse(now, connection, block);
        }
    }

    /// Says no, if there is a word for it (BEP 6).
    fn refuse(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        if self.peers.get(&connection).is_some_and(|peer| peer.fast) {
            self.tell(now, connection, Message::Reject(block));
        }
    }

    pub(super) fn wanted(&mut self, now: Instant, connection: ConnectionId, interest: Interest) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.serving.interest = interest;
        }
        self.part_if_redundant(now, connection);
    }

    /// Sets the pace of uploads: the cap, and while pieces are missing no more than the line is known to do. Lines are as quick
    /// one way as the other; what is sent faster waits in front of ours, and with it all that we ask for.
    pub(super) fn pace(&mut self) {
        let cap = self.config.max_upload;
        let fetches = self.origin == PayloadOrigin::Swarm && !self.have.is_full();
        let known = (1..self.totals.down.0 / PACED_AFTER).contains(&self.quickest.0);
        let rate = if fetches && known && self.config.max_download == ByteRate::UNLIMITED {
            let line = ByteRate::over(self.quickest, self.config.tick).0;
            let below = if self.peers.len() < MANY { PACED_BELOW } else { PACED_BELOW_AMONG_MANY };
            ByteRate((line - line / below).min(cap.cap().unwrap_or(u64::MAX)))
        } else {
            cap
        };
        self.upload.set(rate);
    }

    /// Sends blocks to whoever is to be served, as far as queues and cap allow.
    pub(super) fn serve(&mut self, now: Instant) {
        while self.upload.is_ready() {
            let Some(connection) = self.choose(now) else { break };
            self.serve_block(now, connection);
        }
    }

    fn choose(&self, now: Instant) -> Option<ConnectionId> {
        let busy = |peer: &&Peer| peer.serving.queued > 0 && peer.serving.is_taking(now, &self.config);
        let free = self.config.upload_slots.saturating_sub(self.peers.values().filter(busy).count());
        let candidates = self.peers.iter().filter_map(|(id, peer)| self.candidate(now, *id, peer, free));
        choker::choose(candidates, free, self.config.serve_patience, self.config.lead_patience)
    }

    /// A peer that could be sent a block. With no slot `free`, one that would need one could not, and how rare what it wants
    /// is, which takes longest to find out, is of no interest.
    fn candidate(&self, now: Instant, connection: ConnectionId, peer: &Peer, free: usize) -> Option<Candidate> {
        let serving = &peer.serving;
        let next = serving.requests.front()?;
        let room = serving.queued == 0 || serving.queued + u64::from(next.length) <= serving.queue_max(&self.config);
        if !room {
            return None;
        }
        let standing = if !serving.is_taking(now, &self.config) {
            Standing::Slow
        } else if serving.is_amid_a_piece() {
            Standing::Served
        } else {
            Standing::Waiting
        };
        let slot = if serving.queued == 0 { Slot::Needed } else { Slot::Held };
        if free == 0 && slot == Slot::Needed && standing != Standing::Slow {
            return None;
        }
        let copies = match standing {
            Standing::Waiting => self.rarest_wanted(peer).map_or(0, |(copies, _)| copies),
            Standing::Served | Standing::Slow => 0,
        };
        Some(Candidate {
            connection,
            standing,
            slot,
            waited: now.since(serving.served_at),
            copies,
            progress: f64::from(peer.has.count()) / f64::from(peer.has.capacity().max(1)),
        })
    }

    /// Among the next requests of a peer the one for the piece with the fewest copies, given or known of.
    fn rarest_wanted(&self, peer: &Peer) -> Option<(u32, PieceIndex)> {
        let copies = |piece: PieceIndex| self.spread.given(piece).max(self.picker.availability(piece));
        let next = peer.serving.requests.iter().take(LOOKAHEAD);
        next.map(|block| block.piece).map(|piece| (copies(piece), piece)).min_by_key(|(copies, _)| *copies)
    }

    fn serve_block(&mut self, now: Instant, connection: ConnectionId) {
        let Some(peer) = self.peers.get(&connection) else { return };
        let asks = |piece: &PieceIndex| peer.serving.requests.iter().any(|request| request.piece == *piece);
        let begun = peer.serving.slot.filter(asks);
        let piece = begun.or_else(|| self.rarest_wanted(peer).map(|(_, piece)| piece));
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        let serving = &mut peer.serving;
        let at = serving.requests.iter().position(|block| Some(block.piece) == piece).unwrap_or(0);
        let Some(block) = serving.requests.remove(at) else { return };
        let last = block.begin + block.length == self.layout.piece_length(block.piece);
        serving.slot = if last { None } else { Some(block.piece) };
        serving.served_at = now;
        if serving.queued == 0 {
            serving.taken_at = now;
        }
        serving.queued += u64::from(block.length);
        peer.spoke = now;
        self.upload.take(u64::from(block.length));
        self.say(Output::Serve { connection, block });
        if begun != Some(block.piece) {
            self.spread.give(block.piece);
        }
        if last {
            self.shown_piece_is_out(now, connection, block.piece);
        }
    }

    /// A block that was to be sent cannot be read.
    pub(super) fn unreadable(&mut self, now: Instant, connection: ConnectionId, block: Block) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.serving.queued = peer.serving.queued.saturating_sub(u64::from(block.length));
        self.upload.give_back(u64::from(block.length));
        self.say(Output::Note(Note::Unreadable(block.piece)));
        self.refuse(now, connection, block);
        self.serve(now);
    }

    pub(super) fn sent(&mut self, now: Instant, connection: ConnectionId, payload: u64) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            peer.serving.queued = peer.serving.queued.saturating_sub(payload);
            peer.serving.taken_at = now;
            peer.serving.meter.add(payload);
            self.count_up(payload);
        }
        self.serve(now);
    }
}
