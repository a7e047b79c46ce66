//! Asking an agent about its host: the one that is there, or one that is brought for this and goes again.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::script::{CONSULT, PREFIX};
use super::{AgentImage, Link, Probe, install};
use crate::control::PortRange;
use crate::driver::channel::{Channel, Lines};
use crate::driver::ssh::within;
use crate::rollout::{Failure, Phase};

/// For one answer: a knock on a door takes up to five seconds.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// For the last words, when what was brought is removed.
const GOODBYE_MAX: Duration = Duration::from_secs(10);

/// A conversation with an agent that answers questions.
#[derive(Debug)]
pub struct Consultation {
    channel: Channel,
    partial: Lines,
    answers: VecDeque<String>,
    /// A folder that was made for it, if any.
    brought: Option<String>,
}

/// Begins to ask the agent of a host that was looked at. Where it is not, it is brought to a folder of its own.
pub async fn consult(link: &Link, image: &AgentImage, probe: &Probe, after: Duration) -> Result<Consultation, Failure> {
    if probe.has_agent {
        return open(link, image, &probe.work_dir, None).await;
    }
    let own = format!("{}.rookery-check-{:012x}", probe.work_top, fastrand::u64(..1 << 48));
    let aside = Probe { work_dir: own.clone(), ..probe.clone() };
    let brought = install(link, image, &aside, after).await;
    let consultation = open(link, image, &own, Some(own.clone())).await;
    match brought {
        Ok(()) => consultation,
        // It was opened to remove what came of it.
        Err(failure) => {
            if let Ok(opened) = consultation {
                opened.end().await;
            }
            Err(failure)
        }
    }
}

async fn open(link: &Link, image: &AgentImage, folder: &str, brought: Option<String>) -> Result<Consultation, Failure> {
    within(Phase::Start, ANSWER_MAX, async {
        let mut channel = link.exec(CONSULT).await?;
        let traces = if brought.is_some() { "undo" } else { "keep" };
        let head = format!("{folder}\n{}\n{traces}\n", image.sha256);
        let written = channel.input.write_all(head.as_bytes()).await;
        written.map_err(|error| Failure::AgentStart { why: error.to_string() })?;
        Ok(Consultation { channel, partial: Lines::default(), answers: VecDeque::new(), brought })
    })
    .await?
}

impl Consultation {
    /// Listens on the first free port of a range, and returns it.
    ///
    /// # Errors
    /// The inner one is the host's no.
    pub async fn listen(&mut self, bind: IpAddr, ports: PortRange) -> Result<Result<u16, String>, Failure> {
        let said = self.ask(&format!("listen {bind} {} {}\n", ports.first, ports.last)).await?;
        Ok(said.and_then(|port| port.parse().map_err(|_no_number| format!("it listens on `{port}`"))))
    }

    /// Knocks at an address.
    ///
    /// # Errors
    /// The inner one is why nobody answered.
    pub async fn reach(&mut self, address: SocketAddr) -> Result<Result<(), String>, Failure> {
        Ok(self.ask(&format!("reach {address}\n")).await?.map(|_| ()))
    }

    async fn ask(&mut self, question: &str) -> Result<Result<String, String>, Failure> {
        let answer = within(Phase::Start, ANSWER_MAX, async {
            self.channel.input.write_all(question.as_bytes()).await.ok()?;
            self.next().await
        });
        let answer = answer.await?;
        match answer.as_deref().and_then(|answer| answer.split_once(' ')) {
            Some(("yes", rest)) => Ok(Ok(rest.to_owned())),
            Some(("no", why)) => Ok(Err(why.to_owned())),
            Some(_) | None => Err(Failure::AgentStart { why: self.last_words().await }),
        }
    }

    /// The next answer; `None` after the last.
    async fn next(&mut self) -> Option<String> {
        let mut buffer = vec![0; 4096];
        while self.answers.is_empty() {
            let length = self.channel.output.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
            let answers = &mut self.answers;
            self.partial.push(&buffer[..length], |line| {
                answers.extend(line.strip_prefix(PREFIX).map(str::to_owned));
            });
        }
        self.answers.pop_front()
    }

    /// What it said on stderr instead of an answer.
    async fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        while let Ok(Some(line)) = timeout(Duration::from_millis(500), self.channel.lines.recv()).await {
            said.push(line);
        }
        if said.is_empty() { "it does not answer".to_owned() } else { said.join(" / ") }
    }

    /// Ends it: nothing listens any more, and what was brought is removed. Returns what is not proved gone.
    pub async fn end(mut self) -> Option<String> {
        self.channel.input.shutdown().await.ok();
        let listened = timeout(GOODBYE_MAX, async {
            let mut left = None;
            while let Some(answer) = self.next().await {
                match answer.split_once(' ') {
                    Some(("left", path)) => left = Some(path.to_owned()),
                    _ if answer == "end" => return Ok(left),
                    Some(_) | None => {}
                }
            }
            Err(())
        });
        match listened.await {
            Ok(Ok(left)) => left,
            Ok(Err(())) | Err(_) => self.brought,
        }
    }
}
