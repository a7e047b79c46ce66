//! The agent, as it is carried to hosts.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::base::Sha256Digest;

/// Largest agent that is read from a file, in bytes.
const LENGTH_MAX: u64 = 64 << 20;

/// Why an agent cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("cannot read the agent {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// It is for another machine than it is named for.
    #[error("the agent {path} is for {found}, not for {wanted}")]
    Machine {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: &'static str,
        /// What it should be for.
        wanted: String,
    },
    /// No agent is that large.
    #[error("{path} is {length} bytes long: that is no agent (at most {LENGTH_MAX})")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
}

/// An agent, compressed.
#[derive(Debug, Clone)]
pub struct AgentImage {
    /// SHA-256 of the agent itself.
    pub sha256: Sha256Digest,
    /// The agent, gzip.
    pub gzip: Bytes,
    /// Its length when unpacked.
    pub raw_len: u64,
    /// What it runs on, as `uname -m` names it; `None` if it does not tell.
    pub machine: Option<&'static str>,
}

impl AgentImage {
    /// The agent this console carries.
    pub fn carried() -> Self {
        let gzip = Bytes::from_static(include_bytes!(concat!(env!("OUT_DIR"), "/rookery-agent.gz")));
        let mut head = Vec::new();
        GzDecoder::new(&gzip[..]).take(ELF_HEAD).read_to_end(&mut head).expect("the build made it");
        Self {
            sha256: env!("ROOKERY_AGENT_SHA256").parse().expect("the build made it"),
            raw_len: env!("ROOKERY_AGENT_LENGTH").parse().expect("the build made it"),
            machine: machine(&head),
            gzip,
        }
    }

    /// An agent that is a file on this machine.
    pub fn from_file(path: &Path) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Read { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > LENGTH_MAX {
            return Err(ImageError::Length { path: path.to_owned(), length });
        }
        Ok(Self::from_bytes(&std::fs::read(path).map_err(failed)?))
    }

    /// An agent that is here already.
    pub fn from_bytes(raw: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(raw).expect("memory takes it");
        Self {
            sha256: Sha256Digest::new(Sha256::digest(raw).into()),
            gzip: encoder.finish().expect("memory takes it").into(),
            raw_len: raw.len() as u64,
            machine: machine(raw),
        }
    }

    /// The agent, unpacked: for hosts without gzip.
    pub fn raw(&self) -> Bytes {
        let mut raw = Vec::with_capacity(self.raw_len as usize);
        GzDecoder::new(&self.gzip[..]).read_to_end(&mut raw).expect("it was packed here");
        raw.into()
    }
}

/// Bytes of an ELF file that tell its machine.
const ELF_HEAD: u64 = 20;

/// The machine of an ELF file.
fn machine(head: &[u8]) -> Option<&'static str> {
    let little = head.get(..4)? == b"\x7fELF" && *head.get(5)? == 1;
    match u16::from_le_bytes([*head.get(18)?, *head.get(19)?]) {
        _ if !little => None,
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}
