//! Archives that mean harm: each is refused for its own reason, and nothing outside the release is touched.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::sync::atomic::AtomicBool;

use rookery::base::ByteCount;
use rookery::payload::{Danger, Format, Promise, UnpackError, remove_tree, unpack};
use rookery::release;

static GO: AtomicBool = AtomicBool::new(false);

/// An archive built by hand, header by header.
struct Crafted {
    bytes: Vec<u8>,
    entries: u64,
    content: u64,
}

impl Crafted {
    fn new() -> Self {
        Self { bytes: Vec::new(), entries: 0, content: 0 }.entry(b'5', "./", "", b"")
    }

    fn entry(self, kind: u8, name: &str, target: &str, content: &[u8]) -> Self {
        self.entry_with(kind, name, target, content, 0o755)
    }

    fn entry_with(mut self, kind: u8, name: &str, target: &str, content: &[u8], mode: u32) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.entries += 1;
        self.content += content.len() as u64;
        self
    }

    fn end(mut self) -> Self {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self
    }

    fn promise(&self) -> Promise {
        Promise { bytes: ByteCount(self.content), entries: self.entries, mode: 0o644 }
    }
}

/// Unpacks bytes in a folder of their own and returns what came of it; nothing outside the release may change.
fn try_bytes(bytes: &[u8], format: Format, promise: Promise) -> Result<(), UnpackError> {
    let folder = tempfile::tempdir().unwrap();
    let [source, payload, release] = ["source", "payload", "release"].map(|name| folder.path().join(name));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("outside"), "untouched").unwrap();
    fs::write(&payload, bytes).unwrap();
    let look = || release::digest(&source, &GO).unwrap();
    let before = look();
    let outcome = unpack(&payload, format, &release, &promise, &GO);
    assert_eq!(look(), before);
    assert_eq!(release.exists(), outcome.is_ok());
    remove_tree(&release).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "source and payload");
    outcome
}

fn try_archive(archive: Crafted) -> Result<(), UnpackError> {
    let promise = archive.promise();
    try_bytes(&archive.end().bytes, Format::Tar, promise)
}

#[test]
fn every_evil_entry_is_refused_for_its_own_reason() {
    let long = format!("{}f", "d/".repeat(40));
    let cases: Vec<(Crafted, &str)> = vec![
        (Crafted::new().entry(b'0', "/etc/evil", "", b"x"), "`/etc/evil` has an absolute path"),
        (Crafted::new().entry(b'0', "../source/outside", "", b"x"), "has `..` in its path"),
        (Crafted::new().entry(b'5', "a/", "", b"").entry(b'0', "a/../../source/x", "", b"x"), "has `..` in its path"),
        (Crafted::new().entry(b'0', "a//b", "", b"x"), "has a path that is none"),
        (Crafted::new().entry(b'0', "./a", "", b"x"), "has a path that is none"),
        (Crafted::new().entry(b'0', "a/", "", b"x"), "has a path that is none"),
        (Crafted::new().entry(b'2', "l", "/etc/passwd", b""), "`l` links out of the release, to /etc/passwd"),
        (Crafted::new().entry(b'2', "l", "../source", b""), "links out of the release"),
        (Crafted::new().entry(b'2', "l", "", b""), "links out of the release"),
        (Crafted::new().entry(b'1', "h", "../source/outside", b""), "is a hard link"),
        (Crafted::new().entry(b'3', "null", "", b""), "is neither a file, a directory nor a link"),
        (Crafted::new().entry(b'4', "disk", "", b""), "is neither a file"),
        (Crafted::new().entry(b'6', "pipe", "", b""), "is neither a file"),
        (Crafted::new().entry(b'S', "sparse", "", b""), "is neither a file"),
        (Crafted::new().entry(b'x', "pax", "", b"11 path=a\n"), "is neither a file"),
        (Crafted::new().entry_with(b'0', "su", "", b"x", 0o4755), "has mode 4755"),
        (Crafted::new().entry(b'0', "a", "", b"x").entry(b'0', "a", "", b"y"), "is there twice"),
        (Crafted::new().entry(b'2', "a", "b", b"").entry(b'0', "a", "", b"y"), "is there twice"),
        (Crafted::new().entry(b'5', "./", "", b""), "is there twice"),
        (Crafted::new().entry(b'2', "l", "d", b"").entry(b'0', "l/x", "", b"y"), "does not lie in a directory"),
        (Crafted::new().entry(b'0', "f", "", b"").entry(b'0', "f/x", "", b"y"), "does not lie in a directory"),
        (Crafted::new().entry(b'0', &long, "", b"y"), "does not lie in a directory"),
    ];
    for (archive, reason) in cases {
        let error = try_archive(archive).unwrap_err();
        assert!(matches!(error, UnpackError::Unsafe { .. }), "{error}");
        assert!(error.to_string().contains(reason), "expected {reason}, found {error}");
    }
    try_archive(Crafted::new().entry(b'5', "a/", "", b"").entry(b'2', "a/l", "../b", b"")).unwrap();
}

