//! What a host may be called.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// Nothing at all.
    #[error("a host name is empty")]
    Empty,
    /// More than DNS can hold.
    #[error("a host name of {0} characters is longer than the 253 of RFC 1123")]
    TooLong(usize),
    /// ssh would take it for an option.
    #[error("host name `{0}` begins with `-`")]
    Option(String),
    /// A user or port belongs elsewhere.
    #[error("host name `{name}` holds a {what}; set `{what} = …` in the group or in [host.\"{host}\"]")]
    Extra {
        /// The text.
        name: String,
        /// `user` or `port`.
        what: &'static str,
        /// The text without it.
        host: String,
    },
    /// A character no host name has.
    #[error("host name `{name}` holds `{character}`; letters, digits, `-` and `.` are allowed (RFC 1123)")]
    Character {
        /// The text.
        name: String,
        /// What is not allowed.
        character: char,
    },
    /// A part between dots that is empty, too long, or has `-` at an end.
    #[error(
        "host name `{name}` has the label `{label}`; labels are 1 to 63 characters with no `-` at either end (RFC 1123)"
    )]
    Label {
        /// The text.
        name: String,
        /// The part between dots.
        label: String,
    },
    /// All digits at the end, but no address.
    #[error("`{0}` ends like an IPv4 address but is none")]
    NotAnAddress(String),
}

/// Checks a host name (RFC 1123) or IP address, and returns it in its one spelling: an IPv6 address without brackets.
pub(super) fn parse_host_name(text: &str) -> Result<String, HostNameError> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if inner.contains(':')
        && let Ok(address) = inner.parse::<Ipv6Addr>()
    {
        return Ok(address.to_string());
    }
    check_shape(text)?;
    for label in text.split('.') {
        let hyphen_ends = label.starts_with('-') || label.ends_with('-');
        if label.is_empty() || label.len() > 63 || hyphen_ends {
            return Err(HostNameError::Label { name: text.to_owned(), label: label.to_owned() });
        }
    }
    let last = text.rsplit('.').next().unwrap_or(text);
    if last.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<Ipv4Addr>().is_err() {
        return Err(HostNameError::NotAnAddress(text.to_owned()));
    }
    Ok(text.to_owned())
}

fn check_shape(text: &str) -> Result<(), HostNameError> {
    if text.is_empty() {
        return Err(HostNameError::Empty);
    }
    if text.len() > 253 {
        return Err(HostNameError::TooLong(text.len()));
    }
    let name = || text.escape_debug().to_string();
    if text.starts_with('-') {
        return Err(HostNameError::Option(name()));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
    let Some(character) = text.chars().find(|character| !allowed(*character)) else {
        return Ok(());
    };
    match (text.split_once('@'), text.rsplit_once(':')) {
        (Some((_, host)), _) => Err(HostNameError::Extra { name: name(), what: "user", host: host.to_owned() }),
        (None, Some((host, port))) if port.parse::<u16>().is_ok() && !host.contains(':') => {
            Err(HostNameError::Extra { name: name(), what: "port", host: host.to_owned() })
        }
        (None, _) => Err(HostNameError::Character { name: name(), character }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_and_addresses_are_taken() {
        for (text, name) in [
            ("web001.dc1", "web001.dc1"),
            ("3com.example", "3com.example"),
            ("10.0.0.7", "10.0.0.7"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(parse_host_name(text), Ok(name.to_owned()));
        }
    }

    #[test]
    fn what_ssh_or_dns_would_misread_is_refused() {
        let long = "a".repeat(64);
        for text in
            ["", "-oProxyCommand=x", "a..b", "a.", "web_1", "10.0.0.300", "7", "a b", "a-.b", &long, "ü", "{a,b}"]
        {
            assert!(parse_host_name(text).is_err(), "{text}");
        }
        let error = parse_host_name("root@web1").unwrap_err().to_string();
        assert_eq!(error, "host name `root@web1` holds a user; set `user = …` in the group or in [host.\"web1\"]");
        let error = parse_host_name("web1:2222").unwrap_err().to_string();
        assert_eq!(error, "host name `web1:2222` holds a port; set `port = …` in the group or in [host.\"web1\"]");
    }
}
