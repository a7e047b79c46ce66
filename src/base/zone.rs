//! Zone: the name of a part of the network whose hosts are near each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A rack, a room, a site: hosts of the same zone are near each other. One line of text, at most
/// [`Zone::LENGTH_MAX`] bytes, so that it fits into every handshake and announce.
///
/// ```
/// use rookery::base::Zone;
///
/// let zone: Zone = "rack 7".parse().expect("a short line");
/// assert_eq!(zone.as_str(), "rack 7");
/// assert!("two\nlines".parse::<Zone>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

/// Why a text names no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no zone: expected one line of 1 to {max} bytes", max = Zone::LENGTH_MAX)]
pub struct ZoneError(String);

impl Zone {
    /// Longest name, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in bytes from outside, if they are one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ZoneError(text.chars().filter(|c| !c.is_control()).take(80).collect()))
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;

    fn try_from(text: String) -> Result<Self, ZoneError> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
