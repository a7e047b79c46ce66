//! A console with a scripted fleet behind it: real inputs into a real rollout, and a picture of what is drawn.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Style;
use rookery::base::{Bitfield, ByteCount, ByteRate, Instant, Layout, Sha1Digest, Sha256Digest};
use rookery::console::{ColorDepth, Effect, Glyphs, Key, Model, Msg, Theme, update, view};
use rookery::control::{
    Holder, Order, Owner, PROTOCOL, PayloadFacts, PayloadFormat, PeerSummary, Placing, PortRange, Progress, Status,
    TrackerHealth,
};
use rookery::inventory::{HostId, Place};
use rookery::metainfo::{Info, Metainfo};
use rookery::rollout::{
    Caps, Choice, DEADLINE, Failure, HostFacts, Input, LEASE, Output, Payload, Plan, PlannedHost, Policy, Source,
    StateName,
};

use super::script::Script;

pub(crate) const PIECES: u32 = 400;
const PIECE: u32 = 1 << 20;

/// What becomes of a host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    Done,
    /// It has this many pieces, and goes on.
    Fetching(u32),
    /// It has this many pieces, and gets no more.
    Stalled(u32),
    Verifying,
    Unpacking,
    Fails(Failure),
    /// Its agent never answers.
    Bootstrapping,
    /// Its sshd never answers.
    Connecting,
    /// Its turn never comes.
    Waiting,
}

/// A console and the fleet it looks at.
pub(crate) struct Screen {
    pub(crate) model: Model,
    pub(crate) now: Instant,
    pub(crate) effects: Vec<Effect>,
    fates: BTreeMap<Place, Fate>,
    columns: u16,
    rows: u16,
    theme: Theme,
}

impl Screen {
    /// A fleet of so many hosts, of which nothing is known yet.
    pub(crate) fn of(hosts: u32) -> Script {
        Script::of(hosts)
    }

    /// A console and what becomes of its hosts, in their order.
    pub(crate) fn looking_at(model: Model, fates: Vec<Fate>, (columns, rows): (u16, u16)) -> Self {
        Self {
            model,
            now: Instant::ZERO,
            effects: Vec::new(),
            fates: (0..).map(HostId).map(Place::Host).zip(fates).collect(),
            columns,
            rows,
            theme: Theme::builtin("ansi").unwrap(),
        }
    }

