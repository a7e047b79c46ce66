//! Looking at a host's key without logging in.

use std::sync::{Arc, OnceLock};

use super::{Dialer, Hop, Route};
use crate::driver::known_hosts::HostKey;
use crate::rollout::Failure;

/// A key that a host presented, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub(super) key: HostKey,
    /// What is known of it.
    pub standing: Standing,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing.
    New,
    /// It is the host's.
    Known,
    /// An authority vouches for it: `file:line`.
    Certified(String),
    /// The host is known by another: `file:line`.
    Changed(String),
    /// It is revoked: `file:line`.
    Revoked(String),
}

impl Seen {
    /// `ssh-ed25519` and the like.
    pub fn algorithm(&self) -> &str {
        self.key.algorithm()
    }

    /// `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint()
    }
}

/// Where a key is put that is only looked at.
pub(in crate::driver) type Look = Option<Arc<OnceLock<Seen>>>;

impl Dialer {
    /// Has the host at the end of `route` present its key, and hangs up. Jump hosts are logged in to.
    ///
    /// # Errors
    /// When it does not get that far.
    pub async fn look(&self, route: &Route) -> Result<Seen, Failure> {
        let seen = Arc::new(OnceLock::new());
        let host = Hop { look: Some(seen.clone()), ..route.host.clone() };
        let dialled = self.dial(&Route { host, ..route.clone() }).await;
        let missed = || Failure::Ssh { why: "the host presents no key".to_owned() };
        seen.get().cloned().ok_or_else(|| dialled.err().unwrap_or_else(missed))
    }
}
