//! The agents for a host: which one fits is known once the host has been looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{AgentImage, Link, Needs, Probe, Traces, probe};
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
        let machine = seen.system.strip_prefix("Linux ");
        let fits = |image: &AgentImage| image.machine.is_none_or(|ours| Some(ours) == machine);
        match machine.and_then(|machine| self.others.get(machine)) {
            Some(other) if self.fitting.get().is_none() && !fits(&self.first) => {
                let image = self.fitting.get_or_init(|| other.clone());
                probe(link, image, work_dir, wanted, after).await
            }
            Some(_) | None => Ok(seen),
        }
    }
}
