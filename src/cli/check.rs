//! `rookery check`: what a run would find on every host, found before it.

use std::io::IsTerminal;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::args::CheckArgs;
use super::check_report::{Form, Report};
use super::course::RolloutArgs;
use super::exit::{Ended, Ending, Exit, Or};
use super::interrupt::Interrupt;
use super::out;
use super::outfit::Reach;
use super::plan::{Aim, Draft, Origin};
use super::run::Site;
use crate::control::PortRange;
use crate::driver::bootstrap::{Needs, Room};
use crate::driver::check::{Check, Elsewhere, Wanted};
use crate::inventory::Place;
use crate::payload::measure;
use crate::rollout::{Choice, PlannedHost, Station};

/// Findings that wait to be taken.
const FINDINGS_MAX: usize = 256;

/// Between two looks for a signal.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Between two lines of progress.
const TELL_INTERVAL: Duration = Duration::from_millis(200);

impl<'a> From<&'a CheckArgs> for Aim<'a> {
    fn from(args: &'a CheckArgs) -> Self {
        Self {
            fleet: &args.fleet,
            exclude: args.exclude.as_deref(),
            to: args.to.as_deref(),
            source: args.source.as_deref(),
            max_upload: None,
            max_download: None,
            rollout: RolloutArgs::default(),
        }
    }
}

/// Checks.
pub(super) fn main(args: &CheckArgs) -> Ended {
    let draft = Draft::new(args)?;
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let reach = Reach::new(&draft, &args.access, &Site::of_process()?, runtime.handle())?;
    let interrupt = Interrupt::listen()?;
    let room = room(args, &draft, interrupt.flag())?;
    interrupt.check()?;
    let fanout = usize::from(args.fanout.unwrap_or(draft.inventory.swarm.fanout));
    let check = reach.check(&draft, |host| needs(args, &draft, host, room), (stations(&draft), fanout));
    let form = match (args.json, args.quiet) {
        (true, _) => Form::Json,
        (false, true) => Form::Faults,
        (false, false) => Form::Text,
    };
    let mut report = Report::new(&draft, form);
    let progress = if args.plain || form != Form::Text { Progress::Untold } else { Progress::of_terminal() };
    runtime.block_on(listen(check, &mut report, interrupt.flag(), progress))?;
    out::print(report.end())?;
    let unfinished = |ending| Ending { message: "interrupted: not every host was looked at".to_owned(), ..ending };
    interrupt.check().map_err(unfinished)?;
    Ok(if report.is_clean() { Exit::Done } else { Exit::CheckFailed })
}

/// Whether a line says how far the check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Told,
    Untold,
}

impl Progress {
    /// A line that is written over needs a terminal that can.
    fn of_terminal() -> Self {
        let shows = std::io::stderr().is_terminal() && super::theme::terminal().has_screen();
        if shows { Self::Told } else { Self::Untold }
    }
}

/// Lets the check run until it is over or a signal comes, and passes on what it tells.
async fn listen(check: Check, report: &mut Report<'_>, flag: &AtomicBool, progress: Progress) -> Result<(), Ending> {
    let (tell, mut told) = mpsc::channel(FINDINGS_MAX);
    let running = check.run(tell, async {
        while !flag.load(SeqCst) {
            sleep(LOOK_INTERVAL).await;
        }
    });
    tokio::pin!(running);
    let (mut over, mut said) = (false, None::<Instant>);
    loop {
        tokio::select! {
            () = &mut running, if !over => over = true,
            next = told.recv() => match next {
                Some(told) => report.take(told)?,
                None => break,
            },
        }
        if progress == Progress::Told && said.is_none_or(|at| at.elapsed() >= TELL_INTERVAL) {
            said = Some(Instant::now());
            out::tell_on(format_args!("\r\x1b[K{}", report.progress()));
        }
    }
    if said.is_some() {
        out::tell_on("\r\x1b[K");
    }
    Ok(())
}

/// The room for what is going to be deployed, as far as it can be told from here.
fn room(args: &CheckArgs, draft: &Draft, cancel: &AtomicBool) -> Result<Option<Room>, Ending> {
    match &draft.origin {
        Origin::Here(path) => {
            let measured = measure(path, &args.exclude_path, cancel).or_exit(Exit::Usage)?;
            let (payload, unpacked, entries) = (measured.payload, measured.unpacked, measured.entries);
            Ok(Some(Room { payload, unpacked, entries }))
        }
        Origin::There(..) | Origin::Nowhere => Ok(None),
    }
}

/// What a run needs of a host: of one that only seeds, room for the payload; of one that only tracks, none.
fn needs(args: &CheckArgs, draft: &Draft, host: &PlannedHost, room: Option<Room>) -> Needs {
    let (first, last) = draft.inventory.swarm.port;
    let gets = draft.selected.contains(host.id);
    let seeds = draft.seeder == Place::Host(host.id);
    Needs {
        run: None,
        destination: (gets || seeds).then(|| host.destination.clone()),
        tag: args.tag.clone().filter(|_| gets),
        payload: None,
        room: room.map(|room| if gets { room } else { Room { payload: room.payload, ..Room::default() } }),
        ports: (gets || seeds).then_some(PortRange { first, last }),
        address: host.swarm_address,
    }
}

/// Who has to be reached by every host, where a run would have it.
fn stations(draft: &Draft) -> Vec<Wanted> {
    let (first, last) = draft.inventory.swarm.port;
    let port = draft.inventory.swarm.tracker_port;
    let seeders = match draft.seeder_choice() {
        Choice::Named => vec![draft.seeder],
        Choice::Any => {
            let others = draft.selected.iter().map(Place::Host).filter(|other| *other != draft.seeder);
            std::iter::once(draft.seeder).chain(others).collect()
        }
    };
    let trackers = draft.inventory.roles.tracker.map_or_else(|| seeders.clone(), |tracker| vec![tracker]);
    let tracker = (Station::Tracker, trackers, PortRange { first: port, last: port }, Elsewhere::Allowed);
    let seeder = (Station::Seeder, seeders, PortRange { first, last }, Elsewhere::Never);
    let wanted = |(station, candidates, ports, elsewhere)| Wanted { station, candidates, ports, elsewhere };
    [tracker, seeder].map(wanted).into()
}
