//! A run on a terminal: the console decides, this draws and listens.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use super::login::Guest;
use super::outside::{Herald, clipboard, task_bar};
use super::pacer::Pacer;
use super::{Crew, Finished, headless, signals};
use crate::base::Instant;
use crate::console::{
    Effect, LastScreen, Leave, Model, Msg, OnHangup, Progress, Settings, Signal, TerminalEnv, Theme, update, view,
};
use crate::driver::terminal::{Listener, Mouse, Terminal, hush, listen};
use crate::inventory::HostId;
use crate::rollout::{Input, Rollout, Summary};

/// Messages taken before a frame is drawn, so that a flood of statuses never starves the screen.
const DRAIN_MAX: usize = 512;

/// Between two looks at a terminal that is still taking the last frame.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Between two looks for themes and settings that have changed.
const FILES_INTERVAL: Duration = Duration::from_secs(1);

/// Finds a theme by name.
pub(super) type ThemeSource = dyn Fn(&str) -> Result<Theme, String>;

/// Says by its number whether files have changed.
pub(super) type Stamp = dyn Fn() -> u64;

/// Reads the settings anew.
pub(super) type SettingsSource = dyn Fn() -> Result<Settings, String>;

/// Writes a report of a run, and says where.
pub type ReportSink = dyn Fn(&Rollout) -> Result<String, String>;

/// Knows the command that logs in to a host.
pub type LoginSource<'a> = dyn Fn(HostId) -> Vec<OsString> + 'a;

/// How the run is shown.
pub struct Display<'a> {
    /// The theme to begin with.
    pub theme: Theme,
    /// Where other themes come from.
    pub themes: Box<ThemeSource>,
    /// Changes when a theme has changed on disk.
    pub themes_stamp: Box<Stamp>,
    /// Where settings come from.
    pub settings: Box<SettingsSource>,
    /// Changes when settings have changed on disk.
    pub settings_stamp: Box<Stamp>,
    /// Where reports go.
    pub report: Box<ReportSink>,
    /// Between two frames at least.
    pub frame_interval: Duration,
    /// What is known of the terminal.
    pub env: TerminalEnv,
    /// Whose the mouse is.
    pub mouse: Mouse,
    /// The program, with its first arguments, that is told of failures and of the end; empty: none.
    pub notify: Vec<String>,
    /// What the run does when the terminal goes away.
    pub on_hangup: OnHangup,
    /// How a host is logged in to.
    pub login: Box<LoginSource<'a>>,
}

impl std::fmt::Debug for Display<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display").field("theme", &self.theme.name()).finish_non_exhaustive()
    }
}

/// Shows the run until it is over or the operator leaves. A terminal that goes away does not end the run: it goes on
/// without one, to the end, and is in the journal.
///
/// # Errors
/// When the terminal cannot be taken; nothing has begun then.
pub fn show(mut model: Model, crew: &mut Crew, display: Display<'_>) -> io::Result<Finished> {
    let mut terminal = Terminal::take()?;
    terminal.mouse(display.mouse);
    let listener = listen(crew.sender())?;
    signals::stay(crew.sender())?;
    let stamp = Stamps { at: crew.now(), themes: (display.themes_stamp)(), settings: (display.settings_stamp)() };
    let pacer = Pacer::new(display.frame_interval);
    let herald = Herald::new(display.notify.clone());
    let mut stage = Stage {
        terminal,
        listener,
        guest: None,
        herald,
        display,
        pacer,
        dirty: true,
        drawn: None,
        stamp,
        summary: None,
    };
    let mut first = Some(Msg::Fleet(Input::Elapsed));
    let left = loop {
        if let Some(left) = stage.turn(&mut model, crew) {
            break left;
        }
        let next = match first.take() {
            None if stage.is_due(crew.now()) => crew.at_hand(),
            None => crew.next(stage.wake(&model, crew.now())),
            begin => begin,
        };
        if let Some(left) = stage.take(&mut model, crew, next).or_else(|| stage.follow_files(&mut model, crew)) {
            break left;
        }
    };
    let summary = stage.summary.take();
    match left {
        Leave::Ended | Leave::Uncleaned { .. } => Ok(Finished { summary, signal: None }),
        Leave::Signal(Signal::Hangup) => {
            hush();
            let on_hangup = stage.display.on_hangup;
            drop(stage);
            Ok(carry_on(model, crew, (Signal::Hangup, on_hangup), summary))
        }
        Leave::Signal(signal) => {
            drop(stage);
            Ok(carry_on(model, crew, (signal, OnHangup::Continue), summary))
        }
    }
}

