//! The agent's command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};

use crate::base::{ByteRate, InfoHash, Zone};
use crate::control::AgentId;

/// What the agent is asked to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Obey whoever attaches.
    Serve(Serve),
    /// Carry stdin and stdout to the agent that obeys.
    Attach(Attach),
    /// End and remove what earlier runs left.
    Clean(Clean),
    /// Answer questions about this host on stdin.
    Probe,
    /// Print the SHA-256 of this program.
    Sum,
    /// Be a tracker.
    Track(Track),
    /// Have a payload, and give it to whoever asks.
    Seed(Join),
    /// Get a payload.
    Peer(Join),
    /// Print this and end.
    Print(&'static str),
}

/// An agent of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Serve {
    pub(super) id: AgentId,
    pub(super) work_dir: PathBuf,
    pub(super) step: Step,
}

/// How far an agent has left its parents behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It starts another, and waits for that.
    First,
    /// It is that other.
    Detached,
    /// It begins where it is, with a console at its stdin and stdout. It looks at the host first if this is its SHA-256, and not empty.
    Here(String),
}

/// A way to an agent of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attach {
    pub(super) id: AgentId,
    pub(super) work_dir: PathBuf,
    /// How it ended, as a shell says it, if that is why it is looked for.
    pub(super) ended: Option<i32>,
}

/// A look for what earlier runs left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clean {
    /// Who cleans, at which host.
    pub(super) id: AgentId,
    pub(super) work_dir: PathBuf,
    /// Folders of releases.
    pub(super) destinations: Vec<String>,
    pub(super) live: Live,
}

/// What to do with a run whose console is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    /// Name it.
    Spare,
    /// End it.
    End,
}

/// A tracker by hand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) listen: SocketAddr,
    /// The swarms it serves; none is any.
    pub(super) info_hashes: Vec<InfoHash>,
    pub(super) json: bool,
}

/// A part in a swarm by hand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) torrent: PathBuf,
    pub(super) data: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) peers: Vec<SocketAddr>,
    pub(super) seed_for: Duration,
    pub(super) zone: Option<Zone>,
    pub(super) max_upload: ByteRate,
    pub(super) max_download: ByteRate,
    pub(super) json: bool,
}

/// Why the command line is not understood.
#[derive(Debug, thiserror::Error)]
#[error("{0}; see `rookery-agent --help`")]
pub(super) struct UsageError(String);

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Parses the arguments, the program's name left out.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let command = match parser.next()? {
        Some(Value(name)) => name.string()?,
        Some(Long("help") | Short('h')) => return Ok(Command::Print(HELP)),
        Some(Long("version") | Short('V')) => return Ok(Command::Print(VERSION)),
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(UsageError("no command given: attach, serve, track, seed or peer".to_owned())),
    };
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Print(HELP)),
            Long("version") | Short('V') => return Ok(Command::Print(VERSION)),
            Long(name) => {
                let name = name.to_owned();
                options.take(&command, &name, &mut parser)?;
            }
            Value(id) if matches!(command.as_str(), "serve" | "attach" | "clean") && options.id.is_none() => {
                let id = id.string()?;
                options.id = Some(id.parse().map_err(|_not_an_id| UsageError(format!("`{id}` is no RUN/HOST")))?);
            }
            Short(_) | Value(_) => return Err(argument.unexpected().into()),
        }
    }
    match command.as_str() {
        "serve" => {
            let (id, work_dir) = options.agent()?;
            let step = match (options.look, options.detached) {
                (Some(sum), _) => Step::Here(sum),
                (None, true) => Step::Detached,
                (None, false) => Step::First,
            };
            Ok(Command::Serve(Serve { id, work_dir, step }))
        }
        "attach" => {
            let (id, work_dir) = options.agent()?;
            Ok(Command::Attach(Attach { id, work_dir, ended: options.ended }))
        }
        "clean" => {
            let (id, work_dir) = options.agent()?;
            let live = if options.force { Live::End } else { Live::Spare };
            Ok(Command::Clean(Clean { id, work_dir, destinations: options.destinations, live }))
        }
        "probe" => Ok(Command::Probe),
        "sum" => Ok(Command::Sum),
        "track" => {
            let listen = required(options.listen, "--listen ADDR:PORT")?;
            Ok(Command::Track(Track { listen, info_hashes: options.info_hashes, json: options.json }))
        }
        "seed" => options.join().map(Command::Seed),
        "peer" => options.join().map(Command::Peer),
        other => Err(UsageError(format!("no command `{other}`: attach, serve, track, seed or peer"))),
    }
}

