//! What can be wrong with a demo host.

use std::time::Duration;

/// Something to practise on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its disk is full until somebody frees it, this long after the first agent's start: files of that agent cannot
    /// grow past a size.
    DiskFull(Duration),
    /// Its key is not the one in `known_hosts`.
    KeyChanged,
    /// Its first agent is killed this long after its start.
    AgentDies(Duration),
    /// It fetches at a fraction of the others' rate.
    Slow,
}

impl Fault {
    /// What it is called where hosts are listed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull(_) => "disk full at first",
            Self::KeyChanged => "host key changed",
            Self::AgentDies(_) => "agent dies half-way",
            Self::Slow => "slow",
        }
    }
}

/// Put before a command whose files, and those of what it starts, may not grow past 8 MiB until [`free_disk`]. A process that ignores the signal gets
/// `EFBIG`.
pub(super) const FULL_DISK: &str = "trap \"\" XFSZ; ulimit -S -f 16384; ";
