//! Writing a key down: one line, at the end of the file, under a lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Appends `line`, and returns its number. The file is made with mode 0600, its folder with 0700.
pub(super) fn append(path: &Path, line: &str) -> io::Result<usize> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    let (lines, ended) = count_lines(&mut file)?;
    let text = if ended { format!("{line}\n") } else { format!("\n{line}\n") };
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    Ok(lines + 1)
}

/// How many lines there are, and whether the last one is ended.
fn count_lines(file: &mut File) -> io::Result<(usize, bool)> {
    file.seek(SeekFrom::Start(0))?;
    let (mut lines, mut ended) = (0, true);
    let mut buffer = [0_u8; 16 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        let Some(last) = buffer[..length].last() else { break };
        lines += buffer[..length].split(|byte| *byte == b'\n').count() - 1;
        ended = *last == b'\n';
    }
    Ok((lines + usize::from(!ended), ended))
}
