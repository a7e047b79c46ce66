//! The lines on top: what is true of the whole run, with no key pressed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::text::{self, Fields, clock, percent};
use super::worst::needs_a_look;
use crate::base::Instant;
use crate::console::actions::count;
use crate::console::model::Model;
use crate::console::theme::{Scope, Theme};
use crate::rollout::{Outcome, Rollout, Stage, Standing, StateName, StationState, StationView};

/// Without a word from anywhere for this long, the feed looks dead.
const SILENT_SECONDS: u64 = 10;

/// Below this share of all bytes nobody can tell how long the rest takes.
const SOUND_SHARE: f64 = 0.02;

/// Below this many columns one estimate is all there is room for.
const NARROW: u16 = 100;

/// A time that is not known.
const NO_TIME: &str = "--:--";

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let width = usize::from(area.width);
    let buffer = frame.buffer_mut();
    if area.height > 0 {
        let mut fields = run(model, theme);
        if area.height < 3 {
            trouble(model, theme, &mut fields);
        }
        let (line, used) = fields.line(width);
        text::put(buffer, area, 0, &line);
        bar(model, theme, buffer, text::row(area, 0), used);
    }
    if area.height > 1 {
        let words = [Words::Long, Words::Short, Words::Few, Words::None, Words::Tight];
        let lines = words.map(|words| states(model, theme, words).line(width));
        let (line, _) = lines.iter().find(|(_, used)| *used <= width).unwrap_or(&lines[4]);
        text::put(buffer, area, 1, line);
    }
    if area.height > 2 {
        text::put(buffer, area, 2, &swarm(model, theme).line(width).0);
    }
}

/// In a word, where the run stands, and how it should look.
pub(super) fn standing(model: &Model) -> (String, Scope) {
    let rollout = model.shown();
    let bad = if failures(rollout) > 0 { Scope::Bad } else { Scope::Good };
    match rollout.stage() {
        Stage::Preparing { .. } | Stage::Distributing if *rollout.standing() == Standing::Asking => {
            ("GATE".to_owned(), Scope::Warning)
        }
        Stage::Preparing { .. } | Stage::Distributing if *rollout.standing() != Standing::Underway => {
            ("STOPPED".to_owned(), Scope::Bad)
        }
        Stage::Preparing { .. } | Stage::Distributing if rollout.is_paused() => ("PAUSED".to_owned(), Scope::Warning),
        Stage::Preparing { payload: false, .. } => ("preparing the payload".to_owned(), Scope::Title),
        Stage::Preparing { tracker: false, .. } => ("starting the tracker".to_owned(), Scope::Title),
        Stage::Preparing { .. } if rollout.seeder().alive => {
            (format!("looking at {} first", count(rollout.unheard())), Scope::Title)
        }
        Stage::Preparing { .. } => ("starting the seeder".to_owned(), Scope::Title),
        Stage::Distributing => ("running".to_owned(), Scope::Title),
        Stage::Settled => ("SETTLED".to_owned(), bad),
        Stage::Finishing { left } => (format!("cleaning up {left}"), Scope::Warning),
        Stage::Ended(summary) => match summary.outcome {
            Outcome::Complete => ("COMPLETE".to_owned(), Scope::Good),
            Outcome::Partial => ("PARTIAL".to_owned(), bad),
            Outcome::Aborted => ("ABORTED".to_owned(), Scope::Bad),
            Outcome::Failed => ("FAILED".to_owned(), Scope::Bad),
        },
    }
}

fn failures(rollout: &Rollout) -> u32 {
    rollout.counts().of(StateName::Failed) + rollout.counts().of(StateName::Unreachable)
}

