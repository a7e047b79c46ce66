//! The hosts of a fleet, as a TOML file names them.

use serde::{Deserialize, Serialize};

/// A host's place in the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub u32);

/// A host, or this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// This machine.
    Console,
    /// A host.
    Host(HostId),
}
