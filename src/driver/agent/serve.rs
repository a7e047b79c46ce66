//! `rookery-agent serve`: obeys the console until it says stop, or was not heard for too long.
//!
//! This is the agent's life: `obey.rs` is what it does when told, `work.rs` what comes of it.

use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::Mode;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::args::{Serve, Step};
use super::attach::{carried, carry_here};
use super::complain;
use super::console::{Console, Ears, Heard};
use super::daemon::{self, Footing};
use super::delivery::{Packed, Site};
use super::folder::RunFolder;
use super::home::Home;
use super::jobs::Jobs;
use super::log::Log;
use super::progress::{LOOK_EVERY, Told};
use super::seat::{Met, Seat};
use super::signals::Signals;
use super::term::{Headway, Term};
use crate::base::{InfoHash, Instant};
use crate::control::{AgentFailure, Order, PackOrder, Status};
use crate::driver::Clock;
use crate::driver::member::{Happening, Member};
use crate::driver::tracker::TrackerHandle;

/// How long the swarm may take to be left.
const LEAVE_AFTER: Duration = Duration::from_secs(3);

/// How long a job may take to end once it is told to.
const JOB_ENDS_AFTER: Duration = Duration::from_secs(5);

/// How long the last status may take to be written.
const FAREWELL_AFTER: Duration = Duration::from_secs(2);

/// Between two marks in the folder that a console is there.
const MARK_EVERY: Duration = Duration::from_secs(5);

/// How an agent ends that has a console at its stdin, and is the child of a shell: no other program ends so by chance.
pub(super) const ENDED: u8 = 76;

/// Obeys orders; returns the exit code.
pub(super) async fn serve(args: &Serve) -> u8 {
    match begin(args) {
        // Another agent obeys already.
        Ok(None) => daemon::ELSEWHERE,
        Ok(Some((agent, signals, carrier))) => {
            Box::pin(agent.live(signals)).await;
            carrier.map_or(0, |carrier| {
                carried(&carrier, FAREWELL_AFTER);
                ENDED
            })
        }
        Err(failure) => complain(&failure.to_string(), daemon::NOT_BEGUN),
    }
}

/// What an agent begins as, and what carries its console's words, where one is at its stdin.
type Begun = (Agent, Signals, Option<JoinHandle<()>>);

fn begin(args: &Serve) -> Result<Option<Begun>, AgentFailure> {
    let Some(Footing { folder, listener, umask }) = daemon::stand(args)? else { return Ok(None) };
    let failed = |error: std::io::Error| AgentFailure::from_io("listen in", folder.path(), &error);
    let signals = Signals::listen().map_err(failed)?;
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    let clock = Clock::start();
    let mut console = Console::new(clock, listener, fastrand::u64(1..));
    let mut carrier = None;
    if matches!(args.step, Step::Here(_)) {
        let (stream, begun) = carry_here().map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        console.meet(UnixStream::from_std(stream).map_err(failed)?);
        carrier = Some(begun);
    }
    Ok(Some((Agent::new(clock, console, folder, umask), signals, carrier)))
}

/// What the agent does after an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It goes on.
    Continue,
    /// It ends.
    End,
}

pub(super) struct Agent {
    pub(super) clock: Clock,
    pub(super) log: Log,
    pub(super) console: Console,
    pub(super) jobs: Jobs,
    /// Held until the end.
    folder: Option<RunFolder>,
    /// When it was last marked that a console is there.
    marked: Option<Instant>,
    pub(super) umask: Mode,
    pub(super) home: Option<Home>,
    pub(super) tracker: Option<TrackerHandle>,
    /// The swarm it tracks.
    pub(super) tracking: Option<InfoHash>,
    pub(super) seat: Option<Seat>,
    pub(super) member: Option<Member>,
    pub(super) met: Met,
    pub(super) told: Told,
    pub(super) watched: bool,
    /// What is, or was, packed.
    pub(super) packing: Option<PackOrder>,
    pub(super) packed: Option<Packed>,
    /// Why it failed, until it is told to do something else.
    pub(super) failure: Option<AgentFailure>,
    pub(super) term: Term,
    /// What has come and gone of the payload.
    pub(super) headway: Headway,
}

impl Agent {
    fn new(clock: Clock, console: Console, folder: RunFolder, umask: Mode) -> Self {
        Self {
            clock,
            log: Log::new(clock),
            console,
            jobs: Jobs::new(),
            folder: Some(folder),
            marked: None,
            umask,
            home: None,
            tracker: None,
            tracking: None,
            seat: None,
            member: None,
            met: Met::default(),
            told: Told::default(),
            watched: false,
            packing: None,
            packed: None,
            failure: None,
            term: Term::unmet(),
            headway: Headway::default(),
        }
    }

    /// Obeys to the end.
    async fn live(mut self, mut signals: Signals) {
        let signalled = tokio::select! {
            () = self.run() => false,
            () = signals.next() => true,
        };
        if signalled {
            self.leave_run("told to stop by a signal; what is fetched is kept").await;
        }
        self.tell_log();
        if let Some(folder) = self.folder.take() {
            folder.close();
        }
        self.console.finish(FAREWELL_AFTER).await;
    }

