//! A theme's TOML, laid over what it inherits.

use std::collections::BTreeMap;
use std::ops::Range;

use ratatui::style::Modifier;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::paint::{Paint, Spec, named};
use super::{ColorDepth, Scope, Theme, Variant};
use crate::inventory::{Diagnostic, Diagnostics, Severity, did_you_mean};
use crate::rollout::StateName;

/// A theme may inherit from one that inherits, and so on, this often.
const INHERITS_MAX: usize = 8;
/// Colours of a ramp.
const RAMP_MAX: usize = 32;

const MODIFIERS: [(&str, Modifier); 6] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
    ("crossed-out", Modifier::CROSSED_OUT),
];

/// Lays the text, and first what it inherits from, over `theme`.
pub(super) fn apply(
    theme: &mut Theme,
    name: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Diagnostics> {
    apply_at(theme, &file_name(name), text, lookup, 0)
}

/// What mistakes name as their place.
fn file_name(theme: &str) -> String {
    format!("{}.toml", theme.strip_suffix(".toml").unwrap_or(theme))
}

fn apply_at(
    theme: &mut Theme,
    place: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<(), Diagnostics> {
    let mut reader = Reader { place, text, palette: BTreeMap::new(), found: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => {
            let table = table.into_inner();
            if let Some(parent) = table.get("inherits") {
                reader.inherit(theme, parent, lookup, depth)?;
            }
            reader.document(theme, &table);
        }
        Err(error) => reader.report(&error.span().unwrap_or(0..0), error.message().to_owned()),
    }
    if reader.found.is_empty() { Ok(()) } else { Err(Diagnostics::new(reader.found)) }
}

struct Reader<'a> {
    place: &'a str,
    text: &'a str,
    palette: BTreeMap<String, Paint>,
    found: Vec<Diagnostic>,
}

type Table<'a> = DeTable<'a>;
type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn report(&mut self, span: &Range<usize>, message: String) {
        self.found.push(Diagnostic::new(Severity::Error, self.place, self.text, span, message));
    }

    fn inherit(
        &mut self,
        theme: &mut Theme,
        parent: &Value<'_>,
        lookup: &dyn Fn(&str) -> Option<String>,
        depth: usize,
    ) -> Result<(), Diagnostics> {
        let Some(name) = self.string(parent) else { return Ok(()) };
        if depth >= INHERITS_MAX {
            self.report(
                &parent.span(),
                format!("theme `{name}` inherits from itself, or more than {INHERITS_MAX} deep"),
            );
        } else if let Some(text) = lookup(&name) {
            apply_at(theme, &file_name(&name), &text, lookup, depth + 1)?;
        } else {
            self.report(&parent.span(), format!("no theme `{name}`; `rookery theme list` shows all"));
        }
        Ok(())
    }

    fn document(&mut self, theme: &mut Theme, document: &Table<'_>) {
        if let Some(palette) = document.get("palette").and_then(|value| self.table(value)) {
            self.read_palette(palette);
        }
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "inherits" | "palette" => {}
                "name" => {
                    self.string(value);
                }
                "variant" => {
                    theme.variant = self.variant(value).unwrap_or(theme.variant);
                    // One that was inherited is of the other theme's kind.
                    theme.background = theme.background.filter(|_| document.contains_key("background"));
                }
                "background" => {
                    theme.background = self.paint(value).map(|paint| paint.shown(ColorDepth::TrueColor, (0, 0, 0)));
                }
                "state" => self.states(theme, value),
                "ui" => self.scopes(theme, value),
                "ramp" => self.ramps(theme, value),
                other => {
                    self.unknown(
                        &key.span(),
                        other,
                        &["inherits", "name", "variant", "background", "palette", "state", "ui", "ramp"],
                    );
                }
            }
        }
    }

    fn variant(&mut self, value: &Value<'_>) -> Option<Variant> {
        let text = self.string(value)?;
        let found = Variant::ALL.into_iter().find(|variant| variant.name() == text);
        if found.is_none() {
            self.unknown(&value.span(), &text, &Variant::ALL.map(Variant::name));
        }
        found
    }

    fn read_palette(&mut self, palette: &Table<'_>) {
        for (key, value) in palette {
            let paint =
                if let Some(forms) = value.get_ref().as_table() { self.forms(value, forms) } else { self.paint(value) };
            if let Some(paint) = paint {
                self.palette.insert(key.get_ref().to_string(), paint);
            }
        }
    }

    /// `{ rgb = "#ff8700", ansi256 = 208, ansi16 = "yellow" }`: what is missing is the nearest.
    fn forms(&mut self, whole: &Value<'_>, forms: &Table<'_>) -> Option<Paint> {
        let mut paint = None;
        for name in ["rgb", "ansi256", "ansi16"] {
            let Some(form) = forms.get(name).and_then(|value| self.paint(value)) else { continue };
            let merged = paint.get_or_insert(form);
            match name {
                "ansi256" => merged.indexed = form.indexed,
                "ansi16" => merged.ansi = form.ansi,
                _ => {}
            }
        }
        for (key, _) in forms {
            if !["rgb", "ansi256", "ansi16"].contains(&key.get_ref().as_ref()) {
                self.unknown(&key.span(), key.get_ref(), &["rgb", "ansi256", "ansi16"]);
            }
        }
        if paint.is_none() {
            self.report(&whole.span(), "a colour needs `rgb`, `ansi256` or `ansi16`".to_owned());
        }
        paint
    }

    fn states(&mut self, theme: &mut Theme, value: &Value<'_>) {
        for (key, value) in self.table(value).into_iter().flatten() {
            let Some(state) = StateName::ALL.into_iter().find(|state| state.as_str() == key.get_ref()) else {
                self.unknown(&key.span(), key.get_ref(), &StateName::ALL.map(StateName::as_str));
                continue;
            };
            let look = &mut theme.states[state as usize];
            for (key, value) in self.table(value).into_iter().flatten() {
                match key.get_ref().as_ref() {
                    "glyph" => look.glyph = self.glyph(value).unwrap_or(look.glyph),
                    "ascii" => look.ascii = self.ascii(value).unwrap_or(look.ascii),
                    field if self.field(&mut look.spec, field, value) => {}
                    other => self.unknown(&key.span(), other, &["fg", "bg", "mods", "mono", "glyph", "ascii"]),
                }
            }
        }
    }

    fn scopes(&mut self, theme: &mut Theme, value: &Value<'_>) {
        for (key, value) in self.table(value).into_iter().flatten() {
            let Some(scope) = Scope::ALL.into_iter().find(|scope| scope.name() == key.get_ref()) else {
                self.unknown(&key.span(), key.get_ref(), &Scope::ALL.map(Scope::name));
                continue;
            };
            let spec = &mut theme.scopes[scope as usize];
            for (key, value) in self.table(value).into_iter().flatten() {
                if !self.field(spec, key.get_ref(), value) {
                    self.unknown(&key.span(), key.get_ref(), &["fg", "bg", "mods", "mono"]);
                }
            }
        }
    }

    fn ramps(&mut self, theme: &mut Theme, value: &Value<'_>) {
        for (key, value) in self.table(value).into_iter().flatten() {
            if key.get_ref() != "transfer" {
                self.unknown(&key.span(), key.get_ref(), &["transfer"]);
                continue;
            }
            for (key, value) in self.table(value).into_iter().flatten() {
                match (key.get_ref().as_ref(), value.get_ref().as_array()) {
                    ("colors", Some(colors)) if colors.len() <= RAMP_MAX => {
                        theme.transfer = colors.iter().filter_map(|color| self.paint(color)).collect();
                    }
                    ("colors", _) => {
                        self.report(&value.span(), format!("expected a list of at most {RAMP_MAX} colours"));
                    }
                    (other, _) => self.unknown(&key.span(), other, &["colors"]),
                }
            }
        }
    }

    /// A field of a style; false when it is none.
    fn field(&mut self, spec: &mut Spec, name: &str, value: &Value<'_>) -> bool {
        match name {
            "fg" => spec.fg = self.paint(value),
            "bg" => spec.bg = self.paint(value),
            "mods" => spec.mods = self.modifiers(value),
            "mono" => spec.mono = self.modifiers(value),
            _ => return false,
        }
        true
    }

    fn paint(&mut self, value: &Value<'_>) -> Option<Paint> {
        if let Some(integer) = value.get_ref().as_integer() {
            let index = u8::from_str_radix(integer.as_str(), integer.radix()).ok();
            if index.is_none() {
                self.report(&value.span(), format!("`{integer}` is not among the colours 0 to 255"));
            }
            return index.map(Paint::indexed);
        }
        let text = self.string(value)?;
        if let Some(hex) = text.strip_prefix('#') {
            let number = (hex.len() == 6).then(|| u32::from_str_radix(hex, 16).ok()).flatten();
            if number.is_none() {
                self.report(&value.span(), format!("`{text}` is not a colour; write `#rrggbb`"));
            }
            return number.map(|rgb| Paint::rgb(((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)));
        }
        let paint = self.palette.get(&text).copied().or_else(|| named(&text).map(Paint::ansi));
        if paint.is_none() {
            let own: Vec<_> = self.palette.keys().cloned().collect();
            let known = own.iter().map(String::as_str).chain(COLORS);
            let hint = or(did_you_mean(&text, known), || "; use `#rrggbb`, 0 to 255, or a name".to_owned());
            self.report(&value.span(), format!("no colour `{text}`{hint}"));
        }
        paint
    }

    fn modifiers(&mut self, value: &Value<'_>) -> Modifier {
        let Some(list) = value.get_ref().as_array() else {
            self.report(&value.span(), "expected a list such as [\"bold\", \"reversed\"]".to_owned());
            return Modifier::empty();
        };
        let mut all = Modifier::empty();
        for item in list {
            let Some(name) = self.string(item) else { continue };
            match MODIFIERS.iter().find(|(known, _)| *known == name) {
                Some((_, modifier)) => all |= *modifier,
                None => self.unknown(&item.span(), &name, &MODIFIERS.map(|(known, _)| known)),
            }
        }
        all
    }

    fn glyph(&mut self, value: &Value<'_>) -> Option<char> {
        let text = self.string(value)?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(glyph), None) if unicode_is_narrow(glyph) => Some(glyph),
            _ => {
                self.report(&value.span(), format!("`{text}` is not one character one column wide"));
                None
            }
        }
    }

    fn ascii(&mut self, value: &Value<'_>) -> Option<char> {
        let glyph = self.glyph(value)?;
        if !glyph.is_ascii() {
            self.report(&value.span(), format!("`{glyph}` is not ASCII"));
        }
        glyph.is_ascii().then_some(glyph)
    }

    fn string(&mut self, value: &Value<'_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.report(&value.span(), format!("expected a text, found a {}", value.get_ref().type_str()));
        }
        text
    }

    fn table<'t, 'i>(&mut self, value: &'t Value<'i>) -> Option<&'t Table<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.report(&value.span(), format!("expected a table, found a {}", value.get_ref().type_str()));
        }
        table
    }

    fn unknown(&mut self, span: &Range<usize>, name: &str, known: &[&str]) {
        let hint = or(did_you_mean(name, known.iter().copied()), || format!("; known are {}", known.join(", ")));
        self.report(span, format!("unknown key or word `{name}`{hint}"));
    }
}

const COLORS: [&str; 17] = [
    "default",
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

fn unicode_is_narrow(glyph: char) -> bool {
    ratatui::text::Span::raw(glyph.to_string()).width() == 1
}

/// The hint, or another when there is none.
fn or(hint: String, other: impl FnOnce() -> String) -> String {
    if hint.is_empty() { other() } else { hint }
}
