//! What a console has to know of a run that another one began.

use super::Story;
use crate::rollout::{Caps, Past, PastHost, Payload, Plan, StateName};

impl Story {
    /// What the story says of the run that `plan` plans; `payload` is what it distributes, if that was known.
    pub fn past(&self, plan: &Plan, payload: Option<Payload>) -> Past {
        let hosts = plan.hosts.iter().map(|host| {
            let last = self.states.get(&host.name);
            let (state, attempts) = last.map_or((StateName::Waiting, 0), |last| (last.state, last.attempt));
            let launched = self.launched.get(&host.name).map(|time| self.moment(*time));
            let history = self.histories.get(&host.name).cloned().unwrap_or_default();
            PastHost { id: host.id, state, attempts, launched, served: self.served.contains(&host.name), history }
        });
        Past {
            payload,
            hosts: hosts.collect(),
            seeder: plan.place_of(&self.seeder),
            tracker: plan.place_of(&self.tracker),
            waves: self.waves,
            accepted: self.accepted,
            paused: self.paused,
            caps: self.caps.map(|caps| Caps { upload: caps.upload, download: caps.download }),
            aborted: self.aborted,
        }
    }
}