#[derive(Default)]
struct Options {
    id: Option<AgentId>,
    work_dir: Option<PathBuf>,
    detached: bool,
    look: Option<String>,
    ended: Option<i32>,
    force: bool,
    destinations: Vec<String>,
    torrent: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    info_hashes: Vec<InfoHash>,
    peers: Vec<SocketAddr>,
    seed_for: Duration,
    zone: Option<Zone>,
    max_upload: ByteRate,
    max_download: ByteRate,
    json: bool,
}

impl Options {
    fn take(&mut self, command: &str, name: &str, parser: &mut Parser) -> Result<(), UsageError> {
        match (command, name) {
            ("serve" | "attach" | "clean", "work-dir") => self.work_dir = Some(parser.value()?.into()),
            ("serve", "detached") => self.detached = true,
            ("serve", "look") => self.look = Some(parser.value()?.string()?),
            ("attach", "ended") => self.ended = parser.value()?.string()?.parse().ok(),
            ("clean", "force") => self.force = true,
            ("clean", "to") => self.destinations.push(parser.value()?.string()?),
            ("track" | "seed" | "peer", "json") => self.json = true,
            ("track" | "seed" | "peer", "listen") => self.listen = Some(value(parser, name, address)?),
            ("track", "info-hash") => {
                self.info_hashes.push(value(parser, name, |text| text.parse().map_err(|error| format!("{error}")))?);
            }
            ("seed" | "peer", "torrent") => self.torrent = Some(parser.value()?.into()),
            ("seed" | "peer", "data") => self.data = Some(parser.value()?.into()),
            ("seed" | "peer", "peer") => self.peers.push(value(parser, name, address)?),
            ("seed" | "peer", "zone") => self.zone = Some(value(parser, name, zone)?),
            ("seed" | "peer", "max-upload") => self.max_upload = value(parser, name, rate)?,
            ("seed" | "peer", "max-download") => self.max_download = value(parser, name, rate)?,
            ("peer", "seed-for") => self.seed_for = value(parser, name, duration)?,
            ("attach" | "clean" | "serve" | "probe" | "sum" | "track" | "seed" | "peer", _) => {
                return Err(UsageError(format!("`{command}` has no option --{name}")));
            }
            _ => return Err(UsageError(format!("no command `{command}`: attach, serve, track, seed or peer"))),
        }
        Ok(())
    }

    fn agent(&mut self) -> Result<(AgentId, PathBuf), UsageError> {
        Ok((required(self.id.take(), "RUN/HOST")?, required(self.work_dir.take(), "--work-dir DIR")?))
    }

    fn join(self) -> Result<Join, UsageError> {
        Ok(Join {
            torrent: required(self.torrent, "--torrent FILE")?,
            data: required(self.data, "--data PATH")?,
            listen: required(self.listen, "--listen ADDR:PORT")?,
            peers: self.peers,
            seed_for: self.seed_for,
            zone: self.zone,
            max_upload: self.max_upload,
            max_download: self.max_download,
            json: self.json,
        })
    }
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, UsageError> {
    value.ok_or_else(|| UsageError(format!("{name} is missing")))
}

fn value<T>(parser: &mut Parser, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, UsageError> {
    let text = parser.value()?.string()?;
    read(&text).map_err(|why| UsageError(format!("--{name}: {why}")))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_not_literal| {
        format!("`{text}` is no ADDR:PORT; the agent resolves no names: use 192.0.2.1:6881 or [2001:db8::1]:6881")
    })
}

fn zone(text: &str) -> Result<Zone, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn rate(text: &str) -> Result<ByteRate, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err(format!("`{text}` is no time: use a number with ms, s, m or h, such as 30s")),
    };
    let number = number.parse().map_err(|_not_a_number| format!("`{text}` is no time: use such as 30s"))?;
    unit.checked_mul(number).ok_or_else(|| format!("`{text}` is too long"))
}

