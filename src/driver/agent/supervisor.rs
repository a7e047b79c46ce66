//! The process that waits for an agent and says how it died, as nobody but its parent can know. It does nothing else.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Child;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::folder::{kills_before, log_of};

/// How the line begins that tells of an agent's end.
pub(super) const KILLED: &str = "killed by signal ";

/// Writes to the log which signal killed an agent, if one did, after what a shell says of its end.
pub(super) fn tell(folder: &Path, code: i32) {
    let signal = code - 128;
    if signal > 0 {
        let line = told(signal, kills_for_memory().saturating_sub(kills_before(folder)));
        let log = File::options().append(true).open(log_of(folder));
        // A log that cannot be written tells nobody.
        let _ = log.and_then(|mut log| writeln!(log, "{line}"));
    }
}

/// Waits until the agent has ended, and writes to the log which signal killed it, if one did. Until that is written the
/// agent stays a zombie: whoever finds its process gone finds the reason, too.
pub(super) fn watch(mut agent: Child) {
    let before = kills_for_memory();
    let pid = i32::try_from(agent.id()).ok().and_then(Pid::from_raw);
    let ended = pid.map(|pid| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT));
    if let Some(Ok(Some(status))) = ended
        && let Some(signal) = status.terminating_signal()
    {
        let line = told(signal, kills_for_memory().saturating_sub(before));
        // A log that cannot be written tells nobody.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    let _ = agent.wait();
}

fn told(signal: i32, kills: u64) -> String {
    let mut line = format!("{KILLED}{signal}");
    if let Some(name) = name_of(signal) {
        let _ = write!(line, " ({name})");
    }
    if signal == Signal::KILL.as_raw() && kills > 0 {
        line.push_str("; the kernel ended processes for want of memory meanwhile");
    }
    line
}

const fn name_of(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        6 => "ABRT",
        7 => "BUS",
        9 => "KILL",
        11 => "SEGV",
        15 => "TERM",
        _ => return None,
    })
}

/// How many processes of this system the kernel has killed for want of memory; 0 where it does not say.
pub(super) fn kills_for_memory() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_by_its_name_and_a_kill_with_what_the_kernel_did() {
        assert_eq!(told(11, 3), "killed by signal 11 (SEGV)");
        assert_eq!(told(64, 0), "killed by signal 64");
        assert_eq!(told(9, 0), "killed by signal 9 (KILL)");
        assert!(told(9, 1).ends_with("for want of memory meanwhile"));
    }
}
