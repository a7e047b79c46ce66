//! A `ProxyCommand` as a program and its arguments: no shell of ours reads it.

/// Why a command cannot be carried out without a shell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A shell would have to read it.
    #[error("`{0}` needs a shell; put the command into a script, and name that")]
    Shell(char),
    /// A quote is not closed.
    #[error("a quote is not closed")]
    Quote,
    /// There is nothing in it.
    #[error("it names no program")]
    Empty,
    /// A token that is not known.
    #[error("`%{0}` is not known here; known are %h, %p, %r, %n and %%")]
    Token(String),
}

/// Splits a command as a shell would, as long as that needs no more than quotes.
pub(super) fn split(command: &str) -> Result<Vec<String>, WordsError> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('"') | None, '$' | '`') => return Err(WordsError::Shell(letter)),
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '{' | '}' | '~' | '#' | '\n') => {
                return Err(WordsError::Shell(letter));
            }
            (Some(_) | None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(WordsError::Quote);
    }
    words.extend(word);
    if words.first().is_some_and(|first| first == "exec") {
        words.remove(0);
    }
    if words.is_empty() { Err(WordsError::Empty) } else { Ok(words) }
}

/// Puts host, port and user where `%h`, `%p` and `%r` stand; `%n` is the name in the inventory.
pub fn expand(words: &[String], (name, host): (&str, &str), port: u16, user: &str) -> Result<Vec<String>, WordsError> {
    let expand_one = |word: &String| {
        let (mut text, mut letters) = (String::new(), word.chars());
        while let Some(letter) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                Some('h') => text.push_str(host),
                Some('p') => text.push_str(&port.to_string()),
                Some('r') => text.push_str(user),
                Some('n') => text.push_str(name),
                Some('%') => text.push('%'),
                other => return Err(WordsError::Token(other.map(String::from).unwrap_or_default())),
            }
        }
        Ok(text)
    };
    words.iter().map(expand_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_read_and_a_shell_is_asked_for_nothing() {
        let words = |command| split(command);
        assert_eq!(words("exec nc -X 5 -x 'a b' \"%h\" %p").unwrap(), ["nc", "-X", "5", "-x", "a b", "%h", "%p"]);
        assert_eq!(words("ssh -W %h:%p gate ''").unwrap(), ["ssh", "-W", "%h:%p", "gate", ""]);
        assert_eq!(words("a\\ b 'c;d'").unwrap(), ["a b", "c;d"]);
        assert_eq!(words("nc %h %p 2>/dev/null"), Err(WordsError::Shell('>')));
        assert_eq!(words("echo \"$HOME\""), Err(WordsError::Shell('$')));
        assert_eq!(words("nc 'x"), Err(WordsError::Quote));
        assert_eq!(words("  "), Err(WordsError::Empty));
    }

    #[test]
    fn tokens_stand_for_the_host() {
        let words = ["%n", "%h:%p", "%r@100%%"].map(str::to_owned);
        assert_eq!(expand(&words, ("web1", "10.0.0.7"), 22, "me").unwrap(), ["web1", "10.0.0.7:22", "me@100%"]);
        assert_eq!(expand(&["%C".to_owned()], ("", ""), 1, ""), Err(WordsError::Token("C".to_owned())));
    }
}
