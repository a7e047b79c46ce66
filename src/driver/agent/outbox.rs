//! What was told to consoles, numbered, and kept for one whose connection was lost.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::control::{Mark, Status, encode};

/// Statuses kept: a minute's worth.
const KEPT_MAX: usize = 256;

/// Bytes kept; who missed more is told how things stand instead.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// A frame: its head, and its raw bytes.
pub(super) type Frame = (Bytes, Bytes);

/// Numbers statuses, and keeps the last ones.
#[derive(Debug)]
pub(super) struct Outbox {
    instance: u64,
    number: u64,
    kept: VecDeque<Frame>,
    bytes: usize,
}

impl Outbox {
    /// Nothing was told yet.
    pub(super) const fn new(instance: u64) -> Self {
        Self { instance, number: 0, kept: VecDeque::new(), bytes: 0 }
    }

    /// Which agent this is.
    pub(super) const fn instance(&self) -> u64 {
        self.instance
    }

    /// Gives a status its number.
    pub(super) fn add(&mut self, status: &Status) -> Frame {
        self.number += 1;
        let frame = encode(self.number, status);
        self.bytes += length(&frame);
        self.kept.push_back(frame.clone());
        while self.kept.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            self.bytes -= self.kept.pop_front().map_or(0, |old| length(&old));
        }
        frame
    }

    /// What came after `seen`; `None` when that is not known any more.
    pub(super) fn since(&self, seen: Option<Mark>) -> Option<impl Iterator<Item = &Frame>> {
        let Mark { instance, number } = seen?;
        let missed = usize::try_from(self.number.checked_sub(number)?).ok()?;
        let known = instance == self.instance && missed <= self.kept.len();
        known.then(|| self.kept.iter().skip(self.kept.len() - missed))
    }
}

fn length(frame: &Frame) -> usize {
    frame.0.len() + frame.1.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Status {
        Status::Note { text: text.to_owned() }
    }

    #[test]
    fn who_comes_back_gets_what_was_missed_and_nothing_twice() {
        let mut outbox = Outbox::new(7);
        let frames: Vec<_> = ["a", "b", "c"].iter().map(|text| outbox.add(&note(text))).collect();
        let since = |outbox: &Outbox, instance, number| {
            outbox.since(Some(Mark { instance, number })).map(|frames| frames.cloned().collect::<Vec<_>>())
        };
        assert_eq!(since(&outbox, 7, 1).as_deref(), Some(&frames[1..]));
        assert_eq!(since(&outbox, 7, 3).as_deref(), Some(&[][..]));
        assert_eq!((since(&outbox, 7, 4), since(&outbox, 8, 1)), (None, None), "of another agent, or not yet said");
        assert!(outbox.since(None).is_none());
        outbox.add(&note(&"x".repeat(KEPT_BYTES_MAX)));
        assert_eq!(since(&outbox, 7, 3), None, "more than is kept");
        (0..2 * KEPT_MAX).for_each(|_| drop(outbox.add(&note("y"))));
        assert_eq!(outbox.kept.len(), KEPT_MAX);
    }
}
