//! Keys that exist only as long as the demo.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKeyBase64};

/// A fresh ed25519 key pair.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(super) private: PrivateKey,
}

impl Keys {
    /// Makes one.
    pub fn generate() -> Self {
        let private = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("ed25519 is built in");
        Self { private }
    }

    /// The public half as `known_hosts` and `authorized_keys` have it.
    pub fn public_line(&self) -> String {
        format!("ssh-ed25519 {}", self.private.public_key().public_key_base64())
    }

    /// Writes the private half, readable by its owner alone.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = self.private.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    }
}
