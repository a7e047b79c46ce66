//! `rookery-agent serve`: obeys the console until it says stop, or is gone.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::console::{Console, Heard};
use super::delivery::{self, Prepared, Site, expand_home};
use super::folder::RunFolder;
use super::health;
use super::jobs::{Jobs, Report};
use super::log::Log;
use super::progress::{LOOK_EVERY, Told};
use super::seat::{Met, Seat};
use super::signals::Signals;
use crate::control::{AgentFailure, Order, PROTOCOL, PackOrder, PortRange, RunId, ServeOrder, Status};
use crate::driver::Clock;
use crate::driver::member::{Happening, Member};
use crate::driver::peers::{listen_failure, own_or_any};
use crate::driver::tracker::{TrackerHandle, TrackerServer};
use crate::release::Claim;
use crate::swarm::Input;
use crate::tracker::TrackerConfig;

/// How long the swarm may take to be left.
const LEAVE_AFTER: Duration = Duration::from_secs(3);

/// How long a job may take to end once it is told to.
const JOB_ENDS_AFTER: Duration = Duration::from_secs(5);

/// How long the last status may take to be written.
const FAREWELL_AFTER: Duration = Duration::from_secs(2);

/// Obeys orders; returns the exit code: 0 after [`Order::Stop`] only.
pub(super) async fn serve() -> u8 {
    let clock = Clock::start();
    let mut log = Log::new(clock);
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            log.line(&format!("cannot listen for signals: {error}"));
            return 1;
        }
    };
    let mut agent = Agent::new(clock, log);
    let code = tokio::select! {
        code = agent.run() => code,
        () = signals.next() => {
            agent.log.line("told to stop by a signal; what is fetched is kept");
            agent.jobs.cancel();
            143
        }
    };
    agent.console.finish(FAREWELL_AFTER);
    code
}

/// What the agent does after an order.
enum Then {
    /// It goes on.
    Continue,
    /// It ends with this code.
    End(u8),
}

struct Agent {
    clock: Clock,
    log: Log,
    console: Console,
    jobs: Jobs,
    home: Option<Home>,
    tracker: Option<TrackerHandle>,
    seat: Option<Seat>,
    member: Option<Member>,
    met: Met,
    told: Told,
    watched: bool,
    packed: Option<PathBuf>,
}

/// Known after the first order.
struct Home {
    folder: RunFolder,
    run: RunId,
    destination: PathBuf,
    claim: Arc<OnceLock<Claim>>,
}

impl Home {
    fn site(&self, packed: Option<PathBuf>) -> Site {
        let (destination, run) = (self.destination.clone(), self.run.clone());
        Site { claim: Arc::clone(&self.claim), destination, run, packed }
    }

    /// Removes what this run left here, and with the partial payload what killed runs left of the same; says what is
    /// still there.
    fn leave(self, discard_partial: bool) -> Vec<String> {
        let mut ended = Vec::new();
        let mut partial = Vec::new();
        if discard_partial {
            partial = self.folder.remembered();
            ended = self.folder.abandoned();
        }
        ended.push((self.run.clone(), self.folder));
        let mut left_behind = Vec::new();
        for (run, folder) in ended {
            let claim = if run == self.run { Arc::clone(&self.claim) } else { Arc::default() };
            let site = Site { claim, run, destination: self.destination.clone(), packed: None };
            left_behind.extend(delivery::clean(&site, &partial));
            left_behind.extend(folder.remove());
        }
        left_behind.sort();
        left_behind.dedup();
        left_behind
    }
}

impl Agent {
    fn new(clock: Clock, log: Log) -> Self {
        Self {
            clock,
            log,
            console: Console::open(),
            jobs: Jobs::new(),
            home: None,
            tracker: None,
            seat: None,
            member: None,
            met: Met::default(),
            told: Told::default(),
            watched: false,
            packed: None,
        }
    }

