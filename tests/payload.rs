//! A source becomes a payload and a release again: exactly, bounded, and whatever the payload holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rookery::base::{ByteCount, PieceIndex};
use rookery::payload::{
    Compress, Format, MTIME, PackError, PackOptions, PackPhase, PackProgress, Packed, Promise, ReadError, UnpackError,
    pack, sha256_file, unpack, verify_existing,
};
use rookery::release;
use tempfile::TempDir;

static GO: AtomicBool = AtomicBool::new(false);

/// A folder with a source, room for a payload, and room for a release.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.source()).unwrap();
        place
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn payload(&self) -> PathBuf {
        self.folder.path().join("payload")
    }

    fn release(&self) -> PathBuf {
        self.folder.path().join("release")
    }

    fn write(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>, mode: u32) -> &Self {
        let path = self.source().join(Path::new(name.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        self
    }

    fn pack_as(&self, compress: Compress) -> Result<Packed, PackError> {
        self.pack_with(&PackOptions { compress, ..PackOptions::default() })
    }

    fn pack_with(&self, options: &PackOptions) -> Result<Packed, PackError> {
        pack(&self.source(), &self.payload(), options, &|_| {}, &GO)
    }

    fn unpack(&self, packed: &Packed) -> Result<(), UnpackError> {
        unpack(&packed.path, packed.format, &self.release(), &promise(packed), &GO)
    }

    /// A tree with everything a release may hold.
    fn with_everything() -> Self {
        let place = Self::new();
        place.write("bin/run", "#!/bin/sh\n", 0o755).write("open", "x", 0o666).write("private", "y", 0o600);
        place.write("empty", "", 0o644).write("new\nline", "n", 0o644).write(
            OsStr::from_bytes(b"\xff\xfe"),
            "z",
            0o604,
        );
        place.write(format!("{0}/{0}/{0}", "long".repeat(50)), vec![7; 513], 0o640);
        place.write("deep/er/file", vec![b'a'; 300_000], 0o444);
        let source = place.source();
        fs::create_dir(source.join("hollow")).unwrap();
        fs::set_permissions(source.join("hollow"), Permissions::from_mode(0o2777)).unwrap();
        fs::set_permissions(source.join("deep/er"), Permissions::from_mode(0o555)).unwrap();
        symlink("../open", source.join("bin/link")).unwrap();
        symlink("not/there", source.join("dangling")).unwrap();
        symlink("t".repeat(300), source.join("far")).unwrap();
        symlink(OsStr::from_bytes(b"\xff\xfe"), source.join("odd")).unwrap();
        fs::hard_link(source.join("open"), source.join("same")).unwrap();
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for tree in [self.source(), self.release()] {
            rookery::payload::remove_tree(&tree).unwrap();
        }
    }
}

fn promise(packed: &Packed) -> Promise {
    Promise { bytes: packed.unpacked_bytes, entries: packed.unpacked_entries, mode: packed.mode }
}

fn digest(path: &Path) -> rookery::base::Sha256Digest {
    release::digest(path, &GO).unwrap()
}

#[test]
fn the_same_tree_gives_the_same_bytes_wherever_and_whenever_it_was_made() {
    let (one, other) = (Place::new(), Place::new());
    for (place, order) in [(&one, [0, 1, 2, 3]), (&other, [3, 1, 0, 2])] {
        for n in order {
            place.write(format!("d{n}/f{n}"), [b'a' + n; 100], 0o640);
        }
    }
    fs::hard_link(one.source().join("d0/f0"), one.source().join("linked")).unwrap();
    other.write("linked", [b'a'; 100], 0o640);
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    File::options().write(true).open(other.source().join("d1/f1")).unwrap().set_times(old).unwrap();
    for compress in [Compress::None, Compress::Zstd, Compress::Auto] {
        let (first, second) = (one.pack_as(compress).unwrap(), other.pack_as(compress).unwrap());
        assert_eq!(fs::read(one.payload()).unwrap(), fs::read(other.payload()).unwrap(), "{compress:?}");
        assert_eq!(
            (first.pieces, first.sha256, first.content_sha256),
            (second.pieces, second.sha256, second.content_sha256)
        );
    }
}

#[test]
fn names_modes_links_and_empty_directories_arrive_as_they_were() {
    for compress in [Compress::None, Compress::Zstd] {
        let place = Place::with_everything();
        let packed = place.pack_as(compress).unwrap();
        assert_eq!(fs::metadata(place.payload()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(packed.sha256, sha256_file(&place.payload(), &GO, &|_| {}).unwrap());
        place.unpack(&packed).unwrap();
        let release = place.release();
        assert_eq!(digest(&release), packed.content_sha256, "{compress:?}");
        let metadata = |name: &str| fs::symlink_metadata(release.join(name)).unwrap();
        for (name, mode) in [("open", 0o666), ("hollow", 0o777), ("deep/er", 0o555), ("deep/er/file", 0o444)] {
            assert_eq!(metadata(name).mode() & 0o7777, mode, "{name}");
        }
        for name in ["", "open", "hollow", "deep", "dangling"] {
            assert_eq!(metadata(name).mtime(), MTIME.cast_signed(), "{name}");
        }
        assert_eq!(fs::read_link(release.join("far")).unwrap(), Path::new(&"t".repeat(300)));
        assert_ne!(metadata("open").ino(), metadata("same").ino());
    }
}

#[test]
fn the_digest_of_a_release_changes_with_anything_in_it() {
    let place = Place::with_everything();
    place.unpack(&place.pack_as(Compress::None).unwrap()).unwrap();
    let release = place.release();
    let mut seen = vec![digest(&release)];
    let changes: [&dyn Fn(); 6] = [
        &|| fs::write(release.join("open"), "X").unwrap(),
        &|| fs::set_permissions(release.join("open"), Permissions::from_mode(0o4666)).unwrap(),
        &|| fs::rename(release.join("open"), release.join("opened")).unwrap(),
        &|| fs::create_dir(release.join(".git")).unwrap(),
        &|| fs::remove_file(release.join("dangling")).unwrap(),
        &|| symlink("not/here", release.join("dangling")).unwrap(),
    ];
    for change in changes {
        change();
        let now = digest(&release);
        assert!(!seen.contains(&now));
        seen.push(now);
    }
}

#[test]
fn a_file_is_its_own_payload() {
    let place = Place::new();
    place.write("server", vec![b'e'; 200_000], 0o755);
    let source = place.source().join("server");
    let packed = pack(&source, &place.payload(), &PackOptions::default(), &|_| {}, &GO).unwrap();
    assert_eq!((&packed.path, packed.format, packed.mode), (&source, Format::File, 0o755));
    assert_eq!((packed.layout.piece_count(), packed.pieces.len()), (4, 4));
    assert_eq!(packed.sha256, packed.content_sha256);
    assert!(!place.payload().exists());
    place.unpack(&packed).unwrap();
    assert_eq!(digest(&place.release()), packed.content_sha256);
    assert_eq!(fs::metadata(place.release()).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn git_folders_and_excluded_paths_stay_behind() {
    let place = Place::new();
    place.write(".git/config", "x", 0o644).write("sub/.git", "x", 0o644).write("a.log", "x", 0o644);
    place.write("sub/b.log", "x", 0o644).write("tmp/x", "x", 0o644).write("sub/tmp/kept", "x", 0o644);
    let options = PackOptions { exclude: vec!["*.log".into(), "/tmp".into()], ..PackOptions::default() };
    let packed = place.pack_with(&options).unwrap();
    assert_eq!(packed.unpacked_entries, 4, "the root, sub, sub/tmp and sub/tmp/kept");
    place.unpack(&packed).unwrap();
    assert!(place.release().join("sub/tmp/kept").exists());
}

#[test]
fn what_hosts_would_refuse_is_refused_at_the_source_and_named() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 5] = [
        ("pipe is a fifo", |source| {
            let mode = rustix::fs::Mode::RUSR;
            rustix::fs::mknodat(rustix::fs::CWD, source.join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }),
        ("talk is a socket", |source| drop(std::os::unix::net::UnixListener::bind(source.join("talk")).unwrap())),
        ("out links to /etc/passwd, out of the release", |source| symlink("/etc/passwd", source.join("out")).unwrap()),
        ("up links to .., out of the release", |source| symlink("..", source.join("up")).unwrap()),
        ("source holds nothing to deploy", |_| {}),
    ];
    for (expected, make) in cases {
        let place = Place::new();
        make(&place.source());
        let error = place.pack_as(Compress::Auto).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!place.payload().exists());
    }
    let place = Place::new();
    place.write("empty", "", 0o644);
    let source = place.source();
    let refused =
        |source: &Path, out: &Path, options: &PackOptions| pack(source, out, options, &|_| {}, &GO).unwrap_err();
    let options = PackOptions::default();
    assert!(matches!(refused(&source.join("empty"), &place.payload(), &options), PackError::Empty { .. }));
    assert!(matches!(refused(&source, &source.join("payload"), &options), PackError::Inside { .. }));
    let odd = PackOptions { piece_length: Some(100_000), ..options };
    assert!(matches!(refused(&source, &place.payload(), &odd), PackError::PieceLength { found: 100_000 }));
}

#[test]
fn a_source_that_changes_while_it_is_read_is_an_error() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("a", |source| File::options().append(true).open(source.join("a")).unwrap().write_all(b"more").unwrap()),
        ("a", |source| File::options().write(true).open(source.join("a")).unwrap().set_len(10).unwrap()),
        ("", |source| fs::write(source.join("b"), "new").unwrap()),
        ("", |source| fs::remove_file(source.join("z")).unwrap()),
    ];
    for (at, (name, change)) in changes.into_iter().enumerate() {
        let place = Place::new();
        place.write("a", vec![1; 3_000_000], 0o644).write("z", "last", 0o644);
        let done = AtomicBool::new(false);
        let meddle = |progress: PackProgress| {
            if progress.phase == PackPhase::Archiving && !done.swap(true, Ordering::Relaxed) {
                change(&place.source());
            }
        };
        let error = pack(&place.source(), &place.payload(), &PackOptions::default(), &meddle, &GO).unwrap_err();
        let PackError::Read(ReadError::Changed { path }) = error else { panic!("{at}: {error}") };
        let culprit = if name.is_empty() { place.source() } else { place.source().join(name) };
        assert!(path == culprit || path == place.source().join("z"), "{at}: {}", path.display());
        assert!(!place.payload().exists());
    }
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_an_error() {
    let place = Place::new();
    place.write("file", vec![1; 3_000_000], 0o644);
    let source = place.source().join("file");
    let meddle = |_: PackProgress| File::options().write(true).open(&source).unwrap().write_all(b"other").unwrap();
    let error = pack(&source, &place.payload(), &PackOptions::default(), &meddle, &GO).unwrap_err();
    assert!(matches!(error, PackError::Read(ReadError::Changed { .. })), "{error}");
}

#[test]
fn packing_and_unpacking_stop_when_told_and_leave_nothing() {
    let place = Place::with_everything();
    let stop = AtomicBool::new(false);
    let when_archiving = |progress: PackProgress| stop.store(progress.phase == PackPhase::Archiving, Ordering::Relaxed);
    let error = pack(&place.source(), &place.payload(), &PackOptions::default(), &when_archiving, &stop).unwrap_err();
    assert!(matches!(error, PackError::Read(ReadError::Cancelled)), "{error}");
    assert!(!place.payload().exists());
    let packed = place.pack_as(Compress::Zstd).unwrap();
    let stopped = AtomicBool::new(true);
    let error = unpack(&packed.path, packed.format, &place.release(), &promise(&packed), &stopped).unwrap_err();
    assert!(matches!(error, UnpackError::Cancelled), "{error}");
    assert!(!place.release().exists());
}

#[test]
fn a_partial_payload_is_taken_up_where_it_is_intact() {
    let place = Place::new();
    let mut random = fastrand::Rng::with_seed(3);
    place.write("noise", std::iter::repeat_with(|| random.u8(..)).take(1_000_000).collect::<Vec<_>>(), 0o644);
    place.write("zeros", vec![0; 500_000], 0o644);
    let packed = place.pack_as(Compress::Auto).unwrap();
    assert_eq!(packed.format, Format::TarZstd, "half of it is zeros");
    let packed = place.pack_with(&PackOptions { compress: Compress::None, ..PackOptions::default() }).unwrap();
    let verify = |path: &Path| verify_existing(path, &packed.layout, &packed.pieces, &GO, &|_| {}).unwrap();
    assert!(verify(&place.payload()).is_full());
    assert!(verify(&place.folder.path().join("none")).is_empty());

    let partial = place.folder.path().join("partial");
    fs::copy(place.payload(), &partial).unwrap();
    let file = File::options().write(true).open(&partial).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"tampered", 70_000).unwrap();
    let found = verify(&partial);
    assert_eq!(found.missing().collect::<Vec<_>>(), [PieceIndex(1)]);
    file.set_len(packed.layout.piece_offset(PieceIndex(5)) + 1).unwrap();
    assert_eq!(verify(&partial).count(), 4);
    release::preallocate(&file, &partial, packed.layout.total()).unwrap();
    let zeros = packed.layout.pieces().filter(|piece| packed.layout.piece_offset(*piece) > 1_001_984).count();
    assert_eq!(verify(&partial).count() as usize, 4 + zeros, "a hole is as good as zeros");
}

#[test]
fn a_large_file_needs_no_more_memory_than_a_small_one() {
    let place = Place::new();
    let length = 400 << 20;
    File::create(place.source().join("sparse")).unwrap().set_len(length).unwrap();
    let packed = place.pack_as(Compress::Auto).unwrap();
    assert_eq!((packed.format, packed.unpacked_bytes), (Format::TarZstd, ByteCount(length)));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak < 250 * 1024, "{peak} KiB were in use");
}

