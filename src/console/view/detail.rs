//! One host: what it is doing, why, its pieces and peers, its history, and its last words.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialog::wrap;
use super::grid::caption;
use super::text::{self, age, clock, percent};
use crate::base::{Bitfield, Instant, PieceIndex};
use crate::console::keymap::{Act, Verb};
use crate::console::model::{Model, can_retry};
use crate::console::theme::{Scope, Theme};
use crate::rollout::{HostRecord, Rollout};

/// Facts on the left and words on the right from this width on.
const WIDE: u16 = 130;

/// Rows of the map of pieces: a thousand of them on 80 columns.
const MAP_ROWS: usize = 16;

/// Pieces that stand together.
const TEN: usize = 10;

/// What the sections draw with.
struct Page<'a> {
    model: &'a Model,
    theme: &'a Theme,
    rollout: &'a Rollout,
    host: &'a HostRecord,
    now: Instant,
}

pub(super) fn draw(model: &Model, theme: &Theme, frame: &mut Frame<'_>, area: Rect) {
    let rollout = model.shown();
    let Some(host) = model.cursor.and_then(|cursor| rollout.host(cursor)) else { return };
    let page = Page { model, theme, rollout, host, now: model.shown_now() };
    let left = if area.width >= WIDE { area.width / 2 } else { area.width };
    let right = area.width - left;
    let width = usize::from(left.saturating_sub(2)).max(1);
    let mut facts = page.summary(width);
    facts.extend(page.pieces(width));
    let aside = usize::from(if right > 0 { right } else { left });
    let mut words = page.history(aside);
    words.extend(page.transcript(aside));
    facts.extend(page.peers());
    let columns = if right > 0 {
        vec![(facts, Rect { width: left, ..area }), (words, Rect { x: area.x + left, width: right, ..area })]
    } else {
        facts.extend(words);
        vec![(facts, area)]
    };
    for (lines, column) in columns {
        let (shown, top) = text::window(&lines, model.scroll, column.height);
        for (row, line) in (0_u16..).zip(shown) {
            text::put(frame.buffer_mut(), column, row, line);
        }
        let below = lines.len() - top - shown.len();
        text::more(frame.buffer_mut(), column, below + usize::from(below > 0), theme);
    }
}

