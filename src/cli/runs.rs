//! `rookery runs`: what was run, by whom, how it ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::args::{RunsArgs, RunsCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::folder::{RunFolder, no_run};
use super::out::{self, Rows, count, tell};
use super::{paths, report};
use crate::base::ByteCount;
use crate::control::RunId;
use crate::inventory::fold;
use crate::journal::{Story, journal_path, newest, read_run, runs};
use crate::rollout::Outcome;

/// Runs that are listed; older ones are counted.
const LISTED_MAX: usize = 50;

/// Lists runs, or shows one.
pub(super) fn main(args: &RunsArgs) -> Ended {
    let state = paths::state()?;
    match &args.command {
        None => list(&state),
        Some(RunsCommand::Show { run }) => show(&state, run.as_deref()),
        Some(RunsCommand::Report { run }) => {
            let story = story(&state, run.as_deref())?;
            out::print(told(&state, &story))
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Its end is in the journal.
    Ended(Outcome),
    /// A console has it in its hands.
    UnderWay,
    /// Its console is gone.
    Unfinished,
}

impl Course {
    fn of(state: &Path, story: &Story) -> Self {
        match story.outcome {
            Some(outcome) => Self::Ended(outcome),
            None if RunFolder::is_held(state, &story.run) => Self::UnderWay,
            None => Self::Unfinished,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ended(outcome) => report::outcome_name(outcome),
            Self::UnderWay => "under way",
            Self::Unfinished => "unfinished",
        }
    }
}

fn list(state: &Path) -> Ended {
    let all = runs(state).or_exit(Exit::Unexpected)?;
    if all.is_empty() {
        tell(format_args!("no run yet in {}", state.display()));
    }
    let mut rows: Vec<[String; 6]> = Vec::new();
    for run in all.iter().take(LISTED_MAX) {
        match read_run(state, run) {
            Ok(story) => rows.push(row(&story, Course::of(state, &story))),
            Err(error) => tell(format_args!("{run}: {error}")),
        }
    }
    let printed = out::print(table(&rows));
    if all.len() > LISTED_MAX {
        let older = (all.len() - LISTED_MAX) as u64;
        tell(format_args!("and {} in {}", count(older, "older run", "older runs"), state.join("runs").display()));
    }
    printed
}

fn row(story: &Story, course: Course) -> [String; 6] {
    let release = story.tag.as_ref().map_or(story.source.as_str(), |tag| tag.as_str());
    [
        story.run.to_string(),
        story.operator.clone(),
        release.to_owned(),
        course.name().to_owned(),
        time(story, course),
        counts(story),
    ]
}

fn table(rows: &[[String; 6]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// How long it took, as far as that is known: a journal says when its console wrote last, not when it died.
fn time(story: &Story, course: Course) -> String {
    let since = |at: Timestamp| at.duration_since(story.started).as_secs_f64();
    match course {
        Course::Ended(_) => format!("{:.1} s", since(story.last)),
        Course::UnderWay => format!("{:.1} s so far", since(Timestamp::now())),
        Course::Unfinished => format!("last heard {:.0}", story.last),
    }
}

fn counts(story: &Story) -> String {
    let counts: Vec<String> = story.counts().iter().map(|(state, count)| format!("{count} {state}")).collect();
    counts.join(", ")
}

fn show(state: &Path, run: Option<&str>) -> Ended {
    let path = journal_path(state, &story(state, run)?.run);
    out::print(fs::read(&path).or_unexpected(format_args!("read {}", path.display()))?)
}

/// A run in full: what its journal holds, and the report that was written at its end.
fn told(state: &Path, story: &Story) -> String {
    let mut rows = Rows::default();
    let (run, course) = (&story.run, Course::of(state, story));
    rows.add("run", run);
    rows.add(
        "outcome",
        match course {
            Course::Ended(_) => course.name().to_owned(),
            Course::UnderWay => format!("{}: `rookery attach {run} --read-only` watches it", course.name()),
            Course::Unfinished => format!(
                "{}: its console is gone, its agents may be at work; `rookery resume {run}` takes it up",
                course.name()
            ),
        },
    );
    rows.add("operator", &story.operator);
    rows.add("started", format!("{:.0}", story.started));
    rows.add("took", time(story, course));
    rows.add("source", &story.source);
    if let Some(tag) = &story.tag {
        rows.add("release", tag);
    }
    if let Some(payload) = &story.payload {
        let pieces = count(u64::from(payload.pieces), "piece", "pieces");
        let length = ByteCount(u64::from(payload.piece_length));
        rows.add("payload", format!("{} in {pieces} of {length}", ByteCount(payload.payload_bytes)));
        rows.add("sha256", payload.sha256);
        rows.add("info-hash", payload.info_hash);
    }
    rows.add("hosts", fold(&story.hosts));
    rows.add("states", counts(story));
    if story.damaged > 0 {
        rows.add("damaged", format!("{} of the journal", count(story.damaged as u64, "line", "lines")));
    }
    let journal = journal_path(state, &story.run);
    rows.add("journal", journal.display());
    let written = journal.with_file_name(report::FILE_NAME);
    match fs::read_to_string(written) {
        Ok(body) if story.outcome.is_some() => rows.into_text() + "\n" + &body,
        Ok(_) | Err(_) => rows.into_text() + &causes(story),
    }
}

fn causes(story: &Story) -> String {
    let mut text = String::new();
    let mut causes: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (host, last) in &story.states {
        if let Some(cause) = &last.cause {
            causes.entry(cause).or_default().push((host, last.reason.as_deref().unwrap_or_default()));
        }
    }
    for (cause, hosts) in causes {
        let _ = writeln!(text, "\n{cause}: {}", fold(hosts.iter().map(|(host, _)| *host)));
        for (host, reason) in hosts {
            let _ = writeln!(text, "  {host}: {reason}");
        }
    }
    for left in &story.left_behind {
        let _ = writeln!(text, "LEFT BEHIND on {}: {}", left.place, left.what);
    }
    text
}

fn story(state: &Path, run: Option<&str>) -> Result<Story, Ending> {
    match run {
        Some(run) => {
            let run: RunId = run.parse().or_exit(Exit::Usage)?;
            if !journal_path(state, &run).exists() {
                return Err(no_run(state, &run));
            }
            read_run(state, &run).or_exit(Exit::Unexpected)
        }
        None => newest(state)
            .or_exit(Exit::Unexpected)?
            .ok_or_else(|| Ending::new(Exit::Usage, format!("no run yet in {}", state.display()))),
    }
}
