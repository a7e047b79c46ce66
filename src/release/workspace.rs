//! `DIR/.rookery/`: everything of ours that is not yet, or never will be, a release.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdir};
use rustix::io::Errno;

use super::place::ASIDE;
use super::{ReleaseError, plain, preallocate, space_left};
use crate::base::{ByteCount, InfoHash};
use crate::payload::{FileError, remove_tree};

/// Its name in the folder of releases.
const NAME: &str = ".rookery";

/// The working folder beside the releases: ours alone, mode 0700.
///
/// | name | is |
/// | --- | --- |
/// | `<info-hash>.part` | a payload, whole or in part; kept over retries |
/// | `pack.<run>` | a payload that is packed on this host |
/// | `stage.<run>.<tag>` | a release that is being unpacked |
/// | `lock` | held by the one agent that works here; says for which run |
#[derive(Debug)]
pub struct Workspace {
    destination: PathBuf,
    path: PathBuf,
}

/// Held by the one agent that works in a folder. Dropping it gives the folder up.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
    path: PathBuf,
    before: Option<String>,
}

impl Claim {
    /// The folder of releases.
    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Who held the folder before, and died without giving it up.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }
}

/// The lock's name in the working folder.
const LOCK: &str = "lock";

/// Longest text of a lock that is read, in bytes.
const HOLDER_MAX: u64 = 2000;

/// How often, and how long each time, one that holds a folder is given to say who it is.
const WAITS_MAX: u32 = 20;
const WAIT: Duration = Duration::from_millis(10);

impl Workspace {
    /// Opens the working folder in `destination`; makes both if they are missing.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::NotOurs`] when the folder is a link, somebody else's, or open to others.
    pub fn open(destination: &Path) -> Result<Self, ReleaseError> {
        std::fs::create_dir_all(destination).map_err(FileError::at("create", destination))?;
        let path = destination.join(NAME);
        match mkdir(&path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(FileError::at("create", &path)(error).into()),
        }
        let workspace = Self { destination: destination.to_owned(), path };
        workspace.trust()?;
        Ok(workspace)
    }

