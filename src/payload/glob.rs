//! Globs over paths of any bytes: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `**` as a whole component, `\` before a character.
//!
//! A matcher of our own, because a general one is larger than the rest of the agent.

/// Alternatives that braces may multiply to, at most.
const ALTERNATIVES_MAX: usize = 256;

/// One glob: the path matches if one of its alternatives does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    alternatives: Vec<Vec<Component>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    /// `**`: any number of components, none included.
    Deep,
    /// Exactly one.
    Name(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// One character: a byte, or the bytes of one character of UTF-8.
    Character,
    /// Any bytes, none included.
    Star,
    Class {
        wanted: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Glob {
    /// Parses a glob; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut alternatives = Vec::new();
        for text in expand(text)? {
            let mut components = Vec::new();
            for component in text.split('/') {
                components.push(match component {
                    "**" => Component::Deep,
                    name => Component::Name(tokens(name.as_bytes())?),
                });
            }
            if components.last() == Some(&Component::Deep) {
                components.push(Component::Name(vec![Token::Star]));
            }
            alternatives.push(components);
        }
        Ok(Self { alternatives })
    }

    /// Whether the path matches, from its first byte to its last.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let names: Vec<_> = path.split(|byte| *byte == b'/').collect();
        self.alternatives.iter().any(|components| {
            wildcard(
                components,
                &names,
                |component| *component == Component::Deep,
                |component, rest| match component {
                    Component::Name(tokens) => rest.first().filter(|name| matches_name(tokens, name)).map(|_| 1),
                    Component::Deep => None,
                },
            )
        })
    }
}

fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    wildcard(
        tokens,
        name,
        |token| *token == Token::Star,
        |token, rest| {
            let first = *rest.first()?;
            match token {
                Token::Byte(byte) => (*byte == first).then_some(1),
                Token::Character => Some(1 + rest[1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count()),
                Token::Class { wanted, ranges } => {
                    let found = ranges.iter().any(|(low, high)| (*low..=*high).contains(&first));
                    (found == *wanted).then_some(1)
                }
                Token::Star => None,
            }
        },
    )
}

/// Matches a pattern with wildcards in linear space: after a mismatch only the last wildcard can take more.
fn wildcard<P, T>(
    pattern: &[P],
    text: &[T],
    is_wild: impl Fn(&P) -> bool,
    step: impl Fn(&P, &[T]) -> Option<usize>,
) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut last_wild = None;
    while read < text.len() || at < pattern.len() {
        if pattern.get(at).is_some_and(&is_wild) {
            last_wild = Some((at, read));
            at += 1;
        } else if let Some(length) = pattern.get(at).and_then(|part| step(part, &text[read..])) {
            at += 1;
            read += length;
        } else if let Some((wild, taken)) = last_wild.filter(|(_, taken)| *taken < text.len()) {
            last_wild = Some((wild, taken + 1));
            (at, read) = (wild + 1, taken + 1);
        } else {
            return false;
        }
    }
    true
}

/// Multiplies out the braces.
fn expand(text: &str) -> Result<Vec<String>, &'static str> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        match first_braces(&text)? {
            None => done.push(text),
            Some((begin, end)) => {
                let (before, after) = (&text[..begin], &text[end + 1..]);
                let options = text[begin + 1..end].split(',');
                open.extend(options.map(|option| format!("{before}{option}{after}")));
            }
        }
        if done.len() + open.len() > ALTERNATIVES_MAX {
            return Err("its braces have too many alternatives");
        }
    }
    Ok(done)
}

/// Finds braces without other braces in them.
fn first_braces(text: &str) -> Result<Option<(usize, usize)>, &'static str> {
    let mut begin = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => begin = Some(at),
            b'}' => return begin.map(|begin| Some((begin, at))).ok_or("a `}` has no `{`"),
            _ => {}
        }
    }
    if begin.is_some() { Err("a `{` has no `}`") } else { Ok(None) }
}

fn tokens(name: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let token = match first {
            b'*' if tokens.last() == Some(&Token::Star) => continue,
            b'*' => Token::Star,
            b'?' => Token::Character,
            b'[' => class(&mut rest)?,
            b'\\' => {
                let (escaped, after) = rest.split_first().ok_or("it ends in `\\`")?;
                rest = after;
                Token::Byte(*escaped)
            }
            byte => Token::Byte(*byte),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

/// Reads what stands between brackets, the first one left out.
fn class(rest: &mut &[u8]) -> Result<Token, &'static str> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let body = &rest[usize::from(negated)..];
    // A `]` that comes first is one of the characters.
    let length = body.iter().skip(1).position(|byte| *byte == b']').ok_or("a `[` has no `]`")? + 1;
    let mut ranges = Vec::new();
    let mut members = &body[..length];
    if !members.is_ascii() {
        return Err("only ASCII may stand between brackets");
    }
    while let [low, after @ ..] = members {
        let high = if let [b'-', high, beyond @ ..] = after {
            members = beyond;
            *high
        } else {
            members = after;
            *low
        };
        if high < *low {
            return Err("a range between brackets runs backwards");
        }
        ranges.push((*low, high));
    }
    *rest = &body[length + 1..];
    Ok(Token::Class { wanted: !negated, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths() {
        for (glob, yes, no) in [
            ("*.log", &["x.log", ".log"][..], &["a/x.log", "x.logs"][..]),
            ("a*b*c", &["abc", "axxbxxc", "abbcc"], &["ab", "abcd", "a/bc"]),
            ("**/x", &["x", "a/x", "a/b/x"], &["ax", "x/a"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b/a"]),
            ("a/**/z", &["a/z", "a/b/c/z"], &["az", "a/z/b"]),
            ("**/a/**/b", &["a/b", "x/a/a/y/b"], &["b/a"]),
            ("?.txt", &["a.txt", "\u{e9}.txt"], &[".txt", "ab.txt"]),
            ("[a-c]x[!0-9]", &["axb", "cx-"], &["dxb", "ax1", "ax"]),
            ("[]]", &["]"], &["["]),
            ("{a,b{1,2}}.c", &["a.c", "b1.c", "b2.c"], &["b.c", "a,b1.c"]),
            ("\\*\\{x\\}", &["*{x}"], &["a{x}"]),
        ] {
            let parsed = Glob::parse(glob).unwrap();
            assert!(yes.iter().all(|path| parsed.matches(path.as_bytes())), "{glob}");
            assert!(!no.iter().any(|path| parsed.matches(path.as_bytes())), "{glob}");
        }
        assert!(Glob::parse("*.log").unwrap().matches(b"\xff\xfe.log"));
    }

    #[test]
    fn many_stars_cost_no_more_than_their_product() {
        let glob = Glob::parse(&"*a".repeat(500)).unwrap();
        assert!(!glob.matches(&[b'a'; 4_000].iter().chain(b"b").copied().collect::<Vec<_>>()));
    }

    #[test]
    fn what_is_no_glob_says_why() {
        for (glob, why) in
            [("a[", "no `]`"), ("{a", "no `}`"), ("a}", "no `{`"), ("a\\", "ends"), ("[z-a]", "backwards")]
        {
            assert!(Glob::parse(glob).unwrap_err().contains(why), "{glob}");
        }
        assert!(Glob::parse(&"{a,b}".repeat(20)).is_err());
    }
}
