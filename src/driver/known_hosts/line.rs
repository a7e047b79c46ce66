//! One line of a file.

use super::HostKey;
use super::name::Names;

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// The hosts have this key.
    Host,
    /// Nobody may have this key any more.
    Revoked,
    /// The key signs host certificates.
    Authority,
}

/// A line that names hosts and a key.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) names: Names,
    pub(super) marker: Marker,
    pub(super) key: HostKey,
    /// `file:line`.
    pub(super) at: String,
}

/// What a line turned out to be.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Nothing: empty or a comment.
    Nothing,
    /// A key.
    Line(Box<Line>),
    /// Something else, with what is wrong.
    Bad(&'static str),
}

/// Parses one line; fields are apart by spaces or tabs.
pub(super) fn parse(text: &str, at: &str) -> Parsed {
    let mut fields = text.split([' ', '\t', '\r']).filter(|field| !field.is_empty());
    let Some(mut first) = fields.next().filter(|first| !first.starts_with('#')) else {
        return Parsed::Nothing;
    };
    let marker = match first {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::Authority,
        _ if first.starts_with('@') => return Parsed::Bad("has an unknown marker"),
        _ => Marker::Host,
    };
    if marker != Marker::Host {
        let Some(next) = fields.next() else { return Parsed::Bad("names no host") };
        first = next;
    }
    let Some(names) = Names::parse(first) else { return Parsed::Bad("has a hashed name that is damaged") };
    let (Some(algorithm), Some(key)) = (fields.next(), fields.next()) else { return Parsed::Bad("has no key") };
    let Some(key) = HostKey::from_base64(key) else { return Parsed::Bad("has a key that is damaged") };
    if key.algorithm() != algorithm {
        return Parsed::Bad("names another key type than its key has");
    }
    Parsed::Line(Box::new(Line { names, marker, key, at: at.to_owned() }))
}
