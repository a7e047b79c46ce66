//! `rookery doctor`: what a run would find on this machine.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use tokio::runtime::Runtime;

use super::args::DoctorArgs;
use super::exit::{Ended, Exit, Or};
use super::out::{self, Rows, count};
use super::run::Site;
use super::{fleet_file, paths, settings, theme};
use crate::base::ByteCount;
use crate::console::{ColorChoice, ColorDepth, SettingsOf};
use crate::driver::bootstrap::AgentImage;
use crate::driver::ssh::Credentials;
use crate::driver::terminal::{Answers, probe};

/// What was found, and whether something has to be mended.
#[derive(Default)]
struct Findings {
    rows: Rows,
    ill: bool,
}

impl Findings {
    fn row(&mut self, name: &str, value: impl std::fmt::Display) {
        self.rows.add(name, value);
    }

    fn fault(&mut self, name: &str, value: impl std::fmt::Display) {
        self.ill = true;
        self.rows.add(name, format_args!("MEND: {value}"));
    }
}

/// Looks, and says what it saw. It asks for no passphrase and changes nothing.
pub(super) fn main(args: &DoctorArgs) -> Ended {
    let mut found = Findings::default();
    let image = AgentImage::carried();
    found.row("rookery", env!("CARGO_PKG_VERSION"));
    found.row("agent", format_args!("{} for {}", ByteCount(image.raw_len), image.machine.unwrap_or("any machine")));
    found.row("", format_args!("sha256 {}", image.sha256));
    let answers = terminal(&mut found);
    inventory(&mut found, args.inventory.as_deref());
    settings(&mut found, answers);
    match Site::of_process() {
        Ok(site) => {
            state(&mut found, &site.state);
            keys(&mut found, &site)?;
        }
        Err(ending) => found.fault("state", ending.message),
    }
    out::print(found.rows.into_text())?;
    Ok(if found.ill { Exit::CheckFailed } else { Exit::Done })
}

/// What is known of the terminal, and what it says of itself when it is asked.
fn terminal(found: &mut Findings) -> Answers {
    let env = theme::terminal();
    if !env.has_screen() {
        found.row("terminal", "no screen (TERM is unset or dumb): a line a change instead of the console");
        return Answers::default();
    }
    let colors = match env.color_depth(ColorChoice::Auto) {
        ColorDepth::Mono => "no colour",
        ColorDepth::Ansi16 => "16 colours",
        ColorDepth::Ansi256 => "256 colours",
        ColorDepth::TrueColor => "16 million colours",
    };
    let glyphs = if env.is_utf8() { "UTF-8" } else { "ASCII only (the locale is not UTF-8)" };
    let size = crate::driver::terminal::size().map(|(columns, rows)| format!(", {columns}x{rows}")).unwrap_or_default();
    found.row("terminal", format_args!("{}: {colors}, {glyphs}{size}", env.term));
    if env.is_multiplexed() {
        found.row("", "a multiplexer: y copies if it lets OSC 52 through; --color truecolor if it passes 24 bits on");
    } else if env.shows_progress() {
        found.row("", "shows progress in its title or task bar");
    }
    if env::var_os("SSH_CONNECTION").is_some_and(|value| !value.is_empty()) {
        found.row("", "over SSH: 4 frames a second at most, unless --fps says more");
    }
    if !(env.answers() && io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Answers::default();
    }
    let answers = probe().unwrap_or_default();
    let background = match (answers.background, answers.is_light()) {
        (Some((red, green, blue)), Some(light)) => {
            format!("#{red:02x}{green:02x}{blue:02x}, {}", if light { "light" } else { "dark" })
        }
        (_, _) => "not told".to_owned(),
    };
    let colors =
        if answers.truecolor { "24-bit colours are kept (--probe uses them)" } else { "24-bit colours are not proved" };
    found.row("asked", format_args!("background {background}; {colors}"));
    answers
}

/// The operator's settings and themes, as a run would use them.
fn settings(found: &mut Findings, answers: Answers) {
    let Some(config) = paths::config() else {
        return found.row("config", "none: neither HOME nor XDG_CONFIG_HOME is set");
    };
    found.row("config", place(&config));
    for (whose, path) in settings::files().into_iter().filter(|(_, path)| path.exists()) {
        let whose = if whose == SettingsOf::Project { ", of this project" } else { "" };
        found.row("settings", format_args!("{}{whose}", path.display()));
    }
    match settings::load() {
        Ok(settings) => {
            let theme = settings::first_theme(None, &settings, answers);
            match theme::load(&theme) {
                Ok(_) => found.row("theme", format_args!("{theme}, of {}", theme::names().len())),
                Err(why) => found.fault("theme", why),
            }
        }
        Err(ending) => found.fault("settings", ending.message),
    }
}

fn inventory(found: &mut Findings, given: Option<&Path>) {
    let path = match fleet_file::find(given) {
        Ok(path) => path,
        Err(ending) => return found.row("inventory", ending.message),
    };
    match fleet_file::load(Some(&path)) {
        Ok(inventory) => {
            let hosts = count(inventory.hosts.len() as u64, "host", "hosts");
            found.row("inventory", format_args!("{}: {hosts}", path.display()));
        }
        Err(ending) => found.fault("inventory", ending.message),
    }
}

fn place(path: &Path) -> String {
    format!("{}{}", path.display(), if path.exists() { "" } else { " (not there yet)" })
}

/// Journals need a folder that can be written to; the nearest one there is decides.
fn state(found: &mut Findings, path: &Path) {
    let nearest = path.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("/"));
    let access = rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK);
    if !fs::metadata(nearest).is_ok_and(|metadata| metadata.is_dir()) || access.is_err() {
        return found.fault("state", format_args!("{}: {} cannot be written to", path.display(), nearest.display()));
    }
    found.row("state", place(path));
}

fn keys(found: &mut Findings, site: &Site) -> Result<(), super::exit::Ending> {
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let mut silent = |_: &Path, _: u32| None;
    let asked = Credentials::load(site.agent.clone(), &[], &[], site.home.as_deref(), &mut silent);
    let credentials = runtime.block_on(asked);
    match &site.agent {
        Some(socket) => {
            let keys = count(credentials.agent_keys() as u64, "key", "keys");
            found.row("ssh-agent", format_args!("{keys} at {}", socket.display()));
        }
        None => found.row("ssh-agent", "none: SSH_AUTH_SOCK is not set"),
    }
    for problem in credentials.problems() {
        found.row("key", problem);
    }
    if credentials.is_empty() {
        found.row(
            "keys",
            format_args!("none of the usual names in ~/.ssh; `identity` of the inventory may name others"),
        );
    }
    Ok(())
}
