//! What a run says: its journal, its lines, its report, its last words.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::args::ShowArgs;
use super::exit::{Ending, Exit, Or};
use super::fault_table::FaultTable;
use super::kept::Kept;
use super::out::count;
use super::outlet::Outlet;
use super::run::signal_exit;
use crate::base::{ByteCount, ByteRate, Instant};
use crate::console::Signal;
use crate::driver::conduct::{Finished, Watcher};
use crate::driver::{Clock, account};
use crate::inventory::{Place, fold};
use crate::journal::{Event, Scribe, Writer};
use crate::rollout::{Fault, Notice, Outcome, Plan, Rollout, Stage, Standing, StateName, Summary};

/// Between two lines that sum up.
const SUM_INTERVAL_MICROS: u64 = 5_000_000;

/// The report, in the run's folder.
pub(super) const FILE_NAME: &str = "report.txt";

/// Names shown of a longer list.
const NAMES_SHOWN: usize = 10;

/// Writes the journal, and events or lines on stdout.
pub(super) struct Report {
    folder: PathBuf,
    scribe: Scribe,
    journal: Writer<File>,
    clock: Clock,
    tongue: Tongue,
    summed: Instant,
    outlet: Outlet,
    /// The journal's disk is full; said once.
    broken: bool,
}

/// What stdout gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Silent,
    Json,
    Quiet,
    Lines,
}

impl Report {
    /// Begins the journal of a run in `folder`, or goes on with that of one which has got to event `past`.
    pub(super) fn create(
        (state, folder): (&Path, &Path),
        plan: &Plan,
        show: &ShowArgs,
        lines: bool,
        (past, clock, outlet): (Option<u64>, Clock, Outlet),
    ) -> Result<Self, Ending> {
        let journal = Writer::open(state, &plan.run).or_unexpected("begin the run's journal")?;
        let tongue = match (lines, show.json, show.quiet) {
            (_, true, _) => Tongue::Json,
            (true, false, true) => Tongue::Quiet,
            (true, false, false) => Tongue::Lines,
            (false, false, _) => Tongue::Silent,
        };
        let mut report = Self {
            folder: folder.to_owned(),
            scribe: Scribe::new(plan.run.clone(), operator(), past.unwrap_or(0)),
            journal,
            clock,
            tongue,
            summed: Instant::ZERO,
            outlet,
            broken: false,
        };
        let begin = match past {
            None => report.scribe.start(now(), plan),
            Some(_) => report.scribe.resumed(now()),
        };
        report.take(&begin);
        Ok(report)
    }

    fn take(&mut self, event: &Event) {
        if let Err(error) = self.journal.write(event)
            && !std::mem::replace(&mut self.broken, true)
        {
            let run = self.scribe.run();
            self.fault(format!(
                "failed to write the journal of run {run}: {error}; `rookery runs` knows it only in part"
            ));
        }
        if self.tongue == Tongue::Json {
            self.outlet.say(event.to_line().trim_end());
        }
    }

    /// Something that ends no run, and that its operator has to know.
    fn fault(&self, text: String) {
        tracing::error!("{text}");
        self.outlet.remark(text);
    }

    fn say(&self, line: &str) {
        self.outlet.say(line);
    }

