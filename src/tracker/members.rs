//! The peers of one swarm.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::announce::{AnnouncedPeer, SwarmCounts};
use crate::base::{Instant, PeerId, Zone};
use crate::roster::Roster;

/// Whether a peer has every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    Complete,
    Incomplete,
}

/// One peer of a swarm.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) peer_id: PeerId,
    pub(super) zone: Option<Zone>,
    pub(super) completeness: Completeness,
    pub(super) expires: Instant,
}

/// The peers of one swarm, by address.
#[derive(Debug, Default)]
pub(super) struct Members {
    peers: BTreeMap<SocketAddr, Member>,
    roster: Roster<SocketAddr>,
    complete: usize,
    downloaded: u32,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn get(&self, address: SocketAddr) -> Option<&Member> {
        self.peers.get(&address)
    }

    /// Adds a peer; one at the same address is replaced.
    pub(super) fn insert(&mut self, member: Member, rng: &mut fastrand::Rng) {
        self.roster.enter(member.address, member.zone.as_ref(), rng);
        self.complete += usize::from(member.completeness == Completeness::Complete);
        let before = self.peers.insert(member.address, member);
        self.complete -= usize::from(before.is_some_and(|before| before.completeness == Completeness::Complete));
    }

    pub(super) fn remove(&mut self, address: SocketAddr, rng: &mut fastrand::Rng) {
        if let Some(member) = self.peers.remove(&address) {
            self.complete -= usize::from(member.completeness == Completeness::Complete);
            self.roster.leave(address, rng);
        }
    }

    pub(super) const fn count_download(&mut self) {
        self.downloaded = self.downloaded.saturating_add(1);
    }

    pub(super) fn counts(&self) -> SwarmCounts {
        SwarmCounts {
            complete: self.complete as u32,
            downloaded: self.downloaded,
            incomplete: (self.peers.len() - self.complete) as u32,
        }
    }

    /// So many may come.
    pub(super) const fn expect(&mut self, peers: usize) {
        self.roster.expect(peers);
    }

    /// At most `count` peers of use to `asker`: never itself, and for a complete one only incomplete ones.
    pub(super) fn choose(&mut self, asker: &Member, count: usize, rng: &mut fastrand::Rng) -> Vec<AnnouncedPeer> {
        let peers = &self.peers;
        let useful = |address: SocketAddr| {
            let both_complete =
                |other: &Member| [asker.completeness, other.completeness] == [Completeness::Complete; 2];
            peers.get(&address).is_some_and(|other| other.peer_id != asker.peer_id && !both_complete(other))
        };
        let chosen = self.roster.choose((asker.address, asker.zone.as_ref()), count, rng, useful);
        let chosen = chosen.iter().filter_map(|address| peers.get(address));
        chosen.map(|member| AnnouncedPeer { address: member.address, peer_id: Some(member.peer_id) }).collect()
    }
}