fn carry_on(
    model: Model,
    crew: &mut Crew,
    (signal, on_hangup): (Signal, OnHangup),
    summary: Option<Summary>,
) -> Finished {
    if let Some(summary) = summary {
        return Finished { summary: Some(summary), signal: Some(signal) };
    }
    let mut rollout = model.into_rollout();
    if on_hangup == OnHangup::Abort {
        let finished = headless(&mut rollout, crew, Some(Signal::Interrupt));
        return Finished { signal: Some(signal), ..finished };
    }
    headless(&mut rollout, crew, Some(signal))
}

/// The screen and when it was drawn.
struct Stage<'a> {
    terminal: Terminal,
    listener: Listener,
    /// Who has the terminal now, when it is not the console.
    guest: Option<Guest>,
    herald: Herald,
    display: Display<'a>,
    pacer: Pacer,
    dirty: bool,
    drawn: Option<Instant>,
    stamp: Stamps,
    summary: Option<Summary>,
}

/// When files were last looked for, and their stamps then.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    at: Instant,
    themes: u64,
    settings: u64,
}

impl Stage<'_> {
    /// Draws if there is something new, the last frame is out, and its time has come.
    fn turn(&mut self, model: &mut Model, crew: &mut Crew) -> Option<Leave> {
        if self.terminal.is_gone() {
            return Some(Leave::Signal(Signal::Hangup));
        }
        let now = crew.now();
        if !self.is_due(now) {
            return None;
        }
        self.pacer.took(self.terminal.last_flush());
        self.dirty = false;
        self.drawn = Some(now);
        let (terminal, theme) = (&mut self.terminal, &self.display.theme);
        terminal.draw(|frame| view(model, theme, frame)).is_err().then_some(Leave::Signal(Signal::Hangup))
    }

    fn is_due(&self, now: Instant) -> bool {
        let rested = self.drawn.is_none_or(|drawn| now.since(drawn) >= self.pacer.interval());
        self.dirty && rested && self.guest.is_none() && self.terminal.is_ready()
    }

    /// When to wake up without a message: for a frame, after a moment when the last one is not out yet.
    fn wake(&self, model: &Model, now: Instant) -> Option<Instant> {
        let rested =
            self.drawn.filter(|_| self.dirty && self.guest.is_none()).map(|drawn| drawn + self.pacer.interval());
        let frame =
            if self.terminal.is_ready() { rested } else { rested.map(|rested| rested.max(now + BUSY_INTERVAL)) };
        [frame, model.deadline()].into_iter().flatten().min()
    }

    /// Takes a message and those right behind it.
    fn take(&mut self, model: &mut Model, crew: &mut Crew, first: Option<Msg>) -> Option<Leave> {
        let mut next = first.or_else(|| {
            let due = model.deadline().is_some_and(|deadline| deadline <= crew.now());
            due.then_some(Msg::Tick)
        });
        for taken in 1..=DRAIN_MAX {
            let message = next.take()?;
            self.dirty = true;
            if let ControlFlow::Break(left) = self.host_guest(&message) {
                return left;
            }
            let effects = update(model, crew.now(), message);
            for effect in effects {
                if let Some(left) = self.carry_out(model, crew, effect) {
                    return Some(left);
                }
            }
            next = if taken < DRAIN_MAX { crew.at_hand() } else { None };
        }
        None
    }

    /// Loads theme and settings anew when they have changed on disk; what is broken stays out of use and says why.
    fn follow_files(&mut self, model: &mut Model, crew: &mut Crew) -> Option<Leave> {
        let now = crew.now();
        if now.since(self.stamp.at) < FILES_INTERVAL {
            return None;
        }
        let (themes, settings) = ((self.display.themes_stamp)(), (self.display.settings_stamp)());
        let before = std::mem::replace(&mut self.stamp, Stamps { at: now, themes, settings });
        if before.settings != settings {
            self.dirty = true;
            let changed = Msg::SettingsChanged((self.display.settings)().map(Box::new));
            if let Some(left) = self.answer(model, crew, changed) {
                return Some(left);
            }
        }
        if before.themes == themes {
            return None;
        }
        self.dirty = true;
        let effect = Effect::LoadTheme(self.display.theme.name().to_owned());
        self.carry_out(model, crew, effect)
    }

    fn carry_out(&mut self, model: &mut Model, crew: &mut Crew, effect: Effect) -> Option<Leave> {
        match effect {
            Effect::Rollout(output) => {
                if let Some(summary) = crew.act(model.rollout(), output) {
                    self.summary = Some(summary);
                }
            }
            Effect::Redraw => {
                if self.terminal.redraw().is_err() {
                    return Some(Leave::Signal(Signal::Hangup));
                }
            }
            Effect::Bell => self.terminal.say("\x07"),
            Effect::Title(title) if self.guest.is_none() => self.terminal.title(&title),
            Effect::Progress(progress) if self.display.env.shows_progress() => self.terminal.say(&task_bar(progress)),
            Effect::Title(_) | Effect::Progress(_) => {}
            Effect::Notify(notice) => self.herald.tell(notice),
            Effect::Copy(text) => self.terminal.say(&clipboard(&text, &self.display.env)),
            Effect::Login(host) => return self.log_in(model, crew, host),
            Effect::Suspend => {
                if self.suspend().is_err() {
                    return Some(Leave::Signal(Signal::Hangup));
                }
            }
            Effect::LoadTheme(name) => {
                let loaded = (self.display.themes)(&name).map(|theme| self.display.theme = theme);
                return self.answer(model, crew, Msg::ThemeLoaded { name, problem: loaded.err() });
            }
            Effect::WriteReport => {
                let written = (self.display.report)(model.rollout());
                return self.answer(model, crew, Msg::ReportWritten(written));
            }
            Effect::Quit(left) => {
                self.close(model);
                return Some(left);
            }
        }
        None
    }

    /// The last things said to a terminal that is given back.
    fn close(&mut self, model: &Model) {
        if self.display.env.shows_progress() {
            self.terminal.say(&task_bar(Progress::None));
        }
        if model.last_screen() == LastScreen::Stays {
            let (terminal, theme) = (&mut self.terminal, &self.display.theme);
            // A terminal that is gone keeps nothing.
            let _ = terminal.keep(|frame| view(model, theme, frame));
        }
    }

    /// Leaves the terminal to ssh; the console is back when the message says that it has ended.
    fn log_in(&mut self, model: &mut Model, crew: &mut Crew, host: HostId) -> Option<Leave> {
        if self.guest.is_some() {
            return None;
        }
        let command = (self.display.login)(host);
        self.listener.pause();
        let begun =
            self.terminal.lend().and_then(|()| Guest::start(model.rollout().name(host), &command, crew.sender()));
        match begun {
            Ok(guest) => {
                self.guest = Some(guest);
                None
            }
            Err(error) => {
                if self.come_back().is_err() {
                    return Some(Leave::Signal(Signal::Hangup));
                }
                self.answer(model, crew, Msg::LoginEnded(Err(format!("ssh cannot be started: {error}"))))
            }
        }
    }

    /// While a guest has the terminal, what the terminal says is meant for the guest, and goes no further.
    fn host_guest(&mut self, message: &Msg) -> ControlFlow<Option<Leave>> {
        let Some(guest) = &self.guest else { return ControlFlow::Continue(()) };
        match message {
            Msg::LoginEnded(_) => {
                self.guest = None;
                match self.come_back() {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(Some(Leave::Signal(Signal::Hangup))),
                }
            }
            Msg::Suspend => {
                guest.carry_on();
                ControlFlow::Break(None)
            }
            Msg::Signal(Signal::Interrupt) | Msg::Resumed => ControlFlow::Break(None),
            Msg::Fleet(_)
            | Msg::Key(_)
            | Msg::Paste(_)
            | Msg::Click { .. }
            | Msg::Resize { .. }
            | Msg::Tick
            | Msg::Signal(Signal::Terminate | Signal::Hangup)
            | Msg::ThemeLoaded { .. }
            | Msg::SettingsChanged(_)
            | Msg::ReportWritten(_) => ControlFlow::Continue(()),
        }
    }

    /// The terminal is the console's again.
    fn come_back(&mut self) -> io::Result<()> {
        self.terminal.take_back()?;
        self.listener.resume();
        self.dirty = true;
        Ok(())
    }

    /// Gives the terminal back and stands still, until somebody continues the process.
    fn suspend(&mut self) -> io::Result<()> {
        self.listener.pause();
        self.terminal.lend()?;
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.come_back()
    }

    fn answer(&mut self, model: &mut Model, crew: &mut Crew, message: Msg) -> Option<Leave> {
        let effects = update(model, crew.now(), message);
        effects.into_iter().find_map(|effect| self.carry_out(model, crew, effect))
    }
}
