//! Names in the first field of a line, and what they match.

use sha1::{Digest, Sha1};

use super::base64;

/// The first field of a line.
#[derive(Debug, Clone)]
pub(super) enum Names {
    /// A list of names and patterns.
    Patterns(Vec<Pattern>),
    /// One hashed name: `|1|salt|hash`.
    Hashed(Box<Hashed>),
}

impl Names {
    /// Parses the field; `None` when it is hashed in a way nobody knows.
    pub(super) fn parse(field: &str) -> Option<Self> {
        if field.starts_with('|') {
            return Hashed::parse(field).map(|hashed| Self::Hashed(Box::new(hashed)));
        }
        Some(Self::Patterns(field.split(',').filter(|part| !part.is_empty()).map(Pattern::parse).collect()))
    }

    /// Whether `name` (in lower case) is meant: some pattern matches, and no negated one does.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed(hashed) => hashed.matches(name),
            Self::Patterns(patterns) => {
                let meant = |negated| patterns.iter().any(|p| p.negated == negated && wildcard(&p.text, name));
                meant(false) && !meant(true)
            }
        }
    }

    /// The names, if they can all be found by looking them up.
    pub(super) fn plain(&self) -> Option<Vec<&str>> {
        match self {
            Self::Hashed(_) => None,
            Self::Patterns(patterns) => patterns
                .iter()
                .map(|p| (!p.negated && !p.text.contains(['*', '?'])).then_some(p.text.as_str()))
                .collect(),
        }
    }
}

/// One name or wildcard of a list, in lower case.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    negated: bool,
}

impl Pattern {
    fn parse(part: &str) -> Self {
        let (negated, text) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
        Self { text: text.to_ascii_lowercase(), negated }
    }
}

/// A name behind HMAC-SHA1. The key schedule is kept, because every lookup has to try every such line.
#[derive(Debug, Clone)]
pub(super) struct Hashed {
    inner: Sha1,
    outer: Sha1,
    hash: [u8; 20],
}

impl Hashed {
    fn parse(field: &str) -> Option<Self> {
        let (salt, hash) = field.strip_prefix("|1|")?.split_once('|')?;
        let (salt, hash) = (base64::decode(salt)?, base64::decode(hash)?);
        let mut pad = [0_u8; 64];
        pad.get_mut(..salt.len())?.copy_from_slice(&salt);
        let keyed = |mask: u8| Sha1::new_with_prefix(pad.map(|byte| byte ^ mask));
        Some(Self { inner: keyed(0x36), outer: keyed(0x5c), hash: hash.try_into().ok()? })
    }

    fn matches(&self, name: &str) -> bool {
        let inner = self.inner.clone().chain_update(name.as_bytes()).finalize();
        self.outer.clone().chain_update(inner).finalize()[..] == self.hash
    }
}

/// How a host is written: with its port in brackets unless it is 22.
pub(super) fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// `*` is any run of characters, `?` any one.
pub(super) fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&letter) if letter == b'?' || letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    n = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_openssh() {
        let cases = [
            ("*", "web1", true),
            ("*.dc1", "web1.dc1", true),
            ("*.dc1", "web1.dc2", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxaxxbc", false),
            ("", "x", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(wildcard(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_negated_name_is_not_meant() {
        let names = Names::parse("*.dc1,!web1.dc1").unwrap();
        assert!(names.matches("web2.dc1") && !names.matches("web1.dc1"));
        assert!(!Names::parse("!web1").unwrap().matches("web2"), "a negation alone matches nothing");
    }

    #[test]
    fn names_carry_their_port_unless_it_is_22() {
        assert_eq!(host_name("Web1", 22), "web1");
        assert_eq!(host_name("::1", 2222), "[::1]:2222");
    }
}
