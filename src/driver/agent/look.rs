//! The first look at this host, by the agent that is there from an earlier run. It answers what `driver/bootstrap/script.rs` has a shell find
//! out where there is none, in the same lines, and starts no program for it: each costs a host a millisecond.
//!
//! It is known again by what its file's inode says, kept in `used` beside it: each change of the file changes that, and its digest
//! is looked at anew.

use std::ffi::CStr;
use std::fmt::{Display, Write as _};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{StatVfs, statvfs};
use rustix::process::geteuid;
use rustix::stdio::stdin;
use rustix::system::uname;

use super::delivery::expand_home;
use super::digest;
use super::serve::ENDED;

/// The agent is not what it should be, or not where: nothing was read.
const REFUSED: u8 = 9;

/// Questions: what becomes of the folder, releases, tag, info-hash, ports and address; the last two are for a shell.
const QUESTIONS: usize = 6;

/// What an answer begins with.
const PREFIX: &str = "@rookery ";

/// Room to read the system's locks into; the kernel fills a page of it at once, which is some sixty of them.
const LOCKS_LENGTH: usize = 64 << 10;

/// Longest line that is read, in bytes: a path, or a command for a shell.
const LINE_MAX: usize = 8192;

/// Looks, and waits to be told to go on; says with which code to end, if not.
pub(super) fn look(work_dir: &Path, sum: &str) -> Option<u8> {
    let is_sound = || is_known() || digest().is_ok_and(|found| found == sum);
    if !(is_private(work_dir) && is_sound() && remember().is_ok()) {
        return Some(REFUSED);
    }
    ask(work_dir, sum).is_none().then_some(ENDED)
}

/// Answers; `None` when nobody asks, listens, or has it go on.
fn ask(work_dir: &Path, sum: &str) -> Option<()> {
    let mut questions = Vec::new();
    while questions.len() < QUESTIONS {
        questions.push(line()?);
    }
    io::stdout().write_all(answers(work_dir, sum, &questions).as_bytes()).ok()?;
    // The command that it waits for is to be the agent, which it is.
    line().map(drop)
}

/// Notes that the program's file is what it should be, and that it was looked for today.
pub(super) fn remember() -> io::Result<()> {
    fs::write(used()?, identity()?)
}

fn is_known() -> bool {
    identity().is_ok_and(|now| used().and_then(fs::read).is_ok_and(|then| then == now.as_bytes()))
}

fn used() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("used"))
}

fn identity() -> io::Result<String> {
    let file = fs::metadata("/proc/self/exe")?;
    let [since, nanos] = [file.ctime(), file.ctime_nsec()].map(i64::cast_unsigned);
    Ok(format!("{} {} {since}.{nanos}\n", file.ino(), file.len()))
}

/// Whether a folder is this user's alone.
fn is_private(folder: &Path) -> bool {
    folder.symlink_metadata().is_ok_and(|found| found.is_dir() && is_ours(&found) && found.mode() & 0o7777 == 0o700)
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == geteuid().as_raw()
}

/// A line of stdin, and not a byte more: what follows may be another program's to read.
fn line() -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < LINE_MAX && rustix::io::read(stdin(), &mut byte).ok()? == 1 {
        if byte == *b"\n" {
            return String::from_utf8(text).ok();
        }
        text.push(byte[0]);
    }
    None
}

fn answers(work_dir: &Path, sum: &str, questions: &[String]) -> String {
    let system = uname();
    let text = |name: &CStr| name.to_string_lossy().into_owned();
    let mut said = String::new();
    let mut say = |what: &dyn Display| {
        let _ = writeln!(said, "{PREFIX}{what}");
    };
    say(&format_args!("system {} {}", text(system.sysname()), text(system.machine())));
    say(&format_args!("ssh {}", std::env::var("SSH_CONNECTION").unwrap_or_default()));
    let top = work_dir.display();
    say(&format_args!("folder {top}\n{PREFIX}top {top}/\n{PREFIX}agent"));
    let mut others = 0_u64;
    for entry in fs::read_dir(work_dir.join("agents")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        others += u64::from(name != sum && !name.as_encoded_bytes().starts_with(b"."));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    say(&format_args!("agents {others}\n{PREFIX}time {}", now.as_secs()));
    room(work_dir, &mut say);
    if let [_, to, tag, hash, ..] = questions
        && !to.is_empty()
    {
        let trial = format!(".rookery-probe.{}.{}", text(system.nodename()), std::process::id());
        landing(&expand_home(to), (tag, hash), &trial, &mut say);
    }
    say(&"end");
    said
}

/// What is free where a folder is.
fn room(folder: &Path, say: &mut dyn FnMut(&dyn Display)) {
    if let Ok(found) = statvfs(folder) {
        let StatVfs { f_bavail, f_frsize, f_files, f_ffree, .. } = found;
        let slash = if folder == Path::new("/") { "" } else { "/" };
        say(&format_args!("room {f_bavail} {f_frsize} {f_files} {f_ffree} {}{slash}", folder.display()));
    }
}

/// The folder of releases, as it is or could be made: a file is made and removed in what is there of its path.
fn landing(to: &Path, (tag, hash): (&str, &str), trial: &str, say: &mut dyn FnMut(&dyn Display)) {
    let (mut base, mut missing) = (to, None);
    while !base.is_dir() {
        missing = Some(base);
        base = base.parent().unwrap_or_else(|| Path::new("/"));
    }
    let misfit = missing.filter(|path| path.symlink_metadata().is_ok());
    let trial = base.join(trial);
    if let Some(path) = misfit {
        say(&format_args!("misfit {}", path.display()));
    } else if let Err(error) = fs::write(&trial, "\n") {
        say(&format_args!("refuses {error}"));
    }
    // One that could not be written may be there all the same.
    let _ = fs::remove_file(&trial);
    let work = to.join(".rookery");
    if work.metadata().is_ok_and(|found| !is_ours(&found)) {
        say(&format_args!("foreign {}", work.display()));
    }
    if let Some(holder) = holder(&work.join("lock")) {
        say(&format_args!("held {holder}"));
    }
    if let Ok(partial) = work.join([hash, ".part"].concat()).metadata() {
        say(&format_args!("partial {}", partial.blocks() / 2));
    }
    if !tag.is_empty() && to.join(tag).symlink_metadata().is_ok() {
        say(&"release");
    }
    let slash = if base == Path::new("/") { "" } else { "/" };
    say(&format_args!("into {}{slash}", base.display()));
    room(base, say);
}

/// Who holds the folder of a lock, which the system knows somebody to have locked.
fn holder(lock: &Path) -> Option<String> {
    let mark = format!(":{} 0 EOF", lock.metadata().ok()?.ino());
    // The kernel goes on where it was by counting: between two short reads a lock that goes would hide another.
    let mut locks = String::with_capacity(LOCKS_LENGTH);
    File::open("/proc/locks").ok()?.read_to_string(&mut locks).ok()?;
    let held = locks.split('\n').any(|line| line.contains("FLOCK") && line.ends_with(&mark));
    let words = held.then(|| fs::read_to_string(lock).ok()).flatten()?;
    let (run, by) = words.split_once('\n')?;
    Some(format!("{run} {}", by.split('\n').next()?))
}
