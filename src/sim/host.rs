//! Host: one simulated machine with its disk, and what is wrong with it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::events::Parcel;
use super::impostor::Impostor;
use super::{Scenario, Trouble};
use crate::base::{BLOCK_LENGTH, Bitfield, Block, ByteCount, ByteRate, Instant, Layout, PieceIndex, Sha1Digest};
use crate::swarm::Swarm;
use crate::wire::Message;

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
    /// There, and not what it seems.
    Impostor(Impostor),
}

/// Which blocks lie on a disk, and which of them are wrong.
#[derive(Debug)]
pub(super) struct Disk {
    layout: Layout,
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
    /// Whether the tracker has answered it.
    pub(super) announced: bool,
    /// It does nothing before this.
    pub(super) asleep_until: Instant,
    /// How far its clock is ahead of the world's.
    pub(super) ahead: Duration,
    /// The pieces it had when it last started.
    pub(super) began_with: Bitfield,
    /// Payload that came, in all its lives.
    pub(super) fetched: ByteCount,
    /// Payload that came for pieces that were not whole when it died.
    pub(super) cut_off: ByteCount,
    /// Wrong blocks that were written to its disk.
    pub(super) fed_wrong: u32,
    /// Payload that its machine had no use for, in its earlier lives.
    pub(super) wasted_before: ByteCount,
}

impl Host {
    pub(super) fn new(index: usize, layout: Layout, scenario: &Scenario) -> Self {
        let troubles: Vec<Trouble> =
            scenario.faults.iter().filter(|fault| fault.host as usize == index).map(|fault| fault.trouble).collect();
        let (pieces, begins_with_all) = (layout.piece_count(), index == 0 && scenario.push == ByteRate::UNLIMITED);
        let mut have = if begins_with_all { Bitfield::full(pieces) } else { Bitfield::empty(pieces) };
        for trouble in &troubles {
            if let Trouble::Resumed { pieces } = trouble {
                (0..*pieces).for_each(|piece| {
                    have.insert(PieceIndex(piece));
                });
            }
        }
        let elsewhere = |trouble: &Trouble| trouble.is_impostor() || *trouble == Trouble::Absent;
        let awaited = index > 0 && !have.is_full() && !troubles.iter().any(elsewhere);
        Self {
            index,
            life: Life::Down,
            began_with: have.clone(),
            disk: Disk::new(layout, have),
            troubles,
            life_number: 0,
            timer: None,
            complete_at: None,
            awaited,
            announced: false,
            asleep_until: Instant::ZERO,
            ahead: Duration::ZERO,
            fetched: ByteCount(0),
            cut_off: ByteCount(0),
            fed_wrong: 0,
            wasted_before: ByteCount(0),
        }
    }

    /// Whether it is to die when every piece is somewhere else as well.
    pub(super) fn is_mortal(&self) -> bool {
        self.troubles.contains(&Trouble::KilledAfterOneCopy)
    }

    pub(super) fn swarm(&self) -> Option<&Swarm> {
        match &self.life {
            Life::Up(swarm) => Some(swarm),
            Life::Down | Life::Frozen | Life::Impostor(_) => None,
        }
    }

    pub(super) fn swarm_mut(&mut self) -> Option<&mut Swarm> {
        match &mut self.life {
            Life::Up(swarm) => Some(swarm),
            Life::Down | Life::Frozen | Life::Impostor(_) => None,
        }
    }

    /// Whether something answers at its address, if only the operating system.
    pub(super) const fn is_there(&self) -> bool {
        match self.life {
            Life::Up(_) | Life::Frozen | Life::Impostor(_) => true,
            Life::Down => false,
        }
    }

    /// What it is instead of a machine of ours, if so.
    pub(super) fn manner(&self) -> Option<Trouble> {
        self.troubles.iter().copied().find(|trouble| trouble.is_impostor())
    }

    /// Whether the tracker has answered it, or never will be asked.
    pub(super) fn has_announced(&self) -> bool {
        self.announced || self.troubles.contains(&Trouble::Absent)
    }

    /// Whether it does not let this out: what it has, and that it may be asked.
    pub(super) fn conceals(&self, parcel: &Parcel) -> bool {
        let tells = matches!(
            parcel,
            Parcel::Message(Message::Have(_) | Message::Bitfield(_) | Message::HaveAll | Message::Unchoke)
        );
        tells && self.troubles.contains(&Trouble::Selfish)
    }

    /// What comes out of it when it is asked for a block.
    pub(super) fn gives(&self, block: Block) -> Content {
        let number = block.piece.0.wrapping_add(block.begin / BLOCK_LENGTH);
        let lies = |trouble: &Trouble| matches!(trouble, Trouble::Corrupt { one_in } if number.is_multiple_of(*one_in.max(&1)));
        if self.troubles.iter().any(lies) { Content::Wrong } else { Content::Right }
    }

    /// Dies, with its books.
    pub(super) fn die(&mut self) {
        self.wasted_before += self.swarm().map(|swarm| swarm.totals().wasted).unwrap_or_default();
        self.cut_off += self.disk.unfinished();
        self.life = Life::Down;
    }

    /// Starts, with the pieces that are whole on its disk.
    pub(super) fn survey(&mut self) -> Bitfield {
        self.life_number += 1;
        self.disk.survey();
        self.began_with = self.disk.verified().clone();
        self.began_with.clone()
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
        Self { layout, wrong: BTreeSet::new(), present: BTreeSet::new(), verified }
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

    /// What lies here of pieces that are not whole.
    fn unfinished(&self) -> ByteCount {
        let block = |(piece, begin): &(PieceIndex, u32)| self.layout.block(*piece, begin / BLOCK_LENGTH);
        ByteCount(self.present.iter().filter_map(block).map(|block| u64::from(block.length)).sum())
    }

    /// Verifies what is there, and forgets the rest.
    fn survey(&mut self) {
        let begun: BTreeSet<PieceIndex> = self.present.iter().map(|(piece, _)| *piece).collect();
        for piece in begun {
            self.verify(piece);
        }
        self.present.clear();
        self.wrong.clear();
    }

    /// What stands for the digest of each block of a piece.
    pub(super) fn digests(&self, piece: PieceIndex) -> Vec<Sha1Digest> {
        let digest = |block: u32| u8::from(self.wrong.contains(&(piece, block * BLOCK_LENGTH)));
        (0..self.layout.block_count(piece)).map(|block| Sha1Digest::new([digest(block); 20])).collect()
    }

    /// Whether every block of a piece is there, and right.
    pub(super) fn verify(&mut self, piece: PieceIndex) -> Content {
        let whole = (piece, 0)..=(piece, u32::MAX);
        let present = self.present.range(whole.clone()).count() as u32 == self.layout.block_count(piece);
        let right = present && self.wrong.range(whole.clone()).next().is_none();
        if right {
            self.verified.insert(piece);
            self.present.retain(|at| !whole.contains(at));
        }
        if right { Content::Right } else { Content::Wrong }
    }
}
