//! Another program has the terminal for a while: ssh to a host. The run goes on meanwhile.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::process::{Pid, Signal as ProcessSignal, kill_process};

use crate::console::Msg;

/// A program that has the terminal.
#[derive(Debug)]
pub(super) struct Guest {
    process: Pid,
}

impl Guest {
    /// Starts a program, which logs in to the host of that name, and says the way back; when it has ended, and the operator
    /// has seen how, `to` is told.
    ///
    /// # Errors
    /// When there is no command, or it cannot be started.
    pub(super) fn start(host: &str, command: &[OsString], to: SyncSender<Msg>) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("there is no way to it"))?;
        let mut out = io::stdout();
        // A terminal that is gone is noticed elsewhere.
        let _ = writeln!(out, "ssh to {host}: its exit comes back to the console, the run goes on")
            .and_then(|()| out.flush());
        let mut child = Command::new(program).args(arguments).spawn()?;
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| io::Error::other("the process has no number"))?;
        thread::Builder::new().name("guest".to_owned()).spawn(move || {
            let ended = match child.wait() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("ssh ended with {status}")),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = &ended {
                until_enter(why);
            }
            let _ = to.send(Msg::LoginEnded(ended));
        })?;
        Ok(Self { process })
    }

    /// Lets it run on: a stop that was meant for the terminal's programs has stopped it too, and nobody would continue it.
    pub(super) fn carry_on(&self) {
        let _ = kill_process(self.process, ProcessSignal::CONT);
    }
}

/// What ssh said last stays on the terminal until it has been read.
fn until_enter(why: &str) {
    let mut out = io::stdout();
    let _ = write!(out, "\n{why}; enter goes back to the console: ").and_then(|()| out.flush());
    let mut byte = [0];
    while matches!(io::stdin().lock().read(&mut byte), Ok(1)) && byte != *b"\n" {}
}
