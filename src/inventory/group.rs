//! A named set of hosts.

use super::HostSet;

/// A named set of hosts: `[group.web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members: its own hosts and those of what it includes, less what it excludes.
    pub hosts: HostSet,
    /// The line it is declared at.
    pub line: usize,
}
