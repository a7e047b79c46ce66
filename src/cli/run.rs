//! `rookery run`: the main job, from the arguments to the exit code.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::runtime::Runtime;

use super::args::{RunArgs, ShowArgs};
use super::exit::{Ended, Ending, Exit, Or};
use super::package::{Package, package};
use super::plan::{Draft, Origin, config};
use super::report::{self, Report};
use super::{logging, outfit, paths, theme};
use crate::console::{Labels, Model, Setup, Signal};
use crate::control::RunId;
use crate::driver::conduct::{Crew, Display, Finished, headless, show};
use crate::rollout::{Plan, Rollout};

/// How long the fleet may take to hang up after the last word.
const HANG_UP_MAX: Duration = Duration::from_secs(20);

/// What of this machine a run uses.
#[derive(Debug)]
pub(super) struct Site {
    /// The folder of journals.
    pub(super) state: PathBuf,
    /// The ssh-agent's socket.
    pub(super) agent: Option<PathBuf>,
    /// The operator's home, for keys with the usual names.
    pub(super) home: Option<PathBuf>,
}

/// Runs.
pub(super) fn main(args: &RunArgs) -> Ended {
    let agent = env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from);
    run(args, &Site { state: paths::state()?, agent, home: paths::home() })
}

/// Runs with the means of a site.
pub(super) fn run(args: &RunArgs, site: &Site) -> Ended {
    let draft = Draft::new(args)?;
    let folder = RunFolder::create(&site.state)?;
    let interrupted = interruptible()?;
    let package = match &draft.origin {
        Origin::Here(source) => Some(package(source, &folder.payload(), args, &interrupted)),
        Origin::There(..) => None,
    };
    let package = match package.transpose() {
        Ok(package) => package,
        Err(ending) => {
            folder.discard();
            return Err(ending);
        }
    };
    let ended = after_packaging(args, site, &draft, &folder, package.as_ref());
    let kept = package.as_ref().and_then(Package::remove);
    kept.iter().for_each(|path| eprintln!("rookery: left behind on this machine: {path}"));
    ended
}

fn after_packaging(args: &RunArgs, site: &Site, draft: &Draft, folder: &RunFolder, package: Option<&Package>) -> Ended {
    let payload = package.map(|package| (package.payload.clone(), package.path.as_path()));
    let plan = draft.plan(args, folder.run.clone(), payload);
    if args.dry_run {
        folder.discard();
        report::dry_run(draft, &plan?);
        return Ok(Exit::Done);
    }
    let plan = plan.inspect_err(|_| folder.discard())?;
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let local = package.map(|package| (package.path.as_path(), package.payload.layout));
    let work_dir = site.state.join("agent");
    let fleet = outfit::outfit(draft, site, local, &work_dir, runtime.handle()).inspect_err(|_| folder.discard())?;
    let _log = logging::start(&args.show.log_file.clone().unwrap_or_else(|| folder.path.join("rookery.log")))?;
    let shown = Shown::of(&args.show);
    let report = Report::create(&site.state, &folder.path, &plan, &args.show, shown == Shown::Lines)?;
    let finished = conduct(args, draft, plan, fleet, report, shown, &runtime)?;
    Ok(report::last_words(&finished, &folder.run, &folder.path, shown, &args.show))
}

fn conduct(
    args: &RunArgs,
    draft: &Draft,
    plan: Plan,
    (fleet, heard): outfit::Outfit,
    report: Report,
    shown: Shown,
    runtime: &Runtime,
) -> Result<Finished, Ending> {
    let folder = report.folder().to_owned();
    let mut crew = Crew::new(fleet, heard, vec![Box::new(report)]).or_unexpected("listen to the fleet")?;
    let mut rollout = Rollout::new(plan, config(args, &draft.inventory, shown == Shown::Console), fastrand::u64(..));
    let finished = match shown {
        Shown::Lines => headless(&mut rollout, &mut crew, None),
        Shown::Console => {
            let display = display(&args.show, folder)?;
            let model = Model::new(rollout, setup(draft, display.theme.name()));
            show(model, &mut crew, display).or_unexpected("take the terminal")?
        }
    };
    runtime.block_on(crew.into_fleet().finish(HANG_UP_MAX));
    Ok(finished)
}

fn display(show: &ShowArgs, folder: PathBuf) -> Result<Display, Ending> {
    let name = show.theme.as_deref().unwrap_or(theme::DEFAULT);
    let chosen = theme::load(name).map_err(|why| Ending::new(Exit::Invalid, why))?;
    let wishes = (show.color, show.ascii);
    let fit = move |theme| theme::fit(theme, wishes);
    Ok(Display {
        theme: fit(chosen),
        themes: Box::new(move |name| theme::load(name).map(fit)),
        report: Box::new(move |rollout| report::write(rollout, &folder)),
        frame_interval: Duration::from_secs(1) / u32::from(show.fps),
    })
}

fn setup(draft: &Draft, theme: &str) -> Setup {
    let mut labels = Labels::default();
    draft.selected.iter().for_each(|id| labels.describe(id, draft.host(id)));
    let (columns, rows) = crossterm_size();
    Setup { labels, theme: theme.to_owned(), themes: theme::names(), columns, rows, ..Setup::default() }
}

fn crossterm_size() -> (u16, u16) {
    crate::driver::terminal::size().unwrap_or((80, 24))
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Console,
    Lines,
}

impl Shown {
    fn of(show: &ShowArgs) -> Self {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let wanted = !(show.plain || show.json || show.quiet);
        if wanted && terminal && theme::terminal().has_screen() { Self::Console } else { Self::Lines }
    }
}

/// While something is packaged, a signal sets a flag instead of ending the process with half a payload left.
fn interruptible() -> Result<Arc<AtomicBool>, Ending> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).or_unexpected("listen to signals")?;
    }
    Ok(flag)
}

/// The folder of one run on this machine: its journal, its log, and for its time the payload.
#[derive(Debug)]
pub(super) struct RunFolder {
    run: RunId,
    path: PathBuf,
}

impl RunFolder {
    fn create(state: &Path) -> Result<Self, Ending> {
        let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
        let run: RunId = format!("{now}-{:04x}", fastrand::u16(..)).parse().or_unexpected("name the run")?;
        let path = state.join("runs").join(run.as_str());
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created.or_unexpected(format_args!("make the run's folder {}", path.display()))?;
        Ok(Self { run, path })
    }

    fn payload(&self) -> PathBuf {
        self.path.join("payload")
    }

    /// Removes the folder of a run that never began.
    fn discard(&self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        eprintln!("rookery: left behind on this machine: {} ({error})", path.display());
    }
}

/// The exit code of a signal.
pub(super) const fn signal_exit(signal: Signal) -> Exit {
    match signal {
        Signal::Hangup => Exit::Signal(1),
        Signal::Interrupt => Exit::Signal(2),
        Signal::Terminate => Exit::Signal(15),
    }
}
