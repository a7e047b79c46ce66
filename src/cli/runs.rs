//! `rookery runs`: what was run, by whom, how it ended.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::args::{RunsArgs, RunsCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::paths;
use crate::control::RunId;
use crate::inventory::fold;
use crate::journal::{Story, journal_path, newest, read_run, runs};

/// Lists runs, or shows one.
pub(super) fn main(args: &RunsArgs) -> Ended {
    let state = paths::state()?;
    match &args.command {
        None => list(&state),
        Some(RunsCommand::Show { run }) => show(&state, run.as_deref()),
        Some(RunsCommand::Report { run }) => report(&state, run.as_deref()),
    }
}

fn list(state: &Path) -> Ended {
    let all = runs(state).or_unexpected("list the runs")?;
    if all.is_empty() {
        eprintln!("no run yet in {}", state.display());
    }
    for run in all {
        match read_run(state, &run) {
            Ok(story) => println!("{}", line(&story)),
            Err(error) => println!("{run}  {error}"),
        }
    }
    Ok(Exit::Done)
}

fn line(story: &Story) -> String {
    let release = story.tag.as_ref().map_or(story.source.as_str(), |tag| tag.as_str());
    let outcome = story.outcome.map_or_else(
        || "no end: under way, or its console was killed".to_owned(),
        |outcome| format!("{outcome:?}").to_lowercase(),
    );
    let counts: Vec<String> = story.counts().iter().map(|(state, count)| format!("{count} {state}")).collect();
    let took = story.last.duration_since(story.started).as_secs_f64();
    format!("{}  {}  {release}  {outcome}  {took:.1} s  {}", story.run, story.operator, counts.join(", "))
}

fn show(state: &Path, run: Option<&str>) -> Ended {
    let path = journal_path(state, &story(state, run)?.run);
    let text = fs::read_to_string(&path).or_unexpected(format_args!("read {}", path.display()))?;
    print!("{text}");
    Ok(Exit::Done)
}

fn report(state: &Path, run: Option<&str>) -> Ended {
    let story = story(state, run)?;
    println!("{}", line(&story));
    let mut causes: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (host, last) in &story.states {
        if let Some(cause) = &last.cause {
            causes.entry(cause).or_default().push((host, last.reason.as_deref().unwrap_or_default()));
        }
    }
    for (cause, hosts) in causes {
        println!("{cause}: {}", fold(hosts.iter().map(|(host, _)| *host)));
        hosts.iter().for_each(|(host, reason)| println!("  {host}: {reason}"));
    }
    story.left_behind.iter().for_each(|left| println!("LEFT BEHIND on {}: {}", left.place, left.what));
    println!("journal: {}", journal_path(state, &story.run).display());
    Ok(Exit::Done)
}

fn story(state: &Path, run: Option<&str>) -> Result<Story, Ending> {
    match run {
        Some(run) => {
            let run: RunId = run.parse().or_exit(Exit::Usage)?;
            read_run(state, &run).or_exit(Exit::Usage)
        }
        None => newest(state)
            .or_unexpected("list the runs")?
            .ok_or_else(|| Ending::new(Exit::Usage, format!("no run yet in {}", state.display()))),
    }
}
