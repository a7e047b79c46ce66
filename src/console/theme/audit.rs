//! Whether a theme can be read and its states told apart, by every kind of eye, at every number of colours.
//!
//! Colour never carries a meaning alone here (every state has its own glyph), so not every pair of states has to differ;
//! the rules below are about the one question asked from across the room: is something wrong, and what is done?

use std::fmt;

use super::paint::{Paint, Spec};
use super::vision::{Rgb, Vision, contrast};
use super::{ColorDepth, Scope, Theme, Variant};
use crate::rollout::StateName;

/// Contrast of glyphs and short labels: WCAG 2.2, 1.4.11.
const GLYPH_CONTRAST_MIN: f64 = 3.0;
/// Contrast of text: WCAG 2.2, 1.4.3.
const TEXT_CONTRAST_MIN: f64 = 4.5;

const TROUBLE: &[StateName] = &[StateName::Stalled, StateName::Failed, StateName::Unreachable];
const DONE: &[StateName] = &[StateName::Done];
const MOVING: &[StateName] =
    &[StateName::Connecting, StateName::Bootstrapping, StateName::Fetching, StateName::Verifying, StateName::Unpacking];
const IDLE: &[StateName] = &[StateName::Waiting, StateName::Aborted, StateName::Skipped];

/// Two groups of states that must differ in colour.
struct Rule {
    name: &'static str,
    ours: &'static [StateName],
    theirs: &'static [StateName],
    /// CIEDE2000, for the nearest pair and the eye that sees least.
    least: f64,
}

const RULES: [Rule; 5] = [
    Rule { name: "trouble and done", ours: TROUBLE, theirs: DONE, least: 20.0 },
    Rule { name: "trouble and under way", ours: TROUBLE, theirs: MOVING, least: 10.0 },
    Rule { name: "trouble and idle", ours: TROUBLE, theirs: IDLE, least: 5.0 },
    Rule { name: "done and under way", ours: DONE, theirs: MOVING, least: 3.0 },
    Rule { name: "done and idle", ours: DONE, theirs: IDLE, least: 3.0 },
];

/// One measured property of a theme.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// What was measured: two groups of states, or what on which background.
    pub what: String,
    /// Where it is worst: the pair, the eye, the number of colours.
    pub at: String,
    /// The worst value.
    pub found: f64,
    /// The least that is allowed.
    pub least: f64,
}

impl Measure {
    /// Whether it is as it must be.
    pub fn is_good(&self) -> bool {
        self.found >= self.least
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at, found, least } = self;
        let verdict = if self.is_good() { "" } else { "  TOO LITTLE" };
        write!(f, "{what:<34} {found:>5.1}  at least {least:>4.1}  ({at}){verdict}")
    }
}

/// The depths that have colours, and what they are called.
const DEPTHS: [(ColorDepth, &str); 3] =
    [(ColorDepth::TrueColor, "24 bits"), (ColorDepth::Ansi256, "256 colours"), (ColorDepth::Ansi16, "16 colours")];

impl Theme {
    /// Measures contrast and the distances of states. The terminal's own sixteen colours are taken as xterm has them, and
    /// their contrast is left to the terminal.
    pub fn audit(&self) -> Vec<Measure> {
        let grounds = self.grounds();
        let mut found: Vec<Measure> = RULES.iter().filter_map(|rule| self.apart(rule, &grounds)).collect();
        found.extend(grounds.iter().flat_map(|ground| self.contrasts(*ground)));
        found.extend(self.fills());
        found
    }

    /// What is behind the text: what the theme says, else black, white, or either.
    fn grounds(&self) -> Vec<Rgb> {
        match (self.background, self.variant) {
            (Some(ground), _) => vec![ground],
            (None, Variant::Dark) => vec![(0, 0, 0)],
            (None, Variant::Light) => vec![(255, 255, 255)],
            (None, Variant::Any) => vec![(0, 0, 0), (255, 255, 255)],
        }
    }

    /// The colours a state can have: its own, and for one that fetches those of the ramp.
    fn colors(&self, state: StateName) -> Vec<Paint> {
        let ramp = if state == StateName::Fetching { self.transfer.as_slice() } else { &[] };
        if ramp.is_empty() { self.states[state as usize].spec.fg.into_iter().collect() } else { ramp.to_vec() }
    }

    fn apart(&self, rule: &Rule, grounds: &[Rgb]) -> Option<Measure> {
        let mut worst: Option<Measure> = None;
        for (depth, depth_name) in DEPTHS {
            for ground in grounds {
                for (one, other) in rule.ours.iter().flat_map(|one| rule.theirs.iter().map(move |other| (*one, *other)))
                {
                    for (left, right) in self.pairs(one, other) {
                        for vision in Vision::ALL {
                            let see = |paint: Paint| vision.see(paint.shown(depth, *ground));
                            let found = see(left).difference(see(right));
                            if worst.as_ref().is_none_or(|worst| found < worst.found) {
                                let at = format!("{one}, {other}; {}; {depth_name}", vision.title());
                                worst = Some(Measure { what: rule.name.to_owned(), at, found, least: rule.least });
                            }
                        }
                    }
                }
            }
        }
        worst
    }

