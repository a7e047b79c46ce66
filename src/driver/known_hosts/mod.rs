//! Which key a host is known by: OpenSSH's `known_hosts` files, read once and indexed.
//!
//! It understands plain, hashed and `[host]:port` names, wildcards, negation, lists, several keys a host, `@revoked` and
//! comments, and remembers `file:line` of each key for messages. Lines with `@cert-authority` are kept and named, not
//! trusted: host certificates are not supported. It decides about keys only; who presents them is `driver::ssh`'s
//! business.

mod append;
mod base64;
mod index;
mod key;
mod line;
mod name;
mod store;

pub use index::{HostKeys, Verdict};
pub use key::HostKey;
pub use store::{KnownHosts, KnownHostsError};

#[cfg(test)]
mod tests;
