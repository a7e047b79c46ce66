//! How long a host waits before it is tried again by itself.

use std::time::Duration;

use super::{Config, Failure};

/// How long to wait after the `failures`-th failure: doubled each time, between half of that and all of it.
pub(super) fn backoff(config: &Config, failures: u32, random: &mut fastrand::Rng) -> Duration {
    let doubled = config.backoff_min.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(config.backoff_max).mul_f64(0.5 + random.f64() / 2.0)
}

/// The same after this failure, which may want more rest; jitter of half comes on top of that.
pub(super) fn rest(config: &Config, failure: &Failure, failures: u32, random: &mut fastrand::Rng) -> Duration {
    let wait = backoff(config, failures, random);
    if failure.rest() <= wait { wait } else { failure.rest().mul_f64(1.0 + random.f64() / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        let (config, mut random) = (Config::default(), fastrand::Rng::with_seed(1));
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (40, 30)] {
            let wait = backoff(&config, failures, &mut random);
            let most = Duration::from_secs(most);
            assert!(wait <= most && wait >= most / 2, "{failures}: {wait:?}");
        }
    }

    #[test]
    fn who_hangs_up_before_its_banner_is_left_alone() {
        let (config, mut random) = (Config::default(), fastrand::Rng::with_seed(1));
        let failure = Failure::ClosedBeforeBanner { address: "web1:22".to_owned() };
        for failures in 1..4 {
            let wait = rest(&config, &failure, failures, &mut random).as_secs_f64();
            assert!((30.0..=45.0).contains(&wait), "{wait}");
        }
    }
}
