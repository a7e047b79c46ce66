//! `rookery clean`: proves that nothing of ours is left on the hosts, or names what is.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::args::CleanArgs;
use super::course::RolloutArgs;
use super::exit::{Ended, Exit, Or};
use super::folder::RunFolder;
use super::out::{self, count};
use super::outfit::Reach;
use super::plan::{Aim, Draft};
use super::run::Site;
use crate::driver::bootstrap::{Cleaned, Live};
use crate::inventory::Place;
use crate::rollout::Failure;

/// Places that wait to be told of.
const TOLD_MAX: usize = 256;

impl<'a> From<&'a CleanArgs> for Aim<'a> {
    fn from(args: &'a CleanArgs) -> Self {
        Self {
            fleet: &args.fleet,
            exclude: args.exclude.as_deref(),
            to: args.to.as_deref(),
            source: None,
            max_upload: None,
            max_download: None,
            rollout: RolloutArgs::default(),
        }
    }
}

/// Cleans.
pub(super) fn main(args: &CleanArgs) -> Ended {
    let draft = Draft::new(args)?;
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let site = Site::of_process()?;
    let reach = Reach::new(&draft, &args.access, &site, runtime.handle())?;
    let mut places: Vec<_> =
        draft.planned_hosts().iter().map(|host| (Place::Host(host.id), host.destination.clone())).collect();
    let here = site.state.join("agent");
    if here.exists() {
        places.push((Place::Console, here.display().to_string()));
    }
    let fanout = usize::from(args.fanout.unwrap_or(draft.inventory.swarm.fanout));
    let live = if args.force { Live::End } else { Live::Spare };
    let clean = reach.clean(places, fanout, live);
    let (tell, mut told) = mpsc::channel(TOLD_MAX);
    runtime.spawn(clean.run(tell));
    let mut tally = BTreeMap::new();
    let mut swept = RunFolder::sweep(&site.state);
    while let Some((place, mut cleaned)) = told.blocking_recv() {
        if let (Place::Console, Ok(done)) = (place, &mut cleaned) {
            done.gone.append(&mut swept.gone);
            done.left.append(&mut swept.left);
        }
        let name = match place {
            Place::Console => "console",
            Place::Host(id) => &draft.host(id).name,
        };
        *tally.entry(Verdict::of(&cleaned)).or_insert(0_u64) += 1;
        say(args, name, &cleaned);
    }
    if swept != Cleaned::default() {
        let swept = Ok(swept);
        *tally.entry(Verdict::of(&swept)).or_insert(0) += 1;
        say(args, "console", &swept);
    }
    let of = |verdict| tally.get(&verdict).copied().unwrap_or_default();
    if !args.json && !args.quiet {
        let (clean, left, unknown) = (of(Verdict::Clean), of(Verdict::Left), of(Verdict::Unknown));
        let places = count(clean, "place is", "places are");
        out::print(format!("{places} proved clean, {left} not clean, {unknown} not known\n"))?;
    }
    Ok(if of(Verdict::Left) + of(Verdict::Unknown) == 0 { Exit::Done } else { Exit::CheckFailed })
}

/// What is known of a place afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Clean,
    Left,
    Unknown,
}

impl Verdict {
    fn of(cleaned: &Result<Cleaned, Failure>) -> Self {
        match cleaned {
            Ok(cleaned) if cleaned.left.is_empty() => Self::Clean,
            Ok(_) => Self::Left,
            Err(_) => Self::Unknown,
        }
    }
}

fn say(args: &CleanArgs, name: &str, cleaned: &Result<Cleaned, Failure>) {
    let text = match cleaned {
        _ if args.json => {
            let (gone, left) = cleaned.as_ref().map_or((&[][..], &[][..]), |done| (&done.gone[..], &done.left[..]));
            let failure = cleaned.as_ref().err().map(ToString::to_string);
            let clean = Verdict::of(cleaned) == Verdict::Clean;
            format!("{}\n", json!({ "host": name, "clean": clean, "gone": gone, "left": left, "failure": failure }))
        }
        Ok(Cleaned { gone, left }) => {
            let gone = gone.iter().filter(|_| !args.quiet).map(|what| format!("{name}: removed {what}\n"));
            gone.chain(left.iter().map(|what| format!("{name}: LEFT BEHIND: {what}\n"))).collect()
        }
        Err(failure) => format!("{name}: not known: {failure}; {}\n", failure.next_step()),
    };
    // A reader that went away has seen what it wanted.
    let _ = out::print(text);
}
