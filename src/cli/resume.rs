//! `rookery resume`: takes up a run whose console ended.

use std::path::Path;

use super::args::ResumeArgs;
use super::exit::{Ended, Ending, Exit, Or};
use super::folder::{RunFolder, no_run};
use super::kept::Kept;
use super::package::Package;
use super::plan::{Draft, Origin};
use super::run::{self, Site, Taken};
use crate::control::RunId;
use crate::inventory::HostSet;
use crate::journal::{Story, journal_path, read_run, runs};
use crate::rollout::Payload;

/// Takes the run up.
pub(super) fn main(args: &ResumeArgs) -> Ended {
    let site = Site::of_process()?;
    let story = find(&site.state, args.run.as_deref())?;
    if let Some(outcome) = story.outcome {
        let (run, word) = (&story.run, super::report::outcome_name(outcome));
        let why = format!(
            "run {run} has ended ({word}): `rookery runs report {run}` tells how; start a new run, with \
                           --limit @failed for what is missing"
        );
        return Err(Ending::new(Exit::Usage, why));
    }
    let folder = RunFolder::take(&site.state, &story.run)?;
    let kept = Kept::read(folder.path())?;
    let mut arguments = kept.arguments()?;
    arguments.show = args.show.clone();
    arguments.rollout.gate = args.gate.or(arguments.rollout.gate);
    let inventory = kept.inventory(folder.path())?;
    let ids = kept.hosts.iter().map(|name| {
        inventory.find(name).ok_or_else(|| Ending::new(Exit::Unexpected, format!("no host `{name}` in the inventory")))
    });
    let selected = ids.collect::<Result<HostSet, _>>()?;
    let payload = Kept::payload(folder.path())?;
    let draft = Draft::of(&arguments, inventory, selected, kept.source)?;
    let package = package(&draft, &folder, payload.clone())?;
    run::carry_on(&arguments, &site, Taken { draft, folder, package, payload, story })
}

fn find(state: &Path, run: Option<&str>) -> Result<Story, Ending> {
    if let Some(run) = run {
        let run: RunId = run.parse().or_exit(Exit::Usage)?;
        if !journal_path(state, &run).exists() {
            return Err(no_run(state, &run));
        }
        return read_run(state, &run).or_exit(Exit::Unexpected);
    }
    let all = runs(state).or_exit(Exit::Unexpected)?;
    // An older one is not meant because the last one has a console: it may be of a release that nobody wants any more.
    let mut open = all.iter().filter_map(|run| read_run(state, run).ok()).filter(|story| story.outcome.is_none());
    let none = || Ending::new(Exit::Usage, "no run is unfinished; `rookery runs` lists them all");
    open.next().ok_or_else(none)
}

/// What was packaged on this machine, as it lies there.
fn package(draft: &Draft, folder: &RunFolder, payload: Option<Payload>) -> Result<Option<Package>, Ending> {
    let Origin::Here(source) = &draft.origin else { return Ok(None) };
    let run = folder.run();
    let gone = |why: String| {
        let step = "`rookery clean`, then start a new run; `rookery resume RUN` takes up another";
        Ending::new(Exit::Unexpected, format!("run {run} cannot be taken up: {why}; {step}"))
    };
    let payload = payload.ok_or_else(|| gone("the run ended before its payload was known".to_owned()))?;
    let made = folder.payload();
    // A file is sent as it lies there; what was packaged of a folder is nowhere else.
    let path = if made.exists() || source.is_dir() { made } else { source.clone() };
    let found = path.metadata().map_err(|error| gone(format!("the payload {}: {error}", path.display())))?;
    if !found.is_file() || found.len() != payload.layout.total() {
        return Err(gone(format!("the payload {} is not what it was", path.display())));
    }
    Ok(Some(Package { payload, path }))
}