const VERSION: &str = concat!("rookery-agent ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
rookery-agent: tracker, seeder and peer of a BitTorrent swarm, one host at a time

rookery-agent serve RUN/HOST --work-dir DIR [--look SHA256]
    Be the agent of a run. Started by `rookery`.
    --look SHA256         look at this host first, if this is its program, and hear the console at stdin

rookery-agent attach RUN/HOST --work-dir DIR
    Carry stdin and stdout to the agent of a run. Started by `rookery`.

rookery-agent probe
    Answer a line for each on stdin: `listen ADDR FIRST LAST`, `reach ADDR:PORT`. Started by `rookery check`.

rookery-agent sum
    Print the SHA-256 of this program. Started by `rookery`, to see that it is whole.

rookery-agent clean NAME/HOST --work-dir DIR [--to DIR]... [--force]
    End and remove what earlier runs left of HOST, and say what is gone and what is left.
    --to DIR              a folder of releases: everything of ours beside them goes
    --force               end runs that are under way, too

rookery-agent track --listen ADDR:PORT [--info-hash HEX]...
    HTTP tracker (/announce, /scrape). Serves any torrent unless info-hashes are given.

rookery-agent seed --torrent FILE --data PATH --listen ADDR:PORT [OPTIONS]
    Hash PATH and give it to whoever asks, until SIGTERM.

rookery-agent peer --torrent FILE --data PATH --listen ADDR:PORT [--seed-for TIME] [OPTIONS]
    Fetch to PATH.part, carry on from what is there, rename to PATH when every piece is verified.
    --seed-for TIME       give it to others for that long afterwards (500ms, 30s, 5m, 1h)

Options of seed and peer:
    --peer ADDR:PORT      a peer to dial, besides those of the tracker; may be repeated
    --zone NAME           where this host is: what one of a zone has, the others get from it
    --max-upload RATE     bytes a second at most (2M, 512KiB); 0 is no cap
    --max-download RATE   the same for what is received

All of track, seed and peer:
    --json                status lines on stdout, one JSON object each
-h, --help   -V, --version

Addresses are literals: the agent resolves no names, so the torrent's tracker must be http://IP:PORT/... as well.
Exit codes: 0 done, 1 failed (the reason is on stderr), 2 usage; of attach, 70 when there is no such agent (any more).
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Command, String> {
        parse(words.split(' ').map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_peer_by_hand_says_all_that_it_needs() {
        let Ok(Command::Peer(join)) =
            parse_words("peer --torrent t --data=d --listen 127.0.0.2:0 --seed-for 30s --max-upload 2M --zone r7")
        else {
            panic!("not a peer");
        };
        assert_eq!((join.seed_for, join.max_upload), (Duration::from_secs(30), ByteRate(2 << 20)));
        assert_eq!(join.zone, "r7".parse().ok());
        assert_eq!(join.listen.to_string(), "127.0.0.2:0");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, part) in [
            ("fly", "no command `fly`"),
            ("peer --data d --listen 127.0.0.1:1", "--torrent FILE is missing"),
            ("seed --torrent t --data d --listen localhost:1", "resolves no names"),
            ("track --listen 127.0.0.1:1 --seed-for 3s", "`track` has no option --seed-for"),
            ("peer --seed-for 30", "is no time"),
            ("track --info-hash abc", "40 hex digits"),
            ("peer --zone=", "names no zone"),
            ("serve r1/web1 extra", "extra"),
            ("attach r1 --work-dir /w", "`r1` is no RUN/HOST"),
            ("attach r1/web1", "--work-dir DIR is missing"),
            ("attach r1/web1 --work-dir /w --detached", "`attach` has no option --detached"),
        ] {
            let error = parse_words(words).unwrap_err();
            assert!(error.contains(part), "{words}: {error}");
        }
    }
}
