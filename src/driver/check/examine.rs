//! One host, looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::posts::Post;
use super::{Finding, Shared, Told};
use crate::driver::bootstrap::{Link, Probe, SKEW_MAX, Traces, consult};
use crate::driver::ssh::Way;
use crate::inventory::{HostId, Place};
use crate::rollout::Failure;

/// For somebody to answer a knock.
const KNOCK_MAX: Duration = Duration::from_secs(5);

/// Looks at a host, and tells.
pub(super) async fn examine(shared: Arc<Shared>, host: HostId) {
    let mut finding = Finding { host, faults: Vec::new(), probe: None, untried: None };
    if let Err(failure) = look(&shared, &mut finding).await {
        finding.faults.push(failure);
    }
    shared.tell.send(Told::Host(Box::new(finding))).await.ok();
}

async fn look(shared: &Shared, finding: &mut Finding) -> Result<(), Failure> {
    let (target, limits) = (&shared.check.targets[finding.host.as_usize()], &shared.check.limits);
    let slot = shared.slots.acquire().await;
    let link = Link::Ssh(Box::new(shared.check.dialer.dial(&target.route).await?));
    let asked = (&target.needs, Traces::Go);
    let seen = match target.agents.probe(&link, &target.work_dir, asked, limits.probe).await {
        Ok(seen) => seen,
        Err(failure) => {
            link.close().await;
            return Err(failure);
        }
    };
    drop(slot);
    finding.faults.clone_from(&seen.faults);
    finding.faults.extend(target.needs.faults(&seen));
    let skew = seen.skew.filter(|skew| skew.unsigned_abs() >= SKEW_MAX);
    finding.faults.extend(skew.map(|skew| Failure::Clock { skew }));
    if let Some(posts) = opened(shared).await {
        let _slot = shared.slots.acquire().await;
        knock(shared, &link, &seen, &posts, finding).await;
    }
    finding.probe = Some(seen);
    link.close().await;
    Ok(())
}

/// Everybody who stands in, once they are found.
async fn opened(shared: &Shared) -> Option<Arc<[Post]>> {
    let mut posts = shared.posts.clone();
    let found = posts.wait_for(Option::is_some).await.ok()?;
    found.clone()
}

async fn knock(shared: &Shared, link: &Link, seen: &Probe, posts: &[Post], finding: &mut Finding) {
    let mut unheard = Vec::new();
    for post in posts.iter().filter(|post| post.at != Place::Host(finding.host)) {
        let Some(address) = post.seen_from(seen) else {
            finding.untried = Some(format!("the host does not tell where this machine, the {}, is", post.station));
            continue;
        };
        match link.way_to(address, KNOCK_MAX).await {
            Way::Open => {}
            Way::Closed(why) => finding.faults.push(Failure::NoWay { station: post.station, address, why }),
            Way::Untold => unheard.push((*post, address)),
        }
    }
    // A host that cannot even hold an agent has a fault already.
    if !unheard.is_empty()
        && seen.faults.is_empty()
        && let Err(failure) = ask_agent(shared, link, seen, &unheard, finding).await
    {
        finding.untried = Some(failure.to_string());
    }
}

/// Has an agent knock, where sshd may not.
async fn ask_agent(
    shared: &Shared,
    link: &Link,
    seen: &Probe,
    posts: &[(Post, SocketAddr)],
    finding: &mut Finding,
) -> Result<(), Failure> {
    let image = &shared.check.targets[finding.host.as_usize()].agents.image();
    let mut agent = consult(link, image, seen, shared.check.limits.install).await?;
    let mut asked = Ok(());
    for (post, address) in posts {
        match agent.reach(*address).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                finding.faults.push(Failure::NoWay { station: post.station, address: *address, why });
            }
            Err(failure) => {
                asked = Err(failure);
                break;
            }
        }
    }
    if let Some(left) = agent.end().await {
        shared.tell.send(Told::Left(finding.host, left)).await.ok();
    }
    asked
}
