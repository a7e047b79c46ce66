//! The conversation with a started agent: its statuses up, orders down, until either side ends it.

use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::attempt::{Attempt, overrun};
use super::dispatch::End;
use super::ending::Agent;
use super::writer::{Command, Writer};
use crate::control::{Codec, CodecError, Status};
use crate::driver::channel::{Channel, Exit};
use crate::rollout::{Failure, Input, Phase};

/// How a conversation ended.
pub(super) struct Ended {
    /// Why, when nobody asked for it.
    pub(super) failure: Option<Failure>,
    /// The agent, which may still run.
    pub(super) agent: Agent,
}

/// A conversation.
pub(super) struct Talk<'a> {
    attempt: &'a Attempt,
    agent: Agent,
    codec: Codec,
    stop_writing: Option<oneshot::Sender<()>>,
    writer: Option<JoinHandle<Result<(), Failure>>>,
    commands: Option<mpsc::Receiver<Command>>,
    /// The last line it said that is not one of its log.
    complaint: Option<String>,
    /// The agent has said that it is done.
    stopped: bool,
    /// Its stdout has ended.
    silent: bool,
    /// Its stderr has ended.
    wordless: bool,
}

/// What happened next.
enum Event {
    Output(std::io::Result<usize>),
    Line(Option<String>),
    Exit(Exit),
    Writer(Result<(), Failure>),
    End(Option<End>),
    Late,
}

