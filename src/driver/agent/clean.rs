//! `rookery-agent clean`: ends what was left of earlier runs on this host, removes what they left, and says both.
//!
//! An answer is a line of stdout that begins with `@rookery gone` or `@rookery left`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::args::{Clean, Live};
use super::delivery::expand_home;
use super::folder::{RunFolder, console_of, folder_of, holder_of, is_agent, is_free};
use super::{complain, unit};
use crate::base::InfoHash;
use crate::control::{AgentId, RunId};
use crate::release::{ReleaseError, Workspace};

/// How long an agent is given to end in good order, then to end at all.
const ENDS_AFTER: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(3))];

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A console that was heard so lately is at work: it says a word every half minute.
const CONSOLE_IS_THERE: Duration = Duration::from_secs(90);

/// Runs that are looked at.
const RUNS_MAX: usize = 4096;

/// What was found.
#[derive(Debug, Default)]
struct Found {
    gone: Vec<String>,
    left: Vec<String>,
}

/// Cleans; returns the exit code: 0 when nothing is left.
pub(super) fn clean(args: &Clean) -> u8 {
    let mut found = Found::default();
    for (run, folder) in runs(&args.work_dir, args.id.host()) {
        found.run(&run, &folder, args.live);
    }
    for destination in &args.destinations {
        found.destination(&expand_home(destination), args.id.run());
    }
    let gone = found.gone.iter().map(|what| ("gone", what));
    let mut lines = String::new();
    for (word, what) in gone.chain(found.left.iter().map(|what| ("left", what))) {
        let _ = writeln!(lines, "@rookery {word} {}", what.escape_debug());
    }
    let mut stdout = std::io::stdout().lock();
    let said = writeln!(stdout, "{lines}@rookery end").and_then(|()| stdout.flush());
    match said {
        Ok(()) => u8::from(!found.left.is_empty()),
        Err(error) => complain(&format!("cannot say what was found: {error}"), 1),
    }
}

/// The folders that runs have for this host.
fn runs(work_dir: &Path, host: &str) -> Vec<(RunId, PathBuf)> {
    let entries = std::fs::read_dir(work_dir.join("runs")).into_iter().flatten().filter_map(Result::ok);
    let named = entries.take(RUNS_MAX).filter_map(|entry| entry.file_name().to_str()?.parse::<RunId>().ok());
    let folders = named.map(|run| (run.clone(), folder_of(work_dir, &AgentId::new(run, host))));
    folders.filter(|(_, folder)| folder.is_dir()).collect()
}

impl Found {
    fn run(&mut self, run: &RunId, folder: &Path, live: Live) {
        if !is_free(folder) {
            let heard = console_of(folder).and_then(|at| at.elapsed().ok()).filter(|ago| *ago < CONSOLE_IS_THERE);
            if let (Some(ago), Live::Spare) = (heard, live) {
                let ago = ago.as_secs();
                return self
                    .left
                    .push(format!("run {run}: under way, its console was heard {ago} s ago (--force ends it)"));
            }
            let agent = holder_of(folder).filter(|agent| is_agent(*agent));
            self.left.extend(unit::stop(folder).map(|what| format!("run {run}: {what}")));
            let name =
                agent.map_or_else(|| "its agent".to_owned(), |agent| format!("process {}", agent.as_raw_nonzero()));
            if !agent.is_none_or(|agent| !is_agent(agent) || end(agent)) {
                return self.left.push(format!("run {run}: {name} does not end"));
            }
            self.gone.push(format!("run {run}: {name}"));
        }
        match RunFolder::take(folder) {
            Ok(Some(held)) => {
                for (payload, destination) in held.kept() {
                    self.payload(run, &destination, payload);
                }
                self.gone.push(format!("run {run}: {}", folder.display()));
                self.left.extend(held.remove());
            }
            Ok(None) => self.left.push(format!("run {run}: {} is still held", folder.display())),
            Err(error) => self.left.push(format!("run {run}: {error}")),
        }
    }

    /// What a run keeps in a folder of releases.
    fn payload(&mut self, run: &RunId, destination: &Path, payload: InfoHash) {
        match Workspace::existing(destination) {
            Ok(Some(workspace)) => {
                let left = workspace.remove(&[run.as_str()], &[payload], None);
                self.left.extend(left.into_iter().map(|error| error.to_string()));
            }
            Ok(None) => {}
            Err(error) => self.left.push(error.to_string()),
        }
    }

    /// Everything that lies beside the releases.
    fn destination(&mut self, destination: &Path, cleaner: &RunId) {
        match clean_destination(destination, cleaner) {
            Ok((gone, left)) => {
                self.gone.extend(gone);
                self.left.extend(left);
            }
            Err(error) => self.left.push(error.to_string()),
        }
    }
}

fn clean_destination(destination: &Path, cleaner: &RunId) -> Result<(Vec<String>, Vec<String>), ReleaseError> {
    let Some(workspace) = Workspace::existing(destination)? else { return Ok((Vec::new(), Vec::new())) };
    let claim = workspace.claim(cleaner.as_str(), "rookery clean")?;
    let (gone, left) = workspace.remove_all(&claim);
    let gone = gone.into_iter().map(|path| path.display().to_string()).collect();
    Ok((gone, left.into_iter().map(|error| error.to_string()).collect()))
}

/// Ends an agent and its group; says whether it has ended.
fn end(agent: Pid) -> bool {
    for (signal, after) in ENDS_AFTER {
        // Gone in the meantime is as good.
        let _ = kill_process_group(agent, signal);
        let begun = Instant::now();
        while begun.elapsed() < after {
            if !is_agent(agent) {
                return true;
            }
            thread::park_timeout(LOOK_AGAIN_AFTER);
        }
    }
    false
}