/// A small file system of its own, where this user may mount one.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_is_told_apart_and_leaves_no_release() {
    let Some(disk) = SmallDisk::mount() else { return };
    let place = Place::new();
    place.write("big", vec![b'b'; 3 << 20], 0o644);
    let packed = place.pack_as(Compress::Zstd).unwrap();
    let workspace = release::Workspace::open(disk.folder.path()).unwrap();
    let stage = workspace.stage("run-1", "v1").unwrap();
    let error = unpack(&packed.path, packed.format, &stage, &promise(&packed), &GO).unwrap_err();
    let UnpackError::File(error) = error else { panic!("{error}") };
    assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    assert!(!stage.exists());

    let hash = rookery::base::InfoHash::new([1; 20]);
    let error = workspace.open_payload(hash, 3 << 20).unwrap_err();
    assert!(matches!(error, release::ReleaseError::DiskFull { needed: ByteCount(3_145_728), .. }), "{error}");
    let out = disk.folder.path().join("payload");
    place.write("noise", std::iter::repeat_with(|| fastrand::u8(..)).take(2 << 20).collect::<Vec<_>>(), 0o644);
    let error = pack(&place.source(), &out, &PackOptions::default(), &|_| {}, &GO).unwrap_err();
    let PackError::Read(ReadError::File(error)) = error else { panic!("{error}") };
    assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    assert!(!out.exists());
    assert!(workspace.remove(&["run-1"], &[hash], None).is_empty());
    assert_eq!(fs::read_dir(disk.folder.path()).unwrap().count(), 0);
}

#[test]
fn from_source_to_place() {
    let place = Place::with_everything();
    let packed = place.pack_as(Compress::Auto).unwrap();
    let destination = place.folder.path().join("releases");
    let workspace = release::Workspace::open(&destination).unwrap();
    let stage = workspace.stage("run-1", "v1").unwrap();
    unpack(&packed.path, packed.format, &stage, &promise(&packed), &GO).unwrap();
    let look = || release::state(&destination, "v1", packed.content_sha256, &GO).unwrap();
    assert_eq!(look(), release::ReleaseState::Absent);
    let placed = release::place(&stage, &destination, "v1").unwrap();
    assert_eq!(look(), release::ReleaseState::Same);
    assert!(workspace.remove(&["run-1"], &[], None).is_empty());
    assert_eq!(fs::read_dir(&destination).unwrap().count(), 1);
    rookery::payload::remove_tree(&placed).unwrap();
}
