//! One host's part in a swarm: the machine, with its peers, its disk, its tracker and its clock.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::Clock;
use super::disk::{Disk, Done};
use super::pace::{Pace, Stage};
use super::peers::Peers;
use super::storage::Storage;
use super::tracker::announce;
use crate::announce::{AnnounceEvent, AnnounceRequest, TrackerUrl};
use crate::base::{Bitfield, ByteCount, ByteRate, InfoHash, PeerId, PieceIndex, Zone};
use crate::control::{AgentFailure, PeerSummary, PortRange, Progress, TrackerHealth};
use crate::swarm::{self, Announcement, Config, Exchange, Input, Output, Preference, Swarm, Totals, Tracker};

/// Rounds of reading, asking the machine and writing in one turn, before timers and orders are looked at again.
const ROUNDS_MAX: usize = 8;

/// Peers told to the console.
const PEERS_TOLD_MAX: usize = 64;

/// How long the last word to the tracker may take.
const FAREWELL_AFTER: Duration = Duration::from_secs(1);

/// What a host takes with it into a swarm.
pub(super) struct Part {
    /// The payload.
    pub(super) storage: Arc<Storage>,
    /// The swarm's name.
    pub(super) info_hash: InfoHash,
    /// The pieces that are there and verified.
    pub(super) have: Bitfield,
    /// The address to listen on and to dial from.
    pub(super) bind: IpAddr,
    /// Ports to listen on.
    pub(super) ports: PortRange,
    /// Who may connect; `None` is everybody.
    pub(super) allow: Option<Vec<IpAddr>>,
    /// Whether peers are told of each other.
    pub(super) exchange: Exchange,
    /// Whom to dial first.
    pub(super) preference: Preference,
    /// Where to announce.
    pub(super) trackers: Vec<TrackerUrl>,
    /// Peers to dial.
    pub(super) peers: Vec<SocketAddr>,
    /// The zone this host is in.
    pub(super) zone: Option<Zone>,
    /// Upload cap.
    pub(super) max_upload: ByteRate,
    /// Download cap.
    pub(super) max_download: ByteRate,
}

/// What is told to whoever put the host into the swarm.
#[derive(Debug)]
pub(super) enum Happening {
    /// So many bytes from the console are written.
    Stored(usize),
    /// Every piece is there.
    Complete,
    /// A line for the host's history.
    Note(String),
    /// The disk failed; nothing more will come.
    Failed(AgentFailure),
}

/// A host in a swarm.
pub(super) struct Member {
    clock: Clock,
    swarm: Swarm,
    peers: Peers,
    disk: Disk,
    herald: Herald,
    inputs: VecDeque<Input>,
    happenings: VecDeque<Happening>,
    completed: Vec<PieceIndex>,
    pace: Pace,
    /// Bytes that came from the console since the last turn.
    stored: usize,
}

impl Member {
    /// Joins: listens, dials, announces.
    pub(super) fn join(clock: Clock, part: Part) -> Result<Self, AgentFailure> {
        let mut config = Config::meeting(part.preference, part.zone.as_ref());
        config.allow = part.allow;
        config.zone = part.zone;
        config.max_upload = part.max_upload;
        config.max_download = part.max_download;
        config.exchange = part.exchange;
        config.tracker = if part.trackers.is_empty() { Tracker::Absent } else { Tracker::Present };
        let peers = Peers::listen(part.bind, part.ports, config.dial_timeout, Arc::clone(&part.storage))?;
        config.listen_port = peers.port();
        if let Preference::Canonical(own) = &mut config.preference {
            own.set_port(peers.port());
        }
        let peer_id = peer_id();
        let (answered, answers) = mpsc::channel(4);
        let herald = Herald {
            trackers: part.trackers,
            bind: part.bind,
            deadline: config.announce_timeout,
            request: AnnounceRequest {
                zone: config.zone.clone(),
                ..AnnounceRequest::new(part.info_hash, peer_id, peers.port())
            },
            answered,
            answers,
        };
        let layout = part.storage.layout();
        let swarm = Swarm::new(config, fastrand::u64(..), layout, peer_id, part.info_hash, part.have);
        let mut member = Self {
            clock,
            swarm,
            peers,
            disk: Disk::new(&part.storage),
            herald,
            inputs: VecDeque::new(),
            happenings: VecDeque::new(),
            completed: Vec::new(),
            pace: Pace::default(),
            stored: 0,
        };
        member.handle(Input::Discovered(part.peers));
        Ok(member)
    }

    /// The port others dial.
    pub(super) fn port(&self) -> u16 {
        self.peers.port()
    }

