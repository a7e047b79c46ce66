//! One way to prove who we are.

use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey};

use crate::driver::channel::printable;

/// One way to prove who we are.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// The ssh-agent signs.
    Agent(Box<AgentIdentity>),
    /// We sign.
    File(PathBuf, Arc<PrivateKey>),
    /// A certificate of a file, for the key that signs: a file's or the agent's.
    Certified(Arc<UserCertificate>, Box<Self>),
}

/// A certificate of a file.
#[derive(Debug)]
pub(super) struct UserCertificate {
    pub(super) path: PathBuf,
    pub(super) certificate: Certificate,
}

impl Identity {
    /// How it is called in messages.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Agent(identity) => match identity.as_ref() {
                AgentIdentity::PublicKey { comment, .. } => format!("agent key `{}`", printable(comment)),
                AgentIdentity::Certificate { comment, .. } => format!("agent certificate `{}`", printable(comment)),
            },
            Self::File(path, _) => path.display().to_string(),
            Self::Certified(held, _) => held.path.display().to_string(),
        }
    }

    /// The key that signs.
    pub(super) fn public_key(&self) -> PublicKey {
        match self {
            Self::Agent(identity) => match identity.as_ref() {
                AgentIdentity::PublicKey { key, .. } => key.clone(),
                AgentIdentity::Certificate { certificate, .. } => certificate.public_key().clone().into(),
            },
            Self::File(_, held) => held.public_key().clone(),
            Self::Certified(_, signer) => signer.public_key(),
        }
    }

    /// The certificate that is shown instead of the key.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Agent(identity) => match identity.as_ref() {
                AgentIdentity::PublicKey { .. } => None,
                AgentIdentity::Certificate { certificate, .. } => Some(certificate),
            },
            Self::File(..) => None,
            Self::Certified(held, _) => Some(&held.certificate),
        }
    }

    /// Whether both show the host the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.certificate() == other.certificate() && self.has_key(&other.public_key())
    }

    /// Whether `key` is the one that signs.
    pub(super) fn has_key(&self, key: &PublicKey) -> bool {
        self.public_key().key_data() == key.key_data()
    }

    /// Whether it signs with RSA, and so with a hash of the server's choice.
    pub(super) fn is_rsa(&self) -> bool {
        matches!(self.public_key().algorithm(), Algorithm::Rsa { .. })
    }
}
