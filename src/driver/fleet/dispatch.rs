//! All attempts under way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::attempt::{Attempt, Cues};
use super::look::look;
use super::writer::Command;
use super::{Limits, PushSource, Target};
use crate::control::RunId;
use crate::driver::bootstrap::{AgentImage, Agents};
use crate::driver::ssh::Dialer;
use crate::inventory::Place;
use crate::rollout::{Failure, Input, Output, Post};

/// What a fleet is made of.
#[derive(Debug)]
pub struct Setup {
    /// One a host, by `HostId`.
    pub targets: Vec<Target>,
    /// Makes the connections.
    pub dialer: Dialer,
    /// The agent for this machine.
    pub image: Arc<AgentImage>,
    /// The folder for an agent on this machine.
    pub work_dir: String,
    /// What [`Output::Push`] sends, when the payload is on this machine.
    pub payload: Option<PushSource>,
    /// How long things may take.
    pub limits: Limits,
    /// The run the agents work for.
    pub run: RunId,
}

/// Why an attempt has to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// It was told to.
    Disconnect,
    /// The console goes, and the agent stays.
    Detach,
    /// More orders wait than are kept.
    Overrun,
}

/// A place in an order: the console first.
type Key = (u64, u32);

#[derive(Debug)]
struct Line {
    commands: mpsc::Sender<Command>,
    end: Option<oneshot::Sender<End>>,
    rejoin: mpsc::Sender<()>,
    _alive: mpsc::Sender<()>,
}

/// What all attempts share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) targets: Vec<Arc<Target>>,
    pub(super) dialer: Dialer,
    pub(super) agents: Agents,
    pub(super) work_dir: String,
    pub(super) payload: Option<PushSource>,
    pub(super) limits: Limits,
    pub(super) run: RunId,
    inputs: mpsc::Sender<Input>,
    lines: Mutex<BTreeMap<Key, Line>>,
    /// Where an agent was attached to.
    begun: Mutex<BTreeSet<Place>>,
}

impl Shared {
    /// Tells the rollout, and waits until there is room.
    pub(super) async fn tell(&self, input: Input) {
        // Nobody listens any more: the run is over.
        self.inputs.send(input).await.ok();
    }

    /// Tells the rollout if there is room: for what comes again.
    pub(super) fn mention(&self, input: Input) {
        self.inputs.try_send(input).ok();
    }

    /// Notes that an agent is attached to at a place.
    pub(super) fn begin(&self, at: Place) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(at);
    }

    /// Whether one ever was.
    pub(super) fn has_begun(&self, at: Place) -> bool {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).contains(&at)
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Key, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out outputs of a rollout.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    runtime: Handle,
    alive: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
    looks: Mutex<JoinSet<()>>,
}

impl Fleet {
    /// A fleet that runs on `runtime`, and the inputs for the rollout. The soft limit of open files is raised to the hard
    /// one.
    pub fn new(setup: Setup, runtime: Handle) -> (Self, mpsc::Receiver<Input>) {
        raise_file_limit();
        let (inputs, heard) = mpsc::channel(setup.limits.inputs_max);
        let (alive, gone) = mpsc::channel(1);
        let shared = Shared {
            targets: setup.targets.into_iter().map(Arc::new).collect(),
            dialer: setup.dialer,
            agents: Agents::new(setup.image, BTreeMap::new()),
            work_dir: setup.work_dir,
            payload: setup.payload,
            limits: setup.limits,
            run: setup.run,
            inputs,
            lines: Mutex::default(),
            begun: Mutex::default(),
        };
        (Self { shared: Arc::new(shared), runtime, alive, gone, looks: Mutex::default() }, heard)
    }

    /// Begins to do what the rollout says; never waits. [`Output::Notice`] and [`Output::Ended`] are not for here.
    pub fn execute(&self, output: Output) {
        match output {
            Output::Connect { at, attempt } => self.connect(at, attempt),
            Output::Look { at, posts } => self.look(at, posts),
            Output::Order { at, attempt, order } => self.command(at, attempt, Command::Order(order)),
            Output::Push { at, attempt, have } => self.command(at, attempt, Command::Push(have)),
            Output::Rejoin { at, attempt } => self.rejoin(at, attempt),
            Output::Disconnect { at, attempt } => self.end(at, attempt, End::Disconnect),
            Output::Notice(_) | Output::Ended(_) => {}
        }
    }

