//! Themes: those of the program, and the operator's own in `themes/` of the config folder, which win.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::args::{ThemeArgs, ThemeCommand};
use super::exit::{Ended, Ending, Exit, Or};
use super::settings::{Wishes, read, stamp_of};
use super::{out, paths};
use crate::console::{BUILTIN, Glyphs, Measure, TerminalEnv, Theme};
use crate::rollout::StateName;

/// The theme of a terminal without wishes.
pub(super) const DEFAULT: &str = "ansi";

/// Themes of the operator that are looked at.
const OWN_MAX: usize = 256;

/// Lists, shows or checks themes.
pub(super) fn main(args: &ThemeArgs) -> Ended {
    match &args.command {
        ThemeCommand::List => {
            let line = |name: String| match load(&name) {
                Ok(theme) => format!("{name:<16} {}", theme.variant().name()),
                Err(_) => format!("{name:<16} broken: `rookery theme check {name}` says why"),
            };
            out::print_lines(names().into_iter().map(line))
        }
        ThemeCommand::Show { name } => {
            let theme = fit(load(name).or_exit(Exit::Invalid)?, Wishes::default());
            let show = |state| format!("{}  {state}", swatch(&theme, state));
            out::print_lines(StateName::ALL.map(show))
        }
        ThemeCommand::Check { themes } if themes.is_empty() => check(&names()),
        ThemeCommand::Check { themes } => check(themes),
    }
}

/// Measures themes; those that cannot be read come first.
fn check(themes: &[String]) -> Ended {
    let loaded = themes.iter().map(|name| {
        let is_file = name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "toml");
        let theme = if is_file { load_file(Path::new(name))? } else { load(name).or_exit(Exit::Invalid)? };
        Ok((name, theme))
    });
    let loaded: Vec<_> = loaded.collect::<Result<_, Ending>>()?;
    let (mut text, mut exit) = (String::new(), Exit::Done);
    for (name, theme) in loaded {
        let found = theme.audit();
        let verdict = if found.iter().all(Measure::is_good) { "good" } else { "not good" };
        if verdict != "good" {
            exit = Exit::CheckFailed;
        }
        let _ = writeln!(text, "{name}: {verdict}, for {} backgrounds", theme.variant().name());
        for measure in found {
            let _ = writeln!(text, "  {measure}");
        }
    }
    out::print(text)?;
    Ok(exit)
}

fn load_file(file: &Path) -> Result<Theme, Ending> {
    let text = read(file).or_unexpected(format_args!("read {}", file.display()))?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Theme::parse(&name, &text, &own).or_exit(Exit::Invalid)
}

/// Every theme there is, the program's first.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stem = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned);
    let mut own: Vec<String> = own_files().filter_map(stem).collect();
    own.retain(|name| !names.contains(name));
    own.sort();
    names.extend(own);
    names
}

/// A theme by name: the operator's, else the program's.
pub(super) fn load(name: &str) -> Result<Theme, String> {
    match own(name) {
        Some(text) => Theme::parse(name, &text, &own).map_err(|found| found.to_string()),
        None => Theme::builtin(name).ok_or_else(|| format!("no theme `{name}`; themes: {}", names().join(", "))),
    }
}

/// The terminal, as its environment tells.
pub(super) fn terminal() -> TerminalEnv {
    TerminalEnv::from_lookup(|name| env::var(name).ok())
}

/// How a theme is shown here.
pub(super) fn fit(theme: Theme, wishes: Wishes) -> Theme {
    let env = terminal();
    let usual = if env.is_utf8() { Glyphs::Unicode } else { Glyphs::Ascii };
    theme.shown_on(env.color_depth(wishes.color), wishes.glyphs.unwrap_or(usual))
}

/// Changes whenever one of the operator's themes does: names, sizes and times of the files.
pub(super) fn stamp() -> u64 {
    stamp_of(own_files().map(|entry| entry.path()))
}

fn own_files() -> impl Iterator<Item = fs::DirEntry> {
    let entries = folder().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
    entries.filter_map(Result::ok).take(OWN_MAX)
}

fn folder() -> Option<PathBuf> {
    paths::config().map(|config| config.join("themes"))
}

fn own(name: &str) -> Option<String> {
    let plain = !name.contains(['/', '\0']) && !name.starts_with('.');
    let path = folder().filter(|_| plain)?.join(format!("{name}.toml"));
    read(&path).ok()
}

/// A state's glyph in its style, as escape sequences.
fn swatch(theme: &Theme, state: StateName) -> String {
    if !io::stdout().is_terminal() {
        return theme.glyph(state).to_string();
    }
    let style = theme.state(state);
    let mut codes: Vec<String> = Vec::new();
    codes.extend(style.fg.map(|color| color_code(color, 30, 38)));
    codes.extend(style.bg.map(|color| color_code(color, 40, 48)));
    let modifiers = style.add_modifier;
    let named = [("1", "BOLD"), ("2", "DIM"), ("3", "ITALIC"), ("4", "UNDERLINED"), ("7", "REVERSED")];
    let set: Vec<&str> = modifiers.iter_names().map(|(name, _)| name).collect();
    codes.extend(named.iter().filter(|(_, name)| set.contains(name)).map(|(code, _)| (*code).to_owned()));
    format!("\x1b[0;{}m {} \x1b[0m", codes.join(";"), theme.glyph(state))
}

fn color_code(color: ratatui::style::Color, base: u8, extended: u8) -> String {
    use ratatui::style::Color;
    match color {
        Color::Rgb(red, green, blue) => format!("{extended};2;{red};{green};{blue}"),
        Color::Indexed(index) => format!("{extended};5;{index}"),
        Color::Reset => format!("{}", base + 9),
        Color::Black => format!("{base}"),
        Color::Red => format!("{}", base + 1),
        Color::Green => format!("{}", base + 2),
        Color::Yellow => format!("{}", base + 3),
        Color::Blue => format!("{}", base + 4),
        Color::Magenta => format!("{}", base + 5),
        Color::Cyan => format!("{}", base + 6),
        Color::Gray => format!("{}", base + 7),
        Color::DarkGray => format!("{}", base + 60),
        Color::LightRed => format!("{}", base + 61),
        Color::LightGreen => format!("{}", base + 62),
        Color::LightYellow => format!("{}", base + 63),
        Color::LightBlue => format!("{}", base + 64),
        Color::LightMagenta => format!("{}", base + 65),
        Color::LightCyan => format!("{}", base + 66),
        Color::White => format!("{}", base + 67),
    }
}