    fn line(&mut self, rollout: &Rollout, notice: &Notice) {
        let elapsed = clock(self.clock.now());
        match notice {
            Notice::HostState { host, state, attempt, reason, .. } => {
                let failed = matches!(state, StateName::Failed | StateName::Unreachable);
                if self.tongue == Tongue::Quiet && !failed {
                    return;
                }
                let mut line = format!("{elapsed} {:<20} {state}", rollout.name(*host));
                if *attempt > 1 {
                    let _ = write!(line, " (attempt {attempt})");
                }
                if let Some(reason) = reason {
                    let _ = write!(line, ": {reason}");
                }
                self.say(&line);
            }
            Notice::Note { at, text } => {
                if self.tongue == Tongue::Lines {
                    self.say(&format!("{elapsed} {:<20} note: {text}", place(rollout, *at)));
                }
            }
            Notice::Role { at, duty, reason } => {
                if self.tongue == Tongue::Lines {
                    self.say(&format!("{elapsed} {:<20} {duty} from now on, as {reason}", place(rollout, *at)));
                }
            }
            Notice::Wave { wave, waves, step, detail } => {
                let step = step.as_str();
                self.say(&format!("{elapsed} {:<20} {step}: {detail}", format!("wave {wave}/{waves}")));
            }
            Notice::Preflight { hosts, ready, after, faults } => {
                if self.tongue == Tongue::Lines || !faults.is_empty() {
                    let text = format!("{ready} of {hosts} hosts ready after {:.1} s", after.as_secs_f64());
                    self.say(&format!("{elapsed} {:<20} {text}", "preflight"));
                }
                if !faults.is_empty() {
                    self.say(&table(rollout, faults));
                }
            }
            Notice::Action { verb, detail, .. } => self.say(&format!("{elapsed} {:<20} {verb} {detail}", "operator")),
            Notice::Payload { payload } => {
                if self.tongue == Tongue::Lines {
                    let size = ByteCount(payload.layout.total());
                    self.say(&format!(
                        "{elapsed} {:<20} {size} in {}",
                        "payload",
                        count(u64::from(payload.layout.piece_count()), "piece", "pieces")
                    ));
                }
            }
            Notice::HostProgress { .. } | Notice::Swarm { .. } => self.sum(rollout),
        }
    }

    fn sum(&mut self, rollout: &Rollout) {
        let now = self.clock.now();
        if self.tongue != Tongue::Lines || now.as_micros() < self.summed.as_micros() + SUM_INTERVAL_MICROS {
            return;
        }
        self.summed = now;
        let totals = rollout.totals(now);
        let counts: Vec<String> = shown_counts(rollout.counts().iter());
        let rate = totals.rate_down;
        self.say(&format!(
            "{} {:<20} {}; {rate}, seeder {}",
            clock(now),
            "fleet",
            counts.join(", "),
            totals.seeder_rate_up
        ));
    }
}

impl Watcher for Report {
    fn notice(&mut self, rollout: &Rollout, notice: &Notice) {
        let event = self.scribe.notice(now(), rollout, notice);
        self.take(&event);
        if let Notice::Payload { payload } = notice
            && let Err(error) = Kept::write_payload(&self.folder, payload)
        {
            let run = self.scribe.run();
            self.fault(format!(
                "failed to keep what the payload of run {run} is: {error}; it cannot be taken up again"
            ));
        }
        match self.tongue {
            Tongue::Lines | Tongue::Quiet => self.line(rollout, notice),
            Tongue::Silent | Tongue::Json => {}
        }
    }

    fn left(&mut self, signal: Signal) {
        let event = self.scribe.left(now(), signal_name(signal));
        self.take(&event);
    }

    fn ended(&mut self, rollout: &Rollout, summary: &Summary) {
        let event = self.scribe.end(now(), rollout, summary);
        self.take(&event);
        if let Err(error) = write(rollout, &self.folder) {
            self.fault(format!("failed to write the report: {error}"));
        }
        if matches!(self.tongue, Tongue::Lines | Tongue::Quiet) {
            let text = text(rollout, summary);
            self.say(text.trim_end());
        }
    }
}

/// All that the first look found, in one table.
fn table(rollout: &Rollout, faults: &[Fault]) -> String {
    let mut table = FaultTable::default();
    for Fault { cause, next_step, hosts } in faults {
        for (host, reason) in hosts {
            table.add(*host, cause, next_step, reason.clone());
        }
    }
    let text = table.text(&|host| rollout.name(host), "`rookery check --json` tells all");
    text.lines().map(|line| format!("    {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// What a signal is called.
const fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Hangup => "SIGHUP",
        Signal::Interrupt => "SIGINT",
        Signal::Terminate => "SIGTERM",
    }
}

/// The exit code of a run.
pub(super) fn exit(finished: &Finished) -> Exit {
    match (&finished.summary, finished.signal) {
        (Some(summary), None | Some(Signal::Hangup)) => Exit::of(summary),
        (_, Some(signal)) => signal_exit(signal),
        (None, None) => Exit::Unexpected,
    }
}

/// How an outcome is called, as in events.
pub(super) const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "partial",
        Outcome::Aborted => "aborted",
        Outcome::Failed => "failed",
    }
}

