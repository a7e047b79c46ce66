//! One attempt at one place: connect, look, bring the agent, start it, talk, end.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::dispatch::{End, Shared};
use super::ending::{end_agent, not_proved};
use super::ledger::Ledger;
use super::look::clock;
use super::talk::{Ended, Talk, Turn};
use super::writer::{Command, Writer};
use crate::control::AgentId;
use crate::driver::bootstrap::{AgentImage, AgentPlace, Agents, Foothold, Link, Needs, Probe, attach};
use crate::driver::channel::Channel;
use crate::driver::ssh::Route;
use crate::inventory::Place;
use crate::rollout::{BootStep, Failure, HostFacts, Input};

/// How an attempt ended: why, and what could not be proved gone.
pub(super) type Outcome = (Option<Failure>, Vec<String>);

/// What an attempt is told from outside, beside orders.
pub(super) struct Cues {
    /// To end, and why.
    pub(super) end: oneshot::Receiver<End>,
    /// To dial again after the connection was lost.
    pub(super) rejoin: mpsc::Receiver<()>,
}

/// One attempt.
pub(super) struct Attempt {
    pub(super) at: Place,
    pub(super) number: u32,
    pub(super) shared: Arc<Shared>,
}

impl Attempt {
    pub(super) const fn new(at: Place, number: u32, shared: Arc<Shared>) -> Self {
        Self { at, number, shared }
    }

