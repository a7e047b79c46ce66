//! A number of hosts, or a part of them: `5`, `10%`.

use std::fmt;
use std::str::FromStr;

/// So many hosts, or so many of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many; at least 1.
    Count(u32),
    /// Of a hundred, 1 to 100.
    Percent(u32),
}

/// Why a text is not a [`Share`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Neither a number nor a percentage.
    #[error("`{0}` is no number of hosts and no share of them; write `5` or `10%`")]
    Unreadable(String),
    /// A share of nothing, or of more than there is.
    #[error("`{0}` is no share of the hosts; write `1%` to `100%`")]
    Percent(String),
    /// No host at all.
    #[error("0 hosts are reached before anything begins; write 1 or more")]
    Zero,
    /// A wave that holds no more than the one before it.
    #[error("`{later}` holds no more hosts than `{earlier}` before it: each wave is counted from the start of the run")]
    Backwards {
        /// The wave before.
        earlier: Share,
        /// The wave that adds nothing.
        later: Share,
    },
}

impl Share {
    /// How many of `total` that is, rounded up: a share of a few hosts is one at least.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => (count as usize).min(total),
            Self::Percent(percent) => (total * percent as usize).div_ceil(100),
        }
    }

    /// Whether waves of these sizes, each counted from the start, can follow each other.
    ///
    /// # Errors
    /// When one is seen to add nothing to the one before it, whatever the fleet.
    pub fn check_waves(waves: &[Self]) -> Result<(), ShareError> {
        for pair in waves.windows(2) {
            let (earlier, later) = (pair[0], pair[1]);
            let backwards = match (earlier, later) {
                (Self::Count(earlier), Self::Count(later)) | (Self::Percent(earlier), Self::Percent(later)) => {
                    later <= earlier
                }
                (Self::Percent(earlier), Self::Count(_)) => earlier == 100,
                (Self::Count(_), Self::Percent(_)) => false,
            };
            if backwards {
                return Err(ShareError::Backwards { earlier, later });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let text = text.trim();
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<u32>().ok()).flatten()
        };
        if let Some(digits) = text.strip_suffix('%') {
            let percent = number(digits.trim_end()).filter(|percent| (1..=100).contains(percent));
            return percent.map(Self::Percent).ok_or_else(|| ShareError::Percent(text.to_owned()));
        }
        match number(text) {
            Some(0) => Err(ShareError::Zero),
            Some(count) => Ok(Self::Count(count)),
            None => Err(ShareError::Unreadable(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_more_than_there_is() {
        let of = |text: &str, total| text.parse::<Share>().expect(text).of(total);
        assert_eq!((of("10%", 24), of("1%", 3), of("100%", 7), of("9", 4), of("2", 4)), (3, 1, 7, 4, 2));
        assert_eq!(of("5%", 0), 0);
    }

    #[test]
    fn what_is_no_share_is_told() {
        for text in ["", "x", "-1", "1.5", "+3", "10 %%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!("0".parse::<Share>(), Err(ShareError::Zero));
        assert!("0%".parse::<Share>().is_err() && "101%".parse::<Share>().is_err());
    }

    #[test]
    fn waves_only_grow() {
        let check = |texts: &[&str]| {
            let waves: Vec<Share> = texts.iter().map(|text| text.parse().expect(text)).collect();
            Share::check_waves(&waves).is_ok()
        };
        assert!(check(&["1", "10%", "50%", "100%"]) && check(&["10%", "20"]) && check(&[]));
        assert!(!check(&["10%", "10%"]) && !check(&["5", "3"]) && !check(&["100%", "7"]));
    }
}
