//! Looking at every host of a fleet as a run would, without one: SSH, folders, room, clock, agent, ports, and the ways to
//! tracker and seeder.
//!
//! Nothing stays on any host: what is made to look at it is removed. It decides nothing about what is found; each fault is
//! a [`Failure`](crate::rollout::Failure), as a run would have it.

mod examine;
mod posts;

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

pub use posts::{Elsewhere, Wanted};

use self::examine::examine;
use self::posts::{Post, Posts};
use crate::driver::bootstrap::Probe;
use crate::driver::fleet::{Limits, Target, raise_file_limit};
use crate::driver::ssh::Dialer;
use crate::inventory::HostId;
use crate::rollout::{Failure, Station};

/// What is to be looked at.
#[derive(Debug)]
pub struct Check {
    /// One a host, by `HostId`, with what a run would need of it.
    pub targets: Vec<Target>,
    /// Makes the connections.
    pub dialer: Dialer,
    /// The hosts, in the order they are looked at.
    pub hosts: Vec<HostId>,
    /// Whom they have to reach.
    pub stations: Vec<Wanted>,
    /// Hosts being looked at at once.
    pub fanout: usize,
    /// How long things may take.
    pub limits: Limits,
}

/// What was found.
#[derive(Debug)]
pub enum Told {
    /// A host was looked at.
    Host(Box<Finding>),
    /// Nobody could stand in for the tracker or the seeder: the ways to it were not tried.
    Untried(Station, String),
    /// Something of ours that is not proved gone from a host.
    Left(HostId, String),
}

/// What was found at a host.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub host: HostId,
    /// Everything that is wrong, the worst first.
    pub faults: Vec<Failure>,
    /// What it said of itself, if it was reached.
    pub probe: Option<Probe>,
    /// A way that could not be tried, and why.
    pub untried: Option<String>,
}

/// What all examinations share.
#[derive(Debug)]
struct Shared {
    check: Check,
    slots: Semaphore,
    posts: watch::Receiver<Option<Arc<[Post]>>>,
    tell: mpsc::Sender<Told>,
}

impl Check {
    /// Looks at every host, and tells of each when it is done with it, until `stop` ends. A host that is slow holds nobody.
    pub async fn run(self, tell: mpsc::Sender<Told>, stop: impl Future<Output = ()>) {
        raise_file_limit();
        let (open, posts) = watch::channel(None);
        let slots = Semaphore::new(self.fanout.max(1));
        let shared = Arc::new(Shared { check: self, slots, posts, tell });
        let mut tasks = JoinSet::new();
        for host in shared.check.hosts.clone() {
            tasks.spawn(examine(shared.clone(), host));
        }
        let mut held = None;
        let all = async {
            let posts = held.insert(Posts::open(&shared).await);
            for (station, why) in posts.missing.drain(..) {
                shared.tell.send(Told::Untried(station, why)).await.ok();
            }
            open.send_replace(Some(posts.open.as_slice().into()));
            while tasks.join_next().await.is_some() {}
        };
        tokio::select! {
            () = all => {}
            () = stop => {}
        }
        tasks.shutdown().await;
        if let Some(posts) = held {
            posts.close(&shared.tell).await;
        }
    }
}
