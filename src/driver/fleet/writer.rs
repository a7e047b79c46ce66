//! Orders to one agent: each overtakes the payload that is being pushed, between two frames.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::dispatch::Shared;
use super::ledger::{Ledger, Said};
use super::push::{Part, Push};
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

/// The last thing on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The agent is to end.
    Leave,
    /// The agent goes on.
    HangUp,
}

pub(super) type Pipe = Box<dyn AsyncWrite + Send + Unpin>;

/// Writes until the input is to end, and ends it.
pub(super) struct Writer {
    pub(super) at: Place,
    pub(super) attempt: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: Ledger,
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
    /// Writes until `stop`, or until something fails; the agent's input is ended in any case. The writer is good for another
    /// connection.
    pub(super) async fn run(
        mut self,
        mut pipe: Pipe,
        stop: oneshot::Receiver<Farewell>,
    ) -> (Self, Result<(), Failure>) {
        let written = tokio::select! {
            written = self.write(&mut pipe) => written,
            farewell = stop => {
                if farewell == Ok(Farewell::Leave) {
                    // An agent that does not take it is ended otherwise.
                    timeout(SHUTDOWN_AFTER, send(&mut pipe, 0, &Order::Leave, SHUTDOWN_AFTER)).await.ok();
                }
                Ok(())
            }
        };
        timeout(SHUTDOWN_AFTER, pipe.shutdown()).await.ok();
        (self, written)
    }

    async fn write(&mut self, pipe: &mut Pipe) -> Result<(), Failure> {
        self.say_again(pipe).await?;
        loop {
            let data = async {
                match self.pushing.as_mut() {
                    Some(pushing) => {
                        self.ledger.room().await;
                        pushing.push.next().await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Order(order)) => self.order(pipe, order).await?,
                    Some(Command::Push(have)) => self.begin(&have)?,
                    None => return Ok(()),
                },
                data = data => match data {
                    Some(order) => self.push(pipe, &order.map_err(|error| unreadable(&error))?).await?,
                    None => self.finish_push().await,
                },
                () = sleep(self.shared.limits.heartbeat) => self.send(pipe, 0, &Order::Alive).await?,
            }
        }
    }

    /// Says what was lost with the connection before.
    async fn say_again(&self, pipe: &mut Pipe) -> Result<(), Failure> {
        for (number, said) in self.ledger.unconfirmed() {
            let order = match said {
                Said::Order(order) => order,
                Said::Data { offset, length } => {
                    let source = self.shared.payload.as_ref().ok_or_else(no_payload)?;
                    let part = Part { offset, length };
                    Push::read_again(source, part).await.map_err(|error| unreadable(&error))?
                }
            };
            self.send(pipe, number, &order).await?;
        }
        Ok(())
    }

    /// A new order to serve is the end of a push: what is missing after it is another set.
    async fn order(&mut self, pipe: &mut Pipe, order: Order) -> Result<(), Failure> {
        if matches!(order, Order::Serve(_)) {
            self.pushing = None;
        }
        let number = self.ledger.say(Said::Order(order.clone())).ok_or_else(deaf)?;
        self.send(pipe, number, &order).await
    }

    fn begin(&mut self, have: &Bitfield) -> Result<(), Failure> {
        let source = self.shared.payload.as_ref().ok_or_else(no_payload)?;
        let push = Push::new(source, have).map_err(|error| unreadable(&error))?;
        self.pushing = Some(Pushing { push, sent: 0, told: Instant::now() });
        Ok(())
    }

    async fn push(&mut self, pipe: &mut Pipe, order: &Order) -> Result<(), Failure> {
        let Order::Data { offset, bulk } = order else { return Ok(()) };
        let length = bulk.len() as u64;
        let number = self.ledger.say(Said::Data { offset: *offset, length }).ok_or_else(deaf)?;
        if let Some(pushing) = self.pushing.as_mut() {
            pushing.sent += length;
        }
        self.send(pipe, number, order).await?;
        let Some(pushing) = self.pushing.as_mut() else { return Ok(()) };
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

    async fn send(&self, pipe: &mut Pipe, number: u64, order: &Order) -> Result<(), Failure> {
        send(pipe, number, order, self.shared.limits.frame).await
    }
}

/// How long the last word on a connection may take.
const SHUTDOWN_AFTER: Duration = Duration::from_secs(5);

/// Writes one frame, within `after`.
pub(super) async fn send(pipe: &mut Pipe, number: u64, order: &Order, after: Duration) -> Result<(), Failure> {
    let (head, bulk) = encode(number, order);
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

fn unreadable(error: &io::Error) -> Failure {
    Failure::Seeder { why: format!("cannot read the payload on this machine: {error}") }
}

fn no_payload() -> Failure {
    Failure::Seeder { why: "there is no payload on this machine to push".to_owned() }
}

fn deaf() -> Failure {
    Failure::ConnectionLost { why: "the agent confirms no orders".to_owned() }
}
