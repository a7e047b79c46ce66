//! Orders and statuses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{AgentFailure, RunId, Tag};
use crate::base::{ByteCount, ByteRate, InfoHash, Sha256Digest, Zone};

/// The version of this conversation; an agent and a console of different versions part at once.
pub const PROTOCOL: u32 = 3;

/// What the console tells an agent. JSON on the wire, with at most one run of raw bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// The first frame of a connection, number 0: what was heard of this agent so far. Answered by [`Status::Attached`], then
    /// by what was missed, or by how things stand when that is not known any more.
    Attach {
        /// The last status that was heard, and of which agent.
        seen: Option<Mark>,
    },
    /// Number 0: the console is there, and has nothing to say.
    Alive,
    /// The first order: which run this is. Answered by [`Status::Hello`].
    Hello(HelloOrder),
    /// Be the tracker of this run's swarm. Answered by [`Status::Tracking`].
    Track {
        /// The address to listen on; any, if the host does not have it.
        bind: IpAddr,
        /// The port to listen on; 0 takes any free one.
        port: u16,
        /// The one swarm it serves.
        info_hash: InfoHash,
        /// Who may ask; everybody else is refused.
        allow: Vec<IpAddr>,
    },
    /// Make a payload out of a path on this host. Answered by [`Status::Packing`] and [`Status::Packed`].
    Pack(PackOrder),
    /// Join the swarm. Answered by [`Status::Serving`], then [`Status::Progress`] until the order [`Self::Stop`].
    Serve(Box<ServeOrder>),
    /// A part of the payload for a seeder whose data comes [`DataSource::Pushed`]; the bytes follow the frame.
    Data {
        /// Where the bytes belong in the payload.
        offset: u64,
        /// The bytes: whole pieces, at most [`super::FRAME_LENGTH_MAX`].
        #[serde(skip)]
        bulk: Bytes,
    },
    /// More peers of this run; they may connect from now on, and are worth dialling.
    Peers {
        /// Where they listen.
        listening: Vec<SocketAddr>,
        /// Addresses that may connect but need not be dialled.
        allow: Vec<IpAddr>,
    },
    /// Put the release in its place, which a serve order with [`Placing::Held`] keeps aside. Answered by
    /// [`Status::Delivered`].
    Place,
    /// Run a command that says whether the host is well. Answered by [`Status::Checked`].
    Check(CheckOrder),
    /// Try whether these can be connected to, and whether there is a port to listen on. Answered by [`Status::Knocked`].
    Knock {
        /// Whom to try.
        at: Vec<SocketAddr>,
        /// The address to listen on; any, if the host does not have it.
        bind: IpAddr,
        /// Ports of which one has to be free.
        ports: PortRange,
    },
    /// New caps, at once; 0 is none.
    Limits {
        /// Upload cap of this host.
        max_upload: ByteRate,
        /// Download cap of this host.
        max_download: ByteRate,
    },
    /// Whether to send [`Status::Peers`] every second: somebody looks at this host.
    Watch {
        /// On or off.
        on: bool,
    },
    /// Leave the swarm, stop, and remove what this run left on the host. Answered by [`Status::Stopped`].
    Stop {
        /// Whether partial payload goes too; `false` keeps it for a retry.
        discard_partial: bool,
    },
    /// Number 0: leave the swarm and end. What is fetched is kept, and is found by the next agent of the run.
    Leave,
}

/// One place in what an agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which agent: a number it drew when it began.
    pub instance: u64,
    /// The number of a status.
    pub number: u64,
}

/// Which run an agent works for, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloOrder {
    /// [`PROTOCOL`] of the console.
    pub protocol: u32,
    /// The run the agent works for.
    pub run: RunId,
    /// What the inventory calls this host.
    pub host: String,
    /// The folder releases land in; `~/` at its start is the agent's home.
    pub destination: String,
    /// Who holds the destination as long as the agent lives.
    pub holder: Holder,
    /// Without a word from a console for so long, the agent ends; what is fetched is kept.
    pub lease: Duration,
    /// After so long it ends in any case.
    pub deadline: Duration,
}

/// Who deploys to a folder: what others are told who want to do so too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holder {
    /// Who started the run.
    pub operator: String,
    /// The machine it was started on.
    pub from: String,
    /// When, RFC 3339 in UTC.
    pub since: String,
    /// What for: the source and the release's name, or the operator's own reason.
    pub why: String,
}

