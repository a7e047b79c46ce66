//! Query strings: percent-encoded bytes, bounded.

use std::fmt::Write;

/// Longest query string, in bytes: a scrape of many swarms.
const QUERY_LENGTH_MAX: usize = 8 << 10;
/// Most parameters of one.
const PARAMETERS_MAX: usize = 128;

/// Why a query string is not an announce or a scrape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Past the bound.
    #[error("the query is {0} bytes long; {QUERY_LENGTH_MAX} are allowed")]
    Long(usize),
    /// Past the bound.
    #[error("the query has more than {PARAMETERS_MAX} parameters")]
    Parameters,
    /// A parameter that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A parameter with a value it cannot have.
    #[error("`{0}` is not what it should be")]
    Value(&'static str),
    /// More swarms than are answered at once.
    #[error("more than {max} info-hashes", max = super::SCRAPES_MAX)]
    Swarms,
}

/// The parameters of a query string in their order, values still encoded.
pub(super) fn parameters(query: &str) -> Result<impl Iterator<Item = (&str, &str)>, QueryError> {
    if query.len() > QUERY_LENGTH_MAX {
        return Err(QueryError::Long(query.len()));
    }
    if query.bytes().filter(|byte| *byte == b'&').count() >= PARAMETERS_MAX {
        return Err(QueryError::Parameters);
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Ok(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))))
}

/// The bytes of an encoded value; a `%` without two hex digits behind it is refused.
pub(super) fn decode(value: &str, key: &'static str) -> Result<Vec<u8>, QueryError> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit(), digit());
                high.zip(low).map(|(high, low)| (high << 4 | low) as u8).ok_or(QueryError::Value(key))?
            }
            b'+' => b' ',
            _ => byte,
        });
    }
    Ok(decoded)
}

/// Appends bytes so that every server reads them alike.
pub(super) fn encode(query: &mut String, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            query.push(char::from(*byte));
        } else {
            write!(query, "%{byte:02X}").expect("a string takes what is written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        encode(&mut text, &bytes);
        assert!(text.is_ascii());
        assert_eq!(decode(&text, "key"), Ok(bytes));
    }

    #[test]
    fn half_an_escape_is_refused() {
        for text in ["%", "%4", "%zz", "a%4"] {
            assert_eq!(decode(text, "key"), Err(QueryError::Value("key")), "{text}");
        }
    }

    #[test]
    fn long_queries_are_refused_before_they_are_read() {
        assert_eq!(parameters(&"&".repeat(200)).err(), Some(QueryError::Parameters));
        assert_eq!(parameters(&"a".repeat(9000)).err(), Some(QueryError::Long(9000)));
    }
}
