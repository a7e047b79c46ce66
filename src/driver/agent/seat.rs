//! What one order to serve asks of this host, and how far it is obeyed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::delivery::Parcel;
use crate::announce::TrackerUrl;
use crate::base::{Bitfield, PieceIndex};
use crate::control::{AgentFailure, DataSource, ServeOrder, ServeRole};
use crate::driver::member::{Member, Part};
use crate::driver::peers::own_or_any;
use crate::driver::storage::Storage;
use crate::metainfo::{Info, Metainfo};
use crate::swarm::{Exchange, Preference};

/// Bytes from the console not written yet; beyond this no order is taken.
const UNWRITTEN_MAX: usize = 32 << 20;

/// Peers kept for a swarm that is not joined yet, or joined again.
const MET_MAX: usize = 65_536;

/// Peers the console told of.
#[derive(Debug, Default)]
pub(super) struct Met {
    listening: BTreeSet<SocketAddr>,
    allow: BTreeSet<IpAddr>,
}

impl Met {
    /// Remembers more.
    pub(super) fn add(&mut self, listening: Vec<SocketAddr>, allow: Vec<IpAddr>) {
        let room = MET_MAX.saturating_sub(self.listening.len());
        self.listening.extend(listening.into_iter().take(room));
        let room = MET_MAX.saturating_sub(self.allow.len());
        self.allow.extend(allow.into_iter().take(room));
    }

    /// Everybody's address.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.listening.iter().map(SocketAddr::ip).chain(self.allow.iter().copied())
    }
}

/// How far an order to serve is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Pieces are looked for, fetched and given.
    Gathering,
    /// The whole payload is being hashed.
    Verifying,
    /// The release is being unpacked.
    Unpacking,
    /// The release lies aside, verified.
    Staged,
    /// The release is in its place.
    Delivered {
        /// It had been there before.
        already: bool,
    },
}

/// What is asked of this host.
pub(super) struct Seat {
    /// The order, without its torrent.
    pub(super) order: ServeOrder,
    /// The payload's description.
    pub(super) info: Info,
    /// How far it is obeyed.
    pub(super) stage: Stage,
    /// Where the release lies aside, verified, until it gets its place.
    pub(super) staged: Option<PathBuf>,
    storage: Option<Arc<Storage>>,
    unwritten: usize,
}

impl Seat {
    /// Reads the torrent of an order.
    pub(super) fn new(mut order: ServeOrder) -> Result<Self, AgentFailure> {
        let torrent = Metainfo::parse(&std::mem::take(&mut order.torrent));
        let info = torrent.map_err(|error| AgentFailure::Protocol { why: error.to_string() })?.info;
        Ok(Self { order, info, stage: Stage::Gathering, staged: None, storage: None, unwritten: 0 })
    }

    /// Whether the other seat asks for nothing else: a peer may become a seeder that is sent the rest, and be one no longer.
    pub(super) fn is_the_same(&self, other: &Self) -> bool {
        let gathers = |role: &ServeRole| matches!(role, ServeRole::Peer | ServeRole::Seeder(DataSource::Pushed));
        let (mine, theirs) = (&self.order, &other.order);
        let same_role = mine.role == theirs.role || gathers(&mine.role) && gathers(&theirs.role);
        let work = |order: &ServeOrder| (order.tag.clone(), order.deliver, order.owner.clone());
        let same_place = mine.placing == theirs.placing || self.is_delivered();
        let same_work = work(mine) == work(theirs) && same_place && mine.payload == theirs.payload;
        same_role && same_work && self.info.info_hash() == other.info.info_hash()
    }

    /// Whether the release is in its place.
    pub(super) const fn is_delivered(&self) -> bool {
        matches!(self.stage, Stage::Delivered { .. })
    }

    /// Whether the release is on its way to its place.
    pub(super) const fn is_delivering(&self) -> bool {
        matches!(self.stage, Stage::Verifying | Stage::Unpacking)
    }

    /// What this host takes with it into the swarm.
    pub(super) fn part(&mut self, met: &Met, storage: Arc<Storage>, have: Bitfield) -> Part {
        self.storage = Some(Arc::clone(&storage));
        let order = &self.order;
        Part {
            storage,
            info_hash: self.info.info_hash(),
            have,
            bind: own_or_any(order.bind),
            ports: order.ports,
            allow: Some(order.allow.iter().copied().chain(met.addresses()).collect()),
            exchange: Exchange::Off,
            preference: Preference::AsTold,
            trackers: order.tracker.map(TrackerUrl::announce_at).into_iter().collect(),
            peers: order.peers.iter().copied().chain(met.listening.iter().copied()).collect(),
            zone: order.zone.clone(),
            max_upload: order.max_upload,
            max_download: order.max_download,
        }
    }

    /// What is to be delivered once every piece is there; `None` when nothing is.
    pub(super) fn delivery(&self) -> Option<(Parcel, Arc<Storage>)> {
        let wanted = self.order.deliver && !self.is_delivered() && self.staged.is_none();
        let storage = self.storage.as_ref().filter(|_| wanted)?;
        let ServeOrder { tag, payload, owner, placing, .. } = &self.order;
        let (tag, facts, owner) = (tag.clone(), payload.clone(), owner.clone());
        Some((Parcel { tag, facts, owner, placing: *placing }, Arc::clone(storage)))
    }

    /// Whether more bytes of the console can be taken.
    pub(super) const fn takes_data(&self) -> bool {
        self.unwritten < UNWRITTEN_MAX
    }

    /// Hands pieces of the console to the disk.
    pub(super) fn take_data(&mut self, member: &mut Member, offset: u64, data: &Bytes) -> Result<(), AgentFailure> {
        if self.order.role != ServeRole::Seeder(DataSource::Pushed) {
            return Err(AgentFailure::Protocol { why: "it sent data to a host that gets it elsewhere".to_owned() });
        }
        let layout = self.info.layout();
        let mut rest = data.clone();
        let mut piece = PieceIndex((offset / u64::from(layout.nominal_piece_length())) as u32);
        while !rest.is_empty() {
            let length = layout.piece_length(piece) as usize;
            let aligned = layout.piece_offset(piece) == offset + (data.len() - rest.len()) as u64;
            if length == 0 || length > rest.len() || !aligned {
                let why = format!("{} bytes at {offset} are not whole pieces", data.len());
                return Err(AgentFailure::Protocol { why });
            }
            let bytes = rest.split_to(length);
            if !member.have().contains(piece) {
                self.unwritten += length;
                member.store(piece, bytes);
            }
            piece.0 += 1;
        }
        Ok(())
    }

    /// So many of them are written.
    pub(super) const fn stored(&mut self, length: usize) {
        self.unwritten = self.unwritten.saturating_sub(length);
    }
}