#[test]
fn more_than_promised_is_refused_before_it_is_written_and_less_is_damage() {
    let archive = || Crafted::new().entry(b'0', "a", "", &[1; 600]).entry(b'0', "b", "", &[2; 600]);
    let with = |change: fn(&mut Promise)| {
        let mut promise = archive().promise();
        change(&mut promise);
        try_bytes(&archive().end().bytes, Format::Tar, promise).unwrap_err()
    };
    let error = with(|promise| promise.bytes.0 -= 1);
    assert!(matches!(error, UnpackError::Unsafe { why: Danger::Bytes { promised: 1_199 }, .. }), "{error}");
    let error = with(|promise| promise.entries -= 1);
    assert!(matches!(error, UnpackError::Unsafe { why: Danger::Entries { promised: 2 }, .. }), "{error}");
    assert!(matches!(with(|promise| promise.bytes.0 += 1), UnpackError::Damaged { .. }));
    assert!(matches!(with(|promise| promise.entries += 1), UnpackError::Damaged { .. }));
    try_archive(archive()).unwrap();

    let bomb = Crafted::new().entry(b'0', "zeros", "", &vec![0; 50 << 20]).end();
    let bomb = zstd::bulk::compress(&bomb.bytes, 3).unwrap();
    let small = Promise { bytes: ByteCount(1_000_000), entries: 2, mode: 0o644 };
    let error = try_bytes(&bomb, Format::TarZstd, small).unwrap_err();
    assert!(matches!(error, UnpackError::Unsafe { why: Danger::Bytes { .. }, .. }), "{error}");
}

#[test]
fn a_damaged_archive_is_no_release() {
    let whole = Crafted::new().entry(b'0', "a", "", &[1; 600]);
    let promise = whole.promise();
    let whole = whole.end().bytes;
    for length in [0, 100, 512, 1_024, 1_500, whole.len() - 1_024, whole.len() - 512, whole.len() - 1] {
        let error = try_bytes(&whole[..length], Format::Tar, promise).unwrap_err();
        assert!(matches!(error, UnpackError::Damaged { .. }), "{length}: {error}");
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(matches!(try_bytes(&longer, Format::Tar, promise), Err(UnpackError::Damaged { .. })));
    let compressed = zstd::bulk::compress(&whole, 3).unwrap();
    try_bytes(&compressed, Format::TarZstd, promise).unwrap();
    for bytes in [&compressed[..compressed.len() / 2], &whole[..], b""] {
        assert!(matches!(try_bytes(bytes, Format::TarZstd, promise), Err(UnpackError::Damaged { .. })));
    }
    for bytes in [&whole[..whole.len() - 1], &longer] {
        let promise = Promise { bytes: ByteCount(whole.len() as u64), ..promise };
        assert!(matches!(try_bytes(bytes, Format::File, promise), Err(UnpackError::Damaged { .. })));
    }
}

#[test]
fn no_header_however_twisted_reaches_outside() {
    let mut random = fastrand::Rng::with_seed(11);
    let spice = [b"/".as_slice(), b"..", b"../", b"\0", b"5", b"2", b"L", b"\x80", b"7777777"];
    for _ in 0..150 {
        let archive =
            Crafted::new().entry(b'5', "a/", "", b"").entry(b'2', "a/l", "../b", b"").entry(b'0', "a/f", "", b"x");
        let promise = archive.promise();
        let mut bytes = archive.end().bytes;
        for _ in 0..random.usize(1..4) {
            let record = random.usize(0..4) * 512;
            let at =
                record + [random.usize(0..8), 156, random.usize(157..165), random.usize(100..136)][random.usize(0..4)];
            let twist = spice[random.usize(0..spice.len())];
            bytes[at..at + twist.len()].copy_from_slice(twist);
            let mut header = tar::Header::from_byte_slice(&bytes[record..record + 512]).clone();
            header.set_cksum();
            bytes[record..record + 512].copy_from_slice(header.as_bytes());
        }
        let _ = try_bytes(&bytes, Format::Tar, promise);
    }
}
