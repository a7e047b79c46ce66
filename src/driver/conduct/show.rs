//! A run on a terminal: the console decides, this draws and listens.

use std::io;
use std::time::Duration;

use super::{Crew, Finished, headless, signals};
use crate::base::Instant;
use crate::console::{Effect, Leave, Model, Msg, Signal, Theme, update, view};
use crate::driver::terminal::{Terminal, listen, silence};
use crate::rollout::{Input, Rollout, Summary};

/// Messages taken before a frame is drawn, so that a flood of statuses never starves the screen.
const DRAIN_MAX: usize = 512;

/// Between two looks at a terminal that is still taking the last frame.
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Finds a theme by name.
pub(super) type ThemeSource = dyn Fn(&str) -> Result<Theme, String>;

/// Writes a report of a run, and says where.
pub(super) type ReportSink = dyn Fn(&Rollout) -> Result<String, String>;

/// How the run is shown.
pub struct Display {
    /// The theme to begin with.
    pub theme: Theme,
    /// Where other themes come from.
    pub themes: Box<ThemeSource>,
    /// Where reports go.
    pub report: Box<ReportSink>,
    /// Between two frames at least.
    pub frame_interval: Duration,
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display").field("theme", &self.theme.name()).finish_non_exhaustive()
    }
}

/// Shows the run until it is over or the operator leaves. A terminal that goes away does not end the run: it goes on
/// without one, to the end, and is in the journal.
///
/// # Errors
/// When the terminal cannot be taken; nothing has begun then.
pub fn show(mut model: Model, crew: &mut Crew, display: Display) -> io::Result<Finished> {
    let terminal = Terminal::take()?;
    listen(crew.sender())?;
    signals::stay(crew.sender())?;
    let mut stage = Stage { terminal, display, dirty: true, drawn: None, summary: None };
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
        if let Some(left) = stage.take(&mut model, crew, next) {
            break left;
        }
    };
    let summary = stage.summary.take();
    match left {
        Leave::Ended | Leave::Uncleaned { .. } => Ok(Finished { summary, signal: None }),
        Leave::Signal(Signal::Hangup) => {
            silence();
            drop(stage);
            Ok(carry_on(model, crew, Signal::Hangup, summary))
        }
        Leave::Signal(signal) => {
            drop(stage);
            Ok(carry_on(model, crew, signal, summary))
        }
    }
}

fn carry_on(model: Model, crew: &mut Crew, signal: Signal, summary: Option<Summary>) -> Finished {
    match summary {
        Some(summary) => Finished { summary: Some(summary), signal: Some(signal) },
        None => headless(&mut model.into_rollout(), crew, Some(signal)),
    }
}

/// The screen and when it was drawn.
struct Stage {
    terminal: Terminal,
    display: Display,
    dirty: bool,
    drawn: Option<Instant>,
    summary: Option<Summary>,
}

impl Stage {
    /// Draws if there is something new, the last frame is out, and its time has come.
    fn turn(&mut self, model: &mut Model, crew: &mut Crew) -> Option<Leave> {
        if self.terminal.is_gone() {
            return Some(Leave::Signal(Signal::Hangup));
        }
        let now = crew.now();
        if !self.is_due(now) {
            return None;
        }
        self.dirty = false;
        self.drawn = Some(now);
        let (terminal, theme) = (&mut self.terminal, &self.display.theme);
        terminal.draw(|frame| view(model, theme, frame)).is_err().then_some(Leave::Signal(Signal::Hangup))
    }

    fn is_due(&self, now: Instant) -> bool {
        let rested = self.drawn.is_none_or(|drawn| now.since(drawn) >= self.display.frame_interval);
        self.dirty && rested && self.terminal.is_ready()
    }

    /// When to wake up without a message: for a frame, after a moment when the last one is not out yet.
    fn wake(&self, model: &Model, now: Instant) -> Option<Instant> {
        let rested = self.drawn.filter(|_| self.dirty).map(|drawn| drawn + self.display.frame_interval);
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
            Effect::Bell => self.terminal.bell(),
            Effect::Title(title) => self.terminal.title(&title),
            Effect::LoadTheme(name) => {
                let loaded = (self.display.themes)(&name).map(|theme| self.display.theme = theme);
                return self.answer(model, crew, Msg::ThemeLoaded { name, problem: loaded.err() });
            }
            Effect::WriteReport => {
                let written = (self.display.report)(model.rollout());
                return self.answer(model, crew, Msg::ReportWritten(written));
            }
            Effect::Quit(left) => return Some(left),
        }
        None
    }

    fn answer(&mut self, model: &mut Model, crew: &mut Crew, message: Msg) -> Option<Leave> {
        let effects = update(model, crew.now(), message);
        effects.into_iter().find_map(|effect| self.carry_out(model, crew, effect))
    }
}
