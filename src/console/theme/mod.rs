//! How everything looks: TOML to styles and glyphs, for 24 bits, 256 colours, 16 colours and none.
//!
//! A theme names meanings (`state.failed`, `ui.selection`, `ramp.transfer`), never widgets. Every state has a glyph for
//! Unicode and one for ASCII, and attributes for terminals without colour, so that colour never carries a meaning alone.
//! It reads no file and no environment: texts and variables are given to it.

mod audit;
mod depth;
mod paint;
mod parse;
mod vision;

use ratatui::style::{Modifier, Style};

pub use audit::Measure;
pub use depth::{ColorChoice, ColorDepth, TerminalEnv};
use paint::{Paint, Spec};
use vision::Rgb;

use crate::inventory::Diagnostics;
use crate::rollout::StateName;

/// Which characters may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Blocks, arrows and dots.
    Unicode,
    /// The 95 that every terminal has.
    Ascii,
}

/// The backgrounds a theme is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Dark ones.
    Dark,
    /// Light ones.
    Light,
    /// Both.
    Any,
}

impl Variant {
    const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::Any];

    /// Its name in themes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Any => "any",
        }
    }
}

/// What a piece of the screen means, apart from the states of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Plain text.
    Text,
    /// Text that matters less.
    Muted,
    /// The release, and titles of views.
    Title,
    /// All is well.
    Good,
    /// It wants attention.
    Warning,
    /// It is broken.
    Bad,
    /// Names of columns, and rules.
    Rule,
    /// The host under the cursor.
    Selection,
    /// Marked hosts, and a range that is being marked.
    Mark,
    /// What the operator types.
    Prompt,
    /// A key that can be pressed.
    Key,
    /// The done part of a bar.
    Bar,
    /// Boxes over the screen.
    Dialog,
}

impl Scope {
    const ALL: [Self; 13] = [
        Self::Text,
        Self::Muted,
        Self::Title,
        Self::Good,
        Self::Warning,
        Self::Bad,
        Self::Rule,
        Self::Selection,
        Self::Mark,
        Self::Prompt,
        Self::Key,
        Self::Bar,
        Self::Dialog,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Title => "title",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Rule => "rule",
            Self::Selection => "selection",
            Self::Mark => "mark",
            Self::Prompt => "prompt",
            Self::Key => "key",
            Self::Bar => "bar",
            Self::Dialog => "dialog",
        }
    }
}

/// How a state looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Look {
    spec: Spec,
    glyph: char,
    ascii: char,
}

/// Colours, attributes and glyphs of everything that is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    name: String,
    states: [Look; StateName::ALL.len()],
    scopes: [Spec; Scope::ALL.len()],
    /// From nothing fetched to nearly all; empty: the state's own colour.
    transfer: Vec<Paint>,
    variant: Variant,
    /// What contrast is measured on; the terminal's own background is never painted over.
    background: Option<Rgb>,
    depth: ColorDepth,
    glyphs: Glyphs,
}