fn run<'a>(model: &Model, theme: &Theme) -> Fields<'a> {
    let (rollout, now) = (model.shown(), model.shown_now());
    let counts = rollout.counts();
    let totals = rollout.totals(now);
    let mut fields = Fields::default();
    fields.text(7, text::fit(theme, &model.release(), 30), theme.scope(Scope::Title));
    let (standing, scope) = standing(model);
    fields.text(8, standing, theme.scope(scope));
    if model.frozen.is_some() {
        let since = text::age(model.now.since(now));
        fields.text(8, format!("FROZEN {since} ago"), theme.scope(Scope::Warning));
    }
    let wave = rollout.wave();
    if wave.waves > 1 {
        let canary = if wave.canary { "canary, " } else { "" };
        fields.text(8, format!("{canary}wave {}/{}", wave.wave, wave.waves), theme.scope(Scope::Title));
    }
    fields.text(5, clock(elapsed(model)), theme.scope(Scope::Text));
    let done = counts.of(StateName::Done);
    let style = if done == counts.total() && done > 0 { theme.scope(Scope::Good) } else { theme.scope(Scope::Title) };
    fields.text(9, format!("{done}/{} done", counts.total()), style);
    let failed = counts.of(StateName::Failed);
    let style = if failed > 0 { theme.scope(Scope::Bad) } else { theme.scope(Scope::Muted) };
    fields.text(9, format!("{failed} failed"), style);
    let unreachable = counts.of(StateName::Unreachable);
    if unreachable > 0 {
        fields.text(8, format!("{unreachable} unreachable"), theme.scope(Scope::Bad));
    }
    if totals.bytes_total.0 > 0 {
        let share = totals.bytes_done.0 as f64 / totals.bytes_total.0 as f64;
        fields.text(4, format!("{}%", percent(share)), theme.scope(Scope::Text));
    }
    // While a decision is waited for nobody can tell.
    if *rollout.stage() == Stage::Distributing && *rollout.standing() == Standing::Underway {
        to_come(model, theme, &mut fields);
    }
    if !model.setup.operator.is_empty() {
        fields.text(2, format!("by {}", text::fit(theme, &model.setup.operator, 24)), theme.scope(Scope::Muted));
    }
    fields
}

/// When the last host will be there, and of which hosts nobody can tell.
fn to_come(model: &Model, theme: &Theme, fields: &mut Fields<'_>) {
    let (rollout, now) = (model.shown(), model.shown_now());
    let (totals, plain) = (rollout.totals(now), theme.scope(Scope::Text));
    // What is told of the first moments is a guess, and so is what nobody tells any more.
    let heard = silence(rollout, now).is_none();
    let sound = heard && totals.bytes_done.0 as f64 >= totals.bytes_total.0 as f64 * SOUND_SHARE;
    let eta = rollout.eta(now).filter(|_| sound);
    let (counts, stalled) = (rollout.counts(), rollout.counts().of(StateName::Stalled));
    let only_stalled = counts.settled() + stalled == counts.total();
    // Where there is no room for the others, the last host's is meant.
    let word = if model.setup.columns < NARROW { "" } else { "last " };
    let (last, apart) = match eta {
        Some(eta) => (format!("ETA {word}{}", until(eta.last)), "without "),
        None if heard && only_stalled => ("ETA unknown".to_owned(), ""),
        None => (format!("ETA {word}{NO_TIME}"), ""),
    };
    fields.text(6, last, plain);
    if stalled > 0 && (eta.is_some() || only_stalled) {
        fields.text(4, format!("{apart}{stalled} stalled"), theme.scope(Scope::Warning));
    }
    if let Some(eta) = eta {
        fields.text(4, format!("p95 {}", until(eta.p95)), plain);
        fields.text(3, format!("p50 {}", until(eta.p50)), plain);
    }
}

/// What is wrong with the swarm, where it has no line of its own.
fn trouble(model: &Model, theme: &Theme, fields: &mut Fields<'_>) {
    let (rollout, now) = (model.shown(), model.shown_now());
    if *rollout.stage() != Stage::Distributing {
        return;
    }
    for (who, station) in [("seeder", rollout.seeder()), ("tracker", rollout.tracker())] {
        if !station.alive {
            fields.text(8, format!("no {who}"), theme.scope(Scope::Bad));
        }
    }
    if let Some(silent) = silence(rollout, now) {
        fields.text(8, format!("SILENT {}", text::age(silent)), theme.scope(Scope::Bad));
    }
}

