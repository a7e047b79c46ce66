//! `track`, `seed` and `peer`: the agent without a console, with any standard .torrent and any other client.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::args::{Join, Track};
use super::signals::Signals;
use crate::announce::TrackerUrl;
use crate::base::{Bitfield, ByteCount};
use crate::control::{AgentFailure, PortRange, Status};
use crate::driver::Clock;
use crate::driver::member::{Happening, Member, Part};
use crate::driver::segment::Access;
use crate::driver::storage::Storage;
use crate::driver::tracker::TrackerServer;
use crate::metainfo::{Info, METAINFO_LENGTH_MAX, Metainfo, Privacy};
use crate::swarm::{Exchange, Preference};
use crate::tracker::TrackerConfig;

/// Time between looks at what changed.
const TICK: Duration = Duration::from_millis(250);

/// Ticks between lines for people.
const TICKS_A_LINE: u32 = 20;

/// Why a part in a swarm ended without what was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// The .torrent file cannot be used.
    #[error("cannot use {path}: {why}", path = .path.display())]
    Torrent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The payload is not what the .torrent promises.
    #[error(
        "{bad} of {pieces} pieces of {path} are not what the torrent promises; is it the right file, and complete?",
        path = .path.display()
    )]
    Incomplete {
        /// The payload.
        path: PathBuf,
        /// Pieces missing or different.
        bad: u32,
        /// Pieces in all.
        pieces: u32,
    },
    /// The host said no.
    #[error("failed to {doing}: {failure}")]
    Host {
        /// At what.
        doing: &'static str,
        /// Why.
        failure: AgentFailure,
    },
    /// Told to stop before every piece was there.
    #[error("told to stop with {missing} pieces missing; what is there is kept in {part}", part = .part.display())]
    Interrupted {
        /// Pieces missing.
        missing: u32,
        /// The partial payload.
        part: PathBuf,
    },
}

/// Runs a tracker until told to stop.
pub(super) async fn track(track: Track) -> Result<(), Problem> {
    let mut signals = Signals::listen().map_err(|error| host("listen for signals", Path::new("-"), &error))?;
    let info_hashes = (!track.info_hashes.is_empty()).then(|| track.info_hashes.into_iter().collect());
    let bound = TrackerServer::bind(track.listen).await;
    let server = bound.map_err(|error| host("listen on", Path::new(&track.listen.to_string()), &error))?;
    let server = server.start(TrackerConfig { info_hashes, ..TrackerConfig::open() }, fastrand::u64(..));
    let address = server.address();
    let text = format!("tracking at http://{address}/announce");
    Teller { json: track.json }.tell(&Status::Tracking { port: address.port() }, &text);
    signals.next().await;
    server.stop().await;
    Ok(())
}

/// Seeds until told to stop.
pub(super) async fn seed(join: Join) -> Result<(), Problem> {
    let mut signals = Signals::listen().map_err(|error| host("listen for signals", Path::new("-"), &error))?;
    let torrent = read_torrent(&join)?;
    let path = join.data.clone();
    let (storage, have) = tokio::select! {
        opened = open(torrent.info.clone(), path.clone(), Access::Read) => opened?,
        () = signals.next() => return Ok(()),
    };
    if !have.is_full() {
        return Err(incomplete(path, &have));
    }
    let mut session = Session::join(&join, &torrent, storage, have)?;
    let ended = tokio::select! {
        ended = session.run(Until::Stopped) => ended,
        () = signals.next() => Ok(()),
    };
    session.leave().await;
    ended
}

/// Downloads, and seeds on for as long as asked.
pub(super) async fn peer(join: Join) -> Result<(), Problem> {
    let mut signals = Signals::listen().map_err(|error| host("listen for signals", Path::new("-"), &error))?;
    let torrent = read_torrent(&join)?;
    let part = part_of(&join.data);
    let already = join.data.symlink_metadata().is_ok();
    let (path, access) = if already { (&join.data, Access::Read) } else { (&part, Access::Write) };
    let (storage, have) = tokio::select! {
        opened = open(torrent.info.clone(), path.clone(), access) => opened?,
        () = signals.next() => {
            return Err(Problem::Interrupted { missing: torrent.layout().piece_count(), part });
        }
    };
    if already && !have.is_full() {
        return Err(incomplete(join.data, &have));
    }
    let missing = have.missing().count() as u32;
    let mut session = Session::join(&join, &torrent, Arc::clone(&storage), have)?;
    if missing > 0 {
        let ended = tokio::select! {
            ended = session.run(Until::Complete) => ended,
            () = signals.next() => Err(Problem::Interrupted { missing: session.missing(), part: part.clone() }),
        };
        if ended.is_err() {
            session.leave().await;
            return ended;
        }
    }
    if !already {
        let (from, to) = (part, join.data.clone());
        let renamed = tokio::task::spawn_blocking(move || finish(&storage, &from, &to)).await;
        renamed.expect("renaming does not panic").map_err(|failure| Problem::Host { doing: "finish", failure })?;
    }
    session.teller.tell(&Status::Delivered { already }, &format!("{} is complete", join.data.display()));
    let ended = tokio::select! {
        ended = session.run(Until::At(Instant::now() + join.seed_for)) => ended,
        () = signals.next() => Ok(()),
    };
    session.leave().await;
    ended
}

/// What ends a part in a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Every piece is there.
    Complete,
    /// A time has come.
    At(Instant),
    /// Only a signal.
    Stopped,
}

struct Session {
    member: Member,
    teller: Teller,
    ticks: u32,
    pieces: u32,
}