    /// Opens the working folder in `destination` if there is one; creates nothing.
    pub fn existing(destination: &Path) -> Result<Option<Self>, ReleaseError> {
        let path = destination.join(NAME);
        match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at("inspect", &path)(error).into()),
            Ok(_) => {}
        }
        let workspace = Self { destination: destination.to_owned(), path };
        workspace.trust()?;
        Ok(Some(workspace))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Claims the folder for a run, for as long as the claim is kept. `holder` is what others are told meanwhile. The claim
    /// of an agent that died is taken over.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::Held`] when another run works in it, [`ReleaseError::NotOurs`] when another host of the same run
    /// does.
    pub fn claim(&self, run: &str, holder: &str) -> Result<Claim, ReleaseError> {
        let path = self.path.join(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut patience = WAITS_MAX;
        loop {
            let lock = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(FileError::at("open", &path))?;
            let mut lock = File::from(lock);
            let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive);
            let mut text = String::new();
            // What cannot be read says nothing about who holds it.
            let _ = (&lock).take(HOLDER_MAX).read_to_string(&mut text);
            let (by_run, by) = text.split_once('\n').unwrap_or_default();
            match locked {
                Ok(()) if !is_at(&lock, &path) => continue,
                Ok(()) => {}
                // Who has just taken it is about to say so.
                Err(Errno::WOULDBLOCK) if by.is_empty() && patience > 0 => {
                    patience -= 1;
                    thread::park_timeout(WAIT);
                    continue;
                }
                Err(Errno::WOULDBLOCK) if by_run == run => {
                    let why = "is where another host of this run is at work";
                    return Err(ReleaseError::NotOurs { path: self.path.clone(), why });
                }
                Err(Errno::WOULDBLOCK) => {
                    let by = by.trim_end().to_owned();
                    return Err(ReleaseError::Held { path: self.destination.clone(), by });
                }
                Err(error) => return Err(FileError::at("lock", &path)(error).into()),
            }
            let before = (by_run != run && !by.is_empty()).then(|| by.trim_end().to_owned());
            let said = lock
                .set_len(0)
                .and_then(|()| lock.rewind())
                .and_then(|()| lock.write_all(format!("{run}\n{holder}\n").as_bytes()));
            said.map_err(FileError::at("write", &path))?;
            return Ok(Claim { _lock: lock, path: self.destination.clone(), before });
        }
    }

    /// Where the payload of a torrent is gathered.
    pub fn payload(&self, info_hash: InfoHash) -> PathBuf {
        self.path.join(format!("{info_hash}.part"))
    }

    /// Where a payload is packed on this host.
    pub fn packed(&self, run: &str) -> Result<PathBuf, ReleaseError> {
        Ok(self.path.join(format!("pack.{}", run_name(run)?)))
    }

    /// Where a release is unpacked, with what an earlier attempt left there removed.
    pub fn stage(&self, run: &str, tag: &str) -> Result<PathBuf, ReleaseError> {
        let path = self.path.join(format!("stage.{}.{}", run_name(run)?, plain(tag)?));
        remove_tree(&path)?;
        Ok(path)
    }

    /// How many bytes this user can still write here.
    pub fn space_left(&self) -> Result<ByteCount, ReleaseError> {
        space_left(&self.path)
    }

    /// Opens the payload of a torrent for reading and writing, `length` bytes long, with the room taken. What is there stays.
    pub fn open_payload(&self, info_hash: InfoHash, length: u64) -> Result<File, ReleaseError> {
        let path = self.payload(info_hash);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(FileError::at("open", &path))?;
        let file = File::from(fd);
        preallocate(&file, &path, length)?;
        Ok(file)
    }

    /// Removes all that runs left, these payloads, and the lock if it is ours, then the folder if that leaves it empty. A
    /// payload that another run [shares](share) stays: that run removes it.
    ///
    /// Returns what could not be removed; empty proves that nothing is left.
    pub fn remove(self, runs: &[&str], payloads: &[InfoHash], claim: Option<&Claim>) -> Vec<FileError> {
        let mut left = Vec::new();
        if runs.iter().any(|run| run_name(run).is_err()) {
            return vec![FileError::at("remove", &self.path)(Errno::INVAL)];
        }
        let stages: Vec<_> = runs.iter().map(|run| format!("stage.{run}.")).collect();
        let parts = payloads.iter().filter(|hash| !is_shared(&self.payload(**hash))).map(|hash| format!("{hash}.part"));
        let exact = parts.chain(runs.iter().map(|run| format!("pack.{run}"))).chain(claim.map(|_| LOCK.to_owned()));
        let exact: Vec<_> = exact.collect();
        let is_stage = |name: &[u8]| stages.iter().any(|stage| name.starts_with(stage.as_bytes()));
        sweep(&self.path, &mut left, |name| is_stage(name) || exact.iter().any(|exact| name == exact.as_bytes()));
        sweep(&self.destination, &mut left, |name| name.strip_prefix(ASIDE.as_bytes()).is_some_and(is_stage));
        match rustix::fs::rmdir(&self.path) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => {}
            Err(error) => left.push(FileError::at("remove", &self.path)(error)),
        }
        left
    }

    /// Removes everything that is here, and what lies aside of the releases: for who knows that nobody works here, as the
    /// claim shows. Returns what is gone, and what could not be removed.
    pub fn remove_all(self, _claim: &Claim) -> (Vec<PathBuf>, Vec<FileError>) {
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        let aside = format!("{ASIDE}stage.");
        for folder in [&self.path, &self.destination] {
            let ours = |name: &[u8]| folder == &self.path || name.starts_with(aside.as_bytes());
            let before = entries(folder, &ours);
            sweep(folder, &mut left, ours);
            gone.extend(before.into_iter().filter(|path| path.symlink_metadata().is_err()));
        }
        gone.retain(|path| *path != self.path.join(LOCK));
        match rustix::fs::rmdir(&self.path) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => left.push(FileError::at("remove", &self.path)(error)),
        }
        (gone, left)
    }

    fn trust(&self) -> Result<(), ReleaseError> {
        let not_ours = |why| Err(ReleaseError::NotOurs { path: self.path.clone(), why });
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => return not_ours("is not a folder of its own"),
            fd => fd.map_err(FileError::at("open", &self.path))?,
        };
        let stat = fstat(&fd).map_err(FileError::at("inspect", &self.path))?;
        debug_assert!(FileType::from_raw_mode(stat.st_mode) == FileType::Directory, "it was opened as a directory");
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return not_ours("belongs to somebody else");
        }
        if stat.st_mode & 0o077 != 0 {
            return not_ours("is open to other users");
        }
        Ok(())
    }
}