/// How long nothing has been heard from anywhere, if that is too long.
fn silence(rollout: &Rollout, now: Instant) -> Option<std::time::Duration> {
    rollout.last_heard().map(|heard| now.since(heard)).filter(|it| it.as_secs() >= SILENT_SECONDS)
}

/// A time to come; nobody waits for days.
fn until(time: std::time::Duration) -> String {
    if time.as_secs() < 48 * 3600 { clock(time) } else { NO_TIME.to_owned() }
}

/// How long the run takes, or took.
pub(super) fn elapsed(model: &Model) -> std::time::Duration {
    match model.shown().stage() {
        Stage::Ended(summary) => summary.elapsed,
        Stage::Preparing { .. } | Stage::Distributing | Stage::Settled | Stage::Finishing { .. } => {
            model.shown_now().since(Instant::ZERO)
        }
    }
}

/// The share of all bytes, in what is left of the row.
fn bar(model: &Model, theme: &Theme, buffer: &mut ratatui::buffer::Buffer, row: Rect, used: usize) {
    let totals = model.shown().totals(model.shown_now());
    let room = usize::from(row.width).saturating_sub(used + 3).min(60);
    if room < 8 || totals.bytes_total.0 == 0 {
        return;
    }
    let share = (totals.bytes_done.0 as f64 / totals.bytes_total.0 as f64).clamp(0.0, 1.0);
    let full = (share * room as f64) as usize;
    let start = row.x + used as u16 + 2;
    let (on, off) = (theme.pick("━", "="), theme.pick("─", "."));
    buffer.set_string(start, row.y, on.repeat(full), theme.scope(Scope::Bar));
    buffer.set_string(start + full as u16, row.y, off.repeat(room - full), theme.scope(Scope::Muted));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Long,
    Short,
    /// Only where the operator is needed, and what is done.
    Few,
    None,
    /// Not even gaps.
    Tight,
}

/// Every state that has hosts: this is the legend of the glyphs too, and sums to the fleet.
fn states<'a>(model: &Model, theme: &Theme, words: Words) -> Fields<'a> {
    let (mut fields, mut tight) = (Fields::default(), Vec::new());
    for (state, count) in model.shown().counts().iter().filter(|(_, count)| *count > 0) {
        let glyph = Span::styled(theme.glyph(state).to_string(), theme.state(state));
        let text = match words {
            Words::Long => format!(" {count} {state}"),
            Words::Short => format!(" {count} {}", short(state)),
            Words::Few if is_telling(state) => format!(" {count} {}", short(state)),
            Words::Few | Words::None => format!(" {count}"),
            Words::Tight => count.to_string(),
        };
        let text = Span::styled(text, theme.scope(Scope::Text));
        if words == Words::Tight {
            tight.extend([glyph, text]);
        } else {
            fields.push(9, vec![glyph, text]);
        }
    }
    fields.push(9, tight);
    fields
}

/// Whether a state is one to look for first.
const fn is_telling(state: StateName) -> bool {
    matches!(state, StateName::Done) || needs_a_look(state)
}

/// A state in at most five letters.
const fn short(state: StateName) -> &'static str {
    match state {
        StateName::Waiting => "wait",
        StateName::Connecting => "conn",
        StateName::Bootstrapping => "boot",
        StateName::Fetching => "fetch",
        StateName::Stalled => "stall",
        StateName::Verifying => "check",
        StateName::Unpacking => "unpk",
        StateName::Done => "done",
        StateName::Failed => "fail",
        StateName::Unreachable => "lost",
        StateName::Aborted => "abort",
        StateName::Skipped => "skip",
    }
}