impl Session {
    fn join(join: &Join, torrent: &Metainfo, storage: Arc<Storage>, have: Bitfield) -> Result<Self, Problem> {
        let teller = Teller { json: join.json };
        let pieces = torrent.layout().piece_count();
        let trackers = trackers_of(join, torrent)?;
        let bitfield = have.as_bytes().to_vec().into();
        let text = format!("{} of {pieces} pieces there", have.count());
        let part = Part {
            storage,
            info_hash: torrent.info_hash(),
            have,
            bind: join.listen.ip(),
            ports: PortRange { first: join.listen.port(), last: join.listen.port() },
            allow: None,
            exchange: match torrent.info.privacy() {
                Privacy::Private => Exchange::Off,
                Privacy::Public => Exchange::On,
            },
            preference: Preference::Canonical(join.listen),
            trackers,
            peers: join.peers.clone(),
            zone: join.zone.clone(),
            max_upload: join.max_upload,
            max_download: join.max_download,
        };
        let member =
            Member::join(Clock::start(), part).map_err(|failure| Problem::Host { doing: "join the swarm", failure })?;
        let address = SocketAddr::new(join.listen.ip(), member.port());
        let status = Status::Serving { port: member.port(), bitfield };
        teller.tell(&status, &format!("listening on {address}, {text}"));
        Ok(Self { member, teller, ticks: 0, pieces })
    }

    fn missing(&self) -> u32 {
        self.pieces - self.member.have().count()
    }

    async fn run(&mut self, until: Until) -> Result<(), Problem> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = match until {
            Until::At(end) => end,
            Until::Complete | Until::Stopped => Instant::now() + Duration::from_secs(u64::from(u32::MAX)),
        };
        loop {
            let happening = tokio::select! {
                happening = self.member.next() => happening,
                _ = tick.tick() => {
                    self.tick();
                    continue;
                }
                () = sleep_until(end) => return Ok(()),
            };
            match happening {
                Happening::Complete if until == Until::Complete => return Ok(()),
                Happening::Complete | Happening::Stored(_) => {}
                Happening::Note(text) => self.teller.tell(&Status::Note { text: text.clone() }, &text),
                Happening::Failed(failure) => return Err(Problem::Host { doing: "go on", failure }),
            }
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let progress = self.member.progress();
        let text = format!(
            "{}/{} pieces, {} down, {} up, {} peers",
            progress.pieces, self.pieces, progress.rate_down, progress.rate_up, progress.peers
        );
        if self.teller.json {
            self.teller.tell(&Status::Progress(progress), "");
        } else if self.ticks.is_multiple_of(TICKS_A_LINE) {
            self.teller.say(&text);
        }
    }

    async fn leave(self) {
        self.member.leave().await;
    }
}

/// Where lines go: statuses as JSON on stdout, or plain text on stderr.
struct Teller {
    json: bool,
}

impl Teller {
    fn tell(&self, status: &Status, text: &str) {
        if self.json {
            let line = serde_json::to_string(status).expect("a status holds no map with keys other than strings");
            // A reader that went away misses nothing it wants.
            let _ = writeln!(std::io::stdout(), "{line}");
        } else {
            self.say(text);
        }
    }

    #[expect(clippy::unused_self, reason = "reads as what the teller does")]
    fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "rookery-agent: {text}");
    }
}

fn read_torrent(join: &Join) -> Result<Metainfo, Problem> {
    let path = &join.torrent;
    let problem = |why: String| Problem::Torrent { path: path.clone(), why };
    let length = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if length > METAINFO_LENGTH_MAX as u64 {
        return Err(problem(format!("it is {} long", ByteCount(length))));
    }
    let bytes = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
    Metainfo::parse(&bytes).map_err(|error| problem(error.to_string()))
}

/// The trackers that can be asked without resolving a name.
fn trackers_of(join: &Join, torrent: &Metainfo) -> Result<Vec<TrackerUrl>, Problem> {
    let mut usable = Vec::new();
    let mut refused = None;
    for url in torrent.trackers() {
        match url.parse::<TrackerUrl>() {
            Ok(url) => usable.push(url),
            Err(error) => refused = Some(error.to_string()),
        }
    }
    match refused {
        Some(why) if usable.is_empty() && join.peers.is_empty() => {
            Err(Problem::Torrent { path: join.torrent.clone(), why })
        }
        Some(_) | None => Ok(usable),
    }
}

async fn open(info: Info, path: PathBuf, access: Access) -> Result<(Arc<Storage>, Bitfield), Problem> {
    let opened = tokio::task::spawn_blocking(move || {
        let storage = Storage::open(info, &path, access)?;
        let have = storage.survey(&AtomicBool::new(false), &|_| {})?;
        Ok((Arc::new(storage), have))
    });
    let opened = opened.await.expect("opening a payload does not panic");
    opened.map_err(|failure| Problem::Host { doing: "open the payload", failure })
}

/// Makes the payload durable, and gives it its name only then. Never over something that is there.
fn finish(storage: &Storage, part: &Path, path: &Path) -> Result<(), AgentFailure> {
    storage.sync()?;
    match renameat_with(CWD, part, CWD, path, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(part, path),
        renamed => renamed.map_err(Into::into),
    }
    .map_err(|error| AgentFailure::from_io("rename to", path, &error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| AgentFailure::from_io("sync", folder, &error))
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn incomplete(path: PathBuf, have: &Bitfield) -> Problem {
    Problem::Incomplete { path, bad: have.capacity() - have.count(), pieces: have.capacity() }
}

fn host(operation: &'static str, path: &Path, error: &std::io::Error) -> Problem {
    Problem::Host { doing: "begin", failure: AgentFailure::from_io(operation, path, error) }
}
