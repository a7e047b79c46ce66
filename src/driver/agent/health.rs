//! The command that says whether this host is well with a release in place.

use std::io::{PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::delivery::{Site, expand_home};
use super::jobs::{Context, Report};
use crate::control::CheckOrder;

/// Between two looks whether the command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long its last words are waited for once it has ended: what it left running may hold its output open.
const LAST_WORDS_AFTER: Duration = Duration::from_millis(200);

/// Bytes of its last words that are kept.
const WORDS_MAX: usize = 2000;

/// Characters of its last line that are told.
const LINE_MAX: usize = 200;

/// Runs the command; a host on which it cannot be run is not well.
pub(super) fn check(context: &Context, site: &Site, order: &CheckOrder) -> Report {
    let release = site.destination.join(order.tag.as_str()).display().to_string();
    let filled = |word: &String| word.replace("{release}", &release).replace("{tag}", order.tag.as_str());
    let mut words = order.command.iter().map(filled);
    let program = expand_home(&words.next().unwrap_or_default());
    let mut command = Command::new(&program);
    command.args(words).current_dir("/").process_group(0).stdin(Stdio::null());
    command.env("ROOKERY_RELEASE", &release).env("ROOKERY_TAG", order.tag.as_str());
    let why = match run(&mut command, context, order.timeout) {
        Ok((Some(status), _)) if status.success() => None,
        Ok((Some(status), said)) => Some(format!("{}{}", how(status), last_line(&said))),
        Ok((None, said)) => Some(format!("it took longer than {} s{}", order.timeout.as_secs_f64(), last_line(&said))),
        Err(error) => Some(format!("cannot run {}: {error}", program.display())),
    };
    Report::Checked(order.number, why)
}

/// Runs a command for so long at most; its status unless it was killed, and its last words.
fn run(command: &mut Command, context: &Context, after: Duration) -> std::io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The ends that the command has are the only ones left.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, said) = mpsc::sync_channel(1);
    let listener = std::thread::Builder::new().name("health".to_owned()).spawn(move || listen(reader, &sender));
    let until = Instant::now() + after;
    let mut status = child.try_wait()?;
    while status.is_none() && Instant::now() < until && !context.cancel().load(Ordering::Relaxed) {
        std::thread::park_timeout(LOOK_EVERY);
        status = child.try_wait()?;
    }
    if status.is_none() {
        kill(&mut child)?;
    }
    let words = said.recv_timeout(LAST_WORDS_AFTER).unwrap_or_default();
    listener.map(|_| (status, words))
}

/// The command, and whatever it started in its group.
fn kill(child: &mut Child) -> std::io::Result<()> {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has ended by itself is not there any more.
        kill_process_group(group, Signal::KILL).ok();
    }
    child.wait().map(|_| ())
}

/// Reads all there is and keeps the end of it.
fn listen(mut reader: PipeReader, sender: &SyncSender<Vec<u8>>) {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let excess = kept.len().saturating_sub(WORDS_MAX);
        kept.drain(..excess);
    }
    // Nobody waits for it any more when the command was killed long ago.
    sender.send(kept).ok();
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command ended with status {code}"),
        (None, Some(signal)) => format!("the command was killed by signal {signal}"),
        (None, None) => "the command ended without a status".to_owned(),
    }
}

/// The last line that says something, fit for a screen.
fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|letter| !letter.is_control()).take(LINE_MAX).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}
