//! What becomes of the hosts of a fleet that a screen is to show.

use std::time::Duration;

use rookery::console::{Access, Labels, Model, Msg, Setup};
use rookery::inventory::{Host, HostId};
use rookery::journal::Retold;
use rookery::rollout::{Config, Failure, Finish, Input, Plan, Policy, Rollout};

use super::stage::{Fate, PIECES, Screen, name, plan};

/// A fleet that is being made up.
pub(crate) struct Script {
    hosts: u32,
    fates: Vec<Fate>,
    finish: Finish,
    access: Access,
    policy: Option<Policy>,
    first_look: Duration,
    earlier: Retold,
}

impl Script {
    pub(super) fn of(hosts: u32) -> Self {
        let (finish, access, first_look) = (Finish::Ask, Access::Operator, Duration::ZERO);
        Self { hosts, fates: Vec::new(), finish, access, policy: None, first_look, earlier: Retold::default() }
    }

    fn add(mut self, count: u32, fate: &Fate) -> Self {
        self.fates.extend(std::iter::repeat_n(fate.clone(), count as usize));
        self
    }

    pub(crate) fn done(self, count: u32) -> Self {
        self.add(count, &Fate::Done)
    }

    /// Hosts with from few to many pieces.
    pub(crate) fn fetching(mut self, count: u32) -> Self {
        self.fates.extend((0..count).map(|at| Fate::Fetching((at + 1) * (PIECES - 4) / (count + 1))));
        self
    }

    pub(crate) fn stalled(self, count: u32) -> Self {
        self.add(count, &Fate::Stalled(PIECES / 3))
    }

    pub(crate) fn failed(self, count: u32, failure: &Failure) -> Self {
        self.add(count, &Fate::Fails(failure.clone()))
    }

    pub(crate) fn on_the_way(self, count: u32) -> Self {
        self.add(count, &Fate::Verifying)
            .add(count, &Fate::Unpacking)
            .add(count, &Fate::Bootstrapping)
            .add(count, &Fate::Connecting)
    }

    pub(crate) fn watched(mut self) -> Self {
        self.access = Access::Watcher;
        self
    }

    pub(crate) fn under(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(crate) fn asking_at_the_end(mut self) -> Self {
        self.finish = Finish::Ask;
        self
    }

    /// Another console began the run.
    pub(crate) fn after(mut self, earlier: Retold) -> Self {
        self.earlier = earlier;
        self
    }

    /// Every host is looked at before the payload moves, and the screen is of that moment.
    pub(crate) fn looked_at_first(mut self) -> Self {
        self.first_look = Duration::from_secs(30);
        self
    }

    /// Plays the script: what is left of the fleet waits.
    pub(crate) fn at(mut self, columns: u16, rows: u16) -> Screen {
        let stuck = |fate: &Fate| matches!(fate, Fate::Connecting | Fate::Bootstrapping);
        self.fates.truncate(self.hosts as usize);
        let (mut held, mut fates): (Vec<_>, Vec<_>) = self.fates.into_iter().partition(stuck);
        fastrand::Rng::with_seed(7).shuffle(&mut fates);
        if held.is_empty() && fates.len() < self.hosts as usize {
            held.push(Fate::Connecting);
        }
        let fanout = held.len().max(if fates.len() + held.len() == self.hosts as usize { 64 } else { 1 });
        fates.append(&mut held);
        fates.resize(self.hosts as usize, Fate::Waiting);
        let config = Config {
            // Most screens are of what is under way: some hosts never answer.
            preflight_max: self.first_look,
            fanout,
            launch_interval: Duration::ZERO,
            connect_attempts: 1,
            finish: self.finish,
            ..Config::default()
        };
        let mut labels = Labels::default();
        for id in 0..self.hosts {
            let mut host = Host::new(&name(id));
            host.groups = vec!["web".to_owned()];
            host.tags.insert("rack".to_owned(), format!("r{}", id % 8));
            if self.hosts > 100 {
                host.tags.insert("shelf".to_owned(), format!("s{}", id / 20));
            }
            labels.describe(HostId(id), &host);
        }
        let operator = "alice@jump1".to_owned();
        let (access, earlier) = (self.access, self.earlier);
        let setup = Setup { labels, columns, rows, operator, access, earlier, ..Setup::default() };
        let plan = Plan { policy: self.policy.unwrap_or_default(), ..plan(self.hosts) };
        let mut screen = Screen::looking_at(Model::new(Rollout::new(plan, config, 1), setup), fates, (columns, rows));
        if self.first_look.is_zero() {
            screen.play();
        } else {
            screen.send(Msg::Fleet(Input::Elapsed));
        }
        screen
    }
}
