//! `rookery runs`: what was run, by whom, how it ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::args::{RunsArgs, RunsCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::out::{self, Rows, count, tell};
use super::{paths, report};
use crate::base::ByteCount;
use crate::control::RunId;
use crate::inventory::fold;
use crate::journal::{Story, journal_path, newest, read_run, runs};

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

fn list(state: &Path) -> Ended {
    let all = runs(state).or_unexpected("list the runs")?;
    if all.is_empty() {
        tell(format_args!("no run yet in {}", state.display()));
    }
    let mut rows: Vec<[String; 6]> = Vec::new();
    for run in all.iter().take(LISTED_MAX) {
        match read_run(state, run) {
            Ok(story) => rows.push(row(&story)),
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

fn row(story: &Story) -> [String; 6] {
    let release = story.tag.as_ref().map_or(story.source.as_str(), |tag| tag.as_str());
    [
        story.run.to_string(),
        story.operator.clone(),
        release.to_owned(),
        outcome(story).to_owned(),
        took(story),
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

fn outcome(story: &Story) -> &'static str {
    story.outcome.map_or("open", report::outcome_name)
}

fn took(story: &Story) -> String {
    format!("{:.1} s", story.last.duration_since(story.started).as_secs_f64())
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
    rows.add("run", &story.run);
    rows.add(
        "outcome",
        match story.outcome {
            Some(outcome) => report::outcome_name(outcome),
            None => "open: it is under way, or its console was killed",
        },
    );
    rows.add("operator", &story.operator);
    rows.add("started", format!("{:.0}", story.started));
    rows.add("took", took(story));
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
                return Err(Ending::new(Exit::Usage, format!("no run `{run}`; `rookery runs` lists them")));
            }
            read_run(state, &run).or_exit(Exit::Unexpected)
        }
        None => newest(state)
            .or_unexpected("list the runs")?
            .ok_or_else(|| Ending::new(Exit::Usage, format!("no run yet in {}", state.display()))),
    }
}
