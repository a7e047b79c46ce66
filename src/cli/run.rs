//! `rookery run`: the main job, from the arguments to the exit code.

use std::env;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::args::{RunArgs, ShowArgs};
use super::ask::go_ahead;
use super::course::Attendance;
use super::exit::{Ended, Ending, Exit, Or};
use super::folder::RunFolder;
use super::interrupt::Interrupt;
use super::kept::Kept;
use super::outfit::Reach;
use super::outlet::Outlet;
use super::package::{Package, package};
use super::plan::{Draft, Origin, config};
use super::report::{self, Report};
use super::settings::{self, Wishes};
use super::{dry_run, logging, login, out, paths, theme};
use crate::base::Instant;
use crate::console::{Access, ColorChoice, Labels, Model, Settings, Setup, Signal, TerminalEnv, Theme};
use crate::driver::Clock;
use crate::driver::conduct::{Crew, Display, Finished, LoginSource, Parting, ReportSink, headless, show};
use crate::driver::terminal::{self, Answers, Mouse};
use crate::journal::{self, Retold, Story};
use crate::rollout::{Past, Payload, Plan, Policy, Rollout};

/// Events of the time before this console that are told again: as many as a console keeps.
const EVENTS_MAX: usize = 5000;

/// How long the fleet may take to hang up after the last word.
const HANG_UP_MAX: Duration = Duration::from_secs(20);

/// How long who was told to go waits for somebody to read what was said.
const READER_AFTER_SIGNAL: Duration = Duration::from_secs(1);

/// What of this machine a run uses.
#[derive(Debug)]
pub(super) struct Site {
    /// The folder of journals.
    pub(super) state: PathBuf,
    /// The ssh-agent's socket.
    pub(super) agent: Option<PathBuf>,
    /// The operator's home, for keys with the usual names.
    pub(super) home: Option<PathBuf>,
    /// Whether the journals outlive the run.
    pub(super) keeping: Keeping,
}

/// What becomes of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It stays.
    Stays,
    /// It goes with the run: the demo's.
    Goes,
}

impl Site {
    /// This machine, as the environment tells.
    pub(super) fn of_process() -> Result<Self, Ending> {
        let agent = env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty()).map(PathBuf::from);
        Ok(Self { state: paths::state()?, agent, home: paths::home(), keeping: Keeping::Stays })
    }
}

/// Runs.
pub(super) fn main(args: &RunArgs, words: &[String]) -> Ended {
    run(args, &Site::of_process()?, words)
}

/// Runs with the means of a site.
///
/// Whatever needs the operator (the question, passphrases) or can be refused comes before the payload is packaged, which
/// may take minutes. `words` are the command line, for the console that takes the run up if this one ends before it.
pub(super) fn run(args: &RunArgs, site: &Site, words: &[String]) -> Ended {
    let draft = Draft::new(args)?;
    if args.dry_run {
        return rehearse(args, site, &draft);
    }
    let (shown, policy) = course(args, &draft)?;
    go_ahead(args, &draft)?;
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let mut reach = Reach::new(&draft, &args.access, site, runtime.handle())?;
    let interrupt = Interrupt::listen()?;
    let folder = RunFolder::create(&site.state)?;
    let package = packaged(args, &draft, &folder, &interrupt)?;
    let plan = plan(args, &draft, policy, &folder, package.as_ref())?;
    reach.require(&plan, &Past::default());
    interrupt.check()?;
    Kept::write(folder.path(), words, &draft)?;
    let begun = Begun { draft, folder, package, plan, past: None };
    conduct(args, site, begun, (shown, reach, runtime, interrupt))
}

/// A run that another console began.
pub(super) struct Taken {
    pub(super) draft: Draft,
    pub(super) folder: RunFolder,
    pub(super) package: Option<Package>,
    pub(super) payload: Option<Payload>,
    pub(super) story: Story,
}

/// Carries on a run that another console began.
pub(super) fn carry_on(args: &RunArgs, site: &Site, taken: Taken) -> Ended {
    let Taken { draft, folder, package, payload, story } = taken;
    let (shown, policy) = course(args, &draft)?;
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let mut reach = Reach::new(&draft, &args.access, site, runtime.handle())?;
    let interrupt = Interrupt::listen()?;
    let plan = plan(args, &draft, policy, &folder, package.as_ref())?;
    let past = story.past(&plan, payload);
    reach.require(&plan, &past);
    let events = journal::retell(&site.state, &story, EVENTS_MAX).or_unexpected("read the journal again")?;
    let age = story.moment(jiff::Timestamp::now()).since(Instant::ZERO);
    let before = Before { past, seq: story.seq, age, events };
    let begun = Begun { draft, folder, package, plan, past: Some(before) };
    conduct(args, site, begun, (shown, reach, runtime, interrupt))
}

