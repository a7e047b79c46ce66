//! The agents for a host: which one fits is known once the host has been looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{AgentImage, Foothold, Link, Needs, Probe, Traces, enter, probe};
use crate::control::AgentId;
use crate::rollout::Failure;

/// The agents for a host.
#[derive(Debug, Clone)]
pub struct Agents {
    /// The one that is tried first.
    first: Arc<AgentImage>,
    /// Others, by what `uname -m` says.
    others: BTreeMap<String, Arc<AgentImage>>,
    /// The one that fits.
    fitting: Arc<OnceLock<Arc<AgentImage>>>,
}

impl Agents {
    /// `first`, and `others` for other machines.
    pub fn new(first: Arc<AgentImage>, others: BTreeMap<String, Arc<AgentImage>>) -> Self {
        Self { first, others, fitting: Arc::default() }
    }

    /// The agent for the host, as far as is known.
    pub fn image(&self) -> Arc<AgentImage> {
        self.fitting.get().unwrap_or(&self.first).clone()
    }

    /// Looks at a host as [`probe`] does; twice, where another agent than the first fits.
    ///
    /// # Errors
    /// Those of [`probe`].
    pub async fn probe(
        &self,
        link: &Link,
        work_dir: &str,
        wanted: (&Needs, Traces),
        after: Duration,
    ) -> Result<Probe, Failure> {
        let seen = probe(link, &self.image(), work_dir, wanted, after).await?;
        match self.fit(&seen) {
            Some(image) => probe(link, &image, work_dir, wanted, after).await,
            None => Ok(seen),
        }
    }

    /// Looks at a host as [`enter`] does; twice, where another agent than the first fits.
    ///
    /// # Errors
    /// Those of [`enter`].
    pub async fn enter(
        &self,
        link: &Link,
        work_dir: &str,
        wanted: (&AgentId, &Needs),
        after: Duration,
    ) -> Result<(Probe, Foothold), Failure> {
        let entered = enter(link, &self.image(), work_dir, wanted, after).await?;
        match self.fit(&entered.0) {
            Some(image) => enter(link, &image, work_dir, wanted, after).await,
            None => Ok(entered),
        }
    }

    /// Another agent than the first, if that one does not fit and this one does; it is the host's from now on.
    fn fit(&self, seen: &Probe) -> Option<Arc<AgentImage>> {
        let machine = seen.system.strip_prefix("Linux ")?;
        let other = self.others.get(machine)?;
        let wanted = self.fitting.get().is_none() && self.first.machine.is_some_and(|ours| ours != machine);
        wanted.then(|| self.fitting.get_or_init(|| other.clone()).clone())
    }
}