    /// Waits for the next thing worth telling; the swarm goes on only while this is awaited. May be dropped and called
    /// again.
    pub(super) async fn next(&mut self) -> Happening {
        loop {
            if let Some(happening) = self.happenings.pop_front() {
                return happening;
            }
            let deadline = self.swarm.deadline().map(|deadline| self.clock.timer(deadline));
            let due = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.peers.ready() => {}
                () = self.disk.ready() => {}
                answer = self.herald.next() => self.inputs.push_back(answer),
                () = due => self.inputs.push_back(Input::Elapsed),
            }
            self.turn();
        }
    }

    /// Reads all that has come, asks the machine, and writes what it says, until there is no more of it.
    fn turn(&mut self) {
        if self.swarm.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            self.inputs.push_back(Input::Elapsed);
        }
        let mut moved = std::mem::take(&mut self.stored);
        for _ in 0..ROUNDS_MAX {
            let read = self.peers.receive(&mut self.inputs, &self.disk);
            for done in self.disk.collect() {
                self.done(done);
            }
            self.work_off();
            self.disk.flush();
            let written = self.peers.write(&mut self.inputs, &self.disk);
            moved += read + written;
            if read + written == 0 && self.inputs.is_empty() {
                break;
            }
        }
        self.work_off();
        self.disk.flush();
        let have = self.swarm.bitfield();
        let pause = self.pace.after(moved, Stage::of(have.count(), have.capacity()));
        if !pause.is_zero() {
            // A timer would wake this thread for every packet until it is over; nothing here is in more of a hurry.
            std::thread::sleep(pause);
        }
    }

    /// Writes a whole piece that came from the console; it is verified, then served.
    pub(super) fn store(&mut self, piece: PieceIndex, data: Bytes) {
        self.stored += data.len();
        self.disk.store(piece, data);
    }

    /// Tells the machine something from outside: peers, caps.
    pub(super) fn handle(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.work_off();
    }

    /// The pieces that are there, verified.
    pub(super) fn have(&self) -> &Bitfield {
        self.swarm.bitfield()
    }

    /// How far it is. The pieces completed since the last time are handed over.
    pub(super) fn progress(&mut self) -> Progress {
        let totals = self.swarm.totals();
        let (rate_down, rate_up) = self.swarm.rates();
        Progress {
            pieces: self.swarm.bitfield().count(),
            completed: runs(&mut self.completed),
            bytes_down: totals.down,
            bytes_up: totals.up,
            rate_down,
            rate_up,
            peers: self.swarm.connected() as u16,
            unchoking: self.swarm.unchoking() as u16,
            corrupt: totals.corrupt,
            tracker: match self.swarm.tracker_health() {
                swarm::TrackerHealth::Unknown => TrackerHealth::Unknown,
                swarm::TrackerHealth::Answering => TrackerHealth::Answering,
                swarm::TrackerHealth::Silent => TrackerHealth::Silent,
            },
            unwritten: self.disk.unwritten(),
        }
    }

    /// Bytes of the payload that have come from peers, but for those that were of no use, and bytes that have gone to them.
    pub(super) const fn moved(&self) -> (u64, u64) {
        let totals = self.swarm.totals();
        (totals.down.0.saturating_sub(totals.wasted.0), totals.up.0)
    }

    /// Its peers, best rates first.
    pub(super) fn peers(&self) -> Vec<PeerSummary> {
        let mut peers: Vec<_> = self.swarm.peers().collect();
        peers.sort_by_key(|peer| Reverse((peer.rate_down.0 + peer.rate_up.0, peer.pieces)));
        peers.truncate(PEERS_TOLD_MAX);
        let told = peers.into_iter().map(|peer| PeerSummary {
            address: peer.address,
            client: peer.client.unwrap_or_else(|| client_of(peer.peer_id)),
            pieces: peer.pieces,
            rate_down: peer.rate_down,
            rate_up: peer.rate_up,
            unchoking: peer.unchoking,
            interested: peer.interested,
        });
        told.collect()
    }

    /// Leaves: closes every connection, tells the tracker, and waits until nothing touches the payload any more.
    pub(super) async fn leave(self) {
        let Self { swarm, peers, disk, herald, .. } = self;
        drop(peers);
        let closed = tokio::task::spawn_blocking(|| disk.close());
        // A tracker that does not hear of it forgets who is silent.
        let _ = tokio::join!(herald.farewell(swarm.totals(), swarm.left()), closed);
    }

    fn work_off(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            self.swarm.handle_input(self.clock.now(), input);
            while let Some(output) = self.swarm.poll_output() {
                self.act(output);
            }
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Dial(address) => self.peers.dial(address),
            Output::Greet { connection, handshake } => self.peers.greet(connection, &handshake),
            Output::Send { connection, message } => self.inputs.extend(self.peers.send(connection, &message)),
            Output::Disconnect { connection, fault: _ } => self.peers.disconnect(connection),
            Output::Serve { connection, block } => self.peers.serve(connection, block),
            Output::Write { block, data } => self.disk.write(block, data),
            Output::Verify(piece) => self.disk.verify(piece),
            Output::Digest(piece) => self.disk.digest(piece),
            Output::Announce(announcement) => self.herald.announce(announcement),
            Output::PieceDone(piece) => self.completed.push(piece),
            Output::Complete => self.happenings.push_back(Happening::Complete),
            Output::Note(note) => {
                self.happenings.push_back(Happening::Note(note.to_string()));
            }
        }
    }

    fn done(&mut self, done: Done) {
        let input = match done {
            Done::Written(block) => Input::Written { block },
            Done::Stored { piece, length } => {
                self.happenings.push_back(Happening::Stored(length));
                Input::Injected { piece }
            }
            Done::Verified { piece, intact } => Input::Verified { piece, intact },
            Done::Digested { piece, blocks } => Input::Digested { piece, blocks },
            Done::Read { connection, block, data } => {
                self.inputs.extend(self.peers.fetched(connection, block, data));
                return;
            }
            Done::Failed(failure) => {
                self.happenings.push_back(Happening::Failed(failure));
                return;
            }
        };
        self.inputs.push_back(input);
    }
}

