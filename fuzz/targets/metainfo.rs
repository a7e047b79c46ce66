//! Feeds bytes to the laws of `metainfo`.
#![no_main]

#[path = "../laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::metainfo(bytes));