/// How to take part in the swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeOrder {
    /// The .torrent file, raw.
    #[serde(skip)]
    pub torrent: Bytes,
    /// What the payload is.
    pub payload: PayloadFacts,
    /// What this host is in the swarm.
    pub role: ServeRole,
    /// The release's name in the folder of [`Order::Hello`].
    pub tag: Tag,
    /// Whom the release is given to.
    #[serde(default)]
    pub owner: Owner,
    /// Whether the release is wanted on this host (a seeder outside the selection only seeds).
    pub deliver: bool,
    /// Whether the release gets its place at once.
    #[serde(default)]
    pub placing: Placing,
    /// The address to listen on and to dial from; any, if it is unspecified or the host does not have it.
    pub bind: IpAddr,
    /// Ports to listen on; the first free one is taken.
    pub ports: PortRange,
    /// Where the tracker is, if there is one yet.
    pub tracker: Option<SocketAddr>,
    /// Peers known so far, those to be dialled first in front.
    pub peers: Vec<SocketAddr>,
    /// The zone this host is in, if any.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// Who may connect; everybody else is refused.
    pub allow: Vec<IpAddr>,
    /// Upload cap; 0 is none.
    pub max_upload: ByteRate,
    /// Download cap; 0 is none.
    pub max_download: ByteRate,
}

/// Whom a release is given to, each by name or number; `None`: it stays whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
}

/// When a release that is verified and unpacked aside gets its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placing {
    /// At once.
    #[default]
    AtOnce,
    /// With [`Order::Place`].
    Held,
}

/// A command that says whether a host is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOrder {
    /// The program and its arguments; no shell looks at them. `{release}` in an argument is the release's path there, `{tag}`
    /// its name, and `~/` at the start of the program this user's home.
    pub command: Vec<String>,
    /// How long it may take; it is killed then.
    pub timeout: Duration,
    /// The release's name.
    pub tag: Tag,
    /// Which try it is; the answer has the same number.
    pub number: u32,
}

/// Inclusive range of TCP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// The first; 0 in both means any free port.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// What a host is in the swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServeRole {
    /// Gets the payload from the swarm.
    Peer,
    /// Has the payload, or gets it first.
    Seeder(DataSource),
}

/// Where a seeder's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSource {
    /// From the console, by [`Order::Data`].
    Pushed,
    /// A complete payload file on this host that is read, never changed or removed.
    File(String),
    /// What [`Order::Pack`] made on this host.
    Packed,
}

/// Makes a payload out of a path on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackOrder {
    /// The directory or file.
    pub source: String,
    /// Globs of paths to leave out.
    pub exclude: Vec<String>,
    /// `auto`, `none` or `zstd`.
    pub compress: String,
    /// Piece length in bytes; chosen from the size when absent.
    pub piece_length: Option<u32>,
    /// The `rwx` bits of everything; as in the source when absent.
    #[serde(default)]
    pub mode: Option<u32>,
}

/// What a payload is, beyond its torrent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadFacts {
    /// How it becomes a release.
    pub format: PayloadFormat,
    /// SHA-256 of the payload as it travels.
    pub sha256: Sha256Digest,
    /// SHA-256 of the release: of the uncompressed archive, or of the file. It can be computed again from the release
    /// as it lies on a host (`release::digest`).
    pub content_sha256: Sha256Digest,
    /// Bytes of the files in the release.
    pub unpacked_bytes: ByteCount,
    /// Number of files, directories and links in the release, its root included.
    pub unpacked_entries: u64,
    /// The `rwx` bits of a release that is one file; an archive holds its own.
    pub mode: u32,
}

impl PayloadFacts {
    /// What one entry of a release takes on a disk besides its bytes: the rest of its last block, and its inode.
    const ENTRY_COST: u64 = 4096 + 512;

    /// Bytes the release takes on a disk, at most.
    pub const fn unpacked_cost(&self) -> ByteCount {
        Self::cost(self.unpacked_bytes, self.unpacked_entries)
    }

    /// Bytes that `entries` files, folders and links take on a disk, at most, when they hold `bytes`.
    pub const fn cost(bytes: ByteCount, entries: u64) -> ByteCount {
        ByteCount(bytes.0.saturating_add(entries.saturating_mul(Self::ENTRY_COST)))
    }
}

/// How a payload becomes a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadFormat {
    /// It is the release: one file.
    File,
    /// A tar archive of a directory.
    Tar,
    /// The same, compressed.
    TarZstd,
}