/// Writes the report of a run as it is to its folder, and says where.
pub(super) fn write(rollout: &Rollout, folder: &Path) -> Result<String, String> {
    let path = folder.join(FILE_NAME);
    let text = match rollout.stage() {
        Stage::Ended(summary) => text(rollout, summary),
        Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Finishing { .. } => so_far(rollout),
    };
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

/// The report of a run that is over.
fn text(rollout: &Rollout, summary: &Summary) -> String {
    let mut text = String::new();
    let word = outcome_name(summary.outcome);
    let counts = shown_counts(summary.counts.iter());
    let release = release(rollout);
    let _ = writeln!(text, "{release}: {word} in {}: {}", clock(Instant::after(summary.elapsed)), counts.join(", "));
    let moved = summary.bytes_from_seeder + summary.bytes_from_peers;
    if moved > ByteCount(0) {
        let rate = ByteRate::over(moved, summary.elapsed);
        let _ = writeln!(
            text,
            "moved {moved} ({rate}): {} from the seeder, {} from peers",
            summary.bytes_from_seeder, summary.bytes_from_peers
        );
    }
    let wave = rollout.wave();
    if let Standing::Halted(halt) = &wave.standing {
        let _ = writeln!(text, "stopped in wave {} of {}: {halt}", wave.wave, wave.waves);
    }
    for (host, took) in &summary.slowest {
        let _ = writeln!(text, "slow: {} took {:.1} s", rollout.name(*host), took.as_secs_f64());
    }
    causes(&mut text, rollout);
    for (at, what) in &summary.left_behind {
        let _ = writeln!(text, "LEFT BEHIND on {}: {what}", place(rollout, *at));
    }
    text
}

/// What is deployed, by its tag; by its source until the tag is known.
fn release(rollout: &Rollout) -> String {
    rollout.tag().map_or_else(|| rollout.plan().source_name.clone(), ToString::to_string)
}

fn so_far(rollout: &Rollout) -> String {
    let counts = shown_counts(rollout.counts().iter()).join(", ");
    let now = now();
    let mut text = format!("{}: run {} at {now:.0}: {counts}\n", release(rollout), rollout.plan().run);
    causes(&mut text, rollout);
    text
}

fn causes(text: &mut String, rollout: &Rollout) {
    for group in rollout.failures() {
        let names = group.hosts.iter().map(|id| rollout.name(*id).to_owned());
        let _ = writeln!(text, "{} x {}: {}", group.hosts.len(), group.cause, group.next_step);
        for id in group.hosts.iter().take(NAMES_SHOWN) {
            let failure = rollout.host(*id).and_then(|record| record.state.failure());
            let _ =
                writeln!(text, "  {}: {}", rollout.name(*id), failure.map_or_else(String::new, ToString::to_string));
        }
        if group.hosts.len() > NAMES_SHOWN {
            let _ = writeln!(text, "  all: {}", fold(names));
        }
    }
}

fn shown_counts(counts: impl Iterator<Item = (StateName, u32)>) -> Vec<String> {
    counts.filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {state}")).collect()
}

fn place(rollout: &Rollout, at: Place) -> String {
    match at {
        Place::Console => "console".to_owned(),
        Place::Host(id) => rollout.name(id).to_owned(),
    }
}

fn clock(moment: Instant) -> String {
    let seconds = moment.as_micros() / 1_000_000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// Who runs this: whoever called sudo, else the user.
pub(super) fn operator() -> String {
    account::variable("SUDO_USER").unwrap_or_else(account::user)
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