    fn pairs(&self, one: StateName, other: StateName) -> Vec<(Paint, Paint)> {
        let others = self.colors(other);
        self.colors(one).into_iter().flat_map(|left| others.iter().map(move |right| (left, *right))).collect()
    }

    /// The least contrast of states, and of text, on one background.
    fn contrasts(&self, ground: Rgb) -> Vec<Measure> {
        let states = StateName::ALL.into_iter().flat_map(|state| {
            self.colors(state).into_iter().map(move |paint| (state.as_str(), paint, GLYPH_CONTRAST_MIN))
        });
        let scopes = Scope::ALL.into_iter().filter(|scope| self.scopes[*scope as usize].bg.is_none());
        let scopes = scopes.filter_map(|scope| {
            let text = matches!(scope, Scope::Text | Scope::Title | Scope::Prompt | Scope::Dialog);
            let least = if text { TEXT_CONTRAST_MIN } else { GLYPH_CONTRAST_MIN };
            self.scopes[scope as usize].fg.map(|paint| (scope.name(), paint, least))
        });
        let (red, green, blue) = ground;
        let all = states.map(|all| ("states", all)).chain(scopes.map(|all| ("labels", all)));
        let mut worst: Vec<Measure> = Vec::new();
        for (group, (name, paint, least)) in all {
            for (depth, depth_name) in DEPTHS.into_iter().filter(|(depth, _)| paint.is_own(*depth)) {
                let what = format!("contrast of {group} on #{red:02x}{green:02x}{blue:02x}");
                let found = contrast(paint.shown(depth, ground), ground);
                let measure = Measure { what, at: format!("{name}; {depth_name}"), found, least };
                match worst.iter_mut().find(|worst| worst.what == measure.what) {
                    Some(worst) if measure.found - measure.least < worst.found - worst.least => *worst = measure,
                    Some(_) => {}
                    None => worst.push(measure),
                }
            }
        }
        worst
    }

    /// The contrast of what has a background of its own.
    fn fills(&self) -> Vec<Measure> {
        let filled = |spec: &Spec| spec.fg.zip(spec.bg);
        let all = Scope::ALL.into_iter().filter_map(|scope| {
            filled(&self.scopes[scope as usize]).map(|(fg, bg)| (format!("contrast of {}", scope.name()), fg, bg))
        });
        let measure = |(what, fg, bg): (String, Paint, Paint)| {
            let of = |(depth, name): (ColorDepth, &str)| {
                let found = contrast(bg.shown(depth, (0, 0, 0)), fg.shown(depth, (255, 255, 255)));
                Measure { what: what.clone(), at: name.to_owned(), found, least: TEXT_CONTRAST_MIN }
            };
            DEPTHS.into_iter().map(of).min_by(|one, other| one.found.total_cmp(&other.found))
        };
        all.filter_map(measure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUILTIN;
    use super::*;

    #[test]
    fn every_theme_of_the_program_can_be_read_by_every_kind_of_eye() {
        let faults: Vec<String> = BUILTIN
            .iter()
            .flat_map(|(name, _)| Theme::builtin(name).expect(name).audit().into_iter().map(move |found| (name, found)))
            .filter(|(_, found)| !found.is_good())
            .map(|(name, found)| format!("{name}: {found}"))
            .collect();
        assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    }

    /// These are chosen for it: any two states that are not of one kind differ at a glance.
    #[test]
    fn the_themes_for_one_kind_of_eye_keep_all_kinds_of_states_apart() {
        use StateName::{Connecting, Done, Failed, Fetching, Stalled, Unreachable, Verifying, Waiting};
        let kinds = [Waiting, Connecting, Fetching, Stalled, Verifying, Done, Failed, Unreachable];
        for name in ["dark", "light", "high-contrast", "deuteranopia", "tritanopia"] {
            let theme = Theme::builtin(name).expect(name);
            for depth in [ColorDepth::Ansi256, ColorDepth::TrueColor] {
                for (at, one) in kinds.iter().enumerate() {
                    for other in &kinds[at + 1..] {
                        for (left, right) in theme.pairs(*one, *other) {
                            for vision in Vision::ALL {
                                let see = |paint: Paint| vision.see(paint.shown(depth, (0, 0, 0)));
                                let found = see(left).difference(see(right));
                                assert!(
                                    found >= 9.0,
                                    "{name}: {one} and {other} are {found:.1} apart: {vision:?} {depth:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn high_contrast_is_what_its_name_says() {
        let theme = Theme::builtin("high-contrast").expect("it is there");
        let of = |ground| theme.contrasts(ground).into_iter().map(|found| found.found).fold(21.0, f64::min);
        assert!(of((0, 0, 0)) >= 7.0, "{}", of((0, 0, 0)));
    }

    #[test]
    fn a_theme_whose_failures_look_done_is_found_out() {
        let text = "variant = \"dark\"\n[state]\nfailed = { fg = \"#00ff00\" }\ndone = { fg = \"#10f010\" }\nwaiting = { fg = \"#111111\" }\n";
        let audit = Theme::parse("bad", text, &|_| None).expect("it is a theme").audit();
        let bad: Vec<_> = audit.iter().filter(|found| !found.is_good()).map(|found| found.what.as_str()).collect();
        assert_eq!(bad, ["trouble and done", "contrast of states on #000000"], "{audit:?}");
    }
}
