//! The names of a run and of a release.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of one run: `[a-z0-9-]`, at most [`RunId::LENGTH_MAX`] bytes, so that it is safe in any path and command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Why a text is not a run's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run: expected 1 to {max} of a-z, 0-9 and `-`, not `-` first; `rookery runs` lists them", max = RunId::LENGTH_MAX)]
pub struct RunIdError(String);

impl RunId {
    /// Longest name, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && !text.starts_with('-');
        if fits && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError(text.chars().take(80).collect()))
        }
    }
}

/// What a release is called in its folder: one path component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// Why a text cannot name a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing, or `.` or `..`.
    #[error("`{0}` cannot name a release; choose another with --tag")]
    Reserved(String),
    /// Not one plain path component.
    #[error("tag `{tag}` holds {character:?}; use letters, digits and `._+@:=,~-`")]
    Character {
        /// The tag.
        tag: String,
        /// What it may not hold.
        character: char,
    },
    /// More than a file name holds.
    #[error("the tag is {0} bytes long; {max} is the most", max = Tag::LENGTH_MAX)]
    Long(usize),
}

impl Tag {
    /// Longest tag, in bytes: with our own prefixes and suffixes it still fits a file name.
    pub const LENGTH_MAX: usize = 160;

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let allowed = |c: char| c.is_alphanumeric() || "._+@:=,~-".contains(c);
        if text.is_empty() || text.starts_with('.') || text.starts_with('-') {
            return Err(TagError::Reserved(text.to_owned()));
        }
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(TagError::Character { tag: text.to_owned(), character });
        }
        if text.len() > Self::LENGTH_MAX { Err(TagError::Long(text.len())) } else { Ok(Self(text.to_owned())) }
    }
}

/// Letters of a host's name in the name of its agent.
const HOST_MAX: usize = 200;

/// Names one agent: of which run, at which host. As text it is `RUN/HOST`, safe in any path and command. Hosts may share a
/// work folder (a home on NFS), and the agent of one must never be taken for that of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentId {
    run: RunId,
    host: String,
}

impl AgentId {
    /// The agent of a run at a host of this name.
    pub fn new(run: RunId, host: &str) -> Self {
        let plain = |at: usize, letter: char| {
            letter.is_ascii_alphanumeric() || "-_:".contains(letter) || letter == '.' && at > 0
        };
        let letters = host.chars().take(HOST_MAX).enumerate();
        Self { run, host: letters.map(|(at, letter)| if plain(at, letter) { letter } else { '_' }).collect() }
    }

    /// The run.
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// The host's name, as one of a folder.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.host)
    }
}

impl FromStr for AgentId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let refused = || RunIdError(text.chars().take(80).collect());
        let (run, host) = text.split_once('/').filter(|(_, host)| !host.is_empty()).ok_or_else(refused)?;
        Ok(Self::new(run.parse()?, host))
    }
}

macro_rules! text_name {
    ($name:ident, $error:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_name!(RunId, RunIdError);
text_name!(Tag, TagError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_by_a_path_that_stays_where_it_is() {
        let id = AgentId::new("r1".parse().unwrap(), "../.web2");
        assert_eq!(id.to_string(), "r1/_._.web2");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["r1", "r1/", "/web1", "R/web1"] {
            assert!(text.parse::<AgentId>().is_err(), "{text}");
        }
        assert_eq!("r1/../../x".parse::<AgentId>().unwrap().to_string(), "r1/_._.._x");
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for text in ["", ".", "..", "-rf", ".hidden", "a/b", "a b", "a\nb", "a'b", "$x"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
        for text in ["", "-x", "A", "../x", "a b"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert!("web-2026.08.1+é".parse::<Tag>().is_ok());
    }
}
