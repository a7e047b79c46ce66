//! Bucket: a rate cap.

use std::time::Duration;

use crate::base::{ByteRate, Instant};

const MICROS: i64 = 1_000_000;

/// A token bucket that may go into debt by what was taken last, so that a block larger than the burst still passes.
///
/// Tokens are counted in bytes × 1,000,000: no fraction of a byte is ever lost, however often it is looked at.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Option<i64>,
    burst: Duration,
    tokens: i64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(rate: ByteRate, burst: Duration) -> Self {
        let mut bucket = Self { rate: None, burst, tokens: 0, at: Instant::ZERO };
        bucket.set(rate);
        bucket
    }

    /// Changes the cap; what was saved up under another is gone.
    pub(super) fn set(&mut self, rate: ByteRate) {
        let rate = rate.cap().map(|rate| i64::try_from(rate).unwrap_or(i64::MAX).min(1 << 40));
        if rate != self.rate {
            self.rate = rate;
            self.tokens = self.tokens.min(0);
        }
    }

    /// Lets time pass.
    pub(super) fn refill(&mut self, now: Instant) {
        let passed = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX);
        self.at = self.at.max(now);
        match self.rate {
            Some(rate) => {
                self.tokens = self.tokens.saturating_add(rate.saturating_mul(passed)).min(self.full(rate));
            }
            None => self.tokens = 0,
        }
    }

    /// Whether something may pass now.
    pub(super) const fn is_ready(&self) -> bool {
        self.rate.is_none() || self.tokens > 0
    }

    /// Takes for something that passes.
    pub(super) fn take(&mut self, bytes: u64) {
        if self.rate.is_some() {
            self.tokens = self.tokens.saturating_sub(scaled(bytes));
        }
    }

    /// Gives back for something that did not pass after all.
    pub(super) fn give_back(&mut self, bytes: u64) {
        if let Some(rate) = self.rate {
            self.tokens = self.tokens.saturating_add(scaled(bytes)).min(self.full(rate));
        }
    }

    /// When it is half full: waking for every byte would be a waste.
    pub(super) fn wake(&self) -> Option<Instant> {
        let rate = self.rate?;
        let lacking = (self.full(rate) / 2).max(1).saturating_sub(self.tokens).max(0);
        Some(self.at + Duration::from_micros(u64::try_from(lacking / rate + 1).unwrap_or(u64::MAX)))
    }

    fn full(&self, rate: i64) -> i64 {
        rate.saturating_mul(i64::try_from(self.burst.as_micros()).unwrap_or(i64::MAX))
    }
}

fn scaled(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_holds_within_five_percent_whatever_the_block() {
        for (rate, block) in [(100_000, 16_384), (1 << 20, 16_384), (50 << 20, 16_384), (300, 16_384)] {
            let mut bucket = Bucket::new(ByteRate(rate), Duration::from_millis(50));
            let (mut now, mut passed) = (Instant::ZERO, 0_u64);
            let end = Instant::ZERO + Duration::from_secs(1000);
            while now < end {
                bucket.refill(now);
                while bucket.is_ready() {
                    bucket.take(block);
                    passed += block;
                }
                now = bucket.wake().unwrap();
            }
            let allowed = rate * 1000;
            assert!(passed.abs_diff(allowed) <= allowed / 20 + block, "{passed} of {allowed} at {rate}");
        }
    }

    #[test]
    fn looking_often_loses_nothing() {
        let mut bucket = Bucket::new(ByteRate(10), Duration::from_secs(10));
        (0..=1_000_000).for_each(|micros| bucket.refill(Instant::from_micros(micros)));
        assert_eq!(bucket.tokens, 10 * MICROS);
    }

    #[test]
    fn without_a_cap_everything_passes() {
        let mut bucket = Bucket::new(ByteRate::UNLIMITED, Duration::from_millis(50));
        bucket.take(u64::MAX);
        assert!(bucket.is_ready() && bucket.wake().is_none());
    }
}