/// Marks a payload as in use until `file` is closed: several runs may gather the same one, to the same bytes.
pub fn share(file: &File) {
    // A file system without locks has no other way to tell; then the run that ends first takes the payload with it.
    flock(file, FlockOperation::NonBlockingLockShared).ok();
}

fn is_shared(payload: &Path) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(payload, flags, Mode::empty());
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

/// Whether a file that was opened is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let there = path.symlink_metadata();
    file.metadata().is_ok_and(|mine| there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())))
}

/// A run's name: without `.`, so that no run's files start like another's.
fn run_name(run: &str) -> Result<&str, ReleaseError> {
    if run.contains('.') { Err(ReleaseError::Name { name: run.to_owned() }) } else { plain(run) }
}

fn entries(folder: &Path, ours: &impl Fn(&[u8]) -> bool) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    listed.filter(|entry| ours(entry.file_name().as_bytes())).map(|entry| entry.path()).collect()
}

fn sweep(folder: &Path, left: &mut Vec<FileError>, ours: impl Fn(&[u8]) -> bool) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => return left.push(FileError::at("list", folder)(error)),
    };
    for entry in entries {
        match entry {
            Ok(entry) if ours(entry.file_name().as_bytes()) => left.extend(remove_tree(&entry.path()).err()),
            Ok(_) => {}
            Err(error) => return left.push(FileError::at("list", folder)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const HASH: InfoHash = InfoHash::new([7; 20]);

    #[test]
    fn a_run_takes_its_own_files_with_it_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        assert_eq!(fs::metadata(workspace.path()).unwrap().permissions().mode() & 0o777, 0o700);
        for path in [workspace.stage("a", "v1").unwrap(), workspace.stage("a-b", "v1").unwrap()] {
            fs::create_dir_all(path.join("deep")).unwrap();
        }
        fs::write(workspace.packed("a").unwrap(), "x").unwrap();
        workspace.open_payload(HASH, 100).unwrap();
        fs::create_dir(folder.path().join(".rookery-stage.a.v1")).unwrap();

        assert!(Workspace::open(folder.path()).unwrap().remove(&["a"], &[], None).is_empty());
        let names: Vec<_> = fs::read_dir(workspace.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(workspace.remove(&["a-b"], &[HASH], None).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Workspace::existing(folder.path()).unwrap().is_none());
    }

    #[test]
    fn one_agent_works_in_a_folder_and_others_are_told_which() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let claim = workspace.claim("a", "run a of alice, since noon").unwrap();
        assert_eq!(claim.before(), None);
        let error = workspace.claim("a", "again").unwrap_err();
        assert!(error.to_string().contains("another host of this run"), "{error}");
        let error = workspace.claim("b", "run b of bob").unwrap_err();
        assert!(error.to_string().ends_with("is held by run a of alice, since noon"), "{error}");
        drop(claim);
        let claim = workspace.claim("b", "run b of bob").unwrap();
        assert_eq!(claim.before(), Some("run a of alice, since noon"));
        assert!(workspace.remove(&["b"], &[], Some(&claim)).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_payload_that_another_run_gathers_stays_until_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let other = workspace.open_payload(HASH, 100).unwrap();
        share(&other);
        assert!(Workspace::open(folder.path()).unwrap().remove(&["a"], &[HASH], None).is_empty());
        assert!(workspace.payload(HASH).exists());
        drop(other);
        assert!(workspace.remove(&["b"], &[HASH], None).is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_or_an_open_folder_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), folder.path().join(NAME)).unwrap();
        assert!(matches!(Workspace::open(folder.path()), Err(ReleaseError::NotOurs { .. })));
        fs::remove_file(folder.path().join(NAME)).unwrap();
        fs::create_dir(folder.path().join(NAME)).unwrap();
        fs::set_permissions(folder.path().join(NAME), Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(Workspace::open(folder.path()), Err(ReleaseError::NotOurs { .. })));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        assert!(workspace.stage("../x", "v1").is_err() && workspace.stage("a", "../v1").is_err());
        assert!(workspace.packed("a.b").is_err());
    }
}
