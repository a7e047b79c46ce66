//! Whom a release is given to, on this host.

use std::process::{Command, Stdio};

use crate::control::{AgentFailure, Owner};

/// A user and a group by number; `None`: as it is.
pub(super) type Ids = (Option<u32>, Option<u32>);

/// Looks names up with the host's own tools (the agent is static, and knows no directory service), and errs when this
/// process could not give anything away.
pub(super) fn ids(owner: &Owner) -> Result<Ids, AgentFailure> {
    let user = owner.user.as_deref().map(|name| find("user", name, "id", &["-u", "--", name])).transpose()?;
    let group = owner.group.as_deref().map(|name| find("group", name, "getent", &["group", "--", name])).transpose()?;
    let this = rustix::process::geteuid().as_raw();
    if user.is_some_and(|user| user != this) && this != 0 {
        let path = format!("releases to {}", owner.user.as_deref().unwrap_or_default());
        return Err(AgentFailure::Permission { operation: "give (only root may: `become = true`)".to_owned(), path });
    }
    Ok((user, group))
}

/// A number is its own; a name is found by `program`, whose answer is the number or a line of `group(5)`.
fn find(what: &str, name: &str, program: &str, arguments: &[&str]) -> Result<u32, AgentFailure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let said = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let line = said.lines().next().unwrap_or_default();
    let number = line.parse().ok().or_else(|| line.split(':').nth(2)?.parse().ok());
    number.ok_or_else(|| AgentFailure::Io {
        operation: format!("find the {what}"),
        path: name.to_owned(),
        why: format!("`{program}` knows none; name one that this host has, or its number"),
    })
}
