//! `config.toml` of the operator's config folder. A flag wins over a variable, and both over this file.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::ShowArgs;
use super::exit::{Ending, Exit};
use super::paths;
use crate::console::{ColorChoice, Glyphs, Settings};

/// The largest file of settings, keys or colours that is read, in bytes.
const LENGTH_MAX: u64 = 256 << 10;

/// Frames a second at most, on this machine.
const FPS: u16 = 10;
/// The same where every frame goes through an SSH connection.
const FPS_REMOTE: u16 = 4;

/// Where settings lie.
pub(super) fn path() -> Option<PathBuf> {
    paths::config().map(|config| config.join("config.toml"))
}

/// Reads the settings; without a file nothing is set.
pub(super) fn load() -> Result<Settings, Ending> {
    let Some(path) = path() else { return Ok(Settings::default()) };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(Ending::new(Exit::Invalid, format!("failed to read {}: {error}", path.display()))),
    };
    Settings::parse(&path.display().to_string(), &text)
        .map_err(|found| Ending::new(Exit::Invalid, format!("the settings cannot be used\n{found}")))
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
