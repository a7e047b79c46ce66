//! Host: one simulated machine with its disk, and what is wrong with it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::{Fault, Trouble};
use crate::base::{Bitfield, Block, Instant, Layout, PieceIndex};
use crate::swarm::Swarm;

/// The port every host listens on.
const PORT: u16 = 6881;

/// What a host is at present.
#[derive(Debug)]
pub(super) enum Life {
    /// Not started yet, or dead for now.
    Down,
    /// Working.
    Up(Box<Swarm>),
    /// There, and doing nothing.
    Frozen,
}

/// Which blocks lie on a disk, and which of them are wrong.
#[derive(Debug)]
pub(super) struct Disk {
    blocks: Vec<u32>,
    wrong: BTreeSet<(PieceIndex, u32)>,
    present: BTreeSet<(PieceIndex, u32)>,
    verified: Bitfield,
}

/// Whether bytes are what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// They are.
    Right,
    /// They are not.
    Wrong,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) index: usize,
    pub(super) life: Life,
    pub(super) disk: Disk,
    pub(super) troubles: Vec<Trouble>,
    /// Grows each time it starts: what was under way for an earlier life is for nobody.
    pub(super) life_number: u32,
    /// When the next look at its machine is due.
    pub(super) timer: Option<Instant>,
    pub(super) complete_at: Option<Instant>,
    /// Whether the world waits for it to be complete.
    pub(super) awaited: bool,
}

impl Host {
    pub(super) fn new(index: usize, layout: Layout, faults: &[Fault]) -> Self {
        let troubles: Vec<Trouble> =
            faults.iter().filter(|fault| fault.host as usize == index).map(|fault| fault.trouble).collect();
        let mut have =
            if index == 0 { Bitfield::full(layout.piece_count()) } else { Bitfield::empty(layout.piece_count()) };
        for trouble in &troubles {
            if let Trouble::Resumed { pieces } = trouble {
                (0..*pieces).for_each(|piece| {
                    have.insert(PieceIndex(piece));
                });
            }
        }
        let awaited = !have.is_full();
        Self {
            index,
            life: Life::Down,
            disk: Disk::new(layout, have),
            troubles,
            life_number: 0,
            timer: None,
            complete_at: None,
            awaited,
        }
    }

    pub(super) fn swarm(&self) -> Option<&Swarm> {
        match &self.life {
            Life::Up(swarm) => Some(swarm),
            Life::Down | Life::Frozen => None,
        }
    }

    pub(super) fn swarm_mut(&mut self) -> Option<&mut Swarm> {
        match &mut self.life {
            Life::Up(swarm) => Some(swarm),
            Life::Down | Life::Frozen => None,
        }
    }

    /// Whether something answers at its address, if only the operating system.
    pub(super) const fn is_there(&self) -> bool {
        match self.life {
            Life::Up(_) | Life::Frozen => true,
            Life::Down => false,
        }
    }

    /// What comes out of it when it is asked for a block.
    pub(super) fn gives(&self) -> Content {
        if self.troubles.contains(&Trouble::Corrupt) { Content::Wrong } else { Content::Right }
    }
}

/// Where a host listens.
pub(super) fn address_of(index: usize) -> SocketAddr {
    let [_, high, middle, low] = (index as u32 + 1).to_be_bytes();
    SocketAddr::from(([10, high, middle, low], PORT))
}

/// The host that listens there.
pub(super) fn host_at(address: SocketAddr) -> Option<usize> {
    let SocketAddr::V4(address) = address else { return None };
    let [first, high, middle, low] = address.ip().octets();
    let number = u32::from_be_bytes([0, high, middle, low]) as usize;
    (first == 10 && address.port() == PORT).then(|| number.checked_sub(1)).flatten()
}

impl Disk {
    fn new(layout: Layout, verified: Bitfield) -> Self {
        let blocks = layout.pieces().map(|piece| layout.block_count(piece)).collect();
        Self { blocks, wrong: BTreeSet::new(), present: BTreeSet::new(), verified }
    }

    /// Pieces that were verified.
    pub(super) const fn verified(&self) -> &Bitfield {
        &self.verified
    }

    pub(super) fn write(&mut self, block: Block, content: Content) {
        let at = (block.piece, block.begin);
        self.present.insert(at);
        match content {
            Content::Right => self.wrong.remove(&at),
            Content::Wrong => self.wrong.insert(at),
        };
    }

    /// Whether every block of a piece is there, and right.
    pub(super) fn verify(&mut self, piece: PieceIndex) -> Content {
        let whole = (piece, 0)..=(piece, u32::MAX);
        let present = self.present.range(whole.clone()).count() as u32 == self.blocks[piece.as_usize()];
        let right = present && self.wrong.range(whole.clone()).next().is_none();
        if right {
            self.verified.insert(piece);
            self.present.retain(|at| !whole.contains(at));
        }
        if right { Content::Right } else { Content::Wrong }
    }
}
