//! `config.toml` of the operator's config folder, and `rookery.toml` of the project over it. A flag wins over a variable, and
//! both over these files.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::ShowArgs;
use super::exit::{Ending, Exit};
use super::{paths, theme};
use crate::console::{ColorChoice, Glyphs, Settings, SettingsOf, ThemeChoice};
use crate::driver::terminal::Answers;

/// The largest file of settings, keys or colours that is read, in bytes.
const LENGTH_MAX: u64 = 256 << 10;

/// Frames a second at most, on this machine.
const FPS: u16 = 10;
/// The same where every frame goes through an SSH connection.
const FPS_REMOTE: u16 = 4;

/// The file of the project: in the folder where the program is started.
const PROJECT: &str = "rookery.toml";

/// Where settings lie; what a later file says wins.
pub(super) fn files() -> Vec<(SettingsOf, PathBuf)> {
    let own = paths::config().map(|config| (SettingsOf::Operator, config.join("config.toml")));
    own.into_iter().chain([(SettingsOf::Project, PathBuf::from(PROJECT))]).collect()
}

/// Reads the settings; without a file nothing is set.
pub(super) fn load() -> Result<Settings, Ending> {
    reload().map_err(|why| Ending::new(Exit::Invalid, format!("the settings cannot be used\n{why}")))
}

/// The same, with nothing but the reason.
pub(super) fn reload() -> Result<Settings, String> {
    files().into_iter().try_fold(Settings::default(), |settings, (whose, path)| match read(&path) {
        Ok(text) => settings.over(whose, &path.display().to_string(), &text).map_err(|found| found.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(settings),
        Err(error) => Err(format!("failed to read {}: {error}", path.display())),
    })
}

/// Changes whenever a file of settings does.
pub(super) fn stamp() -> u64 {
    stamp_of(files().into_iter().map(|(_, path)| path))
}

/// Changes whenever one of these files does: names, sizes and times.
pub(super) fn stamp_of(files: impl Iterator<Item = PathBuf>) -> u64 {
    let about = |path: PathBuf| {
        let about = fs::metadata(&path).ok();
        (path, about.as_ref().map(fs::Metadata::len), about.and_then(|about| about.modified().ok()))
    };
    let mut files: Vec<_> = files.map(about).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

/// The theme to begin with: the one that is given, else the one that is set, which may hang on what the terminal said.
pub(super) fn first_theme(given: Option<&str>, settings: &Settings, answers: Answers) -> String {
    match (given, &settings.theme) {
        (Some(name), _) => name.to_owned(),
        (None, Some(ThemeChoice::One(name))) => name.clone(),
        (None, Some(ThemeChoice::ByBackground { light, .. })) if answers.is_light() == Some(true) => light.clone(),
        (None, Some(ThemeChoice::ByBackground { dark, .. })) => dark.clone(),
        (None, None) => theme::DEFAULT.to_owned(),
    }
}

/// Whether the terminal is to be asked: the operator wants it, or a theme hangs on it.
pub(super) fn asks(show: &ShowArgs, settings: &Settings) -> bool {
    let hangs_on_it = matches!(settings.theme, Some(ThemeChoice::ByBackground { .. })) && show.theme.is_none();
    show.probe || settings.probe.unwrap_or(hangs_on_it)
}

/// Reads a small text.
pub(super) fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = fs::File::open(file)?.take(LENGTH_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > LENGTH_MAX {
        return Err(io::Error::other(format!("larger than {LENGTH_MAX} bytes")));
    }
    Ok(text)
}

/// What is wanted of colours and glyphs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes {
    pub(super) color: ColorChoice,
    /// As the locale has them, unless they are given.
    pub(super) glyphs: Option<Glyphs>,
}

impl Wishes {
    /// Those of the command line, then those of the settings.
    pub(super) fn of(show: &ShowArgs, settings: &Settings) -> Self {
        let ascii = show.ascii || settings.ascii == Some(true);
        let color = show.color.map(ColorChoice::from).or(settings.color).unwrap_or_default();
        Self { color, glyphs: ascii.then_some(Glyphs::Ascii) }
    }
}

/// Between two frames at least.
pub(super) fn frame_interval(show: &ShowArgs, settings: &Settings) -> Duration {
    let remote = env::var_os("SSH_CONNECTION").is_some_and(|value| !value.is_empty());
    let usual = if remote { FPS_REMOTE } else { FPS };
    Duration::from_secs(1) / u32::from(show.fps.or(settings.fps).unwrap_or(usual))
}
