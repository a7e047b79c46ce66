//! The conversation with an agent over one connection: its statuses up, orders down, until either side ends it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::attempt::{Attempt, overrun};
use super::dispatch::End;
use super::ending::Agent;
use super::ledger::Ledger;
use super::writer::{Farewell, Writer, send};
use crate::control::{Attached, Codec, CodecError, Order, Status};
use crate::driver::channel::{Channel, Exit};
use crate::rollout::{Failure, Input, Phase};

/// What `rookery-agent attach` ends with when there is no agent any more, and nobody told it to end.
const AGENT_GONE: u32 = 70;

/// How a conversation ended.
pub(super) enum Ended {
    /// The connection is gone, and the agent goes on as far as anybody knows.
    Lost(Failure, Box<Writer>),
    /// It is over: why, when nobody asked for it, and the agent, which may still run.
    Over(Option<Failure>, Agent),
    /// The agent was left to itself.
    Detached,
}

/// Whether this is the first connection to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    First,
    Again,
}

/// A conversation.
pub(super) struct Talk<'a> {
    attempt: &'a Attempt,
    turn: Turn,
    ledger: Ledger,
    agent: Agent,
    codec: Codec,
    idle: Option<Box<Writer>>,
    writing: Option<Writing>,
    /// The last line it said on stderr, or logged.
    complaint: Option<String>,
    logged: Option<String>,
    /// The agent has said that it is done.
    stopped: bool,
    /// Its stdout has ended.
    silent: bool,
    /// Its stderr has ended.
    wordless: bool,
}

struct Writing {
    stop: oneshot::Sender<Farewell>,
    task: JoinHandle<(Writer, Result<(), Failure>)>,
}

/// What happened next.
enum Event {
    Output(std::io::Result<usize>),
    Line(Option<String>),
    Exit(Exit),
    Written(Box<Writer>, Result<(), Failure>),
    End(Option<End>),
    Late,
}

/// What an end means.
enum Verdict {
    Lost(Failure),
    Over(Option<Failure>),
    Detached,
}

impl<'a> Talk<'a> {
    pub(super) fn new(attempt: &'a Attempt, turn: Turn, channel: Channel, writer: Box<Writer>) -> Self {
        Self {
            attempt,
            turn,
            ledger: writer.ledger.clone(),
            agent: Agent { pid: None, exit: None, channel },
            codec: Codec::after_noise(),
            idle: Some(writer),
            writing: None,
            complaint: None,
            logged: None,
            stopped: false,
            silent: false,
            wordless: false,
        }
    }

    /// Talks until the agent, the connection or the attempt ends; in the latter case the agent is given time to end.
    /// `pid` becomes the agent's process id as soon as it is known.
    pub(super) async fn run(
        mut self,
        work_dir: &str,
        end: &mut oneshot::Receiver<End>,
        pid: &mut Option<u32>,
    ) -> Ended {
        let ended = self.talk(work_dir, end).await;
        *pid = self.agent.pid.or(*pid);
        match ended {
            Verdict::Detached => Ended::Detached,
            Verdict::Lost(failure) => match self.idle {
                Some(writer) => Ended::Lost(failure, writer),
                None => Ended::Over(Some(failure), self.agent),
            },
            Verdict::Over(failure) => Ended::Over(failure, self.agent),
        }
    }

    async fn talk(&mut self, work_dir: &str, end: &mut oneshot::Receiver<End>) -> Verdict {
        let limits = self.attempt.shared.limits;
        let hello = Order::Attach { seen: self.ledger.seen() };
        // A host that takes nothing says why when it ends.
        send(&mut self.agent.channel.input, 0, &hello, limits.start).await.ok();
        let mut late = Some(Instant::now() + limits.start);
        let verdict = loop {
            match self.next(end, late).await {
                Event::Late if self.writing.is_some() => break Verdict::Lost(mute()),
                Event::Late => break self.early(Failure::Timeout { phase: Phase::Start, after: limits.start }),
                Event::End(Some(End::Detach)) => break Verdict::Detached,
                Event::End(end) => break Verdict::Over(overrun(end)),
                Event::Written(writer, written) => {
                    self.idle = Some(writer);
                    break self.not_written(written).await;
                }
                Event::Exit(exit) => {
                    self.agent.exit = Some(exit);
                    self.drain().await;
                    break self.verdict();
                }
                Event::Line(line) => self.keep_line(line).await,
                Event::Output(read) => {
                    if let Err(failure) = self.understand(work_dir).await {
                        break self.early(failure);
                    }
                    late = late.filter(|_| self.writing.is_none());
                    if !matches!(read, Ok(1..)) {
                        self.silent = true;
                        late = Some(Instant::now() + limits.stop);
                    }
                }
            }
        };
        match &verdict {
            Verdict::Lost(_) | Verdict::Detached => self.part(Farewell::HangUp).await,
            Verdict::Over(_) => self.end().await,
        }
        verdict
    }