/// Tells the tracker, in the background.
struct Herald {
    trackers: Vec<TrackerUrl>,
    bind: IpAddr,
    deadline: Duration,
    request: AnnounceRequest,
    answered: mpsc::Sender<Input>,
    answers: mpsc::Receiver<Input>,
}

impl Herald {
    fn announce(&self, announcement: Announcement) {
        let mut request = self.request.clone();
        request.uploaded = announcement.uploaded;
        request.downloaded = announcement.downloaded;
        request.left = announcement.left;
        request.numwant = Some(announcement.wanted);
        request.event = announcement.event;
        let (trackers, bind, deadline) = (self.trackers.clone(), self.bind, self.deadline);
        let answered = self.answered.clone();
        tokio::spawn(async move {
            let answer = announce_to_any(&trackers, &request, bind, deadline).await;
            // Nobody listens any more once the swarm is left.
            let _ = answered.send(answer).await;
        });
    }

    async fn next(&mut self) -> Input {
        match self.answers.recv().await {
            Some(input) => input,
            None => std::future::pending().await,
        }
    }

    async fn farewell(mut self, totals: Totals, left: ByteCount) {
        self.request.uploaded = totals.up;
        self.request.downloaded = totals.down;
        self.request.left = left;
        self.request.numwant = Some(0);
        self.request.event = Some(AnnounceEvent::Stopped);
        let deadline = FAREWELL_AFTER;
        announce_to_any(&self.trackers, &self.request, self.bind, deadline).await;
    }
}

/// Asks one tracker after the other until one answers; all of them within `deadline`.
async fn announce_to_any(
    trackers: &[TrackerUrl],
    request: &AnnounceRequest,
    bind: IpAddr,
    deadline: Duration,
) -> Input {
    let mut why = "there is none".to_owned();
    let share = deadline / trackers.len().max(1) as u32;
    for tracker in trackers {
        match announce(tracker, request, Some(bind), share).await {
            Ok(answer) => {
                let peers = answer.peers.iter().map(|peer| peer.address).collect();
                return Input::Announced { interval: answer.interval, peers };
            }
            Err(error) => why = error.to_string(),
        }
    }
    Input::AnnounceFailed { why }
}

/// What a client without a handshake of extensions calls itself (BEP 20).
fn client_of(peer_id: PeerId) -> String {
    let printable = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    peer_id.as_bytes()[..8].iter().map(printable).collect()
}

fn peer_id() -> PeerId {
    let mut bytes = *b"-RK0100-............";
    bytes[8..].fill_with(|| fastrand::alphanumeric() as u8);
    PeerId::new(bytes)
}

/// Sorts pieces into runs of (first, count), and leaves none.
fn runs(pieces: &mut Vec<PieceIndex>) -> Vec<(u32, u32)> {
    pieces.sort_unstable();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for piece in pieces.drain(..) {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == piece.0 => *count += 1,
            Some(_) | None => runs.push((piece.0, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_pieces_are_told_as_runs() {
        let mut pieces: Vec<_> = [4, 2, 3, 9, 7, 8].map(PieceIndex).to_vec();
        assert_eq!(runs(&mut pieces), [(2, 3), (7, 3)]);
        assert!(pieces.is_empty());
    }
}