    async fn run(&mut self) -> u8 {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let open = self.seat.as_ref().is_none_or(Seat::takes_data);
            tokio::select! {
                heard = self.console.next(), if open => match self.hear(heard).await {
                    Then::Continue => {}
                    Then::End(code) => return code,
                },
                happening = happening(&mut self.member) => self.happened(happening),
                report = self.jobs.next() => self.reported(report),
                _ = look.tick() => self.look(),
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Then {
        match heard {
            Heard::Order(Order::Stop { discard_partial }) => Then::End(self.stop(discard_partial).await),
            Heard::Order(order) => match self.obey(order).await {
                Ok(then) => then,
                Err(failure) => {
                    self.refuse(failure);
                    Then::Continue
                }
            },
            Heard::Gone(why) => {
                self.log.line(&format!("{why}; leaving, what is fetched is kept"));
                self.jobs.cancel();
                self.member = None;
                Then::End(1)
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<Then, AgentFailure> {
        match order {
            Order::Hello { protocol, run, host, work_dir, destination } => {
                return self.hello(protocol, run, &host, &work_dir, &destination).await;
            }
            Order::Track { bind, port, info_hash, allow } => {
                if let Some(tracker) = self.tracker.take() {
                    tracker.stop().await;
                }
                let server = self.bind_tracker(own_or_any(bind), port).await?;
                let allow = allow.into_iter().chain(self.met.addresses());
                let tracker = server.start(TrackerConfig::of_run(info_hash, allow), fastrand::u64(..));
                self.log.line(&format!("tracking {info_hash} at {}", tracker.address()));
                self.console.tell(Status::Tracking { port: tracker.address().port() });
                self.tracker = Some(tracker);
            }
            Order::Pack(order) => self.pack(order)?,
            Order::Serve(order) => self.serve(*order)?,
            Order::Data { offset, bulk } => {
                // Without both it was sent before a failure was heard of.
                let (Some(seat), Some(member)) = (&mut self.seat, &mut self.member) else { return Ok(Then::Continue) };
                if let Err(failure) = seat.take_data(member, offset, &bulk) {
                    self.fail(failure);
                }
            }
            Order::Peers { listening, allow } => {
                if let Some(tracker) = &self.tracker {
                    tracker
                        .allow(listening.iter().map(std::net::SocketAddr::ip).chain(allow.iter().copied()).collect());
                }
                if let Some(member) = &mut self.member {
                    member.handle(Input::Allowed(allow.clone()));
                    member.handle(Input::Discovered(listening.clone()));
                }
                self.met.add(listening, allow);
            }
            Order::Place => self.place()?,
            Order::Check(order) => {
                let site = self.site()?;
                self.jobs.start(move |context| Ok(health::check(context, &site, &order)));
            }
            Order::Limits { max_upload, max_download } => {
                if let Some(seat) = &mut self.seat {
                    (seat.order.max_upload, seat.order.max_download) = (max_upload, max_download);
                }
                if let Some(member) = &mut self.member {
                    member.handle(Input::Limits { upload: max_upload, download: max_download });
                }
            }
            Order::Watch { on } => self.watched = on,
            Order::Stop { discard_partial } => return Ok(Then::End(self.stop(discard_partial).await)),
        }
        Ok(Then::Continue)
    }

    async fn hello(
        &mut self,
        protocol: u32,
        run: RunId,
        host: &str,
        work_dir: &str,
        destination: &str,
    ) -> Result<Then, AgentFailure> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.console.tell(Status::Hello { protocol: PROTOCOL, version, pid: std::process::id() });
        if protocol != PROTOCOL {
            let why = format!("it speaks version {protocol}, this agent {PROTOCOL}");
            self.refuse(AgentFailure::Protocol { why });
            return Ok(Then::End(1));
        }
        if self.home.is_some() {
            return Err(AgentFailure::Protocol { why: "it said hello twice".to_owned() });
        }
        let folder = match RunFolder::take(&expand_home(work_dir), &run, host).await {
            Ok(folder) => folder,
            Err(failure) => {
                self.refuse(failure);
                return Ok(Then::End(1));
            }
        };
        self.log.also_to(&folder.log());
        self.log.line(&format!("agent {} for {run} at {host}", std::process::id()));
        self.home = Some(Home { folder, run, destination: expand_home(destination), claim: Arc::default() });
        Ok(Then::Continue)
    }

    fn pack(&mut self, order: PackOrder) -> Result<(), AgentFailure> {
        let site = self.site()?;
        self.log.line(&format!("packing {}", order.source));
        self.jobs.start(move |context| delivery::make(context, &site, &order));
        Ok(())
    }

    /// The tracker's port, or any free one when another program has it: this machine tells hosts which it is.
    async fn bind_tracker(&self, bind: IpAddr, port: u16) -> Result<TrackerServer, AgentFailure> {
        let ports = PortRange { first: port, last: port };
        match TrackerServer::bind((bind, port).into()).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port != 0 => {
                let text = format!("port {port} is taken by another program: the tracker listens on a free one");
                self.console.tell(Status::Note { text });
                TrackerServer::bind((bind, 0).into()).await
            }
            bound => bound,
        }
        .map_err(|error| listen_failure(bind, ports, &error))
    }

    fn serve(&mut self, order: ServeOrder) -> Result<(), AgentFailure> {
        let site = self.site()?;
        self.leave();
        let seat = Seat::new(order)?;
        self.log.line(&format!("serving {} as {:?}", seat.info.info_hash(), seat.order.role));
        if let Some(home) = &self.home {
            home.folder.remember(seat.info.info_hash(), &home.destination)?;
        }
        let (order, info) = (seat.order.clone(), seat.info.clone());
        self.seat = Some(seat);
        self.told.alive(self.clock.now());
        self.jobs.start(move |context| delivery::prepare(context, &site, &order, &info));
        Ok(())
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Packing(bytes) => {
                if self.told.packing_is_due(self.clock.now()) {
                    self.console.tell(Status::Packing { bytes });
                }
            }
            Report::Packed(packed) => {
                self.log.line(&format!("packed {}", packed.torrent.info_hash()));
                self.packed = Some(packed.path);
                self.console.tell(Status::Packed { payload: packed.facts, torrent: packed.torrent.encode().into() });
            }
            Report::Prepared(prepared) => {
                if let Err(failure) = self.join(prepared) {
                    self.fail(failure);
                }
            }
            Report::Unpacking => self.console.tell(Status::Unpacking),
            Report::Staged(path) => {
                self.log.line("staged");
                if let Some(seat) = &mut self.seat {
                    seat.staged = Some(path);
                }
                self.console.tell(Status::Staged);
            }
            Report::Checked(number, why) => {
                self.log.line(&format!("health check {number}: {}", why.as_deref().unwrap_or("well")));
                self.console.tell(Status::Checked { number, why });
            }
            Report::Delivered => {
                self.log.line("delivered");
                if let Some(seat) = &mut self.seat {
                    seat.delivered = true;
                }
                self.console.tell(Status::Delivered { already: false });
            }
            Report::Failed(failure) => self.fail(failure),
        }
    }

    fn join(&mut self, prepared: Prepared) -> Result<(), AgentFailure> {
        let Some(seat) = &mut self.seat else { return Ok(()) };
        let (storage, have, already) = match prepared {
            Prepared::Nothing => {
                seat.delivered = true;
                self.console.tell(Status::Delivered { already: true });
                return Ok(());
            }
            Prepared::Ready { storage, have, already } => (storage, have, already),
        };
        let complete = have.is_full();
        let bitfield = have.as_bytes().to_vec().into();
        let member = Member::join(self.clock, seat.part(&self.met, storage, have))?;
        self.log.line(&format!("listening on port {}, {} pieces there", member.port(), member.have().count()));
        self.console.tell(Status::Serving { port: member.port(), bitfield });
        if already {
            seat.delivered = true;
            self.console.tell(Status::Delivered { already: true });
        }
        self.member = Some(member);
        if complete {
            self.deliver()?;
        }
        Ok(())
    }

    fn happened(&mut self, happening: Happening) {
        let outcome = match happening {
            Happening::Stored(length) => {
                if let Some(seat) = &mut self.seat {
                    seat.stored(length);
                }
                Ok(())
            }
            Happening::Complete => {
                self.look();
                self.deliver()
            }
            Happening::Note(text) => {
                self.log.line(&text);
                if self.console.has_room() {
                    self.console.tell(Status::Note { text });
                }
                Ok(())
            }
            Happening::Failed(failure) => Err(failure),
        };
        if let Err(failure) = outcome {
            self.fail(failure);
        }
    }

    fn deliver(&mut self) -> Result<(), AgentFailure> {
        let site = self.site()?;
        if let Some((parcel, storage)) = self.seat.as_ref().and_then(Seat::delivery) {
            self.console.tell(Status::Verifying);
            self.jobs.start(move |context| delivery::deliver(context, &site, &parcel, &storage));
        }
        Ok(())
    }

    /// The release that lies aside gets its place.
    fn place(&mut self) -> Result<(), AgentFailure> {
        let site = self.site()?;
        let staged = self.seat.as_mut().and_then(|seat| Some((seat.order.tag.clone(), seat.staged.take()?)));
        let (tag, staged) =
            staged.ok_or_else(|| AgentFailure::Protocol { why: "there is nothing to put in its place".to_owned() })?;
        self.jobs.start(move |_| delivery::place(&site, &tag, &staged));
        Ok(())
    }

    /// Tells how far we are, if that is due.
    fn look(&mut self) {
        let now = self.clock.now();
        if !self.console.has_room() {
            return;
        }
        let Some(member) = &mut self.member else {
            if self.seat.as_ref().is_some_and(|seat| !seat.delivered) && self.told.is_quiet(now) {
                self.told.alive(now);
                self.console.tell(Status::Note { text: "looking at what is already there".to_owned() });
            }
            return;
        };
        let progress = member.progress();
        if self.told.is_due(now, &progress) {
            self.told.told(now, &progress);
            self.console.tell(Status::Progress(progress));
        }
        if self.watched && self.told.peers_are_due(now) {
            self.console.tell(Status::Peers { peers: member.peers() });
        }
    }

    /// The release cannot be delivered, or the swarm not be kept up.
    fn fail(&mut self, failure: AgentFailure) {
        self.jobs.cancel();
        self.leave();
        self.refuse(failure);
    }

    /// An order cannot be obeyed; all else goes on.
    fn refuse(&mut self, failure: AgentFailure) {
        self.log.line(&format!("failed: {failure}"));
        self.console.tell(Status::Failed { failure });
    }

    /// Leaves the swarm in the background; the next job begins when that is done.
    fn leave(&mut self) {
        self.seat = None;
        if let Some(member) = self.member.take() {
            self.jobs.then(member.leave());
        }
    }

    async fn stop(&mut self, discard_partial: bool) -> u8 {
        self.log.line("told to stop");
        let mut left_behind = Vec::new();
        if let Some(member) = self.member.take()
            && timeout(LEAVE_AFTER, member.leave()).await.is_err()
        {
            left_behind.push("the payload is still being written".to_owned());
        }
        if let Some(tracker) = self.tracker.take() {
            tracker.stop().await;
        }
        if !self.jobs.end(JOB_ENDS_AFTER).await {
            left_behind.push(format!("process {} is still busy with the payload", std::process::id()));
        }
        // It keeps the payload open.
        self.seat = None;
        if let Some(home) = self.home.take() {
            let cleaned = tokio::task::spawn_blocking(move || home.leave(discard_partial)).await;
            left_behind.extend(cleaned.unwrap_or_default());
        }
        self.console.tell(Status::Stopped { left_behind });
        0
    }

    fn site(&self) -> Result<Site, AgentFailure> {
        let home = self.home.as_ref();
        let home = home.ok_or_else(|| AgentFailure::Protocol { why: "it did not say hello first".to_owned() })?;
        Ok(home.site(self.packed.clone()))
    }
}

async fn happening(member: &mut Option<Member>) -> Happening {
    match member {
        Some(member) => member.next().await,
        None => std::future::pending().await,
    }
}