/// What an agent tells the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Answer to [`Order::Attach`], number 0.
    Attached(Attached),
    /// Number 0: every order up to this one was obeyed.
    Taken {
        /// Its number.
        order: u64,
    },
    /// Answer to [`Order::Hello`].
    Hello {
        /// [`PROTOCOL`] of the agent.
        protocol: u32,
        /// The agent's version.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// The tracker answers.
    Tracking {
        /// The port it listens on.
        port: u16,
    },
    /// Packing goes on.
    Packing {
        /// Bytes read so far.
        bytes: ByteCount,
    },
    /// The payload is made.
    Packed {
        /// What it is.
        payload: PayloadFacts,
        /// The .torrent file, raw.
        #[serde(skip)]
        torrent: Bytes,
    },
    /// The agent is in the swarm: existing data was hashed, and it listens.
    Serving {
        /// The port it listens on.
        port: u16,
        /// The pieces it has, as in a BEP 3 `bitfield`.
        #[serde(skip)]
        bitfield: Bytes,
    },
    /// How far it is: every 250 ms while something changes, at least every 5 s.
    Progress(Progress),
    /// Its peers, once a second while watched.
    Peers {
        /// Best rates first, at most 64.
        peers: Vec<PeerSummary>,
    },
    /// Every piece is there; the whole payload is being hashed.
    Verifying,
    /// The release is being unpacked beside its place.
    Unpacking,
    /// The release is verified and lies aside: it waits for [`Order::Place`].
    Staged,
    /// The release is in place, verified and synced.
    Delivered {
        /// Whether it had been there before this run.
        already: bool,
    },
    /// The command of an [`Order::Check`] ended, or could not be run.
    Checked {
        /// Of which try.
        number: u32,
        /// Why the host is not well; `None` when the command ended with status 0.
        why: Option<String>,
    },
    /// Answer to [`Order::Knock`].
    Knocked {
        /// Why each could not be connected to, in the order's order; empty where one could.
        why: Vec<String>,
        /// Why it cannot listen, if it cannot.
        fault: Option<AgentFailure>,
    },
    /// The run cannot go on here. The agent stays, to be told to stop or to serve again.
    Failed {
        /// Why.
        failure: AgentFailure,
    },
    /// Something worth a line in the host's history that stops nothing: a corrupt piece, a peer dropped.
    Note {
        /// One line.
        text: String,
    },
    /// A line of the agent's log.
    Line {
        /// It.
        text: String,
    },
    /// The last status: the swarm is left, and everything of this run is removed but what is named.
    Stopped {
        /// Paths and ports that could not be removed or closed, each with its reason.
        left_behind: Vec<String>,
    },
}

/// Which agent this is, and how much it has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Which agent: a number it drew when it began.
    pub instance: u64,
    /// The number of the last order it obeyed: those after it are to be sent again, and the next one has the next number.
    pub taken: u64,
    /// Its process id.
    pub pid: u32,
}

/// How far one host is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Pieces verified.
    pub pieces: u32,
    /// Pieces verified since the last progress, as runs of (first, count).
    pub completed: Vec<(u32, u32)>,
    /// Payload bytes received from peers (not from the console) since the agent started.
    pub bytes_down: ByteCount,
    /// Payload bytes sent to peers since the agent started.
    pub bytes_up: ByteCount,
    /// Receiving now.
    pub rate_down: ByteRate,
    /// Sending now.
    pub rate_up: ByteRate,
    /// Peers connected.
    pub peers: u16,
    /// Of these, how many let us ask.
    pub unchoking: u16,
    /// Pieces that had to be fetched again because they were corrupt.
    pub corrupt: u32,
    /// The tracker, as this host sees it.
    pub tracker: TrackerHealth,
    /// Bytes received that the disk has not taken yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unwritten: ByteCount,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(count: &ByteCount) -> bool {
    count.0 == 0
}

/// The tracker, as one host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerHealth {
    /// Not asked yet.
    #[default]
    Unknown,
    /// The last announce was answered.
    Answering,
    /// The last announce was not.
    Silent,
}

/// One remote peer of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSummary {
    /// Where it is.
    pub address: SocketAddr,
    /// Its client, from its peer id or extension handshake.
    pub client: String,
    /// Pieces it has.
    pub pieces: u32,
    /// From it, now.
    pub rate_down: ByteRate,
    /// To it, now.
    pub rate_up: ByteRate,
    /// It lets us ask.
    pub unchoking: bool,
    /// It wants something of us.
    pub interested: bool,
}