    /// Waits for the next thing to happen.
    async fn next(&mut self, end: &mut oneshot::Receiver<End>, late: Option<Instant>) -> Event {
        let Channel { output, lines, exit, .. } = &mut self.agent.channel;
        let written = async {
            match self.writing.as_mut().map(|writing| &mut writing.task) {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = end => Event::End(ended.ok()),
            read = output.read_buf(self.codec.buffer_mut()), if !self.silent => Event::Output(read),
            line = lines.recv(), if !self.wordless => Event::Line(line),
            exit = exit, if self.silent => Event::Exit(lost_if_dropped(exit.ok())),
            written = written => match written {
                Ok((writer, written)) => {
                    self.writing = None;
                    Event::Written(Box::new(writer), written)
                }
                Err(broken) => std::panic::resume_unwind(broken.into_panic()),
            },
            () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => Event::Late,
        }
    }

    /// The agent answered: orders may be sent.
    async fn open(&mut self, attached: Attached, work_dir: &str) -> Result<(), Failure> {
        self.agent.pid = Some(attached.pid);
        if !self.ledger.attached(attached) {
            let how = format!("process {} answers in its place", attached.pid);
            return Err(Failure::AgentDied { how });
        }
        let (at, attempt, shared) = (self.attempt.at, self.attempt.number, &self.attempt.shared);
        let Some(writer) = self.idle.take() else { return Ok(()) };
        let (stop_in, stop) = oneshot::channel();
        let pipe = std::mem::replace(&mut self.agent.channel.input, Box::new(tokio::io::sink()));
        self.writing = Some(Writing { stop: stop_in, task: tokio::spawn(writer.run(pipe, stop)) });
        let input = match self.turn {
            Turn::First => Input::Attached { at, attempt, work_dir: work_dir.to_owned() },
            Turn::Again => Input::Rejoined { at, attempt },
        };
        shared.tell(input).await;
        Ok(())
    }

    async fn understand(&mut self, work_dir: &str) -> Result<(), Failure> {
        let (at, attempt) = (self.attempt.at, self.attempt.number);
        while let Some((number, status)) = self.codec.poll::<Status>().map_err(|error| not_understood(&error))? {
            if let Status::Attached(attached) = status {
                self.open(attached, work_dir).await?;
            } else if let Status::Taken { order } = status {
                self.ledger.confirm(order);
            } else if self.ledger.hear(number) {
                self.stopped |= matches!(status, Status::Stopped { .. });
                if let Status::Line { text } = &status {
                    self.logged = Some(text.clone());
                }
                self.attempt.shared.tell(Input::Status { at, attempt, status }).await;
            }
        }
        Ok(())
    }

    async fn keep_line(&mut self, line: Option<String>) {
        let Some(line) = line else {
            self.wordless = true;
            return;
        };
        self.complaint = Some(line.clone());
        let (at, attempt) = (self.attempt.at, self.attempt.number);
        self.attempt.shared.tell(Input::Transcript { at, attempt, line }).await;
    }

    /// Ends the agent's input, with or without telling it to end.
    async fn part(&mut self, farewell: Farewell) {
        if let Some(Writing { stop, task }) = self.writing.take() {
            stop.send(farewell).ok();
            self.idle = task.await.ok().map(|(writer, _)| Box::new(writer));
            return;
        }
        let (input, stop_after) = (&mut self.agent.channel.input, self.attempt.shared.limits.stop);
        let leave = async {
            if farewell == Farewell::Leave {
                send(input, 0, &Order::Leave, stop_after).await.ok();
            }
            input.shutdown().await.ok();
        };
        timeout_at(Instant::now() + stop_after, leave).await.ok();
    }

    /// Has the agent end, and listens for its last statuses until it has.
    async fn end(&mut self) {
        self.part(if self.stopped { Farewell::HangUp } else { Farewell::Leave }).await;
        if self.agent.exit.is_none() {
            let until = Instant::now() + self.attempt.shared.limits.stop;
            timeout_at(until, self.listen_to_the_end()).await.ok();
        }
    }

    async fn listen_to_the_end(&mut self) {
        while !self.silent {
            let read = self.agent.channel.output.read_buf(self.codec.buffer_mut()).await;
            self.silent = !matches!(read, Ok(1..));
            if self.understand("").await.is_err() {
                // Only its end matters now; its output is read so that it can end.
                self.codec = Codec::after_noise();
            }
        }
        let exit = (&mut self.agent.channel.exit).await;
        self.agent.exit = Some(lost_if_dropped(exit.ok()));
    }

    /// Takes what is left on stderr after the end.
    async fn drain(&mut self) {
        while let Ok(line) = self.agent.channel.lines.try_recv() {
            self.keep_line(Some(line)).await;
        }
    }

    /// An agent that does not take orders is usually one that has ended: its end tells more.
    async fn not_written(&mut self, written: Result<(), Failure>) -> Verdict {
        let failure = match written {
            Ok(()) => Failure::ConnectionLost { why: "its input ended".to_owned() },
            Err(failure @ Failure::ConnectionLost { .. }) => failure,
            Err(failure) => return Verdict::Over(Some(failure)),
        };
        let until = Instant::now() + self.attempt.shared.limits.stop;
        timeout_at(until, self.listen_to_the_end()).await.ok();
        self.drain().await;
        if self.agent.exit.is_some() { self.verdict() } else { Verdict::Lost(failure) }
    }

    /// A failure before the agent answered: of the first connection it is the end, later ones are tried again.
    fn early(&self, failure: Failure) -> Verdict {
        match (self.turn, &failure) {
            (Turn::Again, Failure::AgentDied { .. }) | (Turn::First, _) => Verdict::Over(Some(failure)),
            (Turn::Again, _) => Verdict::Lost(failure),
        }
    }

    fn verdict(&self) -> Verdict {
        let is_attached = self.ledger.seen().is_some();
        let said = self.complaint.as_deref().map(|line| line.trim().trim_start_matches("rookery-agent: "));
        let told = |exit: &Exit| said.map_or_else(|| exit.to_string(), |said| format!("{exit}; it said: {said}"));
        match &self.agent.exit {
            Some(Exit::Status(0)) if self.stopped => Verdict::Over(None),
            Some(Exit::Status(0)) if is_attached => {
                let how = self.logged.clone().unwrap_or_else(|| "it ended by itself".to_owned());
                Verdict::Over(Some(Failure::AgentDied { how: how.trim().to_owned() }))
            }
            Some(exit @ Exit::Status(AGENT_GONE)) => {
                let how = said.map_or_else(|| exit.to_string(), str::to_owned);
                Verdict::Over(Some(Failure::AgentDied { how }))
            }
            Some(Exit::Lost(why)) => {
                let failure = Failure::ConnectionLost { why: why.clone() };
                if is_attached { Verdict::Lost(failure) } else { Verdict::Over(Some(failure)) }
            }
            Some(exit @ (Exit::Status(_) | Exit::Signal(_))) if is_attached => {
                Verdict::Lost(Failure::ConnectionLost { why: told(exit) })
            }
            Some(exit @ (Exit::Status(_) | Exit::Signal(_))) => {
                let noise = self.codec.noise();
                let said = if noise.is_empty() { String::new() } else { format!("; the host said: {noise}") };
                Verdict::Over(Some(Failure::AgentStart { why: format!("{}{said}", told(exit)) }))
            }
            None => Verdict::Lost(mute()),
        }
    }
}

fn not_understood(error: &CodecError) -> Failure {
    match error {
        CodecError::Noise(_) => Failure::AgentStart { why: error.to_string() },
        CodecError::Long(_) | CodecError::Value(_) => Failure::AgentDied { how: error.to_string() },
    }
}

/// Its output has ended, and it has not.
fn mute() -> Failure {
    Failure::ConnectionLost { why: "the agent closed its output".to_owned() }
}

fn lost_if_dropped(exit: Option<Exit>) -> Exit {
    exit.unwrap_or_else(|| Exit::Lost("the channel was dropped".to_owned()))
}
