//! `rookery-agent attach`: carries stdin and stdout to the socket of an agent, and proves its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use super::args::Attach;
use super::folder::{folder_of, has_socket, holder_of, is_agent, is_free, log_of, socket_of};
use super::supervisor::{self, KILLED};
use super::{aside, complain, daemon};

/// How an agent ends that was told to: its process is gone, and so is its socket.
const ENDED: u8 = 0;

/// The agent still runs, and has let go of this connection.
const LET_GO: u8 = 75;

/// There is no agent (any more), and nobody told it to end.
pub(super) const GONE: u8 = 70;

/// How long an agent may take to end once it has said its last.
const ENDS_AFTER: Duration = Duration::from_secs(10);

/// How long the process of an agent that was killed may outlive its connection.
const DIES_WITHIN: Duration = Duration::from_millis(200);

/// How long an agent that has died may be waited for by its parent.
const EXPLAINED_WITHIN: Duration = Duration::from_millis(500);

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Bytes carried at once.
const PART_LENGTH: usize = 256 << 10;

/// The end of the log that is looked at for last words, in bytes.
const LAST_WORDS: u64 = 2000;

/// Attaches; returns the exit code.
pub(super) fn attach(args: &Attach) -> u8 {
    let folder = folder_of(&args.work_dir, &args.id);
    let agent = holder_of(&folder);
    if let Some(code) = args.ended {
        supervisor::tell(&folder, code);
    }
    let Ok(socket) = connect(&folder) else { return gone(&folder, agent) };
    match carry(socket) {
        Ok(()) => fate(&folder, agent),
        // Nobody listens any more.
        Err(_) => LET_GO,
    }
}

fn connect(folder: &Path) -> io::Result<UnixStream> {
    let (_open, path) = socket_of(folder)?;
    UnixStream::connect(path)
}

/// Carries both ways until the agent, which is this process, has said its last.
pub(super) fn carry_here() -> io::Result<(UnixStream, JoinHandle<()>)> {
    let (socket, console) = UnixStream::pair()?;
    let carrier = aside(Box::new(move || {
        // The agent hears that its console is gone.
        let _ = carry(console);
        daemon::silence();
    }));
    Ok((socket, carrier))
}

/// Waits until all that was said has been carried, for at most `patience`: a console may not read.
pub(super) fn carried(carrier: &JoinHandle<()>, patience: Duration) {
    let begun = Instant::now();
    while !carrier.is_finished() && begun.elapsed() < patience {
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Carries both ways until the agent has said its last.
fn carry(socket: UnixStream) -> io::Result<()> {
    let mut orders = socket.try_clone()?;
    aside(Box::new(move || {
        let carried = copy(&mut io::stdin().lock(), &mut orders);
        // The agent is told that nothing more comes; one that is gone need not be.
        let _ = carried.and_then(|()| orders.shutdown(Shutdown::Write));
    }));
    let mut socket = socket;
    match copy(&mut socket, &mut io::stdout().lock()) {
        // What was sent to an agent that did not read it any more.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        carried => carried,
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PART_LENGTH];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length]).and_then(|()| to.flush())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What became of an agent that closed the connection: it removes its socket first when it ends in good order.
fn fate(folder: &Path, agent: Option<Pid>) -> u8 {
    let begun = Instant::now();
    while begun.elapsed() < ENDS_AFTER {
        let ended = agent.map_or_else(|| is_free(folder), |agent| !is_agent(agent));
        match (ended, has_socket(folder)) {
            (true, true) => return gone(folder, agent),
            (true, false) => return ENDED,
            (false, true) if begun.elapsed() > DIES_WITHIN => return LET_GO,
            (false, _) => thread::park_timeout(LOOK_AGAIN_AFTER),
        }
    }
    let pid = agent.map_or(0, |pid| pid.as_raw_nonzero().get());
    complain(&format!("process {pid} has said its last, and does not end"), LET_GO)
}

fn gone(folder: &Path, agent: Option<Pid>) -> u8 {
    let begun = Instant::now();
    // Its supervisor is still about to say how it died, be it its parent or what that becomes.
    while agent.is_some_and(|agent| test_kill_process(agent).is_ok()) && begun.elapsed() < EXPLAINED_WITHIN {
        thread::park_timeout(LOOK_AGAIN_AFTER);
    }
    let mut why = last_words(folder);
    while !why.starts_with(KILLED) && begun.elapsed() < EXPLAINED_WITHIN {
        thread::park_timeout(LOOK_AGAIN_AFTER);
        why = last_words(folder);
    }
    // What its supervisor says of its end is all there is to say.
    if !why.starts_with(KILLED) {
        let ends = if why.is_empty() { "" } else { "; its log ends with: " };
        why = ["its process is gone", ends, &why].concat();
    }
    complain(&why, GONE)
}

/// The last line of the log.
fn last_words(folder: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(log_of(folder)).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        log.take(LAST_WORDS).read_to_end(&mut text)
    });
    // A log that cannot be read says nothing.
    let _ = read;
    String::from_utf8_lossy(&text).lines().last().unwrap_or_default().trim().to_owned()
}
