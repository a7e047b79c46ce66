//! Times as people write them: `10s`, `500ms`, `1m30s`.

use std::time::Duration;

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number, or no unit after it.
    #[error("`{0}` is not a time; write a number and a unit, such as `10s`, `500ms` or `1m30s`")]
    Unreadable(String),
    /// More than anybody waits.
    #[error("`{0}` is longer than a day")]
    TooLong(String),
}

/// Reads `10s`, `500ms`, `2m`, `1h`, `1m30s`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(rookery::inventory::parse_duration("1m30s"), Ok(Duration::from_secs(90)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unreadable = || DurationError::Unreadable(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(unreadable());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest[digits..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |end| end + digits);
        if digits == 0 {
            return Err(unreadable());
        }
        let number: u64 = rest[..digits].parse().ok().ok_or_else(too_long)?;
        let millis: u64 = match rest[digits..unit].trim() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(unreadable()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(too_long)?;
        total = total.checked_add(part).filter(|total| *total <= DURATION_MAX).ok_or_else(too_long)?;
        rest = &rest[unit..];
    }
    Ok(total)
}

const DURATION_MAX: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1h30m", 5_400_000), (" 5 s ", 5000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "10 parsecs", "-1s", "1.5s", "99999999999999999999s", "25h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
