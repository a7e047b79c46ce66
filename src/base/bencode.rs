//! Whether bytes are safe to hand to a bencode parser.

/// Deepest nesting of lists and dictionaries that any of our formats needs, with room for unknown keys.
const DEPTH_MAX: usize = 16;

/// Why bytes are not one bencoded value within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BencodeError {
    /// The bytes end before the value does.
    #[error("it ends too early")]
    Truncated,
    /// A byte that begins no value, or a length or integer that is none.
    #[error("byte {0} belongs to no value")]
    Malformed(usize),
    /// Lists in lists in lists.
    #[error("it nests deeper than {DEPTH_MAX} levels")]
    Depth,
    /// More values than the format allows.
    #[error("it holds more than {0} values")]
    Values(usize),
    /// Something follows the value.
    #[error("something follows it at byte {0}")]
    Trailing(usize),
}

/// Checks that `bytes` are one bencoded value (BEP 3), nested at most 16 levels, of at most `values_max` values.
///
/// The serde parser recurses into what it skips and adds up lengths unchecked, so nothing from outside may reach it
/// before this has passed.
pub fn check_bencode(bytes: &[u8], values_max: usize) -> Result<(), BencodeError> {
    let (mut at, mut depth, mut values) = (0, 0_usize, 0_usize);
    loop {
        let byte = *bytes.get(at).ok_or(BencodeError::Truncated)?;
        match byte {
            b'l' | b'd' if depth == DEPTH_MAX => return Err(BencodeError::Depth),
            b'l' | b'd' => (at, depth) = (at + 1, depth + 1),
            b'e' if depth > 0 => (at, depth) = (at + 1, depth - 1),
            b'i' => at = skip_integer(bytes, at)?,
            b'0'..=b'9' => at = skip_string(bytes, at)?,
            _ => return Err(BencodeError::Malformed(at)),
        }
        values += usize::from(byte != b'e');
        if values > values_max {
            return Err(BencodeError::Values(values_max));
        }
        if depth == 0 {
            return if at == bytes.len() { Ok(()) } else { Err(BencodeError::Trailing(at)) };
        }
    }
}

/// The place after the integer that begins at `at`.
fn skip_integer(bytes: &[u8], at: usize) -> Result<usize, BencodeError> {
    let digits = at + 1 + usize::from(bytes.get(at + 1) == Some(&b'-'));
    let end = digits + count_digits(&bytes[digits..]);
    match bytes.get(end) {
        Some(b'e') if end > digits => Ok(end + 1),
        Some(_) => Err(BencodeError::Malformed(end)),
        None => Err(BencodeError::Truncated),
    }
}

/// The place after the byte string whose length begins at `at`.
fn skip_string(bytes: &[u8], at: usize) -> Result<usize, BencodeError> {
    let colon = at + count_digits(&bytes[at..]);
    if bytes.get(colon).ok_or(BencodeError::Truncated)? != &b':' {
        return Err(BencodeError::Malformed(colon));
    }
    let length = bytes[at..colon].iter().try_fold(0_usize, |length, digit| {
        length.checked_mul(10)?.checked_add(usize::from(digit - b'0')).filter(|length| *length <= bytes.len())
    });
    let end = length.and_then(|length| (colon + 1).checked_add(length)).ok_or(BencodeError::Truncated)?;
    if end <= bytes.len() { Ok(end) } else { Err(BencodeError::Truncated) }
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whole_value_passes() {
        for text in ["i0e", "i-5e", "0:", "4:spam", "le", "de", "d1:ali1e2:bbee"] {
            assert_eq!(check_bencode(text.as_bytes(), 8), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (text, error) in [
            ("", BencodeError::Truncated),
            ("i12", BencodeError::Truncated),
            ("d1:a", BencodeError::Truncated),
            ("5:spam", BencodeError::Truncated),
            ("18446744073709551615:", BencodeError::Truncated),
            ("99999999999999999999999:", BencodeError::Truncated),
            ("ie", BencodeError::Malformed(1)),
            ("i-e", BencodeError::Malformed(2)),
            ("4spam", BencodeError::Malformed(1)),
            ("e", BencodeError::Malformed(0)),
            ("lx", BencodeError::Malformed(1)),
            ("lei1e", BencodeError::Trailing(2)),
            ("li1ei2ei3ee", BencodeError::Values(3)),
        ] {
            assert_eq!(check_bencode(text.as_bytes(), 3), Err(error), "{text}");
        }
        assert_eq!(check_bencode(&b"l".repeat(1 << 20), usize::MAX), Err(BencodeError::Depth));
    }
}