    /// A message, and everything the fleet has to say to what comes of it.
    pub(crate) fn send(&mut self, msg: Msg) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut queue = VecDeque::from([msg]);
        while let Some(msg) = queue.pop_front() {
            self.now = self.now + Duration::from_micros(50);
            for effect in update(&mut self.model, self.now, msg) {
                if let Effect::Rollout(output) = &effect {
                    queue.extend(self.answer(output).into_iter().map(Msg::Fleet));
                }
                all.push(effect);
            }
        }
        self.effects.extend(all.iter().cloned());
        all
    }

    /// Time passes, with every tick that is due.
    pub(crate) fn wait(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(due) = self.model.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.send(Msg::Tick);
        }
        self.now = end;
        self.send(Msg::Tick);
        self
    }

    /// Presses keys, one a word, half a second apart.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split(' ') {
            self.now = self.now + Duration::from_millis(500);
            self.send(Msg::Key(key.parse().unwrap()));
        }
        self
    }

    /// Types a text, character by character, after a look at the screen.
    pub(crate) fn enter(&mut self, text: &str) -> &mut Self {
        self.now = self.now + Duration::from_secs(1);
        for character in text.chars() {
            self.now = self.now + Duration::from_millis(200);
            self.send(Msg::Key(Key::char(character)));
        }
        self
    }

    /// The first host in that state.
    pub(crate) fn of_state(&self, state: StateName) -> u32 {
        self.model.rollout().hosts().iter().find(|host| host.state.name() == state).unwrap().id.0
    }

    pub(crate) fn fate(&mut self, host: u32, fate: Fate) {
        self.fates.insert(Place::Host(HostId(host)), fate);
    }

    pub(crate) fn buffer(&self) -> Buffer {
        draw(&self.model, &self.theme, self.columns, self.rows)
    }

    /// The screen as people see it.
    pub(crate) fn text(&self) -> String {
        characters(&self.buffer())
    }

    /// The screen three times: characters and styles in `ansi`, the styles of `mono`, the characters of `--ascii`.
    pub(crate) fn picture(&self) -> String {
        let ansi = self.buffer();
        let mono = Theme::builtin("mono").unwrap().shown_on(ColorDepth::Mono, Glyphs::Unicode);
        let ascii = Theme::builtin("ansi").unwrap().shown_on(ColorDepth::Ansi16, Glyphs::Ascii);
        let mono = draw(&self.model, &mono, self.columns, self.rows);
        let ascii = characters(&draw(&self.model, &ascii, self.columns, self.rows));
        assert_eq!(characters(&ansi), characters(&mono), "without colour the characters are the same");
        assert!(ascii.is_ascii(), "more than ASCII in --ascii:\n{ascii}");
        format!("{}--- ansi\n{}--- mono\n{}--- ascii\n{ascii}", characters(&ansi), styles(&ansi), styles(&mono))
    }

    pub(crate) fn play(&mut self) {
        self.send(Msg::Fleet(Input::Elapsed));
        for (more, seconds) in [(0, 5), (1, 4), (2, 6), (3, 6), (4, 1)] {
            self.wait(Duration::from_secs(seconds));
            self.progress(more);
        }
    }

    /// What agents at work say now and then.
    pub(crate) fn progress(&mut self, more: u32) {
        let places: Vec<_> = self.fates.iter().map(|(place, fate)| (*place, fate.clone())).collect();
        let mut any = false;
        for (place, fate) in places {
            let Place::Host(id) = place else { continue };
            let attempt = self.model.rollout().host(id).unwrap().attempt.number;
            let said = match fate {
                Fate::Fetching(pieces) => {
                    any = true;
                    progress(pieces + more, ByteRate(u64::from(20 + id.0 % 40) << 20), 14)
                }
                Fate::Verifying | Fate::Unpacking => progress(PIECES, ByteRate(0), 9),
                Fate::Done
                | Fate::Stalled(_)
                | Fate::Fails(_)
                | Fate::Bootstrapping
                | Fate::Connecting
                | Fate::Waiting => continue,
            };
            self.send(Msg::Fleet(Input::Status { at: place, attempt, status: Status::Progress(said) }));
        }
        let rate = ByteRate(if any { 110 << 20 } else { 0 });
        let mut seeder = progress(PIECES, rate, 40);
        seeder.completed = Vec::new();
        seeder.rate_up = rate;
        seeder.bytes_up = ByteCount(u64::from(PIECES) << 20);
        seeder.bytes_down = ByteCount(0);
        seeder.rate_down = ByteRate(0);
        self.send(Msg::Fleet(Input::Status { at: Place::Console, attempt: 1, status: Status::Progress(seeder) }));
    }

    fn answer(&self, output: &Output) -> Vec<Input> {
        match output {
            Output::Connect { at, attempt } => self.connect(*at, *attempt),
            Output::Order { at, attempt, order } => {
                let said = |status| Input::Status { at: *at, attempt: *attempt, status };
                self.obey(*at, order).into_iter().map(said).collect()
            }
            Output::Disconnect { at, attempt } => {
                vec![Input::Ended { at: *at, attempt: *attempt, failure: None, left_behind: Vec::new() }]
            }
            Output::Look { at, .. } => {
                let fault =
                    if let Some(Fate::Fails(failure)) = self.fates.get(at) { Some(failure.clone()) } else { None };
                vec![Input::Looked { at: *at, faults: fault.into_iter().collect() }]
            }
            Output::Push { .. } | Output::Rejoin { .. } | Output::Notice(_) | Output::Ended(_) => Vec::new(),
        }
    }

    fn connect(&self, at: Place, attempt: u32) -> Vec<Input> {
        let fate = self.fates.get(&at);
        let ended = |failure: &Failure| {
            let line = format!("ssh: {failure}");
            vec![
                Input::Transcript { at, attempt, line },
                Input::Ended { at, attempt, failure: Some(failure.clone()), left_behind: Vec::new() },
            ]
        };
        match fate {
            Some(Fate::Connecting) => return Vec::new(),
            Some(Fate::Fails(failure)) if !matches!(failure, Failure::Agent(_)) => return ended(failure),
            _ => {}
        }
        let facts = HostFacts {
            address: address(at),
            console: (at != Place::Console).then(|| address(Place::Console)),
            system: "Linux x86_64".to_owned(),
        };
        let line = format!("agent 0.1.0 listens on {}", address(at));
        vec![
            Input::Connected { at, attempt, facts },
            Input::Attached { at, attempt, work_dir: "/home/deploy/.cache/rookery".to_owned() },
            Input::Transcript { at, attempt, line },
        ]
    }

    fn obey(&self, at: Place, order: &Order) -> Vec<Status> {
        let fate = self.fates.get(&at);
        match order {
            Order::Hello(_) | Order::Stop { .. } if fate == Some(&Fate::Bootstrapping) => Vec::new(),
            Order::Hello(_) => vec![Status::Hello { protocol: PROTOCOL, version: "0.1.0".to_owned(), pid: 7 }],
            Order::Track { .. } => vec![Status::Tracking { port: 8998 }],
            Order::Knock { .. } => vec![Status::Knocked { why: Vec::new(), fault: None }],
            Order::Serve(order) => serve(at, fate, order.placing),
            Order::Stop { .. } => vec![Status::Stopped { left_behind: Vec::new() }],
            Order::Watch { on: true } => vec![Status::Peers { peers: (1..=4).map(peer).collect() }],
            Order::Place => vec![Status::Delivered { already: false }],
            Order::Check(order) => vec![Status::Checked { number: order.number, why: None }],
            Order::Pack(_) | Order::Data { .. } | Order::Peers { .. } | Order::Limits { .. } | Order::Watch { .. } => {
                Vec::new()
            }
            Order::Attach { .. } | Order::Alive | Order::Leave => Vec::new(),
        }
    }
}

