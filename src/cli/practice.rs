//! A rehearsal on the console: everything is real but the hosts.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use super::args::RehearseArgs;
use super::exit::{Ended, Ending, Exit, Or};
use super::run::{self, Shown};
use super::{out, report, settings, theme};
use crate::base::Instant;
use crate::console::{Access, Labels, Model, Settings, Setup, Theme};
use crate::driver::conduct::{Crew, Hands, Parting, show};
use crate::journal::Retold;
use crate::rollout::{Input, Output, Rollout, StateName};
use crate::sim::{Cue, Rehearsal, Scenario};

/// The scenario without a file.
const PRACTICE: &str = include_str!("../../tests/scenarios/practice.toml");

/// The scenario that comes with the program.
pub(super) fn scenario() -> Scenario {
    Scenario::parse(PRACTICE).expect("the scenario of the program is right: a test reads it")
}

/// A terminal to rehearse on.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    args: &'a RehearseArgs,
    theme: Box<Theme>,
    settings: Box<Settings>,
}

impl<'a> Stage<'a> {
    /// The terminal, if there is one, and nobody wants figures instead.
    pub(super) fn of(args: &'a RehearseArgs) -> Result<Option<Self>, Ending> {
        let show = &args.show;
        let measures = args.measure || args.seeds > 1 || show.json || show.quiet || show.plain;
        if measures || !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        Ok(match Shown::of(show, settings::load()?)? {
            Shown::Lines => None,
            Shown::Console(theme, settings) => Some(Self { args, theme, settings }),
        })
    }

    /// Shows the rehearsal until it is over or the operator leaves. However it goes, nothing is wrong.
    pub(super) fn play(self, scenario: &Scenario) -> Ended {
        let invalid = |error| Ending::new(Exit::Invalid, format!("the scenario cannot be used: {error}"));
        let run = "20260101-000000-0000".parse().expect("a run's name");
        let plan = Rehearsal::plan(scenario, run).map_err(invalid)?;
        let rehearsal = Rehearsal::new(scenario).map_err(invalid)?;
        let rollout = Rollout::new(plan, Rehearsal::config(scenario), scenario.seed);
        let report = Box::new(|_: &Rollout| Err("a rehearsal leaves nothing behind, so there is no report".to_owned()));
        let display = run::display(&self.args.show, *self.theme, &self.settings, (report, Box::new(|_| login())));
        let mut labels = Labels::default();
        for (id, host) in Rehearsal::hosts(scenario) {
            labels.describe(id, &host);
        }
        let (columns, rows) = crate::driver::terminal::size().unwrap_or((80, 24));
        let setup = Setup {
            labels,
            theme: display.theme.name().to_owned(),
            themes: theme::names(),
            keymap: self.settings.keymap,
            access: if self.args.show.read_only { Access::Watcher } else { Access::Operator },
            operator: report::operator(),
            columns,
            rows,
            earlier: Retold::default(),
        };
        // Nothing is left anywhere that would have to be cleaned up.
        let crew = Crew::with(Box::new(Puppets(rehearsal)), Vec::new(), Parting::Leaves);
        let mut crew = crew.or_unexpected("listen to signals")?;
        let finished = show(Model::new(rollout, setup), &mut crew, display).or_unexpected("take the terminal")?;
        if let Some(summary) = finished.summary {
            let count = |state| summary.counts.of(state);
            let failed = count(StateName::Failed) + count(StateName::Unreachable);
            let (done, total) = (count(StateName::Done), summary.counts.total());
            out::print(format!("rehearsed: {done} of {total} done, {failed} failed; no host was touched\n"))?;
        }
        Ok(finished.signal.map_or(Exit::Done, run::signal_exit))
    }
}

/// What is in the place of ssh.
fn login() -> Vec<OsString> {
    let script = "echo 'here ssh to the host would have the terminal; the run goes on meanwhile.'
        printf 'enter goes back to the console: '
        read -r _";
    ["sh", "-c", script].map(OsString::from).to_vec()
}

/// The rehearsal in the place of a fleet.
#[derive(Debug)]
struct Puppets(Rehearsal);

impl Hands for Puppets {
    fn execute(&mut self, now: Instant, output: Output) {
        self.0.handle_input(now, Cue::Told(output));
    }

    fn poll(&mut self, now: Instant) -> Option<Input> {
        if self.0.deadline().is_some_and(|due| due <= now) {
            self.0.handle_input(now, Cue::Elapsed);
        }
        self.0.poll_output()
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn finish(self: Box<Self>, _after: Duration) {}

    fn leave(self: Box<Self>, _after: Duration) {}
}
