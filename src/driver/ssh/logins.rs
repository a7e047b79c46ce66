//! Who may log in before anybody has: a few, so that a wrong key or user is not tried on a whole fleet.
//!
//! Servers punish those who fail (`OpenSSH` 9.8, `PerSourcePenalties`; fail2ban), and directories lock accounts.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::rollout::Failure;

/// Logins that may fail before the others are withheld.
const REFUSALS_MAX: u32 = 5;

/// How long the others are withheld after the last refusal: as long as a fleet of thousands takes to be told. Whoever tries
/// again later has mended something.
const WITHHELD_FOR: Duration = Duration::from_secs(10);

/// The logins of one run.
#[derive(Debug, Default)]
pub(super) struct Logins {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody was let in: what fails from now on fails alone.
    trusted: bool,
    under_way: u32,
    refused: u32,
    last: Option<(Instant, String)>,
}

/// A login under way.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Logins);

impl Logins {
    /// Waits until it is this login's turn; what is returned has to be held until it is known how it ended.
    ///
    /// # Errors
    /// [`Failure::LoginsWithheld`] when the first all failed.
    pub(super) async fn enter(&self) -> Result<Turn<'_>, Failure> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(turn) = self.try_enter()? {
                return Ok(turn);
            }
            changed.await;
        }
    }

    fn try_enter(&self) -> Result<Option<Turn<'_>>, Failure> {
        let mut state = self.state();
        if !state.trusted {
            if state.refused >= REFUSALS_MAX {
                let recent = state.last.as_ref().filter(|(at, _)| at.elapsed() < WITHHELD_FOR);
                if let Some((_, why)) = recent {
                    return Err(Failure::LoginsWithheld { refused: state.refused, why: why.clone() });
                }
                state.refused = 0;
            }
            if state.refused + state.under_way >= REFUSALS_MAX {
                return Ok(None);
            }
        }
        state.under_way += 1;
        Ok(Some(Turn(self)))
    }

    /// Somebody was let in.
    pub(super) fn accepted(&self) {
        self.state().trusted = true;
        self.changed.notify_waiters();
    }

    /// Somebody was not.
    pub(super) fn refused(&self, failure: &Failure) {
        let mut state = self.state();
        state.refused += 1;
        state.last = Some((Instant::now(), failure.to_string()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Failure {
        Failure::Authentication { user: "deploy".to_owned(), tried: "a key".to_owned() }
    }

    #[tokio::test]
    async fn when_the_first_all_fail_the_others_are_told_so() {
        let logins = Logins::default();
        for _ in 0..REFUSALS_MAX {
            let _turn = logins.enter().await.expect("it may try");
            logins.refused(&denied());
        }
        let withheld = logins.enter().await.expect_err("five is enough");
        assert!(matches!(withheld, Failure::LoginsWithheld { refused: REFUSALS_MAX, .. }), "{withheld}");
    }

    #[tokio::test]
    async fn once_one_is_let_in_nobody_waits_and_nothing_counts() {
        let logins = Logins::default();
        let mut turns = Vec::new();
        for _ in 0..REFUSALS_MAX {
            turns.push(logins.enter().await.expect("it may try"));
        }
        let sixth = tokio::time::timeout(Duration::from_millis(50), logins.enter());
        assert!(sixth.await.is_err(), "it waits");
        logins.accepted();
        for _ in 0..2 * REFUSALS_MAX {
            logins.refused(&denied());
            assert!(logins.enter().await.is_ok());
        }
    }
}
