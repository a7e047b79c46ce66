//! How an agent comes to outlive its console. It leads a session of its own, so that neither the end of an SSH connection nor a signal
//! to its processes reaches it, and its stderr is the log.
//!
//! It begins where a console's channel is, as the child of a shell that waits for it and hears how it ended: one program and no more is
//! started. As root's under systemd it is a unit: `serve` there starts itself once more and waits for it, and what was to be the agent is
//! the way to it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{setsid, umask};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use super::args::{Serve, Step};
use super::folder::{self, RunFolder, folder_of, socket_of};
use super::{complain, supervisor, unit};
use crate::control::AgentFailure;

/// The agent is another process: this one was to be the child of a shell, which becomes the way to that one.
pub(super) const ELSEWHERE: u8 = 78;

/// The agent could not begin, and has said why.
pub(super) const NOT_BEGUN: u8 = 77;

/// How long an agent that is a unit may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Whether the agent is another process: one that runs already, or a unit, which is started.
fn is_elsewhere(args: &Serve, folder: &Path) -> Result<bool, AgentFailure> {
    let failed = |error: std::io::Error| AgentFailure::from_io("start the agent for", folder, &error);
    if connects(folder) {
        return Ok(true);
    }
    if !unit::start(&args.id, folder, &serve(args).map_err(failed)?) {
        return Ok(false);
    }
    let begun = Instant::now();
    while !connects(folder) {
        if begun.elapsed() > LISTENS_WITHIN {
            return Err(failed(std::io::ErrorKind::TimedOut.into()));
        }
        thread::park_timeout(LOOK_AGAIN_AFTER);
    }
    Ok(true)
}

fn connects(folder: &Path) -> bool {
    socket_of(folder).and_then(|(_open, path)| UnixStream::connect(path)).is_ok()
}

/// Starts the agent, and stays to see how it ends.
pub(super) fn detach(args: &Serve) -> u8 {
    // Somebody who starts it by hand may lead a session already.
    let _ = setsid();
    let started = std::env::set_current_dir("/")
        .and_then(|()| serve(args)?.arg("--detached").stdin(Stdio::null()).stdout(Stdio::null()).spawn());
    match started {
        Ok(agent) => {
            supervisor::watch(agent);
            0
        }
        Err(error) => complain(&format!("cannot start: {error}"), 1),
    }
}

fn serve(args: &Serve) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg(args.id.to_string()).arg("--work-dir").arg(&args.work_dir);
    Ok(command)
}

/// From now on stderr is the log.
fn write_log(folder: &Path) -> std::io::Result<()> {
    let log = File::options().create(true).append(true).mode(0o600).open(folder::log_of(folder))?;
    Ok(dup2_stderr(&log)?)
}

/// What an agent has when it begins: its folder, which no other has, and a socket in it; and the mode that the user's own
/// folders are made with.
pub(super) struct Footing {
    pub(super) folder: RunFolder,
    pub(super) listener: UnixListener,
    pub(super) umask: Mode,
}

/// Leaves the session of whoever started it, and takes the folder and its socket. `None` when another agent has the folder, or is to have
/// it.
pub(super) fn stand(args: &Serve) -> Result<Option<Footing>, AgentFailure> {
    let path = folder_of(&args.work_dir, &args.id);
    let failed = |error: std::io::Error| AgentFailure::from_io("begin in", &path, &error);
    std::env::set_current_dir("/").and_then(|()| folder::make(&path)).map_err(failed)?;
    if matches!(args.step, Step::Here(_)) && is_elsewhere(args, &path)? {
        return Ok(None);
    }
    // Somebody who starts it by hand may lead a session already.
    let _ = setsid();
    let umask = umask(Mode::RWXG | Mode::RWXO);
    let Some(folder) = RunFolder::take(&path)? else { return Ok(None) };
    let listener = listen(&path).and_then(|listener| write_log(&path).map(|()| listener));
    Ok(Some(Footing { folder, listener: listener.map_err(failed)?, umask }))
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

/// Lets go of the stdout that somebody listens to.
pub(super) fn silence() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = dup2_stdout(&nothing);
    }
}
