//! Settings: the operator's own `config.toml` and the project's `rookery.toml`, as values. What they name is applied nowhere
//! here.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::io::Key;
use super::keymap::{Keymap, share, spell};
use super::theme::ColorChoice;
use crate::inventory::{Diagnostic, Diagnostics, Severity, did_you_mean};

/// Keys of a sequence.
const SEQUENCE_MAX: usize = 3;
/// Sequences of an action.
const SEQUENCES_MAX: usize = 8;
/// Words of the command that is told of the end of a run.
const COMMAND_MAX: usize = 64;

/// What is set; what is not is left to the command line and to the program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The keys in use.
    pub keymap: Keymap,
    /// The theme to begin with.
    pub theme: Option<ThemeChoice>,
    /// Whether the terminal is asked what it can do.
    pub probe: Option<bool>,
    /// How many colours.
    pub color: Option<ColorChoice>,
    /// Whether only ASCII is drawn.
    pub ascii: Option<bool>,
    /// Frames a second at most.
    pub fps: Option<u16>,
    /// Whether the mouse selects hosts.
    pub mouse: Option<bool>,
    /// What the run does when the terminal goes away.
    pub on_hangup: Option<OnHangup>,
    /// A command that is run at the first failure and at the end of a run: the program and its arguments.
    pub notify: Vec<String>,
}

/// Which theme to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThemeChoice {
    /// This one.
    One(String),
    /// By the background, for which the terminal is asked.
    ByBackground {
        /// On a dark one, and on one that is not known.
        dark: String,
        /// On a light one.
        light: String,
    },
}

/// What a run does when its terminal goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnHangup {
    /// It goes on to its end without one.
    #[default]
    Continue,
    /// It is aborted and cleaned up.
    Abort,
}

/// Whose settings a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsOf {
    /// The operator's own.
    Operator,
    /// The folder's in which the program was started: somebody else may have written them.
    Project,
}

type Value<'a> = Spanned<DeValue<'a>>;

const KNOWN: [&str; 9] = ["theme", "color", "ascii", "fps", "mouse", "probe", "on_hangup", "notify", "keys"];

impl Settings {
    /// Reads settings. `place` is what mistakes name as their file.
    ///
    /// # Errors
    ///
    /// Every mistake of the text, with line and column.
    pub fn parse(place: &str, text: &str) -> Result<Self, Diagnostics> {
        Self::default().over(SettingsOf::Operator, place, text)
    }

    /// These settings, and over them those of another text.
    ///
    /// # Errors
    ///
    /// Every mistake of the text, with line and column.
    pub fn over(self, whose: SettingsOf, place: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut reader = Reader { whose, place, text, found: Vec::new() };
        let mut settings = self;
        match DeTable::parse(text) {
            Ok(table) => reader.document(&mut settings, table.get_ref()),
            Err(error) => reader.report(&error.span().unwrap_or(0..0), error.message().to_owned()),
        }
        if reader.found.is_empty() { Ok(settings) } else { Err(Diagnostics::new(reader.found)) }
    }
}

struct Reader<'a> {
    whose: SettingsOf,
    place: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

/// Keys that were given, where, and for what.
struct Given {
    keys: Vec<Key>,
    span: Range<usize>,
    action: &'static str,
}

