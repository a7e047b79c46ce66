//! Who may log in before anybody has: a few, so that a wrong key or user is not tried on a whole fleet.
//!
//! Servers punish those who fail (`OpenSSH` 9.8, `PerSourcePenalties`; fail2ban), and directories lock accounts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::rollout::Failure;

/// Logins that may fail before the others are withheld, and so also those under way until one has succeeded.
const REFUSALS_MAX: u32 = 5;

/// How long the others are withheld after the last refusal: as long as a fleet of thousands takes to be told. Whoever tries
/// again later has mended something.
const WITHHELD_FOR: Duration = Duration::from_secs(10);

/// The logins of one run.
#[derive(Debug)]
pub(super) struct Logins {
    state: Mutex<State>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
enum State {
    /// Nobody has been let in yet.
    Untried { refused: u32, last: Option<(Instant, String)> },
    /// Somebody has: what fails from now on fails alone.
    Trusted,
}

impl Default for Logins {
    fn default() -> Self {
        let state = Mutex::new(State::Untried { refused: 0, last: None });
        Self { state, places: Arc::new(Semaphore::new(REFUSALS_MAX as usize)) }
    }
}

impl Logins {
    /// Waits until it is this login's turn; hold what is returned until it is known how it ended.
    ///
    /// # Errors
    /// [`Failure::LoginsWithheld`] when the first all failed.
    pub(super) async fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, Failure> {
        // It is closed once somebody was let in.
        let place = self.places.clone().acquire_owned().await.ok();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Untried { refused, last: Some((at, why)) } = &mut *state
            && *refused >= REFUSALS_MAX
        {
            if at.elapsed() < WITHHELD_FOR {
                return Err(Failure::LoginsWithheld { refused: *refused, why: why.clone() });
            }
            *refused = 0;
        }
        Ok(place)
    }

    /// Somebody was let in.
    pub(super) fn accepted(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Trusted;
        self.places.close();
    }

    /// Somebody was not.
    pub(super) fn refused(&self, failure: &Failure) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Untried { refused, last } = &mut *state {
            *refused += 1;
            *last = Some((Instant::now(), failure.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Failure {
        Failure::Authentication { user: "deploy".to_owned(), tried: "a key".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_first_all_fail_the_others_are_told_so_and_may_try_later() {
        let logins = Logins::default();
        for _ in 0..REFUSALS_MAX {
            let _place = logins.enter().await.expect("it may try");
            logins.refused(&denied());
        }
        let withheld = logins.enter().await.expect_err("five is enough");
        assert!(matches!(withheld, Failure::LoginsWithheld { refused: REFUSALS_MAX, .. }), "{withheld}");
        tokio::time::advance(WITHHELD_FOR).await;
        assert!(logins.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn once_one_is_let_in_nobody_waits_and_nothing_counts() {
        let logins = Logins::default();
        let mut places = Vec::new();
        for _ in 0..REFUSALS_MAX {
            places.push(logins.enter().await.expect("it may try"));
        }
        let sixth = tokio::time::timeout(Duration::from_secs(1), logins.enter());
        assert!(sixth.await.is_err(), "it waits");
        logins.accepted();
        for _ in 0..2 * REFUSALS_MAX {
            logins.refused(&denied());
            assert!(logins.enter().await.is_ok());
        }
    }
}
