//! One host of a rehearsal: what it has, what it is at, and what is wrong with it.

use std::net::IpAddr;

use super::{Mishap, MishapKind};
use crate::base::{Bitfield, ByteCount, ByteRate, Instant, PieceIndex};
use crate::control::{Progress, TrackerHealth};
use crate::rollout::Caps;
use crate::sim::{HostSpec, Trouble};

/// What it is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Nobody talks to it.
    Away,
    /// Its agent runs, and is in no swarm.
    Attached,
    /// It fetches, and gives what it has.
    Fetching,
    /// It has everything and gives it.
    Seeding,
}

/// A host, or the console when it seeds.
#[derive(Debug, Clone)]
pub(super) struct Puppet {
    /// What lies on its disk, whatever becomes of its agent.
    pub(super) pieces: Bitfield,
    pub(super) life: Life,
    /// The attempt that its agent belongs to.
    pub(super) attempt: u32,
    /// What it says of itself; `completed` is made of `fresh`.
    pub(super) progress: Progress,
    /// Pieces since it last said so.
    pub(super) fresh: Vec<PieceIndex>,
    /// Bytes of a piece that is not whole.
    pub(super) owed: f64,
    pub(super) caps: Caps,
    pub(super) watched: bool,
    /// Says and does nothing before that.
    pub(super) silent_until: Instant,
    pub(super) mishap: Option<Mishap>,
    /// How often that has stopped it.
    pub(super) struck: u32,
    pub(super) troubles: Vec<Trouble>,
    /// Troubles of a moment that have come, by their place in `troubles`.
    pub(super) past: usize,
}

impl Puppet {
    pub(super) fn new(pieces: u32, troubles: Vec<Trouble>) -> Self {
        let mut puppet = Self {
            pieces: Bitfield::empty(pieces),
            life: Life::Away,
            attempt: 0,
            progress: Progress::default(),
            fresh: Vec::new(),
            owed: 0.0,
            caps: Caps::default(),
            watched: false,
            silent_until: Instant::ZERO,
            mishap: None,
            struck: 0,
            troubles,
            past: 0,
        };
        puppet.resume();
        puppet
    }

    /// Puts on its disk what it has from the start.
    pub(super) fn resume(&mut self) {
        for trouble in &self.troubles {
            if let Trouble::Resumed { pieces } = trouble {
                for piece in 0..(*pieces).min(self.pieces.capacity()) {
                    self.pieces.insert(PieceIndex(piece));
                }
            }
        }
    }

    /// What chance has put there and nobody has mended.
    pub(super) fn ill(&self) -> Option<MishapKind> {
        self.mishap.filter(|mishap| mishap.holds(self.struck)).map(|mishap| mishap.trouble)
    }

    /// Whether something is wrong with it now.
    pub(super) fn suffers(&self, kind: MishapKind) -> bool {
        self.ill() == Some(kind)
    }

    /// Whether nobody answers there.
    pub(super) fn is_absent(&self) -> bool {
        self.troubles.iter().any(|trouble| *trouble == Trouble::Absent || trouble.is_impostor())
    }

    /// Whether it is one of the swarm.
    pub(super) const fn is_in_swarm(&self) -> bool {
        matches!(self.life, Life::Fetching | Life::Seeding)
    }

    /// What it can receive in a second.
    pub(super) fn down(&self, spec: &HostSpec) -> f64 {
        let cap = least([spec.down, spec.max_download, self.caps.download].into_iter().chain(self.slowness(spec.down)));
        if self.halts() { 0.0 } else { cap }
    }

    /// What it can send in a second.
    pub(super) fn up(&self, spec: &HostSpec) -> f64 {
        let mean = self.pieces.is_empty() || self.troubles.contains(&Trouble::Selfish);
        let cap = least([spec.up, spec.max_upload, self.caps.upload].into_iter().chain(self.slowness(spec.up)));
        if mean { 0.0 } else { cap }
    }

    /// Whether no peer lets it ask any more.
    pub(super) fn halts(&self) -> bool {
        self.suffers(MishapKind::Stalls) && self.pieces.count() >= self.pieces.capacity() / 2
    }

    fn slowness(&self, usual: ByteRate) -> impl Iterator<Item = ByteRate> {
        let slow = self.suffers(MishapKind::Slow).then_some(ByteRate(usual.0 / 6 + 1));
        let faults = self.troubles.iter().filter_map(|trouble| trouble.rate());
        faults.chain(slow).collect::<Vec<_>>().into_iter()
    }

    /// Takes its agent out of the swarm; what is on its disk stays.
    pub(super) fn leave(&mut self, life: Life) {
        self.struck += u32::from(self.life == Life::Fetching && self.halts());
        self.life = life;
        self.watched = false;
        self.owed = 0.0;
        self.fresh.clear();
        self.progress = Progress::default();
    }

    /// What it says now.
    pub(super) fn say(&mut self, tracker: TrackerHealth) -> Progress {
        self.fresh.sort_unstable();
        let mut completed: Vec<(u32, u32)> = Vec::new();
        for PieceIndex(piece) in self.fresh.drain(..) {
            match completed.last_mut() {
                Some((first, count)) if *first + *count == piece => *count += 1,
                Some(_) | None => completed.push((piece, 1)),
            }
        }
        Progress { pieces: self.pieces.count(), completed, tracker, ..self.progress.clone() }
    }

    /// Notes what it moved in a turn.
    pub(super) fn moved(&mut self, down: f64, up: f64, seconds: f64) {
        let smooth = |rate: ByteRate, bytes: f64| ByteRate((rate.0 as f64 * 0.7 + bytes / seconds * 0.3) as u64);
        self.progress.bytes_down = ByteCount(self.progress.bytes_down.0 + down as u64);
        self.progress.bytes_up = ByteCount(self.progress.bytes_up.0 + up as u64);
        self.progress.rate_down = smooth(self.progress.rate_down, down);
        self.progress.rate_up = smooth(self.progress.rate_up, up);
    }
}

/// The least of some rates, where 0 is no cap.
fn least(rates: impl Iterator<Item = ByteRate>) -> f64 {
    rates.filter_map(ByteRate::cap).min().map_or(0.0, |rate| rate as f64)
}

/// Where the agent of a host listens; number 0 is the console.
pub(super) fn address(number: usize) -> IpAddr {
    let number = number as u32;
    let place = if number == 0 { 0x0aff_fffe } else { 0x0a00_0000 + number };
    IpAddr::from(place.to_be_bytes())
}