impl Reader<'_> {
    fn report(&mut self, span: &Range<usize>, message: String) {
        self.found.push(Diagnostic::new(Severity::Error, self.place, self.text, span, message));
    }

    fn document(&mut self, settings: &mut Settings, table: &DeTable<'_>) {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "theme" => settings.theme = self.theme(value),
                "on_hangup" => settings.on_hangup = self.on_hangup(value),
                "probe" => settings.probe = self.switch(value),
                "notify" if self.whose == SettingsOf::Project => {
                    let why = "`notify` names a program that is run: only your own config.toml may do that";
                    self.report(&key.span(), why.to_owned());
                }
                "color" => settings.color = self.color(value),
                "ascii" => settings.ascii = self.switch(value),
                "fps" => settings.fps = self.fps(value),
                "mouse" => settings.mouse = self.switch(value),
                "notify" => {
                    settings.notify = self.words(value, COMMAND_MAX).into_iter().map(|(word, _)| word).collect();
                }
                "keys" => self.keys(&mut settings.keymap, value),
                other => {
                    let hint = did_you_mean(other, KNOWN);
                    let hint = if hint.is_empty() { format!("; known are {}", KNOWN.join(", ")) } else { hint };
                    self.report(&key.span(), format!("no setting `{other}`{hint}"));
                }
            }
        }
    }

    /// A name, or one for each kind of background.
    fn theme(&mut self, value: &Value<'_>) -> Option<ThemeChoice> {
        let Some(table) = value.get_ref().as_table() else {
            if value.get_ref().as_str().is_none() {
                self.expected(value, "a theme, or `{ dark = \"…\", light = \"…\" }`");
                return None;
            }
            return self.text(value).map(ThemeChoice::One);
        };
        let (mut dark, mut light) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "dark" => dark = self.text(value),
                "light" => light = self.text(value),
                other => self.report(&key.span(), format!("no background `{other}`; known are dark and light")),
            }
        }
        if let (Some(dark), Some(light)) = (dark, light) {
            return Some(ThemeChoice::ByBackground { dark, light });
        }
        self.expected(value, "a theme for `dark` and one for `light`");
        None
    }

    fn keys(&mut self, keymap: &mut Keymap, value: &Value<'_>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.expected(value, "a table of actions and their keys, such as `retry = [\"r\"]`");
        };
        let mut given = Vec::new();
        for (name, value) in table {
            let names: Vec<_> = keymap.bindings().iter().map(|binding| binding.name).collect();
            let Some(known) = names.iter().find(|known| **known == name.get_ref()).copied() else {
                let hint = did_you_mean(name.get_ref(), names);
                let hint = if hint.is_empty() { "; `rookery keys` has all of them".to_owned() } else { hint };
                self.report(&name.span(), format!("no action `{}`{hint}", name.get_ref()));
                continue;
            };
            let mut sequences = Vec::new();
            for (word, span) in self.words(value, SEQUENCES_MAX) {
                if let Some(keys) = self.sequence(&word, &span) {
                    given.push(Given { keys: keys.clone(), span, action: known });
                    sequences.push(keys);
                }
            }
            if known == "quit" && sequences.is_empty() {
                self.report(&value.span(), "`quit` needs a key: nothing else leaves the console".to_owned());
            }
            keymap.rebind(known, sequences);
        }
        self.conflicts(keymap, &given);
    }

    /// Two actions on one key, or one key that begins the other's sequence: only the first would ever be seen.
    fn conflicts(&mut self, keymap: &Keymap, given: &[Given]) {
        for Given { keys, span, action } in given {
            // Of two that are both given, the second is at fault.
            let later = |other: &[Key], name| {
                given.iter().any(|at| at.keys == other && at.action == name && at.span.start > span.start)
            };
            let meets = |other: &[Key]| other.starts_with(keys) || keys.starts_with(other);
            let verb = keymap.bindings().iter().find(|binding| binding.name == *action).map(|binding| binding.verb);
            let mut rivals =
                keymap.bindings().iter().filter(|binding| !verb.is_some_and(|verb| share(verb, binding.verb)));
            let clash = rivals.find_map(|binding| {
                let is_other = |other: &&Vec<Key>| binding.name != *action || *other != keys;
                let mut others = binding.keys.iter().filter(is_other);
                let found = others.find(|other| meets(other) && !later(other, binding.name))?;
                Some((found, binding.name))
            });
            let Some((other, name)) = clash else { continue };
            let (ours, theirs) = (spell(keys), spell(other));
            let clash = if keys == other {
                format!("`{ours}` is `{name}` already")
            } else {
                format!("`{ours}` and `{theirs}` begin alike, and that is `{name}` already")
            };
            self.report(span, format!("{clash}; give `{name}` other keys, or none: `{name} = []`"));
        }
    }

    fn sequence(&mut self, text: &str, span: &Range<usize>) -> Option<Vec<Key>> {
        let keys: Result<Vec<Key>, _> = text.split(' ').map(str::parse).collect();
        let fault = match &keys {
            Err(error) => Some(error.to_string()),
            Ok(keys) if keys.len() > SEQUENCE_MAX => Some(format!("`{text}` has more than {SEQUENCE_MAX} keys")),
            Ok(keys) if keys.len() > 1 && keys[0].to_string() == "esc" => {
                Some("`esc` begins no sequence: it must go back at once".to_owned())
            }
            Ok(keys) => keys.iter().find_map(|key| key.impossible().map(|why| format!("`{key}` never arrives: {why}"))),
        };
        if let Some(fault) = fault {
            self.report(span, fault);
            return None;
        }
        keys.ok()
    }

    /// A list of texts.
    fn words(&mut self, value: &Value<'_>, most: usize) -> Vec<(String, Range<usize>)> {
        let Some(list) = value.get_ref().as_array().filter(|list| list.len() <= most) else {
            self.expected(value, &format!("a list of at most {most} texts"));
            return Vec::new();
        };
        list.iter().filter_map(|item| self.text(item).map(|text| (text, item.span()))).collect()
    }

    fn text(&mut self, value: &Value<'_>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.expected(value, "a text");
        }
        text
    }

    fn switch(&mut self, value: &Value<'_>) -> Option<bool> {
        let switch = value.get_ref().as_bool();
        if switch.is_none() {
            self.expected(value, "true or false");
        }
        switch
    }

    fn on_hangup(&mut self, value: &Value<'_>) -> Option<OnHangup> {
        match value.get_ref().as_str() {
            Some("continue") => Some(OnHangup::Continue),
            Some("abort") => Some(OnHangup::Abort),
            Some(_) | None => {
                self.expected(value, "`continue` or `abort`");
                None
            }
        }
    }

    fn fps(&mut self, value: &Value<'_>) -> Option<u16> {
        let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        let number = number.filter(|fps| (1..=60).contains(fps));
        if number.is_none() {
            self.expected(value, "frames a second, 1 to 60");
        }
        number
    }

    fn color(&mut self, value: &Value<'_>) -> Option<ColorChoice> {
        match self.text(value)?.parse() {
            Ok(choice) => Some(choice),
            Err(why) => {
                self.report(&value.span(), why);
                None
            }
        }
    }

    fn expected(&mut self, value: &Value<'_>, what: &str) {
        self.report(&value.span(), format!("expected {what}"));
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::keymap::{Act, Found, Verb};
    use super::super::model::View;
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let found = Settings::parse("config.toml", text).expect_err(text);
        found.iter().map(|found| format!("{}:{}: {}", found.line, found.column, found.message)).collect()
    }

    #[test]
    fn keys_are_given_moved_and_taken_away() {
        let text = "theme = \"nord\"\nfps = 4\n[keys]\nretry = [\"x\", \"f5\"]\nabort = [\"r\"]\ntop = [\"t t\"]\ntheme = []\n";
        let settings = Settings::parse("config.toml", text).expect("it is right");
        let verb = |text: &str| {
            settings.keymap.lookup(&text.split(' ').map(|key| key.parse().expect(key)).collect::<Vec<_>>(), View::Grid)
        };
        assert_eq!(verb("f5"), Found::Verb(Verb::Act(Act::Retry)));
        assert_eq!(verb("r"), Found::Verb(Verb::Act(Act::Abort)));
        assert_eq!((verb("a"), verb("g"), verb("t")), (Found::Nothing, Found::Nothing, Found::Prefix));
        assert_eq!((settings.theme, settings.fps), (Some(ThemeChoice::One("nord".to_owned())), Some(4)));
        assert_eq!(verb("R"), Found::Verb(Verb::Act(Act::RetryAll)), "what is not named stays");
        assert!(settings.keymap.markdown().contains("| `x` `f5` | retry the host"));
    }

    #[test]
    fn mistakes_name_their_place_and_the_way_out() {
        let table = [
            ("[keys]\nretyr = [\"r\"]\n", "2:1: no action `retyr`; did you mean `retry`?"),
            ("[keys]\nmark = [\"r\"]\n", "2:9: `r` is `retry` already; give `retry` other keys, or none: `retry = []`"),
            ("[keys]\nmark = [\"g\"]\n", "2:9: `g` and `g g` begin alike, and that is `top` already"),
            (
                "[keys]\nmark = [\"x\"]\nsort = [\"x y\"]\n",
                "3:9: `x y` and `x` begin alike, and that is `mark` already",
            ),
            ("[keys]\nmark = [\"ctrl-i\"]\n", "2:9: `ctrl-i` never arrives: terminals send tab for it"),
            ("[keys]\nmark = [\"ctrl-A\"]\n", "2:9: `ctrl-A` never arrives: write `ctrl-` and a small letter"),
            ("[keys]\nmark = [\"shift-a\"]\n", "2:9: `shift-a` never arrives: write the capital letter"),
            ("[keys]\nmark = [\"esc x\"]\n", "2:9: `esc` begins no sequence"),
            ("[keys]\nmark = [\"hyper-x\"]\n", "2:9: `hyper-x` is not a key"),
            ("[keys]\nmark = \"x\"\n", "2:8: expected a list"),
            ("[keys]\nquit = []\n", "2:8: `quit` needs a key"),
            ("fsp = 3\n", "1:1: no setting `fsp`; did you mean `fps`?"),
            ("fps = 0\n", "1:7: expected frames a second, 1 to 60"),
            ("color = \"lots\"\n", "1:9: unknown colour choice `lots`"),
            ("theme = \n", "1:9: "),
            ("on_hangup = \"stop\"\n", "1:13: expected `continue` or `abort`"),
            ("theme = 3\n", "1:9: expected a theme, or `{ dark"),
            ("theme = { dark = \"nord\" }\n", "1:9: expected a theme for `dark` and one for `light`"),
        ];
        for (text, expected) in table {
            let found = mistakes(text);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_projects_settings_lie_over_the_operators_and_run_nothing() {
        let own = "theme = { dark = \"nord\", light = \"light\" }\nfps = 4\n[keys]\nretry = [\"x\"]\n";
        let own = Settings::parse("config.toml", own).expect("it is right");
        assert!(matches!(&own.theme, Some(ThemeChoice::ByBackground { dark, .. }) if dark == "nord"));
        let project = "fps = 7\n[keys]\nmark = [\"r\"]\n";
        let both = own.clone().over(SettingsOf::Project, "rookery.toml", project).expect("`r` is free");
        assert_eq!((both.fps, &both.theme), (Some(7), &own.theme));
        assert_eq!(both.keymap.lookup(&[Key::char('x')], View::Grid), Found::Verb(Verb::Act(Act::Retry)));
        assert_eq!(both.keymap.lookup(&[Key::char('r')], View::Grid), Found::Verb(Verb::Mark));
        let found =
            own.over(SettingsOf::Project, "rookery.toml", "notify = [\"sh\"]\n").expect_err("it runs something");
        assert!(found.to_string().starts_with("rookery.toml:1:1: `notify` names a program"), "{found}");
    }

    #[test]
    fn what_is_printed_can_be_given_back() {
        let keymap = Keymap::default();
        let mut text = String::from("[keys]\n");
        for binding in keymap.bindings() {
            let keys: Vec<_> = binding.keys.iter().map(|keys| format!("{:?}", spell(keys))).collect();
            let _ = writeln!(text, "{} = [{}]", binding.name, keys.join(", "));
        }
        assert_eq!(Settings::parse("config.toml", &text).expect("the table is right").keymap, keymap);
    }
}