/// A run, ready to be told to the fleet.
struct Begun {
    draft: Draft,
    folder: RunFolder,
    package: Option<Package>,
    plan: Plan,
    past: Option<Before>,
}

/// What is known of the time before this console.
struct Before {
    past: Past,
    /// The last event's number.
    seq: u64,
    /// How long ago the run began.
    age: Duration,
    events: Retold,
}

/// How the run is shown, and how it goes through the fleet.
fn course(args: &RunArgs, draft: &Draft) -> Result<(Shown, Policy), Ending> {
    let shown = Shown::of(&args.show, settings::load()?)?;
    let policy = draft.course.policy(shown.attendance(&args.show))?;
    Ok((shown, policy))
}

fn rehearse(args: &RunArgs, site: &Site, draft: &Draft) -> Ended {
    let interrupt = Interrupt::listen()?;
    let folder = RunFolder::create(&site.state)?;
    let package = packaged(args, draft, &folder, &interrupt)?;
    let policy = draft.course.policy(Attendance::Console)?;
    out::print(dry_run::text(draft, &plan(args, draft, policy, &folder, package.as_ref())?))
}

fn packaged(
    args: &RunArgs,
    draft: &Draft,
    folder: &RunFolder,
    interrupt: &Interrupt,
) -> Result<Option<Package>, Ending> {
    match &draft.origin {
        Origin::Here(source) => package(source, &folder.payload(), args, draft.mode, interrupt).map(Some),
        Origin::There(..) | Origin::Nowhere => Ok(None),
    }
}

fn plan(
    args: &RunArgs,
    draft: &Draft,
    policy: Policy,
    folder: &RunFolder,
    package: Option<&Package>,
) -> Result<Plan, Ending> {
    let payload = package.map(|package| (package.payload.clone(), package.path.as_path()));
    draft.plan(args, policy, folder.run().clone(), payload)
}

fn conduct(
    args: &RunArgs,
    site: &Site,
    begun: Begun,
    (shown, reach, _runtime, interrupt): (Shown, Reach, Runtime, Interrupt),
) -> Ended {
    let Begun { draft, mut folder, package, plan, past } = begun;
    let parting = match site.keeping {
        Keeping::Stays => Parting::Leaves,
        Keeping::Goes => Parting::Ends,
    };
    let local = package.as_ref().map(|package| (package.path.as_path(), package.payload.layout));
    let (fleet, heard) = reach.fleet(&plan, local, &site.state.join("agent"));
    let log_file = args.show.log_file.clone().unwrap_or_else(|| folder.path().join("rookery.log"));
    let _log = logging::start(&log_file)?;
    let lines = matches!(shown, Shown::Lines);
    let seq = past.as_ref().map(|before| before.seq);
    let clock = Clock::begun(past.as_ref().map_or(Duration::ZERO, |before| before.age));
    let outlet = Outlet::open(std::io::stdout())?;
    let told = (seq, clock, outlet.clone());
    let report = Report::create((&site.state, folder.path()), &plan, &args.show, lines, told)?;
    if past.is_none() {
        folder.keep();
    }
    let crew = Crew::new(fleet, heard, vec![Box::new(report)], parting).or_unexpected("listen to the fleet")?;
    let mut crew = crew.by(clock);
    // From here on the crew hears every signal.
    drop(interrupt);
    let config = config(args, &draft.inventory, shown.attendance(&args.show) == Attendance::Console);
    let (rollout, earlier) = match past {
        None => (Rollout::new(plan, config, fastrand::u64(..)), Retold::default()),
        Some(Before { past, events, .. }) => (Rollout::resumed(plan, config, fastrand::u64(..), past), events),
    };
    let finished = watch(args, &draft, (rollout, earlier), &mut crew, (shown, folder.path()))?;
    let run = folder.run().clone();
    if finished.is_left(parting) {
        crew.part(HANG_UP_MAX);
        folder.leave();
        outlet.finish(&run, Some(READER_AFTER_SIGNAL), || false);
        out::tell(format_args!(
            "run {run} goes on on its hosts without this console: `rookery resume {run}` takes it up"
        ));
        return Ok(report::exit(&finished));
    }
    crew.finish(HANG_UP_MAX);
    folder.keep();
    // Who is told to go does not wait for a reader; nor does who is told so while waiting.
    let again = Interrupt::listen()?;
    let patience = finished.signal.map(|_| READER_AFTER_SIGNAL);
    outlet.finish(&run, patience, || again.flag().load(Ordering::SeqCst));
    drop(again);
    if !lines {
        // The console's screen is gone: what became of the run stays in the scrollback.
        out::print(fs::read(folder.path().join(report::FILE_NAME)).unwrap_or_default())?;
    }
    if site.keeping == Keeping::Stays && !args.show.quiet && !args.show.json {
        out::tell(format_args!("run {run}: `rookery runs report {run}` tells it again"));
    }
    Ok(report::exit(&finished))
}