/// The themes inside the program: name and text.
pub const BUILTIN: [(&str, &str); 11] = [
    ("ansi", include_str!("../../../themes/ansi.toml")),
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("deuteranopia", include_str!("../../../themes/deuteranopia.toml")),
    ("tritanopia", include_str!("../../../themes/tritanopia.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
    ("nord", include_str!("../../../themes/nord.toml")),
    ("gruvbox", include_str!("../../../themes/gruvbox.toml")),
    ("solarized", include_str!("../../../themes/solarized.toml")),
    ("catppuccin", include_str!("../../../themes/catppuccin.toml")),
];

/// Fetching, by eighths; the eighth eighth is another state.
const EIGHTHS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];

impl Theme {
    /// Reads a theme. `lookup` gives the text of the theme it inherits from; themes of the program need not be in it.
    ///
    /// # Errors
    ///
    /// Every mistake of the file, with line and column.
    pub fn parse(name: &str, text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Diagnostics> {
        let mut theme = Self::plain(name);
        parse::apply(&mut theme, name, text, &|name| lookup(name).or_else(|| builtin_text(name).map(str::to_owned)))?;
        Ok(theme)
    }

    /// A theme of the program, if there is one of that name.
    pub fn builtin(name: &str) -> Option<Self> {
        let text = builtin_text(name)?;
        Some(Self::parse(name, text, &|_| None).expect("the themes of the program are right: a test reads them"))
    }

    /// The same theme for a terminal that can show this much.
    #[must_use]
    pub fn shown_on(mut self, depth: ColorDepth, glyphs: Glyphs) -> Self {
        self.depth = depth;
        self.glyphs = glyphs;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The backgrounds it is made for.
    pub const fn variant(&self) -> Variant {
        self.variant
    }

    /// Which characters may be drawn.
    pub const fn glyphs(&self) -> Glyphs {
        self.glyphs
    }

    /// Picks a text by what may be drawn.
    pub const fn pick<'a>(&self, unicode: &'a str, ascii: &'a str) -> &'a str {
        match self.glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    /// How a meaning is drawn.
    pub fn scope(&self, scope: Scope) -> Style {
        self.scopes[scope as usize].at(self.depth)
    }

    /// How a state is drawn.
    pub fn state(&self, state: StateName) -> Style {
        self.states[state as usize].spec.at(self.depth)
    }

    /// The glyph of a state in legends and tables.
    pub const fn glyph(&self, state: StateName) -> char {
        let look = &self.states[state as usize];
        match self.glyphs {
            Glyphs::Unicode => look.glyph,
            Glyphs::Ascii => look.ascii,
        }
    }

    /// The glyph and style of a host: its state, and while it fetches how far it is.
    pub fn host(&self, state: StateName, completion: f64) -> (char, Style) {
        let style = self.state(state);
        if state != StateName::Fetching {
            return (self.glyph(state), style);
        }
        let tint = step(completion, self.transfer.len()).and_then(|at| self.transfer[at].at(self.depth));
        (self.level(completion), tint.map_or(style, |color| style.fg(color)))
    }

    /// A glyph for a share that is not yet everything.
    pub fn level(&self, share: f64) -> char {
        match self.glyphs {
            Glyphs::Unicode => step(share, EIGHTHS.len()).map_or('▁', |at| EIGHTHS[at]),
            Glyphs::Ascii => step(share, 10).and_then(|at| char::from_digit(at as u32, 10)).unwrap_or('0'),
        }
    }

    /// The style of something under the cursor: visible without colour, and on what is reversed already.
    pub fn selected(&self, style: Style) -> Style {
        let selection = self.scope(Scope::Selection);
        let both = style.has_modifier(Modifier::REVERSED) && selection.has_modifier(Modifier::REVERSED);
        let patched = style.patch(selection);
        if both { patched.remove_modifier(Modifier::REVERSED).add_modifier(Modifier::UNDERLINED) } else { patched }
    }

    /// No colours, and the usual glyphs: what every theme begins with.
    fn plain(name: &str) -> Self {
        let looks = [
            ('·', '.'),
            ('◌', 'c'),
            ('◐', 'b'),
            ('▄', '%'),
            ('!', '!'),
            ('◆', 'v'),
            ('◇', 'u'),
            ('█', '#'),
            ('✗', 'X'),
            ('⊘', 'U'),
            ('–', '-'),
            ('◦', 's'),
        ];
        Self {
            name: name.to_owned(),
            states: looks.map(|(glyph, ascii)| Look { spec: Spec::default(), glyph, ascii }),
            scopes: [Spec::default(); Scope::ALL.len()],
            transfer: Vec::new(),
            variant: Variant::Any,
            background: None,
            depth: ColorDepth::TrueColor,
            glyphs: Glyphs::Unicode,
        }
    }
}

fn builtin_text(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Which of `steps` equal parts a share of less than everything is in.
fn step(share: f64, steps: usize) -> Option<usize> {
    let at = (share.clamp(0.0, 1.0) * steps as f64) as usize;
    steps.checked_sub(1).map(|last| at.min(last))
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;

    use super::*;

    #[test]
    fn the_themes_of_the_program_are_right() {
        for (name, _) in BUILTIN {
            let theme = Theme::builtin(name).expect(name);
            let mut glyphs: Vec<_> = StateName::ALL.map(|state| theme.glyph(state)).to_vec();
            glyphs.sort_unstable();
            glyphs.dedup();
            assert_eq!(glyphs.len(), StateName::ALL.len(), "{name}: two states share a glyph");
            let mono = theme.shown_on(ColorDepth::Mono, Glyphs::Ascii);
            for state in StateName::ALL {
                assert!(mono.glyph(state).is_ascii_graphic(), "{name}: {state}");
                let style = mono.state(state);
                assert!(style.fg.is_none() && style.bg.is_none(), "{name}: {state} has a colour in mono");
            }
            let selection = mono.scope(Scope::Selection);
            assert!(selection.has_modifier(Modifier::REVERSED), "{name}: the selection is lost without colour");
        }
    }

    #[test]
    fn a_theme_overrides_what_it_inherits_field_by_field() {
        let text = "inherits = \"mine\"\n[state.failed]\nglyph = \"F\"\n";
        let mine = "[palette]\nrust = { rgb = \"#b7410e\", ansi256 = 130, ansi16 = \"red\" }\n[state.failed]\nfg = \"rust\"\nascii = \"E\"\n";
        let theme = Theme::parse("x", text, &|name| (name == "mine").then(|| mine.to_owned())).expect("a theme");
        assert_eq!(theme.glyph(StateName::Failed), 'F');
        assert_eq!(theme.state(StateName::Failed).fg, Some(Color::Rgb(0xb7, 0x41, 0x0e)));
        let small = theme.shown_on(ColorDepth::Ansi16, Glyphs::Ascii);
        assert_eq!(small.state(StateName::Failed).fg, Some(Color::Red));
        assert_eq!(small.glyph(StateName::Failed), 'E');
    }

    #[test]
    fn mistakes_are_named_with_line_and_column() {
        let text = "inherits = \"nowhere\"\n[state.faild]\nfg = \"red\"\n[ui.text]\nfg = \"rde\"\nmods = [\"bald\"]\n";
        let report = Theme::parse("mine.toml", text, &|_| None).expect_err("four mistakes").to_string();
        for part in ["mine.toml:1:12", "mine.toml:2:8", "`failed`", "mine.toml:5:6", "`red`", "mine.toml:6:9", "`bold`"]
        {
            assert!(report.contains(part), "{part} is not in:\n{report}");
        }
        let broken = Theme::parse("mine.toml", "[state\n", &|_| None).expect_err("no TOML").to_string();
        assert!(broken.contains("mine.toml:1:"), "{broken}");
    }

    #[test]
    fn themes_that_inherit_from_each_other_are_refused() {
        let found = Theme::parse("a", "inherits = \"b\"\n", &|_| Some("inherits = \"b\"\n".to_owned()));
        assert!(found.expect_err("a loop").to_string().contains("inherits from itself"));
    }

    #[test]
    fn a_selected_failure_differs_from_a_failure() {
        for (name, _) in BUILTIN {
            for depth in [ColorDepth::Mono, ColorDepth::Ansi16, ColorDepth::TrueColor] {
                let theme = Theme::builtin(name).expect(name).shown_on(depth, Glyphs::Unicode);
                for state in StateName::ALL {
                    let style = theme.state(state);
                    assert_ne!(theme.selected(style), style, "{name} {depth:?} {state}");
                }
            }
        }
    }
}
