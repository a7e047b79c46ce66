//! A host's public key, as it travels.

use sha2::{Digest, Sha256};

use super::base64;

/// A public key in SSH's wire form (RFC 4253, 6.6). Comments are no part of it, so that equal means the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    blob: Vec<u8>,
}

impl HostKey {
    /// Takes a key blob: a length, the algorithm's name, and more.
    pub fn new(blob: Vec<u8>) -> Option<Self> {
        algorithm_of(&blob)?;
        Some(Self { blob })
    }

    /// Takes the base64 field of a key line.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        Self::new(base64::decode(text)?)
    }

    /// The key's type: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa` and the like.
    pub fn algorithm(&self) -> &str {
        algorithm_of(&self.blob).expect("checked when the key was made")
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", base64::encode_unpadded(&Sha256::digest(&self.blob)))
    }

    /// The key as the last two fields of a line.
    pub(super) fn to_line(&self) -> String {
        format!("{} {}", self.algorithm(), base64::encode(&self.blob))
    }
}

fn algorithm_of(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let name = std::str::from_utf8(rest.get(..u32::from_be_bytes(*length) as usize)?).ok()?;
    let printable = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    printable.then_some(name)
}
