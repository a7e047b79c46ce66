//! Writing a key down: one line, at the end of the file, under a lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Appends `line`, and returns how many bytes that took. The file is made with mode 0600, its folder with 0700.
pub(super) fn append(path: &Path, line: &str) -> io::Result<u64> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    let text = if is_ended(&mut file)? { format!("{line}\n") } else { format!("\n{line}\n") };
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    Ok(text.len() as u64)
}

/// Whether the last line of the file is ended.
fn is_ended(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
