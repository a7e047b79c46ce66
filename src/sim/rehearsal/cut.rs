//! A network that is cut in two: who reaches whom, and what there is on each side.
//!
//! A cut is one of the swarm's network. SSH goes on, so that a host beyond it is heard of, and can be acted on.

use std::collections::BTreeMap;

use super::machine::Rehearsal;
use crate::base::Bitfield;

/// Hosts that reach each other, and the pieces that are to be had there.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) hosts: Vec<usize>,
    pub(super) pieces: Bitfield,
}

impl Rehearsal {
    /// The sides of the network as it is now: one, unless it is cut.
    pub(super) fn sides(&self) -> Vec<Side> {
        let mut sides: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for number in 0..self.puppets.len() {
            sides.entry(self.side(number)).or_default().push(number);
        }
        let side = |(_, hosts): (u64, Vec<usize>)| Side { pieces: self.to_be_had(&hosts), hosts };
        sides.into_iter().map(side).collect()
    }

    /// Whether nothing gets from one host to the other at present; number 0 is the console, which seeds and tracks.
    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        self.side(one) != self.side(other)
    }

    /// On which side of each cut of this moment a host is, a bit a cut.
    fn side(&self, number: usize) -> u64 {
        let standing = self.scenario.partitions.iter().filter(|partition| partition.is_at(self.now));
        standing.fold(0, |side, partition| side << 1 | u64::from(number < partition.first as usize))
    }

    /// Where the seeder is, what it has sent; elsewhere, what somebody of the swarm has.
    fn to_be_had(&self, hosts: &[usize]) -> Bitfield {
        if hosts.first() == Some(&0) {
            return self.out.clone();
        }
        let mut pieces = Bitfield::empty(self.out.capacity());
        for puppet in hosts.iter().map(|number| &self.puppets[*number]).filter(|puppet| puppet.is_in_swarm()) {
            pieces.union_with(&puppet.pieces);
        }
        pieces
    }
}