    async fn run(&mut self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ears = if self.seat.as_ref().is_none_or(Seat::takes_data) { Ears::Open } else { Ears::Shut };
            let then = tokio::select! {
                heard = self.console.next(ears) => self.hear(heard).await,
                happening = happening(&mut self.member) => {
                    self.happened(happening);
                    Then::Continue
                }
                report = self.jobs.next() => {
                    self.reported(report);
                    Then::Continue
                }
                _ = look.tick() => self.look_around().await,
            };
            self.tell_log();
            if then == Then::End {
                return;
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Then {
        match heard {
            Heard::Back => self.log.line("the console is back"),
            Heard::Stranger => self.tell_how_things_stand(),
            Heard::Gone(why) => self.log.line(&format!("{why}; going on without")),
            Heard::Order(Order::Stop { discard_partial }) => {
                self.stop(discard_partial).await;
                return Then::End;
            }
            Heard::Order(Order::Leave) => {
                self.leave_run("told to leave; what is fetched is kept").await;
                return Then::End;
            }
            Heard::Order(order) => {
                if let Err(failure) = self.obey(order).await {
                    self.refuse(failure);
                }
            }
        }
        Then::Continue
    }

    /// Looks at everything that time changes.
    async fn look_around(&mut self) -> Then {
        let now = self.clock.now();
        self.mark(now);
        self.console.confirm();
        self.look();
        self.headway.advance(now, self.member.as_ref().map(Member::moved).unwrap_or_default());
        if self.is_busy() {
            self.headway.at = now;
        }
        let Some(why) = self.term.over(now, self.console.heard(), self.headway.at) else { return Then::Continue };
        // An agent that was told nothing yet may have found what an earlier one kept.
        let keeps = || self.folder.as_ref().is_some_and(|folder| !folder.remembered().is_empty());
        let done = self.seat.as_ref().map_or_else(|| !keeps(), Seat::is_delivered);
        if done && self.packed.is_none() {
            self.log.line(&format!("{why}; removing everything of this run"));
            self.stop(true).await;
        } else {
            self.leave_run(&format!("{why}; leaving, what is fetched is kept")).await;
        }
        Then::End
    }

    /// Whether work is under way that no byte of the swarm tells of: packing, hashing what is there, a delivery.
    fn is_busy(&self) -> bool {
        let packs = self.packing.is_some() && self.packed.is_none();
        packs
            || self
                .seat
                .as_ref()
                .is_some_and(|seat| seat.is_delivering() || self.member.is_none() && !seat.is_delivered())
    }

    /// Marks in the folder when the console was heard, for who finds the agent from outside. The mark of one that is not
    /// attached any more stays: it may only have lost its way here.
    fn mark(&mut self, now: Instant) {
        let due = self.marked.is_none_or(|at| self.console.heard() > at && now.since(at) >= MARK_EVERY);
        if due && self.console.is_attached() {
            if let Some(folder) = &self.folder {
                folder.console_is_there();
            }
            self.marked = Some(now);
        }
    }

    /// Tells the console what was logged.
    fn tell_log(&mut self) {
        while let Some(text) = self.log.next_untold() {
            self.console.tell(&Status::Line { text });
        }
    }

    /// Notes in the folder that this run keeps the payload of `seat`.
    pub(super) fn remember(&self, seat: &Seat) -> Result<(), AgentFailure> {
        match (&self.folder, &self.home) {
            (Some(folder), Some(home)) => folder.remember(seat.info.info_hash(), home.destination()),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Where things are on this host.
    pub(super) fn site(&self) -> Result<Site, AgentFailure> {
        let home = self.home.as_ref();
        let home = home.ok_or_else(|| AgentFailure::Protocol { why: "it did not say hello first".to_owned() })?;
        Ok(home.site(self.packed.as_ref().map(|packed| packed.path.clone())))
    }

    /// Ends all that is under way; says what does not end. What is fetched is kept.
    async fn halt(&mut self) -> Vec<String> {
        Term::close();
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
        left_behind
    }

    async fn leave_run(&mut self, why: &str) {
        self.log.line(why);
        self.halt().await;
        if self.home.is_none() {
            self.folder.take().and_then(RunFolder::remove);
        }
    }

    async fn stop(&mut self, discard_partial: bool) {
        self.log.line("stopping");
        // What has come and gone since the last look belongs to the run's sums.
        if let Some(member) = &mut self.member {
            self.console.tell(&Status::Progress(member.progress()));
        }
        let mut left_behind = self.halt().await;
        self.tell_log();
        let (home, folder) = (self.home.take(), self.folder.take());
        let cleaned = tokio::task::spawn_blocking(move || match (home, folder) {
            (Some(home), Some(folder)) => home.leave(folder, discard_partial),
            (_, folder) => folder.and_then(RunFolder::remove).into_iter().collect(),
        });
        left_behind.extend(cleaned.await.unwrap_or_default());
        self.console.tell(&Status::Stopped { left_behind });
    }
}

async fn happening(member: &mut Option<Member>) -> Happening {
    match member {
        Some(member) => member.next().await,
        None => std::future::pending().await,
    }
}
