//! A look at a host whose turn it is not: nothing is brought there, and nothing stays.

use std::net::SocketAddr;
use std::time::Duration;

use super::dispatch::Shared;
use super::target::Target;
use crate::driver::bootstrap::{Link, Probe, SKEW_MAX, Traces};
use crate::driver::ssh::Way;
use crate::rollout::{Failure, Post};

/// For somebody to answer a knock.
const KNOCK_MAX: Duration = Duration::from_secs(5);

/// Everything that is wrong with a host, the worst first.
pub(super) async fn look(shared: &Shared, target: &Target, posts: &[Post]) -> Vec<Failure> {
    let link = match shared.dialer.dial(&target.route).await {
        Ok(session) => Link::Ssh(Box::new(session)),
        Err(failure) => return vec![failure],
    };
    let asked = (&target.needs, Traces::Go);
    let faults = match target.agents.probe(&link, &target.work_dir, asked, shared.limits.probe).await {
        Err(failure) => vec![failure],
        Ok(probe) => {
            let mut faults = faults_of(target, &probe);
            faults.extend(ways(&link, &probe, posts).await);
            faults.extend(clock(&probe));
            faults
        }
    };
    link.close().await;
    faults
}

/// What of a host keeps a run from it.
pub(super) fn faults_of(target: &Target, probe: &Probe) -> Vec<Failure> {
    let mut faults = probe.faults.clone();
    faults.extend(target.needs.faults(probe));
    faults
}

/// A clock that is off keeps nothing from the host, and is told.
pub(super) fn clock(probe: &Probe) -> Option<Failure> {
    probe.skew.filter(|skew| skew.unsigned_abs() >= SKEW_MAX).map(|skew| Failure::Clock { skew })
}

/// Whom the host cannot reach, as far as its sshd may find out.
async fn ways(link: &Link, probe: &Probe, posts: &[Post]) -> Vec<Failure> {
    let mut faults = Vec::new();
    for Post { station, address, port } in posts {
        let Some(address) = address.or(probe.console).map(|address| SocketAddr::new(address, *port)) else { continue };
        match link.way_to(address, KNOCK_MAX).await {
            Way::Closed(why) => faults.push(Failure::NoWay { station: *station, address, why }),
            Way::Open | Way::Untold => {}
        }
    }
    faults
}
