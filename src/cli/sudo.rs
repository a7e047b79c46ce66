//! The password of sudo: from a file, or asked for once, when a host wants one.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::args::AccessArgs;
use super::exit::{Ending, Exit};
use crate::driver::ssh::{Dialer, Passphrase, Route, SudoPassword};
use crate::rollout::Failure;

/// Hosts that are asked whether sudo wants a password; a fleet is mostly of one kind.
const SAMPLE: usize = 4;

/// For all of them to answer.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Largest password file that is read, in bytes.
const LENGTH_MAX: u64 = 4096;

/// Gives `dialer` the password for hosts at the end of `routes` whose commands are root's, if one is needed and known.
pub(super) fn arm(access: &AccessArgs, routes: &[&Route], dialer: Dialer, runtime: &Handle) -> Result<Dialer, Ending> {
    let routes: Vec<Route> = routes.iter().filter(|route| route.sudo).map(|route| (*route).clone()).collect();
    if routes.is_empty() {
        return Ok(dialer);
    }
    let secret = match &access.become_password_file {
        Some(path) => Some(read(path)?),
        None if !std::io::stderr().is_terminal() => None,
        None if access.ask_become_pass || runtime.block_on(is_wanted(&dialer, &routes)) => ask(),
        None => None,
    };
    Ok(match secret {
        Some(secret) => dialer.with_sudo_password(SudoPassword::new(secret)),
        None => dialer,
    })
}

fn ask() -> Option<Passphrase> {
    let typed = rpassword::prompt_password("password of sudo on the hosts (empty to do without): ").ok()?;
    Some(Passphrase(typed)).filter(|typed| !typed.0.is_empty())
}

fn read(path: &Path) -> Result<Passphrase, Ending> {
    let failed =
        |why: String| Ending::new(Exit::Invalid, format!("the password file {} cannot be used: {why}", path.display()));
    let about = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(failed("others may read it; chmod 600 it".to_owned()));
    }
    if about.len() > LENGTH_MAX {
        return Err(failed("it is too long for a password".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() { Err(failed("its first line is empty".to_owned())) } else { Ok(Passphrase(line.to_owned())) }
}

/// Whether one of the first hosts says that sudo wants a password. What else may be wrong with them, the run will tell.
async fn is_wanted(dialer: &Dialer, routes: &[Route]) -> bool {
    let any = async {
        for route in routes.iter().take(SAMPLE) {
            let Ok(session) = dialer.dial(route).await else { continue };
            let tried = session.exec("/bin/sh -c 'exit 0'").await;
            session.close().await;
            match tried {
                Err(Failure::Sudo { why }) if why.contains("password") => return true,
                Ok(_) | Err(_) => {}
            }
        }
        false
    };
    timeout(SAMPLE_TIMEOUT, any).await.unwrap_or(false)
}
