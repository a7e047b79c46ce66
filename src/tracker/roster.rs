//! The peers of one swarm.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::announce::{AnnouncedPeer, SwarmCounts};
use crate::base::{Instant, PeerId};

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
    pub(super) completeness: Completeness,
    pub(super) expires: Instant,
}

/// The peers of one swarm, by address. Their order means nothing: picking shuffles it.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<Member>,
    places: BTreeMap<SocketAddr, usize>,
    complete: usize,
    downloaded: u32,
}

impl Roster {
    pub(super) const fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn get(&self, address: SocketAddr) -> Option<&Member> {
        self.places.get(&address).map(|place| &self.members[*place])
    }

    /// Adds a peer; one at the same address is replaced.
    pub(super) fn insert(&mut self, member: Member) {
        self.remove(member.address);
        self.complete += usize::from(member.completeness == Completeness::Complete);
        self.places.insert(member.address, self.members.len());
        self.members.push(member);
    }

    pub(super) fn remove(&mut self, address: SocketAddr) -> Option<Member> {
        let place = self.places.remove(&address)?;
        let member = self.members.swap_remove(place);
        if let Some(moved) = self.members.get(place) {
            self.places.insert(moved.address, place);
        }
        self.complete -= usize::from(member.completeness == Completeness::Complete);
        Some(member)
    }

    pub(super) const fn count_download(&mut self) {
        self.downloaded = self.downloaded.saturating_add(1);
    }

    pub(super) fn counts(&self) -> SwarmCounts {
        SwarmCounts {
            complete: self.complete as u32,
            downloaded: self.downloaded,
            incomplete: (self.members.len() - self.complete) as u32,
        }
    }

    /// At most `count` random peers of use to `asker`: never itself, and for a complete one only incomplete ones.
    ///
    /// A shuffle that stops early, in place: its cost is that of the answer, not of the swarm.
    pub(super) fn pick(&mut self, asker: &Member, count: usize, rng: &mut fastrand::Rng) -> Vec<AnnouncedPeer> {
        let mut picked = Vec::with_capacity(count.min(self.members.len()));
        for place in 0..self.members.len() {
            if picked.len() == count {
                break;
            }
            self.swap(place, rng.usize(place..self.members.len()));
            let member = &self.members[place];
            let same = member.address == asker.address || member.peer_id == asker.peer_id;
            let both_complete = [asker.completeness, member.completeness] == [Completeness::Complete; 2];
            if !same && !both_complete {
                picked.push(AnnouncedPeer { address: member.address, peer_id: Some(member.peer_id) });
            }
        }
        picked
    }

    fn swap(&mut self, one: usize, other: usize) {
        if one != other {
            self.members.swap(one, other);
            self.places.insert(self.members[one].address, one);
            self.places.insert(self.members[other].address, other);
        }
    }
}
