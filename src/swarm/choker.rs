//! Choker: which peers to serve.
//!
//! Nobody is choked: in a fleet of one owner there is nobody to teach. What remains is the order in which requests are
//! answered. A few peers are served at a time, each a whole piece, so that pieces are out, and passed on, soon; the piece
//! with the fewest copies goes first, so that a seeder gives each piece once before it gives any twice.

use std::time::Duration;

use super::ConnectionId;

/// Somebody who could be sent a block now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) connection: ConnectionId,
    pub(super) standing: Standing,
    /// Since it was last served, or began to wait.
    pub(super) waited: Duration,
    /// Copies of the rarest piece it asks for.
    pub(super) copies: u32,
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

/// Chooses whom to send the next block to; `free` slots are not taken. Those who are served go on, longest unserved
/// first; then somebody who waits; then the slow, whose next block waits for nobody else.
pub(super) fn choose(
    candidates: impl Iterator<Item = Candidate>,
    free: usize,
    patience: Duration,
) -> Option<ConnectionId> {
    let rank = |candidate: &Candidate| {
        let patience = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX).max(1);
        let waited = i64::try_from(candidate.waited.as_micros()).unwrap_or(i64::MAX);
        let order = match candidate.standing {
            Standing::Served | Standing::Slow => -waited,
            Standing::Waiting => i64::from(candidate.copies).saturating_mul(patience).saturating_sub(waited),
        };
        (candidate.standing, order, candidate.connection)
    };
    let may = |candidate: &Candidate| match candidate.standing {
        Standing::Served | Standing::Slow => true,
        Standing::Waiting => free > 0,
    };
    candidates.filter(may).min_by_key(rank).map(|candidate| candidate.connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn candidate(id: u64, standing: Standing, waited: u64, copies: u32) -> Candidate {
        Candidate { connection: ConnectionId(id), standing, waited: Duration::from_millis(waited), copies }
    }

    fn chosen(candidates: &[Candidate], free: usize) -> Option<u64> {
        choose(candidates.iter().copied(), free, PATIENCE).map(|id| id.0)
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
    fn nobody_starves() {
        let candidates = [candidate(1, Standing::Waiting, 9000, 3), candidate(2, Standing::Waiting, 1, 0)];
        assert_eq!(chosen(&candidates, 1), Some(1));
    }

    #[test]
    fn without_a_free_slot_only_the_served_and_the_slow_go_on() {
        let waiting = candidate(1, Standing::Waiting, 9000, 0);
        assert_eq!(chosen(&[waiting], 0), None);
        assert_eq!(chosen(&[waiting, candidate(2, Standing::Slow, 0, 9)], 0), Some(2));
    }
}
