//! What a console and its agents tell each other of a payload that was packed, on either side.

use crate::control::{PayloadFacts, PayloadFormat};
use crate::payload::{Format, Packed};

impl From<&Packed> for PayloadFacts {
    fn from(packed: &Packed) -> Self {
        Self {
            format: match packed.format {
                Format::File => PayloadFormat::File,
                Format::Tar => PayloadFormat::Tar,
                Format::TarZstd => PayloadFormat::TarZstd,
            },
            sha256: packed.sha256,
            content_sha256: packed.content_sha256,
            unpacked_bytes: packed.unpacked_bytes,
            unpacked_entries: packed.unpacked_entries,
            mode: packed.mode,
        }
    }
}
