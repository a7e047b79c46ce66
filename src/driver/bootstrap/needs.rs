//! What a run needs of a host, and what of it a host does not have.

use std::net::IpAddr;

use super::{Landing, Probe};
use crate::base::{ByteCount, InfoHash};
use crate::control::{AgentFailure, PayloadFacts, PortRange, RunId, Tag};
use crate::rollout::Failure;

/// Inodes for our own folder, the payload and the lock.
const OWN_INODES: u64 = 4;

/// Seconds a host's clock may be off before that is told: a run does not need it, but logs, certificates and whoever
/// reads both do.
pub const SKEW_MAX: u64 = 30;

/// What a run needs of a host. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The run that needs it: a folder that is in its own hands is free for it.
    pub run: Option<RunId>,
    /// The folder releases land in; a leading `~/` is the user's home there.
    pub destination: Option<String>,
    /// The release: where it is there already, nothing else is needed of the folder.
    pub tag: Option<Tag>,
    /// The payload: what is there of it needs no room.
    pub payload: Option<InfoHash>,
    /// The room for it.
    pub room: Option<Room>,
    /// Ports of which one has to be free.
    pub ports: Option<PortRange>,
    /// The address to listen on, when it is not the one that SSH comes to.
    pub address: Option<IpAddr>,
}

/// Room on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the payload as it travels.
    pub payload: ByteCount,
    /// Bytes of the files in the release.
    pub unpacked: ByteCount,
    /// Files, folders and links of the release.
    pub entries: u64,
}

impl Needs {
    /// What `probe` did not find, the worst first.
    pub fn faults(&self, probe: &Probe) -> Vec<Failure> {
        let landing = probe.landing.iter().filter(|landing| !landing.has_release);
        let mut faults: Vec<_> = landing.flat_map(|landing| self.faults_of(landing)).map(Failure::Agent).collect();
        if let Some(PortRange { first, last }) = self.ports
            && (first..=last).all(|port| probe.taken.contains(&port))
            && first > 0
        {
            let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
            let bind = self.address.or(probe.address).map_or_else(|| "the host".to_owned(), |at| at.to_string());
            faults.push(Failure::Agent(AgentFailure::PortsInUse { ports, bind }));
        }
        faults
    }

    fn faults_of(&self, landing: &Landing) -> Vec<AgentFailure> {
        if let Some(path) = landing.misfit.clone() {
            return vec![AgentFailure::Folder { path, why: "is no folder".to_owned() }];
        }
        let mut faults = Vec::new();
        faults.extend(landing.foreign.clone().map(|path| {
            let why = "belongs to somebody else".to_owned();
            AgentFailure::Folder { path, why }
        }));
        let is_own = |run: &str| self.run.as_ref().is_some_and(|own| own.as_str() == run);
        faults.extend(
            landing
                .holder
                .iter()
                .filter(|holder| !is_own(&holder.run))
                .map(|holder| AgentFailure::Held { path: landing.base.clone(), by: holder.by.clone() }),
        );
        let wanted = self.room.map(|room| self.wanted(landing, room)).unwrap_or_default();
        let free = landing.free.unwrap_or_default();
        let is_full = landing.free.is_some_and(|free| free < wanted);
        match landing.refuses.as_deref() {
            Some(why) => faults.push(refusal(&landing.base, why, (wanted, free))),
            None if is_full => {
                faults.push(AgentFailure::DiskFull { path: landing.base.clone(), needed: wanted, free });
            }
            None => {}
        }
        let needed = self.room.map_or(0, |room| room.entries) + OWN_INODES;
        if let Some(free) = landing.inodes.filter(|free| *free < needed) {
            faults.push(AgentFailure::NoInodes { path: landing.base.clone(), needed, free });
        }
        faults
    }

    /// Bytes that are still to be written there.
    fn wanted(&self, landing: &Landing, room: Room) -> ByteCount {
        let there = if self.payload.is_some() { landing.partial } else { ByteCount(0) };
        (room.payload - there) + PayloadFacts::cost(room.unpacked, room.entries)
    }
}

/// The host's own words, under their proper cause.
fn refusal(base: &str, why: &str, (needed, free): (ByteCount, ByteCount)) -> AgentFailure {
    let (path, operation) = (base.to_owned(), "make a folder in".to_owned());
    match why {
        "Permission denied" | "Operation not permitted" => AgentFailure::Permission { operation, path },
        "Read-only file system" => AgentFailure::ReadOnly { path },
        "No space left on device" | "Disk quota exceeded" => AgentFailure::DiskFull { path, needed, free },
        _ => AgentFailure::Io { operation, path, why: why.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Holder;
    use super::*;

    fn needs() -> Needs {
        let room = Room { payload: ByteCount(1 << 20), unpacked: ByteCount(2 << 20), entries: 10 };
        Needs { destination: Some("/srv".to_owned()), room: Some(room), ..Needs::default() }
    }

    fn there() -> Landing {
        let free = Some(ByteCount(1 << 30));
        Landing { base: "/srv".to_owned(), free, inodes: Some(1000), ..Landing::default() }
    }

    fn causes(needs: &Needs, landing: &Landing) -> Vec<&'static str> {
        needs.faults_of(landing).iter().map(AgentFailure::cause).collect()
    }

    #[test]
    fn every_fault_of_a_folder_is_told_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            (there(), vec![]),
            (Landing { misfit: text("/srv"), ..there() }, vec!["folder not to be used"]),
            (
                Landing { refuses: text("Permission denied"), inodes: Some(3), ..there() },
                vec!["permission denied on the host", "no inodes left"],
            ),
            (Landing { refuses: text("Read-only file system"), ..there() }, vec!["read-only file system"]),
            (
                Landing { free: Some(ByteCount(3 << 20)), foreign: text("/srv/.rookery"), ..there() },
                vec!["folder not to be used", "disk full"],
            ),
            (Landing { free: None, inodes: None, ..there() }, vec![]),
        ];
        for (landing, expected) in cases {
            assert_eq!(causes(&needs(), &landing), expected, "{landing:?}");
        }
    }

    #[test]
    fn a_folder_in_the_hands_of_another_run_is_told_with_who_has_it() {
        let run = |name: &str| Some(name.parse().unwrap());
        let holder = Some(Holder { run: "a".to_owned(), by: "run a of alice".to_owned() });
        let landing = Landing { holder, ..there() };
        let faults = Needs { run: run("b"), ..needs() }.faults_of(&landing);
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/srv is held by run a of alice"]);
        assert_eq!(causes(&needs(), &landing), ["held by another run"], "a check is no run's");
        assert!(causes(&Needs { run: run("a"), ..needs() }, &landing).is_empty(), "it is its own");
    }

    #[test]
    fn what_is_fetched_already_needs_no_room() {
        let landing = Landing { free: Some(ByteCount((5 << 20) / 2)), partial: ByteCount(1 << 20), ..there() };
        assert_eq!(causes(&needs(), &landing), ["disk full"]);
        assert!(causes(&Needs { payload: Some(InfoHash::new([7; 20])), ..needs() }, &landing).is_empty());
    }
}
