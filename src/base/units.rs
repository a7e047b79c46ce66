//! Units, and how people read and write them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: microseconds since the process (or the simulated world) began.
///
/// `std`'s `Instant` cannot be made from a number, written to a file or compared in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The beginning.
    pub const ZERO: Self = Self(0);

    /// The moment `micros` microseconds after the beginning.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The moment `duration` after the beginning.
    pub fn after(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    /// Microseconds since the beginning.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// An amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

impl Add for ByteCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for ByteCount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for ByteCount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for ByteCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self(0), Add::add)
    }
}

/// Bytes a second; as a cap, 0 means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteRate(pub u64);

impl ByteRate {
    /// No cap.
    pub const UNLIMITED: Self = Self(0);

    /// The rate as a cap: `None` when there is none.
    pub fn cap(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }

    /// The rate at which `bytes` were moved in `time`.
    pub fn over(bytes: ByteCount, time: Duration) -> Self {
        let micros = time.as_micros().max(1);
        Self(u64::try_from(u128::from(bytes.0) * 1_000_000 / micros).unwrap_or(u64::MAX))
    }
}

impl std::iter::Sum for ByteRate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        Self(rates.fold(0, |sum, rate| sum.saturating_add(rate.0)))
    }
}

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let text = match unit {
            0 => format!("{} B", self.0),
            _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
            _ => format!("{value:.0} {}", UNITS[unit]),
        };
        f.pad(&text)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", ByteCount(self.0)))
    }
}

/// Why a text is not a size, rate or time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number before the unit.
    #[error("expected a number such as `10`, `1.5M` or `256KiB`, found `{0}`")]
    Number(String),
    /// A unit that is none.
    #[error("unknown unit `{0}`; use K, M, G or T (1024 each), with or without `iB`, `B` or `/s`")]
    Unit(String),
    /// More than 64 bits.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl FromStr for ByteCount {
    type Err = UnitError;

    /// Reads `512`, `64K`, `1.5MiB`, `10 GB`: every prefix counts 1024.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let value: f64 = number.parse().ok().ok_or_else(|| UnitError::Number(text.to_owned()))?;
        let prefix = unit.trim().to_ascii_lowercase();
        let prefix = prefix.strip_suffix("ib").or_else(|| prefix.strip_suffix('b')).unwrap_or(&prefix);
        let shift = match prefix {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            "p" => 50,
            _ => return Err(UnitError::Unit(unit.trim().to_owned())),
        };
        let bytes = value * (1_u64 << shift) as f64;
        if bytes >= u64::MAX as f64 {
            return Err(UnitError::TooLarge(text.to_owned()));
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl FromStr for ByteRate {
    type Err = UnitError;

    /// Reads a [`ByteCount`], with or without `/s`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        text.strip_suffix("/s").unwrap_or(text).parse().map(|ByteCount(bytes)| Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("512", 512), ("64K", 65_536), ("1.5MiB", 1_572_864), ("10 GB", 10 << 30)] {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)), "{text}");
        }
        assert_eq!("2M/s".parse(), Ok(ByteRate(2 << 20)));
        assert_eq!("5 parsecs".parse::<ByteCount>(), Err(UnitError::Unit("parsecs".to_owned())));
        assert!(matches!("fast".parse::<ByteRate>(), Err(UnitError::Number(_))));
    }

    #[test]
    fn sizes_stay_within_eight_columns() {
        for (bytes, text) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (10_240, "10 KiB"), (3 << 29, "1.5 GiB")] {
            assert!(ByteCount(bytes).to_string().len() <= 8);
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
        assert_eq!(ByteRate(1 << 20).to_string(), "1.0 MiB/s");
    }

    #[test]
    fn time_does_not_run_backwards() {
        let (early, late) = (Instant::from_micros(5), Instant::from_micros(9));
        assert_eq!(late.since(early), Duration::from_micros(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
