//! A connection a jump host, or some, shared by all hosts behind it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::Session;
use crate::rollout::Failure;

/// How long a failure to reach a jump host holds for the next host that wants to go through it.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

type Slot = Arc<AsyncMutex<State>>;

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Up(Arc<Session>),
    Down(Failure, Instant),
}

/// The connections to jump hosts, by name.
#[derive(Debug, Default)]
pub(super) struct Bastions {
    slots: Mutex<BTreeMap<String, Slot>>,
    asked: AtomicUsize,
}

impl Bastions {
    /// Which of so many connections the next host is to use: each in its turn.
    pub(super) fn turn(&self, connections: u16) -> usize {
        self.asked.fetch_add(1, Ordering::Relaxed) % usize::from(connections.max(1))
    }

    /// The session called `name`; `dial` makes it when there is none that lives.
    pub(super) async fn get(
        &self,
        name: String,
        dial: impl Future<Output = Result<Session, Failure>> + Send,
    ) -> Result<Arc<Session>, Failure> {
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone();
        let mut state = slot.lock().await;
        match &*state {
            State::Up(session) if !session.is_closed() => return Ok(session.clone()),
            State::Down(failure, at) if at.elapsed() < FAILURE_HOLDS => return Err(failure.clone()),
            State::Idle | State::Up(_) | State::Down(..) => {}
        }
        match dial.await {
            Ok(session) => {
                let session = Arc::new(session);
                *state = State::Up(session.clone());
                Ok(session)
            }
            Err(failure) => {
                *state = State::Down(failure.clone(), Instant::now());
                Err(failure)
            }
        }
    }
}
