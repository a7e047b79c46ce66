//! What was said to an agent and what was heard of it, whichever connection carried it.
//!
//! Orders are kept until the agent confirms them. When a connection is lost, the next one begins with what the agent has
//! not taken, so that nothing is lost, and nothing is applied twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::control::{Attached, Mark, Order};

/// Frames of payload that may wait to be confirmed before no more are sent: each is a mebibyte or one piece.
const DATA_MAX: usize = 256;

/// Orders and frames that may wait to be confirmed at all.
const UNCONFIRMED_MAX: usize = 4096;

/// Something that was said.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// An order, as it was.
    Order(Order),
    /// A part of the payload, to be read again if need be.
    Data {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        length: u64,
    },
}

/// The books of one attempt.
#[derive(Debug, Default)]
struct Books {
    agent: Option<u64>,
    heard: u64,
    said: u64,
    unconfirmed: VecDeque<(u64, Said)>,
}

/// The books, shared by who writes and who reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Arc<(Mutex<Books>, Notify)>);

impl Ledger {
    /// The last status that was heard, and of which agent.
    pub(super) fn seen(&self) -> Option<Mark> {
        let books = self.books();
        books.agent.map(|instance| Mark { instance, number: books.heard })
    }

    /// The agent answered; false when it is another than before.
    pub(super) fn attached(&self, attached: Attached) -> bool {
        let mut books = self.books();
        match books.agent.replace(attached.instance) {
            None => books.said = attached.taken,
            Some(before) if before != attached.instance => return false,
            Some(_) => books.confirm(attached.taken),
        }
        true
    }

    /// A status came; whether it is news.
    pub(super) fn hear(&self, number: u64) -> bool {
        let mut books = self.books();
        let news = number > books.heard;
        books.heard = books.heard.max(number);
        news
    }

    /// Gives something to say its number; `None` when too much was not confirmed.
    pub(super) fn say(&self, said: Said) -> Option<u64> {
        let mut books = self.books();
        if books.unconfirmed.len() >= UNCONFIRMED_MAX {
            return None;
        }
        books.said += 1;
        let number = books.said;
        books.unconfirmed.push_back((number, said));
        Some(number)
    }

    /// The agent has obeyed everything up to this order.
    pub(super) fn confirm(&self, order: u64) {
        self.books().confirm(order);
        self.0.1.notify_one();
    }

    /// What is to be said again on a new connection.
    pub(super) fn unconfirmed(&self) -> Vec<(u64, Said)> {
        self.books().unconfirmed.iter().cloned().collect()
    }

    /// Waits until more of the payload may be sent. May be dropped and called again.
    pub(super) async fn room(&self) {
        while self.books().unconfirmed.len() >= DATA_MAX {
            self.0.1.notified().await;
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn confirm(&mut self, order: u64) {
        while self.unconfirmed.front().is_some_and(|(number, _)| *number <= order) {
            self.unconfirmed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(instance: u64, taken: u64) -> Attached {
        Attached { instance, taken, pid: 1 }
    }

    #[test]
    fn what_was_not_confirmed_is_said_again_and_nothing_else() {
        let ledger = Ledger::default();
        assert!(ledger.seen().is_none() && ledger.attached(attached(7, 4)));
        let said: Vec<_> = (0..3).map(|_| ledger.say(Said::Order(Order::Watch { on: true })).unwrap()).collect();
        assert_eq!(said, [5, 6, 7], "it goes on where another console stopped");
        ledger.confirm(5);
        assert!(ledger.hear(1) && ledger.hear(3) && !ledger.hear(3) && !ledger.hear(2));
        assert_eq!(ledger.seen(), Some(Mark { instance: 7, number: 3 }));
        assert!(ledger.attached(attached(7, 6)));
        assert_eq!(ledger.unconfirmed().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [7]);
        assert!(!ledger.attached(attached(8, 0)), "another agent");
    }
}