fn serve(at: Place, fate: Option<&Fate>, placing: Placing) -> Vec<Status> {
    if let Some(Fate::Fails(Failure::Agent(failure))) = fate {
        return vec![Status::Failed { failure: failure.clone() }];
    }
    let pieces = if at == Place::Console { Bitfield::full(PIECES) } else { Bitfield::empty(PIECES) };
    let mut said = vec![Status::Serving { port: 6881, bitfield: Bytes::copy_from_slice(pieces.as_bytes()) }];
    let full = || Status::Progress(progress(PIECES, ByteRate(0), 9));
    match fate {
        Some(Fate::Done) => {
            let last = match placing {
                Placing::AtOnce => Status::Delivered { already: false },
                Placing::Held => Status::Staged,
            };
            said.extend([full(), Status::Verifying, Status::Unpacking, last]);
        }
        Some(Fate::Verifying) => said.extend([full(), Status::Verifying]),
        Some(Fate::Unpacking) => said.extend([full(), Status::Verifying, Status::Unpacking]),
        Some(Fate::Fetching(pieces)) => said.push(Status::Progress(progress(*pieces, ByteRate(30 << 20), 12))),
        Some(Fate::Stalled(pieces)) => said.push(Status::Progress(progress(*pieces, ByteRate(0), 0))),
        Some(Fate::Fails(_) | Fate::Bootstrapping | Fate::Connecting | Fate::Waiting) | None => {}
    }
    said
}

fn progress(pieces: u32, rate: ByteRate, peers: u16) -> Progress {
    let pieces = pieces.min(PIECES);
    // Not from the front: a swarm fills every part of the payload alike.
    let completed = (0..PIECES).filter(|piece| piece * 7919 % PIECES < pieces).map(|piece| (piece, 1)).collect();
    Progress {
        pieces,
        completed,
        bytes_down: ByteCount(u64::from(pieces) * u64::from(PIECE)),
        bytes_up: ByteCount(u64::from(pieces) * u64::from(PIECE) * 9 / 10),
        rate_down: rate,
        rate_up: ByteRate(rate.0 * 9 / 10),
        peers,
        unchoking: peers / 2,
        corrupt: 0,
        tracker: TrackerHealth::Answering,
        unwritten: ByteCount(0),
    }
}