    /// Carries the attempt through. The caller says that it ended.
    pub(super) async fn run(self, commands: mpsc::Receiver<Command>, mut cues: Cues) -> Outcome {
        // Until the agent is started nothing lasting is on the host: giving up is hanging up.
        let prepared = tokio::select! {
            prepared = self.prepare() => prepared,
            ended = &mut cues.end => return (overrun(ended.ok()), Vec::new()),
        };
        let (link, work_dir, foothold) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return (Some(failure), Vec::new()),
        };
        let place = AgentPlace { work_dir, id: self.id() };
        let channel = match foothold.start(self.shared.limits.start).await {
            Ok(channel) => channel,
            Err(failure) => {
                self.transcribe(&link).await;
                link.close().await;
                return (Some(failure), Vec::new());
            }
        };
        self.shared.begin(self.at);
        let (at, attempt, shared) = (self.at, self.number, self.shared.clone());
        let writer = Writer { at, attempt, shared, ledger: Ledger::default(), commands, pushing: None };
        self.converse(link, channel, &place, Box::new(writer), cues).await
    }

    /// Talks to the agent, over as many connections as it takes.
    async fn converse(
        &self,
        mut link: Link,
        mut channel: Channel,
        place: &AgentPlace,
        mut writer: Box<Writer>,
        mut cues: Cues,
    ) -> Outcome {
        let (mut turn, mut pid) = (Turn::First, None);
        loop {
            let talk = Talk::new(self, turn, channel, writer);
            let ended = talk.run(&place.work_dir, &mut cues.end, &mut pid).await;
            self.transcribe(&link).await;
            let lost = match ended {
                Ended::Over(failure, agent) => {
                    let left_behind = if agent.is_gone() {
                        link.close().await;
                        Vec::new()
                    } else {
                        self.clean_up(Some(link), place, pid).await
                    };
                    return (failure, left_behind);
                }
                Ended::Detached => {
                    link.close().await;
                    return (None, Vec::new());
                }
                Ended::Lost(failure, idle) => {
                    writer = idle;
                    failure
                }
            };
            link.close().await;
            self.shared.tell(Input::Lost { at: self.at, attempt: self.number, failure: lost }).await;
            match self.rejoin(place, &mut cues).await {
                Ok(way) => (link, channel) = way,
                Err(Some(End::Detach)) => return (None, Vec::new()),
                Err(end) => return (overrun(end), self.clean_up(None, place, pid).await),
            }
            turn = Turn::Again;
        }
    }

    /// Dials again each time the rollout says so, until the agent's channel is there or the attempt is to end.
    async fn rejoin(&self, place: &AgentPlace, cues: &mut Cues) -> Result<(Link, Channel), Option<End>> {
        loop {
            tokio::select! {
                ended = &mut cues.end => return Err(ended.ok()),
                Some(()) = cues.rejoin.recv() => {}
            }
            let dialled = async {
                let link = self.connect().await?;
                let image = self.image();
                let channel = attach(&link, &image, place, self.shared.limits.start).await;
                self.transcribe(&link).await;
                match channel {
                    Ok(channel) => Ok((link, channel)),
                    Err(failure) => {
                        link.close().await;
                        Err(failure)
                    }
                }
            };
            let dialled = tokio::select! {
                ended = &mut cues.end => return Err(ended.ok()),
                dialled = dialled => dialled,
            };
            match dialled {
                Ok(way) => return Ok(way),
                Err(failure) => self.shared.tell(Input::Lost { at: self.at, attempt: self.number, failure }).await,
            }
        }
    }

    /// Everything before the agent's start.
    async fn prepare(&self) -> Result<(Link, String, Foothold), Failure> {
        let link = self.connect().await?;
        let prepared = self.bring(&link).await;
        self.transcribe(&link).await;
        match prepared {
            Ok((work_dir, foothold)) => Ok((link, work_dir, foothold)),
            Err(failure) => {
                link.close().await;
                Err(failure)
            }
        }
    }

    /// Looks at the host, and brings the agent if it is not there; returns its folder, and the shell that waits in it.
    async fn bring(&self, link: &Link) -> Result<(String, Foothold), Failure> {
        let limits = &self.shared.limits;
        self.transcribe(link).await;
        self.step(BootStep::Probing).await;
        let needs = self.needs();
        let entered = self.agents().enter(link, self.work_dir(), (&self.id(), &needs), limits.probe).await?;
        let (mut probe, mut foothold) = entered;
        probe.faults.extend(needs.faults(&probe));
        let all: Vec<Failure> = probe.faults.iter().cloned().chain(clock(&probe)).collect();
        if self.number == 1 && !all.is_empty() {
            self.shared.tell(Input::Looked { at: self.at, faults: all }).await;
        }
        if let Some(worst) = probe.faults.first() {
            return Err(worst.clone());
        }
        for refused in &probe.refused {
            self.line(format!("work folder {refused}; using {}", probe.work_dir)).await;
        }
        if let Some(skewed) = clock(&probe) {
            self.line(skewed.to_string()).await;
        }
        let facts = self.facts(link, &probe);
        self.shared.tell(Input::Connected { at: self.at, attempt: self.number, facts }).await;
        if !probe.has_agent {
            let mut told = None::<Instant>;
            let image = self.image();
            let installed = foothold.install(&image, &probe, limits.install, |sent, total| {
                if sent == total || told.is_none_or(|told| told.elapsed() >= limits.report_interval) {
                    told = Some(Instant::now());
                    let step = BootStep::Pushing { sent, total };
                    self.shared.mention(Input::Bootstrapping { at: self.at, attempt: self.number, step });
                }
            });
            installed.await?;
        }
        self.step(BootStep::Starting).await;
        Ok((probe.work_dir, foothold))
    }

    async fn connect(&self) -> Result<Link, Failure> {
        match self.route() {
            None => Ok(Link::Local),
            Some(route) => Ok(Link::Ssh(Box::new(self.shared.dialer.dial(route).await?))),
        }
    }

    /// Makes sure that the agent is gone, over a new connection if need be.
    async fn clean_up(&self, link: Option<Link>, place: &AgentPlace, pid: Option<u32>) -> Vec<String> {
        let limits = &self.shared.limits;
        let link = match link.filter(|link| !link.is_closed()) {
            Some(link) => Ok(link),
            None => self.connect().await,
        };
        let left = match link {
            Ok(link) => {
                let left = end_agent(&link, place, pid, limits).await;
                link.close().await;
                left
            }
            Err(failure) => Some(not_proved(pid, &failure.to_string())),
        };
        left.into_iter().collect()
    }

    fn id(&self) -> AgentId {
        let host = self.route().map_or("console", |route| &route.host.name);
        AgentId::new(self.shared.run.clone(), host)
    }

    fn facts(&self, link: &Link, probe: &Probe) -> HostFacts {
        let (peer, local) = link.addresses();
        let named = self.route().and_then(|route| route.host.address.parse().ok());
        HostFacts {
            address: probe.address.or(peer).or(named).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            console: probe.console.or(local),
            system: probe.system.clone(),
        }
    }

    fn route(&self) -> Option<&Route> {
        match self.at {
            Place::Console => None,
            Place::Host(id) => self.shared.targets.get(id.as_usize()).map(|target| &target.route),
        }
    }

    fn image(&self) -> Arc<AgentImage> {
        self.agents().image()
    }

    fn agents(&self) -> &Agents {
        match self.at {
            Place::Console => &self.shared.agents,
            Place::Host(id) => {
                self.shared.targets.get(id.as_usize()).map_or(&self.shared.agents, |target| &target.agents)
            }
        }
    }

    fn work_dir(&self) -> &str {
        match self.at {
            Place::Console => &self.shared.work_dir,
            Place::Host(id) => self.shared.targets.get(id.as_usize()).map_or("", |target| &target.work_dir),
        }
    }

    /// What the host is looked at for, its ports left out: the agent tries them, and nothing that grows with the host's
    /// connections has to be read. Once an agent was there a later attempt may meet what it left at work, with its room
    /// taken: the agent is the judge then.
    fn needs(&self) -> Needs {
        match self.at {
            Place::Host(id) if !self.shared.has_begun(self.at) => {
                let target = self.shared.targets.get(id.as_usize());
                target.map(|target| Needs { ports: None, ..target.needs.clone() }).unwrap_or_default()
            }
            Place::Host(_) | Place::Console => Needs::default(),
        }
    }

    async fn step(&self, step: BootStep) {
        self.shared.tell(Input::Bootstrapping { at: self.at, attempt: self.number, step }).await;
    }

    async fn line(&self, line: String) {
        self.shared.tell(Input::Transcript { at: self.at, attempt: self.number, line }).await;
    }

    async fn transcribe(&self, link: &Link) {
        for line in link.take_lines() {
            self.line(line).await;
        }
    }
}

/// The failure of an attempt that was ended, if it is one.
pub(super) fn overrun(end: Option<End>) -> Option<Failure> {
    match end {
        Some(End::Disconnect | End::Detach) | None => None,
        Some(End::Overrun) => Some(Failure::ConnectionLost { why: "the agent takes no orders".to_owned() }),
    }
}
