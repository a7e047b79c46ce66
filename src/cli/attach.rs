//! `rookery attach --read-only`: a second pair of eyes on a run, by its journal, as it is written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use super::args::AttachArgs;
use super::exit::{Ended, Ending, Exit, Or};
use super::folder::{RunFolder, no_run};
use super::out::{print, tell};
use super::{paths, report};
use crate::base::ByteCount;
use crate::control::RunId;
use crate::inventory::fold;
use crate::journal::{Event, Happening, journal_path, runs};

/// Between two looks for more of the journal.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Watches until the run has ended, or its console has.
pub(super) fn main(args: &AttachArgs) -> Ended {
    let state = paths::state()?;
    let run = find(&state, args.run.as_deref())?;
    let path = journal_path(&state, &run);
    let mut journal = BufReader::new(File::open(&path).or_unexpected(format_args!("read {}", path.display()))?);
    let mut line = String::new();
    loop {
        let held = RunFolder::is_held(&state, &run);
        // A line that is still being written is read on when the rest is there.
        while journal.read_line(&mut line).or_unexpected("read the journal")? > 0 && line.ends_with('\n') {
            let event: Option<Event> = serde_json::from_str(&line).ok();
            let ended = event.as_ref().is_some_and(|event| matches!(event.what, Happening::RunEnd { .. }));
            print(if args.json { line.clone() } else { event.map_or_else(String::new, |event| told(&event)) })?;
            line.clear();
            if ended {
                return Ok(Exit::Done);
            }
        }
        if !held {
            tell(format_args!("rookery: run {run} has no console any more; `rookery resume {run}` takes it up"));
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn find(state: &Path, run: Option<&str>) -> Result<RunId, Ending> {
    if let Some(run) = run {
        let run: RunId = run.parse().or_exit(Exit::Usage)?;
        if !journal_path(state, &run).exists() {
            return Err(no_run(state, &run));
        }
        return Ok(run);
    }
    let all = runs(state).or_exit(Exit::Unexpected)?;
    all.into_iter().find(|run| RunFolder::is_held(state, run)).ok_or_else(|| {
        let why = "no run has a console on this machine now; a run is watched on the machine, and by the user, that began it; \
                   `rookery runs` lists those that are here, `rookery resume` takes one up";
        Ending::new(Exit::Usage, why)
    })
}

/// An event as a line; nothing for what comes too often.
fn told(event: &Event) -> String {
    let (who, what) = match &event.what {
        Happening::RunStart { source, hosts, operator, .. } => {
            (operator.clone(), format!("takes {source} to {}", fold(hosts)))
        }
        Happening::RunLeft { reason } => ("console".to_owned(), format!("left ({reason}); the agents go on")),
        Happening::RunResume { operator } => (operator.clone(), "takes the run up".to_owned()),
        Happening::Payload { payload, .. } => {
            ("payload".to_owned(), format!("{} in {} pieces", ByteCount(payload.payload_bytes), payload.pieces))
        }
        Happening::HostState { host, state, reason, .. } => {
            (host.clone(), reason.as_ref().map_or_else(|| state.to_string(), |reason| format!("{state}: {reason}")))
        }
        Happening::Preflight { hosts, ready, faults, .. } => {
            let told = faults.iter().map(|fault| format!("; {}: {}", fault.cause, fold(fault.hosts.keys())));
            ("preflight".to_owned(), format!("{ready} of {hosts} hosts ready{}", told.collect::<String>()))
        }
        Happening::Wave { wave, waves, step, detail } => (format!("wave {wave}/{waves}"), format!("{step}: {detail}")),
        Happening::Role { place, roles, reason } => {
            (place.clone(), format!("{} from now on, as {reason}", roles.join(" and ")))
        }
        Happening::Note { place, text } => (place.clone(), format!("note: {text}")),
        Happening::Action { operator, verb, detail, .. } => (operator.clone(), format!("{verb}: {detail}")),
        Happening::RunEnd { outcome, counts, .. } => {
            let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
            ("run".to_owned(), format!("{}: {}", report::outcome_name(*outcome), counts.join(", ")))
        }
        Happening::HostProgress { .. } | Happening::Swarm { .. } | Happening::Unknown => return String::new(),
    };
    format!("{} {who:<20} {what}\n", event.time.strftime("%T"))
}
