//! Bell: which of many connections something has happened on.
//!
//! One task looks after all connections. So that it need not ask each of them, every one has a waker that notes its number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::swarm::ConnectionId;

/// Where connections are noted, and who is woken for it.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rung: Vec<Arc<Rope>>,
    listener: Option<Waker>,
}

/// One connection's part: pulled twice before anybody looks, it rings once.
#[derive(Debug)]
pub(super) struct Rope {
    connection: ConnectionId,
    pulled: AtomicBool,
    bell: Arc<Bell>,
}

impl Bell {
    /// A waker that notes a connection, and the means to do so by hand.
    pub(super) fn rope(self: &Arc<Self>, connection: ConnectionId) -> Arc<Rope> {
        Arc::new(Rope { connection, pulled: AtomicBool::new(false), bell: Arc::clone(self) })
    }

    /// Whether something has happened; if not, the task is woken once it has.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.rung.is_empty() {
            return Poll::Ready(());
        }
        state.listener = Some(context.waker().clone());
        Poll::Pending
    }

    /// The connections on which something has happened since the last time.
    pub(super) fn take(&self) -> Vec<ConnectionId> {
        let rung = std::mem::take(&mut self.lock().rung);
        let taken = rung.iter().map(|rope| {
            rope.pulled.store(false, Ordering::Release);
            rope.connection
        });
        taken.collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.pulled.swap(true, Ordering::AcqRel) {
            return;
        }
        let listener = {
            let mut state = self.bell.lock();
            state.rung.push(Arc::clone(self));
            state.listener.take()
        };
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_pulled_twice_rings_once_until_it_is_heard() {
        let bell = Arc::new(Bell::default());
        let (first, second) = (bell.rope(ConnectionId(1)), bell.rope(ConnectionId(2)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(bell.poll(&mut context).is_pending());
        first.wake_by_ref();
        second.wake_by_ref();
        first.wake_by_ref();
        assert!(bell.poll(&mut context).is_ready());
        assert_eq!(bell.take(), [ConnectionId(1), ConnectionId(2)]);
        assert!(bell.poll(&mut context).is_pending());
        first.wake_by_ref();
        assert_eq!(bell.take(), [ConnectionId(1)]);
    }
}