/// Carries the rollout to its end, before the operator's eyes if there are any.
fn watch(
    args: &RunArgs,
    draft: &Draft,
    (mut rollout, earlier): (Rollout, Retold),
    crew: &mut Crew,
    (shown, folder): (Shown, &Path),
) -> Result<Finished, Ending> {
    let access = if args.show.read_only { Access::Watcher } else { Access::Operator };
    match shown {
        Shown::Lines => Ok(headless(&mut rollout, crew, None)),
        Shown::Console(theme, settings) => {
            let login = |host| login::command(&draft.inventory, draft.host(host));
            let folder = folder.to_owned();
            let report = Box::new(move |rollout: &Rollout| report::write(rollout, &folder));
            let display = display(&args.show, *theme, &settings, (report, Box::new(login)));
            let setup = Setup { earlier, ..setup(draft, display.theme.name(), (access, *settings)) };
            let model = Model::new(rollout, setup);
            show(model, crew, display).or_unexpected("take the terminal")
        }
    }
}

/// How a run is displayed. `report` writes one and says where, `login` is the command that logs in to a host.
pub(super) fn display<'a>(
    show: &ShowArgs,
    chosen: Theme,
    settings: &Settings,
    (report, login): (Box<ReportSink>, Box<LoginSource<'a>>),
) -> Display<'a> {
    let wishes = Wishes::of(show, settings);
    let fit = move |theme| theme::fit(theme, wishes);
    Display {
        theme: fit(chosen),
        themes: Box::new(move |name| theme::load(name).map(fit)),
        themes_stamp: Box::new(theme::stamp),
        settings: Box::new(settings::reload),
        settings_stamp: Box::new(settings::stamp),
        report,
        frame_interval: settings::frame_interval(show, settings),
        env: theme::terminal(),
        mouse: if show.mouse || settings.mouse == Some(true) { Mouse::Taken } else { Mouse::Left },
        notify: settings.notify.clone(),
        on_hangup: settings.on_hangup.unwrap_or_default(),
        login,
    }
}

fn setup(draft: &Draft, theme: &str, (access, settings): (Access, Settings)) -> Setup {
    let mut labels = Labels::default();
    draft.selected.iter().for_each(|id| labels.describe(id, draft.host(id)));
    let (columns, rows) = terminal::size().unwrap_or((80, 24));
    let operator = report::operator();
    let (theme, keymap) = (theme.to_owned(), settings.keymap);
    let (themes, earlier) = (theme::names(), Retold::default());
    Setup { labels, theme, themes, keymap, access, operator, earlier, columns, rows }
}

/// How a run is shown.
#[derive(Debug)]
pub(super) enum Shown {
    Console(Box<Theme>, Box<Settings>),
    Lines,
}

impl Shown {
    /// The console, where there is a terminal for it and nothing else was asked for.
    pub(super) fn of(show: &ShowArgs, settings: Settings) -> Result<Self, Ending> {
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let wanted = !(show.plain || show.json || show.quiet);
        if !(wanted && is_terminal && theme::terminal().has_screen()) {
            return Ok(Self::Lines);
        }
        let env = theme::terminal();
        let asks = settings::asks(show, &settings) && env.answers();
        // A terminal that cannot be asked says nothing.
        let answers = if asks { terminal::probe().unwrap_or_default() } else { Answers::default() };
        let mut settings = settings;
        if show.color.is_none() && settings.color.is_none() {
            let env = TerminalEnv { proves_truecolor: answers.truecolor, ..env };
            settings.color = Some(ColorChoice::Only(env.color_depth(ColorChoice::Auto)));
        }
        let theme =
            theme::load(&settings::first_theme(show.theme.as_deref(), &settings, answers)).or_exit(Exit::Invalid)?;
        Ok(Self::Console(Box::new(theme), Box::new(settings)))
    }
}

impl Shown {
    /// Whether somebody at a console can be asked.
    fn attendance(&self, show: &ShowArgs) -> Attendance {
        match self {
            Self::Console(..) if !show.read_only => Attendance::Console,
            Self::Console(..) | Self::Lines => Attendance::Nobody,
        }
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
