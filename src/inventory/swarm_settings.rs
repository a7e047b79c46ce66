//! What the whole swarm has in common.

use crate::base::ByteRate;

/// What the whole swarm has in common: `[swarm]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmSettings {
    /// Peers listen on the first free port from the first to the last of these.
    pub port: (u16, u16),
    /// The tracker's port; 0: any free one.
    pub tracker_port: u16,
    /// Upload cap of every host that has none of its own.
    pub max_upload: ByteRate,
    /// Download cap of every host that has none of its own.
    pub max_download: ByteRate,
    /// The tag that says which hosts are near each other.
    pub zone: Option<String>,
    /// SSH sessions being set up at once.
    pub fanout: u16,
}

impl Default for SwarmSettings {
    fn default() -> Self {
        Self {
            port: (6881, 6889),
            tracker_port: 8998,
            max_upload: ByteRate::UNLIMITED,
            max_download: ByteRate::UNLIMITED,
            zone: None,
            fanout: 64,
        }
    }
}