impl Page<'_> {
    fn heading<'l>(&self, title: impl Into<String>) -> Line<'l> {
        Line::styled(format!(" {}", title.into()), self.theme.scope(Scope::Title))
    }

    fn fact<'l>(&self, label: &str, value: impl Into<String>) -> Line<'l> {
        Line::from(vec![
            Span::styled(format!("  {label:<9} "), self.theme.scope(Scope::Muted)),
            Span::styled(text::plain(self.theme, &value.into()), self.theme.scope(Scope::Text)),
        ])
    }

    fn summary<'l>(&self, width: usize) -> Vec<Line<'l>> {
        let (host, theme) = (self.host, self.theme);
        let state = host.state.name();
        let (glyph, style) = theme.host(state, host.completion());
        let mark = if self.model.marks.contains(&host.id) { "  marked" } else { "" };
        let mut lines = vec![Line::from(vec![
            Span::raw(" "),
            Span::styled(glyph.to_string(), style),
            Span::styled(format!(" {}", self.rollout.name(host.id)), theme.scope(Scope::Title)),
            Span::styled(format!("  {state}"), caption(theme, state)),
            Span::styled(format!("  {}%", percent(host.completion())), theme.scope(Scope::Text)),
            Span::styled(mark, theme.scope(Scope::Mark)),
        ])];
        let reason = text::reason(host, self.now);
        if !reason.is_empty() {
            let wrapped = wrap(&text::plain(theme, &reason), width.saturating_sub(4).max(1));
            lines.extend(wrapped.into_iter().map(|line| Line::styled(format!("   {line}"), caption(theme, state))));
        }
        if let Some(step) = text::next_step(host) {
            let key = |verb| self.model.setup.keymap.key_of(verb);
            let by = if can_retry(state) {
                format!("{} retries", key(Verb::Act(Act::Retry)))
            } else {
                format!("{} logs in", key(Verb::Login))
            };
            let step = text::plain(theme, &format!("→ {step} ({by})"));
            let wrapped = wrap(&step, width.saturating_sub(4).max(1));
            let style = theme.scope(Scope::Warning);
            lines.extend(wrapped.into_iter().map(|line| Line::styled(format!("   {line}"), style)));
        }
        lines.extend(self.facts());
        lines
    }

    fn facts<'l>(&self) -> Vec<Line<'l>> {
        let (host, progress) = (self.host, &self.host.progress);
        let mut lines = Vec::new();
        let labels: Vec<_> =
            self.model.setup.labels.of(host.id).iter().map(|(label, value)| format!("{label}={value}")).collect();
        if !labels.is_empty() {
            lines.push(self.fact("labels", labels.join(" ")));
        }
        if host.attempt.number > 0 {
            let since = host.attempt.launched.map(|at| host.attempt.settled.unwrap_or(self.now).since(at));
            let time = since.map(|time| format!(", {}", clock(time))).unwrap_or_default();
            lines.push(self.fact("attempt", format!("{}{time}", host.attempt.number)));
        }
        if progress.bytes_down.0 + progress.bytes_up.0 > 0 {
            let down = format!("{} in, {}", progress.rate_down, progress.bytes_down);
            let up = format!("{} out, {}", progress.rate_up, progress.bytes_up);
            lines.push(self.fact("traffic", format!("{down}; {up}")));
        }
        if !host.state.name().is_settled() && progress.peers > 0 {
            let text = format!("{}, {} let it ask", progress.peers, progress.unchoking);
            lines.push(self.fact("peers", text));
        }
        if progress.corrupt > 0 {
            lines.push(
                self.fact("corrupt", format!("{} pieces arrived damaged and were asked for again", progress.corrupt)),
            );
        }
        if let Some(address) = host.listening {
            lines.push(self.fact("listens", address.to_string()));
        }
        if let Some(heard) = host.heard {
            lines.push(self.fact("heard", format!("{} ago", age(self.now.since(heard)))));
        }
        lines
    }

    /// A hexadecimal digit a piece, how many of its peers have it, as far as this console knows them; whether this host has
    /// it is told by the style. While its peers are not told, the digits are of the whole swarm. Where there are too many
    /// pieces, a digit stands for several: the fewest copies among them.
    fn pieces<'l>(&self, width: usize) -> Vec<Line<'l>> {
        let Some(pieces) = self.host.pieces.as_ref().filter(|pieces| pieces.capacity() > 0) else { return Vec::new() };
        let total = pieces.capacity() as usize;
        let margin = total.to_string().len() + 3;
        let tens = (width.saturating_sub(margin) / (TEN + 1)).max(1);
        let per_mark = total.div_ceil(tens * TEN * MAP_ROWS).max(1);
        let known = self.known_peers();
        let whose = if known.is_empty() {
            "in the swarm".to_owned()
        } else {
            format!("in its {}", text::peers(known.len() as u16))
        };
        let what = match per_mark {
            1 => format!("a digit a piece: copies {whose} (F: 15+)"),
            more => format!("a digit: the fewest copies {whose} of {more} pieces"),
        };
        let muted = self.theme.scope(Scope::Muted);
        let mut lines = vec![Line::from(vec![
            Span::styled(format!(" Pieces {}/{total}", pieces.count()), self.theme.scope(Scope::Title)),
            Span::styled(format!("  {what}; "), muted),
            Span::styled("has", self.theme.scope(Scope::Bar)),
            Span::styled(" ", muted),
            Span::styled("misses", self.theme.scope(Scope::Warning)),
        ])];
        let marks: Vec<_> =
            (0..total).step_by(per_mark).map(|first| self.mark(&known, pieces, first, per_mark)).collect();
        for (row, marks) in marks.chunks(tens * TEN).enumerate() {
            let first = row * tens * TEN * per_mark;
            let mut spans = vec![Span::styled(format!("{first:>width$} ", width = margin - 1), muted)];
            for ten in marks.chunks(TEN) {
                for run in ten.chunk_by(|one, other| one.1 == other.1) {
                    let text: String = run.iter().map(|(mark, _)| *mark).collect();
                    spans.push(Span::styled(text, self.theme.scope(run[0].1)));
                }
                spans.push(Span::raw(" "));
            }
            lines.push(Line::from(spans));
        }
        lines
    }

    /// The mark of the pieces from `first` on, and its style: all are there, or some are missing.
    fn mark(&self, known: &[&Bitfield], pieces: &Bitfield, first: usize, per_mark: usize) -> (char, Scope) {
        let last = (first + per_mark).min(pieces.capacity() as usize);
        let range = || (first..last).map(|piece| PieceIndex(piece as u32));
        let copies = |piece| match known {
            [] => self.rollout.availability(piece),
            known => known.iter().filter(|pieces| pieces.contains(piece)).count() as u32,
        };
        let copies = range().map(copies).min().unwrap_or_default().min(15);
        let digit = char::from_digit(copies, 16).map_or('0', |digit| digit.to_ascii_uppercase());
        let all = range().all(|piece| pieces.contains(piece));
        (digit, if all { Scope::Bar } else { Scope::Warning })
    }

    /// The hosts of the fleet by where they listen.
    fn listeners(&self) -> BTreeMap<SocketAddr, &HostRecord> {
        self.rollout.hosts().iter().filter_map(|host| host.listening.map(|address| (address, host))).collect()
    }

    /// The pieces of those of its peers that this console knows.
    fn known_peers(&self) -> Vec<&Bitfield> {
        let hosts = self.listeners();
        let known = self.host.peers.iter().filter_map(|peer| hosts.get(&peer.address));
        known.filter_map(|host| host.pieces.as_ref()).collect()
    }

    fn peers<'l>(&self) -> Vec<Line<'l>> {
        if self.host.peers.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![self.heading(format!("Peers {}", self.host.peers.len()))];
        lines.push(Line::styled(
            format!("  {:<24} {:>6} {:>11} {:>11}  {}", "host", "pieces", "in", "out", "client"),
            self.theme.scope(Scope::Muted),
        ));
        let hosts = self.listeners();
        for peer in &self.host.peers {
            let known =
                hosts.get(&peer.address).map(|host| self.model.names.short(self.rollout.name(host.id)).to_owned());
            let name = text::fit(self.theme, &known.unwrap_or_else(|| peer.address.to_string()), 24);
            let choked = if peer.unchoking { "" } else { ", chokes it" };
            lines.push(Line::styled(
                format!(
                    "  {name:<24} {:>6} {:>11} {:>11}  {}{choked}",
                    peer.pieces,
                    peer.rate_down.to_string(),
                    peer.rate_up.to_string(),
                    text::plain(self.theme, &peer.client),
                ),
                self.theme.scope(Scope::Text),
            ));
        }
        lines
    }

    fn history<'l>(&self, width: usize) -> Vec<Line<'l>> {
        let mut lines = vec![self.heading("History")];
        for (at, step) in self.host.history.iter().enumerate() {
            let next = self.host.history.get(at + 1).map_or(self.now, |next| next.at);
            let lasted = if step.state.is_settled() && at + 1 == self.host.history.len() {
                format!("{} ago", age(self.now.since(step.at)))
            } else {
                format!("for {}", age(next.since(step.at)))
            };
            let attempt = if step.attempt > 1 { format!("try {} ", step.attempt) } else { String::new() };
            let lasted = format!("{lasted:<9} {attempt}");
            let reason = step.reason.as_deref().unwrap_or_default();
            let text = lasted.clone() + &text::squeeze(self.theme, reason, width.saturating_sub(26 + lasted.len()));
            lines.push(Line::from(vec![
                Span::styled(format!("  {:>7} ", clock(step.at.since(Instant::ZERO))), self.theme.scope(Scope::Muted)),
                Span::styled(self.theme.glyph(step.state).to_string(), self.theme.state(step.state)),
                Span::styled(format!(" {:<13} ", step.state.as_str()), caption(self.theme, step.state)),
                Span::styled(text, self.theme.scope(Scope::Text)),
            ]));
        }
        if self.host.history.is_empty() {
            lines.push(Line::styled("  not launched yet", self.theme.scope(Scope::Muted)));
        }
        lines
    }

    fn transcript<'l>(&self, width: usize) -> Vec<Line<'l>> {
        let style = self.theme.scope(Scope::Text);
        let mut lines = vec![self.heading("Last words (agent and SSH)")];
        for said in &self.host.transcript {
            let wrapped = wrap(&text::plain(self.theme, &said.line), width.saturating_sub(6).max(1));
            for (at, part) in wrapped.into_iter().enumerate() {
                let indent = if at == 0 { "  " } else { "    " };
                lines.push(Line::styled(format!("{indent}{part}"), style));
            }
        }
        if self.host.transcript.is_empty() {
            lines.push(Line::styled("  none", self.theme.scope(Scope::Muted)));
        }
        lines
    }
}