/// Who serves, how well the payload is spread, how fresh all this is.
fn swarm<'a>(model: &Model, theme: &Theme) -> Fields<'a> {
    let (rollout, now) = (model.shown(), model.shown_now());
    let totals = rollout.totals(now);
    let (plain, muted) = (theme.scope(Scope::Text), theme.scope(Scope::Muted));
    let mut fields = Fields::default();
    let over = matches!(rollout.stage(), Stage::Finishing { .. } | Stage::Ended(_));
    let (word, style) = station(theme, &rollout.seeder(), now, over);
    fields.push(8, vec![Span::styled("seeder ", muted), Span::styled(word, style)]);
    let (word, style) = station(theme, &rollout.tracker(), now, over);
    fields.push(8, vec![Span::styled("tracker ", muted), Span::styled(word, style)]);
    let mut field = |rank, label: &'static str, value: String, style: Style| {
        fields.push(rank, vec![Span::styled(label, muted), Span::styled(value, style)]);
    };
    if let Some(pushed) = rollout.pushed().filter(|pushed| pushed.sent < pushed.total) {
        let share = percent(pushed.sent.0 as f64 / pushed.total.0.max(1) as f64);
        field(7, "push ", format!("{share}% of {}", pushed.total), plain);
    }
    if totals.bytes_up.0 > 0 && !over {
        let share = percent(totals.seeder_share);
        let (rate, moving) = (totals.rate_down, rollout.counts().settled() < rollout.counts().total());
        let text = if rate.0 > 0 && moving {
            format!("{rate} ({share}% seeder)")
        } else {
            format!("{share}% from the seeder")
        };
        field(7, "", text, plain);
    }
    if rollout.payload().is_some() && !over {
        let rarest = rollout.rarest();
        let style = if rarest == 0 { theme.scope(Scope::Warning) } else { plain };
        let copies = if rarest == 1 { "copy" } else { "copies" };
        field(4, "rarest ", format!("{rarest} {copies}"), style);
    }
    let caps = rollout.caps();
    if let Some(cap) = caps.upload.cap().into_iter().chain(caps.download.cap()).min() {
        field(6, "cap ", crate::base::ByteRate(cap).to_string(), theme.scope(Scope::Warning));
    }
    if let (Some(heard), false) = (rollout.last_heard(), matches!(rollout.stage(), Stage::Ended(_))) {
        let silent = now.since(heard);
        let dead = silent.as_secs() >= SILENT_SECONDS && *rollout.stage() != Stage::Settled;
        let style = if dead { theme.scope(Scope::Bad) } else { plain };
        let rank = if dead { 8 } else { 3 };
        field(rank, if dead { "NOTHING HEARD for " } else { "heard " }, ago(silent, dead), style);
    }
    if let Some(payload) = rollout.payload() {
        let size = crate::base::ByteCount(payload.layout.total());
        field(2, "payload ", format!("{size} in {} pieces", payload.layout.piece_count()), plain);
    }
    fields
}

fn ago(time: std::time::Duration, dead: bool) -> String {
    if dead { text::age(time) } else { format!("{} ago", text::age(time)) }
}

/// The seeder's or tracker's state in a word. One that is gone is bad only while somebody may need it.
fn station(theme: &Theme, station: &StationView, now: Instant, over: bool) -> (String, Style) {
    let (word, scope) = match &station.state {
        StationState::Waiting => ("waits".to_owned(), Scope::Muted),
        StationState::Starting => ("starting".to_owned(), Scope::Text),
        StationState::Packing(bytes) => (format!("packing {bytes}"), Scope::Text),
        StationState::Receiving => ("receiving".to_owned(), Scope::Text),
        StationState::Ready => ("up".to_owned(), Scope::Good),
        StationState::Silent { since } => (format!("SILENT {}", text::age(now.since(*since))), Scope::Bad),
        StationState::Failed(failure) => (format!("FAILED: {}", failure.cause()), Scope::Bad),
        StationState::Gone => ("gone".to_owned(), if over { Scope::Muted } else { Scope::Warning }),
    };
    (word, theme.scope(scope))
}
