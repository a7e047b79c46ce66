//! Themes: those of the program, and the operator's own in `themes/` of the config folder, which win.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::args::{ColorArg, ThemeArgs, ThemeCommand};
use super::exit::{Ended, Exit, Or};
use super::{out, paths};
use crate::console::{BUILTIN, ColorChoice, ColorDepth, Glyphs, TerminalEnv, Theme};
use crate::rollout::StateName;

/// The theme of a terminal without wishes.
pub(super) const DEFAULT: &str = "ansi";

/// The largest theme that is read, in bytes.
const LENGTH_MAX: u64 = 256 << 10;

/// Lists or shows themes.
pub(super) fn main(args: &ThemeArgs) -> Ended {
    match &args.command {
        ThemeCommand::List => out::print_lines(names()),
        ThemeCommand::Show { name } => {
            let theme = fit(load(name).or_exit(Exit::Invalid)?, (ColorArg::Auto, false));
            let show = |state| format!("{}  {state}", swatch(&theme, state));
            out::print_lines(StateName::ALL.map(show))
        }
        ThemeCommand::Check { file } => {
            let text = read(file).or_unexpected(format_args!("read {}", file.display()))?;
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            Theme::parse(&name, &text, &own).or_exit(Exit::Invalid)?;
            out::print(format!("{}: a theme\n", file.display()))
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = fs::File::open(file)?.take(LENGTH_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > LENGTH_MAX {
        return Err(io::Error::other(format!("larger than {LENGTH_MAX} bytes: that is no theme")));
    }
    Ok(text)
}

/// Every theme there is, the program's first.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = BUILTIN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let own = folder().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().filter_map(Result::ok);
    let mut own: Vec<String> =
        own.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned)).collect();
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
pub(super) fn fit(theme: Theme, (color, ascii): (ColorArg, bool)) -> Theme {
    let env = terminal();
    let choice = match color {
        ColorArg::Auto => ColorChoice::Auto,
        ColorArg::Never => ColorChoice::Only(ColorDepth::Mono),
        ColorArg::Ansi16 => ColorChoice::Only(ColorDepth::Ansi16),
        ColorArg::Ansi256 => ColorChoice::Only(ColorDepth::Ansi256),
        ColorArg::Truecolor => ColorChoice::Only(ColorDepth::TrueColor),
    };
    theme.shown_on(env.color_depth(choice), glyphs(&env, ascii))
}

fn glyphs(env: &TerminalEnv, ascii: bool) -> Glyphs {
    if ascii || !env.is_utf8() { Glyphs::Ascii } else { Glyphs::Unicode }
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