fn peer(id: u32) -> PeerSummary {
    PeerSummary {
        address: (address(Place::Host(HostId(id))), 6881).into(),
        client: "rookery 0.1.0".to_owned(),
        pieces: PIECES / id,
        rate_down: ByteRate(u64::from(id) << 22),
        rate_up: ByteRate(u64::from(id) << 21),
        unchoking: id.is_multiple_of(2),
        interested: true,
    }
}

fn address(place: Place) -> IpAddr {
    match place {
        Place::Console => IpAddr::from([10, 255, 255, 254]),
        Place::Host(HostId(id)) => IpAddr::from((0x0a00_0001 + id).to_be_bytes()),
    }
}

pub(crate) fn name(id: u32) -> String {
    format!("web-{id:04}.dc1.example.net")
}

/// A failure that takes no agent.
pub(crate) fn lost() -> Failure {
    Failure::Connect { address: "10.0.0.9:22".to_owned(), why: "connection refused (os error 111)".to_owned() }
}

pub(crate) fn plan(hosts: u32) -> Plan {
    let layout = Layout::new(u64::from(PIECES) * u64::from(PIECE), PIECE).unwrap();
    let info = Info::single("web.tar.zst", layout, &[Sha1Digest::new([7; 20]); PIECES as usize]).unwrap();
    let metainfo = Metainfo::new(None, info);
    let facts = PayloadFacts {
        format: PayloadFormat::TarZstd,
        sha256: Sha256Digest::new([0xab; 32]),
        content_sha256: Sha256Digest::new([2; 32]),
        unpacked_bytes: ByteCount(900 << 20),
        unpacked_entries: 1200,
        mode: 0o755,
    };
    let payload = Payload { torrent: Bytes::from(metainfo.encode()), info_hash: metainfo.info_hash(), layout, facts };
    let planned = |id| PlannedHost {
        id: HostId(id),
        name: name(id),
        destination: "/srv/releases".to_owned(),
        swarm_address: None,
        zone: None,
        caps: Caps::default(),
        owner: Owner::default(),
    };
    Plan {
        run: "20260801-120000-ab12".parse().unwrap(),
        tag: Some("web-2026.08.1".parse().unwrap()),
        source_name: "web".to_owned(),
        hosts: (0..hosts).map(planned).collect(),
        helpers: Vec::new(),
        seeder: Place::Console,
        seeder_choice: Choice::Named,
        tracker: Place::Console,
        tracker_choice: Choice::Named,
        tracker_port: 0,
        ports: PortRange { first: 6881, last: 6889 },
        source: Source::Packed(payload),
        holder: Holder::default(),
        lease: LEASE,
        deadline: DEADLINE,
        local_payload: Some("/tmp/web.tar.zst".to_owned()),
        policy: Policy::default(),
    }
}

pub(crate) fn draw(model: &Model, theme: &Theme, columns: u16, rows: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| view(model, theme, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// A letter for each cell's style, and what the letters mean.
fn styles(buffer: &Buffer) -> String {
    let mut legend: Vec<Style> = Vec::new();
    let mut rows = String::new();
    for row in 0..buffer.area.height {
        let mut line = String::new();
        for column in 0..buffer.area.width {
            let style = buffer[(column, row)].style();
            let plain = style.fg == Some(ratatui::style::Color::Reset)
                && style.bg == Some(ratatui::style::Color::Reset)
                && style.add_modifier.is_empty();
            if plain {
                line.push('.');
                continue;
            }
            let at = legend.iter().position(|known| *known == style).unwrap_or_else(|| {
                legend.push(style);
                legend.len() - 1
            });
            line.push(char::from(b'a' + (at % 26) as u8));
        }
        rows.push_str(line.trim_end_matches('.'));
        rows.push('\n');
    }
    for (at, style) in legend.iter().enumerate() {
        let letter = char::from(b'a' + (at % 26) as u8);
        let (fg, bg) = (style.fg.unwrap_or_default(), style.bg.unwrap_or_default());
        let _ = writeln!(rows, "{letter}: {fg} on {bg} {:?}", style.add_modifier);
    }
    rows
}

fn characters(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|column| buffer[(column, row)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
