//! Which key a host is known by: OpenSSH's `known_hosts` files, read once and indexed.
//!
//! It understands plain, hashed and `[host]:port` names, wildcards, negation, lists, several keys a host, `@revoked`,
//! `@cert-authority` and comments, and remembers `file:line` of each key for messages. It decides about keys only; who
//! presents them, and whether a certificate is what it says, is `driver::ssh`'s business.

mod append;
mod base64;
mod index;
mod key;
mod line;
mod name;
mod store;

pub use index::{HostKeys, Patron, Verdict};
pub use key::HostKey;
pub use store::{KnownHosts, KnownHostsError};

#[cfg(test)]
mod tests;
