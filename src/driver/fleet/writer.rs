//! Orders to one agent: each overtakes the payload that is being pushed, between two frames.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::dispatch::Shared;
use super::push::Push;
use crate::base::{Bitfield, ByteCount};
use crate::control::{Order, encode};
use crate::inventory::Place;
use crate::rollout::{Failure, Input};

/// What an attempt is told after its start.
#[derive(Debug)]
pub(super) enum Command {
    /// Send this.
    Order(Order),
    /// Push what is not in the set.
    Push(Bitfield),
}

type Pipe = Box<dyn AsyncWrite + Send + Unpin>;

/// Writes until the input is to end, and ends it.
pub(super) struct Writer {
    pub(super) at: Place,
    pub(super) attempt: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) pushing: Option<Pushing>,
}

/// A push, and how far it is.
pub(super) struct Pushing {
    push: Push,
    sent: u64,
    told: Instant,
}

impl Writer {
    /// Writes until `stop`, or until something fails; the agent's input is ended in any case.
    pub(super) async fn run(mut self, mut pipe: Pipe, stop: oneshot::Receiver<()>) -> Result<(), Failure> {
        let written = tokio::select! {
            written = self.write(&mut pipe) => written,
            _ = stop => Ok(()),
        };
        timeout(Duration::from_secs(5), pipe.shutdown()).await.ok();
        written
    }

    async fn write(&mut self, pipe: &mut Pipe) -> Result<(), Failure> {
        loop {
            let data = async {
                match self.pushing.as_mut() {
                    Some(pushing) => pushing.push.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Order(order)) => self.order(pipe, &order).await?,
                    Some(Command::Push(have)) => self.begin(&have)?,
                    None => return Ok(()),
                },
                data = data => match data {
                    Some(order) => self.push(pipe, &order.map_err(|error| unreadable(&error))?).await?,
                    None => self.finish_push().await,
                },
            }
        }
    }

    /// A new order to serve is the end of a push: what is missing after it is another set.
    async fn order(&mut self, pipe: &mut Pipe, order: &Order) -> Result<(), Failure> {
        if matches!(order, Order::Serve(_)) {
            self.pushing = None;
        }
        self.send(pipe, order).await
    }

    fn begin(&mut self, have: &Bitfield) -> Result<(), Failure> {
        let Some(source) = &self.shared.payload else {
            return Err(Failure::Seeder { why: "there is no payload on this machine to push".to_owned() });
        };
        let push = Push::new(source, have).map_err(|error| unreadable(&error))?;
        self.pushing = Some(Pushing { push, sent: 0, told: Instant::now() });
        Ok(())
    }

    async fn push(&mut self, pipe: &mut Pipe, order: &Order) -> Result<(), Failure> {
        self.send(pipe, order).await?;
        let Order::Data { bulk, .. } = order else { return Ok(()) };
        let Some(pushing) = self.pushing.as_mut() else { return Ok(()) };
        pushing.sent += bulk.len() as u64;
        if pushing.told.elapsed() >= self.shared.limits.report_interval {
            pushing.told = Instant::now();
            self.report().await;
        }
        Ok(())
    }

    async fn finish_push(&mut self) {
        self.report().await;
        self.pushing = None;
    }

    async fn report(&self) {
        if let Some(pushing) = &self.pushing {
            let bytes = ByteCount(pushing.sent);
            self.shared.tell(Input::Pushed { at: self.at, attempt: self.attempt, bytes }).await;
        }
    }

    async fn send(&self, pipe: &mut Pipe, order: &Order) -> Result<(), Failure> {
        let (head, bulk) = encode(order);
        let after = self.shared.limits.frame;
        let writing = async {
            pipe.write_all(&head).await?;
            pipe.write_all(&bulk).await?;
            pipe.flush().await
        };
        let why = match timeout(after, writing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the agent takes no orders for {} s", after.as_secs()),
        };
        Err(Failure::ConnectionLost { why })
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::Seeder { why: format!("cannot read the payload on this machine: {error}") }
}
