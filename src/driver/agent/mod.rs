//! What runs on a host: `serve`, which obeys the console, `attach`, which carries the console's channel to it, and `track`,
//! `seed` and `peer` by hand.
//!
//! It obeys orders, keeps the swarm's machine going and puts the release in its place. It decides nothing about other
//! hosts, resolves no names, and says nothing on stdout but statuses.

mod args;
mod attach;
mod by_hand;
mod clean;
mod console;
mod daemon;
mod delivery;
mod folder;
mod health;
mod home;
mod jobs;
mod knock;
mod log;
mod look;
mod obey;
mod outbox;
mod owner;
mod progress;
mod questions;
mod seat;
mod serve;
mod signals;
mod supervisor;
mod term;
mod unit;
mod work;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use args::{Command, Step};

use crate::payload::sha256_file;

/// Blocking jobs at once: one of ours, and what hashes and closes files.
const BLOCKING_THREADS_MAX: usize = 8;

/// Runs `rookery-agent` with its arguments, the program's name left out; returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = match args::parse(arguments) {
        Ok(Command::Print(text)) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            return u8::from(written.is_err());
        }
        Ok(command) => command,
        Err(error) => return complain(&error.to_string(), 2),
    };
    if let Command::Attach(attach) = &command {
        return attach::attach(attach);
    }
    if let Command::Clean(args) = &command {
        return clean::clean(args);
    }
    if command == Command::Sum {
        return sum();
    }
    if let Command::Serve(serve) = &command {
        let ended = match &serve.step {
            Step::First => Some(daemon::detach(serve)),
            Step::Detached => None,
            Step::Here(sum) if sum.is_empty() => {
                // Without it its digest is looked at once more.
                let _ = look::remember();
                None
            }
            Step::Here(sum) => look::look(&serve.work_dir, sum),
        };
        if let Some(code) = ended {
            return code;
        }
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot begin: {error}"), 1),
    };
    let code = runtime.block_on(async {
        let ended = match command {
            Command::Serve(serve) => return Box::pin(serve::serve(&serve)).await,
            Command::Probe => return questions::answer(),
            Command::Track(track) => by_hand::track(track).await,
            Command::Seed(join) => Box::pin(by_hand::seed(join)).await,
            Command::Peer(join) => Box::pin(by_hand::peer(join)).await,
            Command::Attach(_) | Command::Clean(_) | Command::Sum | Command::Print(_) => Ok(()),
        };
        ended.map_or_else(|problem| complain(&problem.to_string(), 1), |()| 0)
    });
    // A thread that waits for a pipe or a dead disk must not keep the process.
    runtime.shutdown_background();
    code
}

/// Prints the digest of this program's file.
fn sum() -> u8 {
    match digest() {
        Ok(digest) => u8::from(writeln!(std::io::stdout(), "{digest}").is_err()),
        Err(why) => complain(&why, 1),
    }
}

/// The digest of this program's file.
fn digest() -> Result<String, String> {
    let read = sha256_file(Path::new("/proc/self/exe"), &AtomicBool::new(false), &|_| {});
    read.map(|digest| digest.to_string()).map_err(|error| error.to_string())
}

/// Does something in a thread of its own, which ends with the process.
fn aside(task: Box<dyn FnOnce() + Send>) -> JoinHandle<()> {
    std::thread::spawn(task)
}

fn complain(text: &str, code: u8) -> u8 {
    let _ = writeln!(std::io::stderr(), "rookery-agent: {text}");
    code
}
