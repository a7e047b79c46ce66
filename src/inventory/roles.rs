//! Who seeds and who tracks.

use serde::{Deserialize, Serialize};

use super::HostId;

/// Where something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// On this machine.
    Console,
    /// On a host of the inventory.
    Host(HostId),
}

/// Who seeds and who tracks, as far as the inventory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// Who has the payload first.
    pub seeder: Option<Place>,
    /// Who knows who has it; `None`: where the seeder is.
    pub tracker: Option<Place>,
}
