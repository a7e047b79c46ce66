//! How an agent comes to outlive who started it: `attach` starts `serve`, which starts itself once more and waits for it.
//!
//! Both lead sessions of their own, so that neither the end of an SSH connection nor a signal to its processes reaches them.
//! Their stdin is empty, their stderr is the log, and their stdout is heard by `attach` until the agent says that it is ready.
//! As root's under systemd they are a unit, and all they say is in the log.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{setsid, umask};
use rustix::stdio::dup2_stdout;

use super::args::{Attach, Serve};
use super::folder::{self, RunFolder, folder_of, socket_of};
use super::{complain, supervisor, unit};
use crate::control::AgentFailure;

/// What a started agent says when it can be attached to.
const READY: &str = "ready";

/// Longest complaint that is read of an agent that did not start, in bytes.
const COMPLAINT_MAX: u64 = 4096;

/// How long an agent that is a unit may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Starts the agent, and waits until it can be attached to or says why not.
pub(super) fn start(attach: &Attach) -> Result<(), String> {
    let folder = folder_of(&attach.work_dir, &attach.id);
    let failed = |what: &str, error: &std::io::Error| format!("cannot {what} {}: {error}", folder.display());
    folder::make(&folder).map_err(|error| failed("make", &error))?;
    let log = File::options().create(true).append(true).mode(0o600).open(folder::log_of(&folder));
    let log = log.map_err(|error| failed("write the log in", &error))?;
    let starting = |error: std::io::Error| failed("start the agent for", &error);
    let mut first = serve(&attach.id.to_string(), &attach.work_dir).map_err(starting)?;
    if unit::start(&attach.id, &folder, &first) {
        return await_socket(&folder);
    }
    let mut first = first.stdout(Stdio::piped()).stderr(log).spawn().map_err(starting)?;
    let mut said = String::new();
    if let Some(stdout) = first.stdout.take() {
        // What it did not say to the end is no `ready`.
        let _ = stdout.take(COMPLAINT_MAX).read_to_string(&mut said);
    }
    match said.trim() {
        READY => Ok(()),
        "" => {
            let ended = first.wait().map_err(|error| failed("wait for the agent of", &error))?;
            Err(format!("the agent ended before it began ({ended}); its log is {}", folder::log_of(&folder).display()))
        }
        complaint => Err(complaint.to_owned()),
    }
}

/// Waits for the agent of a unit, which nobody else listens to.
fn await_socket(folder: &Path) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < LISTENS_WITHIN {
        if let Ok((_open, path)) = socket_of(folder)
            && UnixStream::connect(path).is_ok()
        {
            return Ok(());
        }
        thread::park_timeout(LOOK_AGAIN_AFTER);
    }
    Err(format!("the agent's unit does not listen; its log is {}", folder::log_of(folder).display()))
}

/// Starts the agent, and stays to see how it ends.
pub(super) fn detach(args: &Serve) -> u8 {
    // Somebody who starts it by hand may lead a session already.
    let _ = setsid();
    let started = std::env::set_current_dir("/")
        .and_then(|()| serve(&args.id.to_string(), &args.work_dir))
        .and_then(|mut command| command.arg("--detached").stdout(Stdio::inherit()).spawn());
    match started {
        Ok(agent) => {
            silence();
            supervisor::watch(agent);
            0
        }
        Err(error) => complain(&format!("cannot start: {error}"), 1),
    }
}

fn serve(id: &str, work_dir: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg(id).arg("--work-dir").arg(work_dir).stdin(Stdio::null());
    Ok(command)
}

/// What an agent has when it begins: its folder, which no other has, and a socket in it; and the mode that the user's own
/// folders are made with.
pub(super) struct Footing {
    pub(super) folder: RunFolder,
    pub(super) listener: UnixListener,
    pub(super) umask: Mode,
}

/// Leaves the session of whoever started it, takes the folder and its socket, and says that it is ready. `None` when another
/// agent has the folder.
pub(super) fn stand(args: &Serve) -> Result<Option<Footing>, AgentFailure> {
    // Somebody who starts it by hand may lead a session already.
    let _ = setsid();
    let umask = umask(Mode::RWXG | Mode::RWXO);
    let path = folder_of(&args.work_dir, &args.id);
    let Some(folder) = RunFolder::take(&path)? else { return Ok(None) };
    let listener = listen(&path).map_err(|error| AgentFailure::from_io("listen in", &path, &error))?;
    Ok(Some(Footing { folder, listener, umask }))
}

fn listen(folder: &Path) -> std::io::Result<UnixListener> {
    let (_open, path) = socket_of(folder)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Tells `attach` how it went, and is heard by nobody from now on.
pub(super) fn report(outcome: Result<(), &AgentFailure>) {
    let said = outcome.map_or_else(ToString::to_string, |()| READY.to_owned());
    let mut stdout = std::io::stdout();
    // Nobody may wait: then nobody is told.
    let _ = writeln!(stdout, "{said}").and_then(|()| stdout.flush());
    silence();
}

/// Lets go of the stdout that somebody listens to.
fn silence() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = dup2_stdout(&nothing);
    }
}
