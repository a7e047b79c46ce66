//! Everything the fuzzers keep still obeys the laws; `fuzz/laws.rs` has them, docs/fuzzing.md says how to look for more.

use std::fs;
use std::path::Path;

#[path = "../fuzz/laws.rs"]
mod laws;

/// Largest corpus of a target, in bytes: what is kept in the repository stays small.
const LENGTH_MAX: u64 = 200 << 10;

fn replay(target: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("it is there")).collect();
    assert!(files.len() >= 10, "{} has only {} files", folder.display(), files.len());
    let length: u64 = files.iter().map(|file| file.metadata().expect("it is there").len()).sum();
    assert!(length <= LENGTH_MAX, "{} holds {length} bytes; minimise it (docs/fuzzing.md)", folder.display());
    for file in files {
        let bytes = fs::read(file.path()).expect("it can be read");
        let broken = std::panic::catch_unwind(|| law(&bytes)).is_err();
        assert!(!broken, "{} breaks a law", file.path().display());
    }
}

#[test]
fn the_corpus_of_the_wire_protocol_breaks_no_law() {
    replay("wire", laws::wire);
}

#[test]
fn the_corpus_of_torrents_breaks_no_law() {
    replay("metainfo", laws::metainfo);
}

#[test]
fn the_corpus_of_announces_breaks_no_law() {
    replay("announce", laws::announce);
}

#[test]
fn the_corpus_of_orders_and_statuses_breaks_no_law() {
    replay("control", laws::control);
}
