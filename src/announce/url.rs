//! Where a tracker is: an address, never a name.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Longest path, in bytes.
const PATH_LENGTH_MAX: usize = 1024;
/// The port of an URL without one.
const HTTP_PORT: u16 = 80;

/// An `http://ADDRESS:PORT/PATH` URL; the address is a literal, so that no name is ever resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerUrl {
    address: SocketAddr,
    path: String,
}

/// Why a text is no usable tracker URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerUrlError {
    /// `https`, `udp` and others.
    #[error("tracker `{0}` is not `http://`; only plain HTTP trackers are spoken to")]
    Scheme(String),
    /// A name, or no address at all.
    #[error("tracker `{0}` has no literal address; write `http://192.0.2.1:8998/announce`")]
    Address(String),
    /// A path with spaces, control or foreign characters, or past the bound.
    #[error("tracker `{0}` has an unusable path; use printable ASCII, percent-encoded")]
    Path(String),
}

impl TrackerUrl {
    /// The URL that our own tracker listens to.
    pub fn announce_at(address: SocketAddr) -> Self {
        Self { address, path: "/announce".to_owned() }
    }

    /// Where to connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to ask for: the path, and `query` after whatever query it has.
    pub fn target(&self, query: &str) -> String {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{separator}{query}", self.path)
    }
}

impl FromStr for TrackerUrl {
    type Err = TrackerUrlError;

    fn from_str(text: &str) -> Result<Self, TrackerUrlError> {
        let shown = || text.chars().take(120).collect();
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = &text[scheme.ok_or_else(|| TrackerUrlError::Scheme(shown()))?.len()..];
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let with_port = || authority.parse().ok();
        let without = || authority.trim_matches(['[', ']']).parse().ok().map(|ip| SocketAddr::new(ip, HTTP_PORT));
        let address = with_port().or_else(without).filter(|address| address.port() != 0);
        let address = address.ok_or_else(|| TrackerUrlError::Address(shown()))?;
        if path.len() > PATH_LENGTH_MAX || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(TrackerUrlError::Path(shown()));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { address, path })
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_addresses_are_taken() {
        for (text, url) in [
            ("http://192.0.2.1:8998/announce", "http://192.0.2.1:8998/announce"),
            ("HTTP://[2001:db8::1]:1/a?k=v", "http://[2001:db8::1]:1/a?k=v"),
            ("http://192.0.2.1", "http://192.0.2.1:80/"),
            ("http://[::1]/x", "http://[::1]:80/x"),
        ] {
            assert_eq!(text.parse::<TrackerUrl>().unwrap().to_string(), url);
        }
        let url: TrackerUrl = "http://[2001:db8::1]:1/a?k=v".parse().unwrap();
        assert_eq!(url.target("x=1"), "/a?k=v&x=1");
        assert_eq!(TrackerUrl::announce_at(url.address()).target("x=1"), "/announce?x=1");
    }

    #[test]
    fn names_and_other_schemes_are_refused() {
        assert!(matches!("http://tracker.example/a".parse::<TrackerUrl>(), Err(TrackerUrlError::Address(_))));
        assert!(matches!("http://user@192.0.2.1/a".parse::<TrackerUrl>(), Err(TrackerUrlError::Address(_))));
        assert!(matches!("udp://192.0.2.1:1/a".parse::<TrackerUrl>(), Err(TrackerUrlError::Scheme(_))));
        assert!(matches!("http://192.0.2.1/a b\r\n".parse::<TrackerUrl>(), Err(TrackerUrlError::Path(_))));
        assert!("é".repeat(9).parse::<TrackerUrl>().is_err());
    }
}
