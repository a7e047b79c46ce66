//! Every way a selector can mean nothing.

use super::PatternFault;

/// Every way a selector can mean nothing, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectFault {
    #[error("the selector is empty; name a group or a host, or `*` for all")]
    Empty,
    #[error("the selector ends where a group or host should follow")]
    EndsEarly,
    #[error("expected a group or host before `{0}`")]
    Operand(char),
    #[error("an operator is missing; write `a,b` (either), `a & b` (both) or `a ! b` (a without b)")]
    SideBySide,
    #[error("`!` may not follow `,`; write `a,b ! c` to take c out of both")]
    NotAfterComma,
    #[error("`(` is never closed")]
    Unclosed,
    #[error("`)` without `(`")]
    Unopened,
    #[error("too many parentheses within parentheses")]
    TooDeep,
    #[error("`@` needs a name: a group, `failed`, `unreachable` or a file")]
    Nameless,
    #[error("`{0}` is no share of the hosts; write `1%` to `100%`")]
    Percent(String),
    #[error("`{0}` is no number of hosts; write `pick:5`")]
    Pick(String),
    #[error("a tag needs a name and a value; write `rack=r1`")]
    Tag,
    #[error("not a regular expression: {0}")]
    Regex(String),
    #[error("{0}")]
    Pattern(PatternFault),
    #[error("`*` or `?` with more than {max} choices in brackets; use a range or a `~regex` alone")]
    TooManyGlobs { max: u64 },
    #[error("the inventory names no host; add `hosts = [\"web[001-250]\"]` to a [group.NAME]")]
    EmptyInventory,
    #[error("no group or host `{name}`{hint}")]
    UnknownName { name: String, hint: String },
    #[error("no group or file `{name}`{hint}")]
    UnknownGroup { name: String, hint: String },
    #[error("no host matches `{word}`{hint}")]
    NoMatch { word: String, hint: String },
    #[error("no host has the tag `{key}`{hint}")]
    UnknownTag { key: String, hint: String },
    #[error("no host has the tag `{key}` with the value `{value}`{hint}")]
    UnknownTagValue { key: String, value: String, hint: String },
    #[error("no host in group `{name}` (declared at {place}:{line}); add hosts to it or select another group")]
    EmptyGroup { name: String, place: String, line: usize },
    #[error("there is no earlier run whose {0} hosts could be meant")]
    NoLastRun(&'static str),
    #[error("the last run has no {0} host that is in this inventory")]
    NoneInLastRun(&'static str),
    #[error("cannot read `{path}`: {reason}")]
    File { path: String, reason: String },
    #[error("`{path}` is larger than {max} bytes, or names too many other files")]
    FileTooLarge { path: String, max: usize },
    #[error("no host is named in `{path}`")]
    EmptyFile { path: String },
    #[error("none of the {before} hosts before this is left; list them with `rookery hosts`")]
    NoneLeft { before: usize },
}
