//! Who stands in for tracker and seeder while the ways to them are tried: somebody listens on their ports, at their hosts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Shared, Told};
use crate::control::PortRange;
use crate::driver::bootstrap::{Consultation, Link, Needs, Probe, Traces, consult};
use crate::driver::peers::bind_first_free;
use crate::inventory::{HostId, Place};
use crate::rollout::{Failure, Station};

/// For one host to be ready to stand in.
const READY_MAX: Duration = Duration::from_secs(60);

/// Hosts that are tried for one station, where any will do.
const CANDIDATES_MAX: usize = 3;

/// Somebody to stand in for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// For whom.
    pub station: Station,
    /// Where a run would have it; the first that can is taken.
    pub candidates: Vec<Place>,
    /// The ports it would listen on.
    pub ports: PortRange,
    /// Whether any other free port does as well.
    pub elsewhere: Elsewhere,
}

/// What happens when a port is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// Another is taken instead: it is told to everybody.
    Allowed,
    /// The host cannot stand in.
    Never,
}

/// Where somebody listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub(super) station: Station,
    pub(super) at: Place,
    /// Its address; that of this machine depends on who looks.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

/// Everybody who stands in.
#[derive(Debug)]
pub(super) struct Posts {
    pub(super) open: Vec<Post>,
    pub(super) missing: Vec<(Station, String)>,
    held: Vec<Held>,
}

/// What keeps somebody listening.
#[derive(Debug)]
enum Held {
    Here(#[expect(dead_code, reason = "a listener listens until it is dropped")] TcpListener),
    There(HostId, Link, Consultation),
}

impl Posts {
    /// Finds somebody for each station. Stations of one host are held by one conversation.
    pub(super) async fn open(shared: &Shared) -> Self {
        let mut posts = Self { open: Vec::new(), missing: Vec::new(), held: Vec::new() };
        let mut rest = shared.check.stations.as_slice();
        while let Some(first) = rest.first() {
            let together = rest.iter().take_while(|wanted| wanted.candidates == first.candidates).count();
            let (group, others) = rest.split_at(together);
            rest = others;
            if let Err(why) = posts.man(shared, group).await {
                posts.missing.extend(group.iter().map(|wanted| (wanted.station, why.clone())));
            }
        }
        posts
    }

    async fn man(&mut self, shared: &Shared, group: &[Wanted]) -> Result<(), String> {
        let mut why = "no host of the run can".to_owned();
        let candidates = group.first().map(|wanted| wanted.candidates.as_slice()).unwrap_or_default();
        for at in candidates.iter().take(CANDIDATES_MAX) {
            let manned = match at {
                Place::Console => self.here(group),
                Place::Host(id) => match timeout(READY_MAX, there(shared, *id, group)).await {
                    Ok(Ok((posts, held))) => {
                        self.open.extend(posts);
                        self.held.push(held);
                        Ok(())
                    }
                    Ok(Err(failure)) => Err(failure.to_string()),
                    Err(_) => Err(format!("it is not ready after {} s", READY_MAX.as_secs())),
                },
            };
            match manned {
                Ok(()) => return Ok(()),
                Err(reason) => why = format!("{}: {reason}", name(shared, *at)),
            }
        }
        Err(why)
    }

    fn here(&mut self, group: &[Wanted]) -> Result<(), String> {
        for wanted in group {
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let bound = match (bind_first_free(any, wanted.ports), wanted.elsewhere) {
                (Err(_), Elsewhere::Allowed) => bind_first_free(any, ANY_PORT),
                (bound, Elsewhere::Allowed | Elsewhere::Never) => bound,
            };
            let listener = bound.map_err(|failure| failure.to_string())?;
            let port = listener.local_addr().map_err(|error| error.to_string())?.port();
            self.open.push(Post { station: wanted.station, at: Place::Console, address: None, port });
            self.held.push(Held::Here(listener));
        }
        Ok(())
    }

    /// Nobody listens any more.
    pub(super) async fn close(self, tell: &mpsc::Sender<Told>) {
        for held in self.held {
            if let Held::There(host, link, consultation) = held {
                if let Some(left) = consultation.end().await {
                    tell.send(Told::Left(host, left)).await.ok();
                }
                link.close().await;
            }
        }
    }
}

const ANY_PORT: PortRange = PortRange { first: 0, last: 0 };

async fn there(shared: &Shared, id: HostId, group: &[Wanted]) -> Result<(Vec<Post>, Held), Failure> {
    let target = &shared.check.targets[id.as_usize()];
    let link = Link::Ssh(Box::new(shared.check.dialer.dial(&target.route).await?));
    match on(shared, &link, id, group).await {
        Ok((posts, consultation)) => Ok((posts, Held::There(id, link, consultation))),
        Err(failure) => {
            link.close().await;
            Err(failure)
        }
    }
}

async fn on(shared: &Shared, link: &Link, id: HostId, group: &[Wanted]) -> Result<(Vec<Post>, Consultation), Failure> {
    let (target, limits) = (&shared.check.targets[id.as_usize()], &shared.check.limits);
    let asked = (&Needs::default(), Traces::Go);
    let probe = target.agents.probe(link, &target.work_dir, asked, limits.probe).await?;
    if let Some(fault) = probe.faults.first() {
        return Err(fault.clone());
    }
    let address = own_address(target.needs.address, &probe, link);
    let mut consultation = consult(link, &target.agents.image(), &probe, limits.install).await?;
    let mut posts = Vec::new();
    for wanted in group {
        match listen(&mut consultation, address, wanted).await {
            Ok(port) => posts.push(Post { station: wanted.station, at: Place::Host(id), address: Some(address), port }),
            Err(failure) => {
                consultation.end().await;
                return Err(failure);
            }
        }
    }
    Ok((posts, consultation))
}

async fn listen(consultation: &mut Consultation, address: IpAddr, wanted: &Wanted) -> Result<u16, Failure> {
    let listening = match (consultation.listen(address, wanted.ports).await?, wanted.elsewhere) {
        (Err(_), Elsewhere::Allowed) => consultation.listen(address, ANY_PORT).await?,
        (listening, Elsewhere::Allowed | Elsewhere::Never) => listening,
    };
    listening.map_err(|why| Failure::AgentStart { why })
}

/// A host's address as its peers dial it.
fn own_address(planned: Option<IpAddr>, probe: &Probe, link: &Link) -> IpAddr {
    let known = planned.or(probe.address).or_else(|| link.addresses().0);
    known.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn name(shared: &Shared, at: Place) -> &str {
    match at {
        Place::Console => "this machine",
        Place::Host(id) => &shared.check.targets[id.as_usize()].route.host.name,
    }
}

impl Post {
    /// Where a host has to knock; `None` when that is not known from there.
    pub(super) fn seen_from(&self, probe: &Probe) -> Option<SocketAddr> {
        let address = self.address.or(probe.console)?;
        Some(SocketAddr::new(address, self.port))
    }
}
