//! Cleaning up after earlier runs, at many places at once. Each place is told of when it is done with; one that is slow holds
//! nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{Limits, Target, raise_file_limit};
use crate::control::{AgentId, RunId};
use crate::driver::bootstrap::{AgentImage, AgentPlace, Agents, Cleaned, Link, Live, Needs, Traces, clean, install};
use crate::driver::ssh::Dialer;
use crate::inventory::{HostId, Place};
use crate::rollout::Failure;

/// For ending and removing what is there.
const CLEAN_MAX: Duration = Duration::from_secs(120);

/// What is to be cleaned.
#[derive(Debug)]
pub struct Clean {
    /// One a host, by `HostId`.
    pub targets: Vec<Target>,
    /// Makes the connections.
    pub dialer: Dialer,
    /// Where: hosts with the folder of releases there, and this machine with its work folder.
    pub places: Vec<(Place, String)>,
    /// The agent for this machine.
    pub image: Arc<AgentImage>,
    /// Places at once.
    pub fanout: usize,
    /// How long things may take.
    pub limits: Limits,
    /// What becomes of runs that are under way.
    pub live: Live,
    /// Who cleans.
    pub cleaner: RunId,
}

/// What it came to at one place.
pub type Told = (Place, Result<Cleaned, Failure>);

impl Clean {
    /// Cleans everywhere.
    pub async fn run(self, tell: mpsc::Sender<Told>) {
        raise_file_limit();
        let slots = Arc::new(Semaphore::new(self.fanout.max(1)));
        let shared = Arc::new(self);
        let mut tasks = JoinSet::new();
        for (place, destination) in shared.places.clone() {
            let (shared, slots, tell) = (shared.clone(), slots.clone(), tell.clone());
            tasks.spawn(async move {
                let _slot = slots.acquire().await;
                let cleaned = shared.place(place, &destination).await;
                // Nobody listens any more: it was interrupted.
                tell.send((place, cleaned)).await.ok();
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn place(&self, at: Place, destination: &str) -> Result<Cleaned, Failure> {
        let here = Agents::new(self.image.clone(), BTreeMap::new());
        let (link, agents, work_dir, name) = match at {
            Place::Console => (Link::Local, &here, destination, "console"),
            Place::Host(HostId(id)) => {
                let target = &self.targets[id as usize];
                let link = Link::Ssh(Box::new(self.dialer.dial(&target.route).await?));
                (link, &target.agents, target.work_dir.as_str(), target.route.host.name.as_str())
            }
        };
        let cleaned = self.clean(&link, agents, work_dir, (name, destination)).await;
        link.close().await;
        cleaned
    }

    async fn clean(
        &self,
        link: &Link,
        agents: &Agents,
        work_dir: &str,
        (name, destination): (&str, &str),
    ) -> Result<Cleaned, Failure> {
        let asked = (&Needs::default(), Traces::Stay);
        let seen = agents.probe(link, work_dir, asked, self.limits.probe).await?;
        let image = agents.image();
        if !seen.has_agent {
            install(link, &image, &seen, self.limits.install).await?;
        }
        let place = AgentPlace { work_dir: seen.work_dir, id: AgentId::new(self.cleaner.clone(), name) };
        clean(link, &image, &place, destination, self.live, CLEAN_MAX).await
    }
}
