//! A host on the way: `[user@]host[:port]`, as ssh's `-J` takes it.

use std::net::Ipv4Addr;
use std::str::FromStr;

use super::HostNameError;
use super::host_name::parse_host_name;

/// A host on the way to another.
///
/// ```
/// use rookery::inventory::JumpHost;
/// let jump: JumpHost = "ops@bastion.dc1:2222".parse().expect("a jump host");
/// assert_eq!((jump.user.as_deref(), jump.host.as_str(), jump.port), (Some("ops"), "bastion.dc1", Some(2222)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpHost {
    /// Whom to log in as, when it is said.
    pub user: Option<String>,
    /// Its name or address; when the inventory has a host of that name, everything else is known from there.
    pub host: String,
    /// The port of its sshd, when it is said.
    pub port: Option<u16>,
}

/// Why a text is not a jump host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JumpHostError {
    /// What stands before `@` is no user.
    #[error("`{0}` is not a user; {USER_RULE}")]
    User(String),
    /// What stands after `:` is no port.
    #[error("`{0}` is not a port; write `bastion:22`")]
    Port(String),
    /// What is left is no host.
    #[error("{0}")]
    Host(#[from] HostNameError),
}

impl FromStr for JumpHost {
    type Err = JumpHostError;

    fn from_str(text: &str) -> Result<Self, JumpHostError> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, _)) if !is_user(user) => return Err(JumpHostError::User(user.to_owned())),
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            Some(_) | None => (rest, None),
        };
        let port = match port {
            Some(port) => {
                let number = port.parse().ok().filter(|number| *number > 0);
                Some(number.ok_or_else(|| JumpHostError::Port(port.to_owned()))?)
            }
            None => None,
        };
        // ssh -G writes any number so, not only those that need it.
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = bare.filter(|bare| bare.parse::<Ipv4Addr>().is_ok()).unwrap_or(host);
        Ok(Self { user, host: parse_host_name(host)?, port })
    }
}

/// Whether ssh would take `text` for a user and for nothing else.
pub(super) fn is_user(text: &str) -> bool {
    let allowed =
        |letter: char| !letter.is_whitespace() && !letter.is_control() && !"@:/\\'\"`$;&|<>()".contains(letter);
    !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.chars().all(allowed)
}

/// What [`is_user`] asks for.
pub(super) const USER_RULE: &str = "a user has no spaces, quotes or `@:/`, and does not begin with `-`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts_read_as_ssh_reads_them() {
        for (text, user, host, port) in [
            ("bastion", None, "bastion", None),
            ("ops@bastion", Some("ops"), "bastion", None),
            ("bastion:2222", None, "bastion", Some(2222)),
            ("[2001:db8::1]:22", None, "2001:db8::1", Some(22)),
            ("2001:db8::1", None, "2001:db8::1", None),
            ("ops@[192.0.2.7]:22", Some("ops"), "192.0.2.7", Some(22)),
            ("[192.0.2.7]", None, "192.0.2.7", None),
        ] {
            let jump = JumpHost { user: user.map(str::to_owned), host: host.to_owned(), port };
            assert_eq!(text.parse(), Ok(jump), "{text}");
        }
        for text in ["", "@bastion", "-x@bastion", "bastion:0", "bastion:ssh", "-bastion", "a b", "[bastion]:22"] {
            assert!(text.parse::<JumpHost>().is_err(), "{text}");
        }
    }
}