    /// How many attempts are under way.
    pub fn active(&self) -> usize {
        self.shared.lines().len()
    }

    /// Ends every attempt that is still under way, and waits for them, but no longer than `after`; for those who are not on
    /// the runtime.
    pub fn end_all(self, after: Duration) {
        let runtime = self.runtime.clone();
        runtime.block_on(self.finish(after));
    }

    /// Hangs up everywhere, and leaves the agents at work; for those who are not on the runtime.
    pub fn leave_all(self, after: Duration) {
        let runtime = self.runtime.clone();
        runtime.block_on(self.part(End::Detach, after));
    }

    /// Ends every attempt that is still under way; for those who are on the runtime.
    pub async fn finish(self, after: Duration) {
        self.part(End::Disconnect, after).await;
    }

    async fn part(mut self, why: End, after: Duration) {
        // What a look has made on a host goes with it.
        self.looks.get_mut().unwrap_or_else(PoisonError::into_inner).abort_all();
        for line in self.shared.lines().values_mut() {
            line.end.take().map(|end| end.send(why));
        }
        drop(self.alive);
        timeout(after, self.gone.recv()).await.ok();
    }

    fn connect(&self, at: Place, attempt: u32) {
        let (commands, orders) = mpsc::channel(self.shared.limits.orders_max);
        let (end, ended) = oneshot::channel();
        let (rejoin, cue) = mpsc::channel(1);
        let cues = Cues { end: ended, rejoin: cue };
        let line = Line { commands, end: Some(end), rejoin, _alive: self.alive.clone() };
        let key = key(at, attempt);
        match self.shared.lines().entry(key) {
            Entry::Occupied(_) => return,
            Entry::Vacant(place) => place.insert(line),
        };
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            let attempt_task = Attempt::new(at, attempt, shared.clone()).run(orders, cues);
            // A broken invariant in one attempt must end that attempt, not the run.
            let (failure, left_behind) = tokio::spawn(attempt_task).await.unwrap_or_else(|error| {
                (Some(Failure::Ssh { why: format!("this is a fault of Rookery: {error}") }), Vec::new())
            });
            shared.tell(Input::Ended { at, attempt, failure, left_behind }).await;
            shared.lines().remove(&key);
        });
    }

    fn look(&self, at: Place, posts: Vec<Post>) {
        let Place::Host(id) = at else { return };
        let Some(target) = self.shared.targets.get(id.as_usize()).cloned() else { return };
        let shared = self.shared.clone();
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        while looks.try_join_next().is_some() {}
        looks.spawn_on(
            async move {
                let faults = look(&shared, &target, &posts).await;
                shared.tell(Input::Looked { at, faults }).await;
            },
            &self.runtime,
        );
    }

    fn command(&self, at: Place, attempt: u32, command: Command) {
        let sent = match self.shared.lines().get(&key(at, attempt)) {
            Some(line) => line.commands.try_send(command),
            None => return,
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = sent {
            self.end(at, attempt, End::Overrun);
        }
    }

    fn rejoin(&self, at: Place, attempt: u32) {
        if let Some(line) = self.shared.lines().get(&key(at, attempt)) {
            // One that waits already is as good.
            line.rejoin.try_send(()).ok();
        }
    }

    fn end(&self, at: Place, attempt: u32, why: End) {
        let end = self.shared.lines().get_mut(&key(at, attempt)).and_then(|line| line.end.take());
        // An attempt that has ended by itself has said so.
        end.map(|end| end.send(why));
    }
}

fn key(at: Place, attempt: u32) -> Key {
    match at {
        Place::Console => (0, attempt),
        Place::Host(id) => (u64::from(id.0) + 1, attempt),
    }
}

/// Raises the soft limit of open files to the hard one.
pub(in crate::driver) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A system that does not let us has its reasons; a fleet that needs more will say which connection failed.
    setrlimit(Resource::Nofile, limit).ok();
}
