//! Choker: which peers to serve.
//!
//! Nobody is choked: in a fleet of one owner there is nobody to teach. What remains is the order in which requests are
//! answered. A few peers are served at a time, each a whole piece, so that pieces are out, and passed on, soon. The piece
//! with the fewest copies goes first; among equals the peer that is behind all others, so that none is last for long.

use std::time::Duration;

use super::ConnectionId;

/// Somebody who could be sent a block now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) connection: ConnectionId,
    pub(super) standing: Standing,
    pub(super) slot: Slot,
    /// The share of the payload it has, as far as known.
    pub(super) progress: f64,
    /// Since it was last served, or began to wait.
    pub(super) waited: Duration,
    /// Copies of the rarest piece it asks for.
    pub(super) copies: u32,
}

/// Whether serving somebody takes a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing is queued for it: it does.
    Needed,
    /// It has one.
    Held,
}

/// What a peer has of our attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It is in the middle of a piece, and takes what it gets.
    Served,
    /// It waits for a slot.
    Waiting,
    /// It takes slowly: it gets a little at any time, beside the slots.
    Slow,
}

/// Chooses whom to send the next block to; `free` slots are not taken. Those in the middle of a piece go on, longest
/// unserved first; then somebody who waits; then the slow, whose next block waits for nobody else. To have waited for
/// `patience` outweighs one copy, for `lead` the whole payload.
pub(super) fn choose(
    candidates: impl Iterator<Item = Candidate>,
    free: usize,
    patience: Duration,
    lead: Duration,
) -> Option<ConnectionId> {
    let rank = |candidate: &Candidate| {
        let waited = micros(candidate.waited);
        let order = match candidate.standing {
            Standing::Served | Standing::Slow => -waited,
            Standing::Waiting => {
                let copies = i64::from(candidate.copies).saturating_mul(micros(patience).max(1));
                copies.saturating_add(micros(lead.mul_f64(candidate.progress))).saturating_sub(waited)
            }
        };
        (candidate.standing, order, candidate.connection)
    };
    let may = |candidate: &Candidate| match candidate.standing {
        Standing::Slow => true,
        Standing::Served | Standing::Waiting => free > 0 || candidate.slot == Slot::Held,
    };
    candidates.filter(may).min_by_key(rank).map(|candidate| candidate.connection)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);
    const LEAD: Duration = Duration::from_secs(50);

    fn candidate(id: u64, standing: Standing, waited: u64, copies: u32) -> Candidate {
        let (connection, waited) = (ConnectionId(id), Duration::from_millis(waited));
        Candidate { connection, standing, slot: Slot::Needed, waited, copies, progress: 0.0 }
    }

    fn chosen(candidates: &[Candidate], free: usize) -> Option<u64> {
        choose(candidates.iter().copied(), free, PATIENCE, LEAD).map(|id| id.0)
    }

    #[test]
    fn a_piece_that_was_begun_is_finished_first() {
        let candidates = [candidate(1, Standing::Waiting, 900, 0), candidate(2, Standing::Served, 1, 5)];
        assert_eq!(chosen(&candidates, 1), Some(2));
    }

    #[test]
    fn the_piece_with_the_fewest_copies_goes_first() {
        let candidates = [candidate(1, Standing::Waiting, 900, 1), candidate(2, Standing::Waiting, 1, 0)];
        assert_eq!(chosen(&candidates, 1), Some(2));
    }

    #[test]
    fn who_is_behind_goes_before_who_is_ahead() {
        let ahead = Candidate { progress: 0.5, ..candidate(1, Standing::Waiting, 900, 1) };
        assert_eq!(chosen(&[ahead, candidate(2, Standing::Waiting, 1, 1)], 1), Some(2));
    }

    #[test]
    fn nobody_starves() {
        let candidates = [candidate(1, Standing::Waiting, 9000, 3), candidate(2, Standing::Waiting, 1, 0)];
        assert_eq!(chosen(&candidates, 1), Some(1));
    }

    #[test]
    fn without_a_free_slot_only_the_served_and_the_slow_go_on() {
        let waiting = candidate(1, Standing::Waiting, 9000, 0);
        assert_eq!(chosen(&[waiting], 0), None);
        assert_eq!(chosen(&[waiting, candidate(2, Standing::Slow, 0, 9)], 0), Some(2));
        let served = Candidate { slot: Slot::Held, ..candidate(3, Standing::Served, 0, 0) };
        assert_eq!(chosen(&[waiting, served], 0), Some(3));
    }
}
