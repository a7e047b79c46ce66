//! A command on a demo host: a child process, its three pipes on one SSH channel.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, Sig};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

/// Bytes of output passed on at once.
const PART_LENGTH: usize = 32 << 10;

/// Longest wait for a process that was killed; the system needs milliseconds.
const GONE_WITHIN: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Where a command runs.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) home: &'a Path,
    pub(super) user: &'a str,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

/// The process groups that are alive.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(Arc<Mutex<Vec<Pid>>>);

impl Groups {
    /// Kills every one.
    pub(super) fn kill_all(&self) {
        let groups = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for group in groups {
            kill(group);
        }
    }

    /// How many are alive.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn add(&self, group: Pid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(group);
    }

    fn remove(&self, group: Pid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|alive| *alive != group);
    }
}

/// Starts `command` as a login shell of the host would: in the host's folder, with an environment of its own.
pub(super) fn spawn(command: &str, place: &Place<'_>) -> std::io::Result<Child> {
    let (client, server) = (place.client, place.server);
    Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env_clear()
        .env("HOME", place.home)
        .env("USER", place.user)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("SSH_CONNECTION", format!("{} {} {} {}", client.ip(), client.port(), server.ip(), server.port()))
        .current_dir(place.home)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Agents below a folder: they have left the process group that started them.
pub(super) fn agents_below(home: &Path) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ours = processes.filter(|process| {
        let serves = std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line.ends_with(b"--detached\0"));
        serves && std::fs::read_link(process.path().join("exe")).is_ok_and(|program| program.starts_with(home))
    });
    ours.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
}

/// The process group of a child.
pub(super) fn group_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
}

/// Lets the agents below a folder write files of any size again.
pub(super) fn free_disk(home: &Path) {
    for agent in agents_below(home) {
        let unlimited = Rlimit { current: None, maximum: None };
        // A process that has ended needs no room.
        prlimit(Some(agent), Resource::Fsize, unlimited).ok();
    }
}

/// Kills the agents below a folder, and sees them gone: until then they may be at work on a file there.
pub(super) fn kill_agents(home: &Path) {
    let agents = agents_below(home).into_iter();
    let watched: Vec<_> = agents.map(|agent| (agent, pidfd_open(agent, PidfdFlags::empty()))).collect();
    for (agent, _) in &watched {
        kill(*agent);
    }
    // Where a process cannot be watched it is gone already.
    for process in watched.iter().filter_map(|(_, process)| process.as_ref().ok()) {
        poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&GONE_WITHIN)).ok();
    }
}

/// Kills a process group; one that is gone already is as good.
pub(super) fn kill(group: Pid) {
    kill_process_group(group, Signal::KILL).ok();
}

/// Carries a child's pipes over a channel until both have ended.
pub(super) async fn carry(mut child: Child, channel: Channel<Msg>, handle: Handle, groups: Groups) {
    let Some(group) = group_of(&child) else { return };
    groups.add(group);
    let id = channel.id();
    let (read, _write) = channel.split();
    let stdin = child.stdin.take().expect("piped");
    let stdout = child.stdout.take().expect("piped");
    let stderr = child.stderr.take().expect("piped");
    let listening = tokio::spawn(listen(read, stdin, group));
    tokio::join!(pass_on(stdout, &handle, id, None), pass_on(stderr, &handle, id, Some(1)));
    let status = child.wait().await;
    groups.remove(group);
    if let Ok(status) = status {
        report(status, &handle, id).await;
    }
    // The client may be gone; then there is nobody to tell.
    handle.eof(id).await.ok();
    handle.close(id).await.ok();
    listening.abort();
}

/// Input, signals, and the end of the channel, which ends the process group.
async fn listen(mut read: ChannelReadHalf, stdin: ChildStdin, group: Pid) {
    let mut stdin = Some(stdin);
    while let Some(message) = read.wait().await {
        if let ChannelMsg::Data { data } = &message {
            let Some(pipe) = stdin.as_mut() else { continue };
            if pipe.write_all(data).await.is_err() {
                stdin = None;
            }
        } else if matches!(message, ChannelMsg::Eof) {
            stdin = None;
        } else if matches!(message, ChannelMsg::Signal { signal: Sig::KILL }) {
            kill(group);
        } else if matches!(message, ChannelMsg::Signal { signal: Sig::TERM }) {
            kill_process_group(group, Signal::TERM).ok();
        } else if matches!(message, ChannelMsg::Close) {
            break;
        }
    }
    kill(group);
}

async fn pass_on(mut pipe: impl AsyncRead + Unpin, handle: &Handle, id: ChannelId, extended: Option<u32>) {
    let mut buffer = vec![0; PART_LENGTH];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        let data = buffer[..length].to_vec();
        let sent = match extended {
            None => handle.data(id, data).await,
            Some(kind) => handle.extended_data(id, kind, data).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn report(status: ExitStatus, handle: &Handle, id: ChannelId) {
    let sent = match (status.code(), status.signal()) {
        (Some(code), _) => handle.exit_status_request(id, code.cast_unsigned()).await,
        (None, signal) => {
            let name = match signal {
                Some(9) => Sig::KILL,
                Some(15) => Sig::TERM,
                Some(6) => Sig::ABRT,
                other => Sig::Custom(format!("{}", other.unwrap_or_default())),
            };
            handle.exit_signal_request(id, name, false, String::new(), String::new()).await
        }
    };
    sent.ok();
}