impl<'a> Talk<'a> {
    pub(super) fn new(attempt: &'a Attempt, channel: Channel, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            attempt,
            agent: Agent { pid: None, exit: None, channel },
            codec: Codec::after_noise(),
            stop_writing: None,
            writer: None,
            commands: Some(commands),
            complaint: None,
            stopped: false,
            silent: false,
            wordless: false,
        }
    }

    /// Talks until the agent or the attempt ends; in the latter case the agent is given time to end by itself.
    pub(super) async fn run(mut self, work_dir: &str, mut end: oneshot::Receiver<End>) -> Ended {
        let limits = self.attempt.shared.limits;
        let mut late = Some(Instant::now() + limits.start);
        let failure = loop {
            let event = self.next(&mut end, late).await;
            match event {
                Event::Late if self.codec.is_open() => break Some(mute()),
                Event::Late => break Some(Failure::Timeout { phase: Phase::Start, after: limits.start }),
                Event::End(end) => break overrun(end),
                Event::Writer(Err(failure)) => break Some(self.why_not_written(failure).await),
                Event::Writer(Ok(())) => break Some(Failure::ConnectionLost { why: "its input ended".to_owned() }),
                Event::Exit(exit) => {
                    self.agent.exit = Some(exit);
                    self.drain().await;
                    break self.why_ended();
                }
                Event::Line(line) => self.keep_line(line).await,
                Event::Output(read) => {
                    if let Err(error) = self.understand().await {
                        break Some(not_understood(&error));
                    }
                    if self.commands.is_some() && self.codec.is_open() {
                        late = None;
                        self.open(work_dir).await;
                    }
                    if !matches!(read, Ok(1..)) {
                        self.silent = true;
                        late = Some(Instant::now() + limits.stop);
                    }
                }
            }
        };
        self.stop().await;
        if let Some(writer) = self.writer {
            writer.abort();
        }
        Ended { failure, agent: self.agent }
    }

    /// Waits for the next thing to happen.
    async fn next(&mut self, end: &mut oneshot::Receiver<End>, late: Option<Instant>) -> Event {
        let Channel { output, lines, exit, .. } = &mut self.agent.channel;
        let writer = async {
            match self.writer.as_mut() {
                Some(writer) => writer.await.unwrap_or(Ok(())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = end => Event::End(ended.ok()),
            read = output.read_buf(self.codec.buffer_mut()), if !self.silent => Event::Output(read),
            line = lines.recv(), if !self.wordless => Event::Line(line),
            exit = exit, if self.silent => Event::Exit(lost_if_dropped(exit.ok())),
            written = writer => Event::Writer(written),
            () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => Event::Late,
        }
    }

    /// The agent runs: orders may be sent.
    async fn open(&mut self, work_dir: &str) {
        let (at, attempt, shared) = (self.attempt.at, self.attempt.number, self.attempt.shared.clone());
        let Some(commands) = self.commands.take() else { return };
        let (stop_in, stop) = oneshot::channel();
        let pipe = std::mem::replace(&mut self.agent.channel.input, Box::new(tokio::io::sink()));
        let writer = Writer { at, attempt, shared: shared.clone(), commands, pushing: None };
        self.writer = Some(tokio::spawn(writer.run(pipe, stop)));
        self.stop_writing = Some(stop_in);
        shared.tell(Input::Attached { at, attempt, work_dir: work_dir.to_owned() }).await;
    }

    async fn understand(&mut self) -> Result<(), CodecError> {
        while let Some(status) = self.codec.poll::<Status>()? {
            if let Status::Hello { pid, .. } = &status {
                self.agent.pid = Some(*pid);
            }
            self.stopped |= matches!(status, Status::Stopped { .. });
            let (at, attempt) = (self.attempt.at, self.attempt.number);
            self.attempt.shared.tell(Input::Status { at, attempt, status }).await;
        }
        Ok(())
    }

    async fn keep_line(&mut self, line: Option<String>) {
        let Some(line) = line else {
            self.wordless = true;
            return;
        };
        if !is_logged(&line) {
            self.complaint = Some(line.clone());
        }
        let (at, attempt) = (self.attempt.at, self.attempt.number);
        self.attempt.shared.tell(Input::Transcript { at, attempt, line }).await;
    }

    /// Ends the agent's input, and listens for its last statuses until it ends.
    async fn stop(&mut self) {
        if let Some(stop) = self.stop_writing.take() {
            stop.send(()).ok();
        } else {
            use tokio::io::AsyncWriteExt;
            self.agent.channel.input.shutdown().await.ok();
        }
        if self.agent.exit.is_none() {
            let until = Instant::now() + self.attempt.shared.limits.stop;
            timeout_at(until, self.listen_to_the_end()).await.ok();
        }
    }

    async fn listen_to_the_end(&mut self) {
        while !self.silent {
            let read = self.agent.channel.output.read_buf(self.codec.buffer_mut()).await;
            self.silent = !matches!(read, Ok(1..));
            if self.understand().await.is_err() {
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
    async fn why_not_written(&mut self, failure: Failure) -> Failure {
        if !matches!(failure, Failure::ConnectionLost { .. }) {
            return failure;
        }
        let until = Instant::now() + self.attempt.shared.limits.stop;
        timeout_at(until, self.listen_to_the_end()).await.ok();
        self.drain().await;
        self.why_ended().unwrap_or(failure)
    }

    fn why_ended(&self) -> Option<Failure> {
        let told = |exit: &Exit| match &self.complaint {
            Some(complaint) => format!("{exit}; it said: {}", complaint.trim()),
            None => exit.to_string(),
        };
        match self.agent.exit.as_ref()? {
            Exit::Lost(why) => Some(Failure::ConnectionLost { why: why.clone() }),
            Exit::Status(0) if self.stopped => None,
            exit @ (Exit::Status(_) | Exit::Signal(_)) if self.codec.is_open() => {
                Some(Failure::AgentDied { how: told(exit) })
            }
            exit @ (Exit::Status(_) | Exit::Signal(_)) => {
                let noise = self.codec.noise();
                let said = if noise.is_empty() { String::new() } else { format!("; the host said: {noise}") };
                Some(Failure::AgentStart { why: format!("{}{said}", told(exit)) })
            }
        }
    }
}

/// Whether a line of stderr is one of the agent's log, which begins with the seconds since its start: what was said in
/// good health explains no end, and is in the transcript.
fn is_logged(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    first.split_once('.').is_some_and(|(seconds, millis)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(seconds) && digits(millis) && millis.len() == 3
    })
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

#[cfg(test)]
mod tests {
    use super::is_logged;

    #[test]
    fn an_agents_log_is_told_from_a_complaint() {
        assert!(is_logged("    0.055 agent 31150 for 20261123-013424-5373 at web15"));
        for complaint in
            ["rookery-agent: cannot begin: no memory", "thread 'main' panicked at src/x.rs:1:1", "", "1.2 x"]
        {
            assert!(!is_logged(complaint), "{complaint}");
        }
    }
}
