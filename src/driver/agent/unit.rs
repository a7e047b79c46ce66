//! A transient unit of systemd for an agent that is root's: what ends a login's processes does not end it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::folder::log_of;
use crate::control::AgentId;

/// This is there where systemd has begun the system.
const SYSTEMD: &str = "/run/systemd/system";

/// The file in an agent's folder that names its unit.
const UNIT: &str = "unit";

/// Longest name of a unit.
const NAME_MAX: usize = 255;

/// Starts a command as a unit that the folder names, its output in the log; false where that cannot be.
pub(super) fn start(id: &AgentId, folder: &Path, command: &Command) -> bool {
    let name = format!("rookery-{}-{}.service", id.run(), id.host());
    if !geteuid().is_root() || !Path::new(SYSTEMD).is_dir() || name.len() > NAME_MAX {
        return false;
    }
    let log = log_of(folder);
    let mut unit = Command::new("systemd-run");
    unit.args(["--quiet", "--collect", "--property=TimeoutStopSec=5"]).arg(format!("--unit={name}"));
    for output in ["StandardOutput", "StandardError"] {
        unit.arg(format!("--property={output}=append:{}", log.display()));
    }
    for (variable, value) in ["HOME", "PATH"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))) {
        unit.arg(format!("--setenv={variable}={value}"));
    }
    unit.arg("--").arg(command.get_program()).args(command.get_args());
    let started = fs::write(folder.join(UNIT), format!("{name}\n")).is_ok() && succeeds(&mut unit);
    if !started {
        // The agent is started without it.
        let _ = fs::remove_file(folder.join(UNIT));
    }
    started
}

/// Stops the unit that the folder of an agent names, if it does; says which does not stop.
pub(super) fn stop(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(UNIT)).ok()?;
    let name = text.trim_end();
    let systemctl = |arguments: &[&str]| succeeds(Command::new("systemctl").args(arguments).arg(name));
    let is_active = || systemctl(&["--quiet", "is-active"]);
    // One that is not there any more cannot be stopped.
    (is_active() && !systemctl(&["--quiet", "stop"]) && is_active()).then(|| format!("unit {name} does not stop"))
}

fn succeeds(command: &mut Command) -> bool {
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}
