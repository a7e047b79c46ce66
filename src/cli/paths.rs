//! Where things lie on this machine.

use std::env;
use std::path::PathBuf;

use super::exit::{Ending, Exit};

/// The operator's home.
pub(super) fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The folder of settings and themes: `$XDG_CONFIG_HOME/rookery`, else `~/.config/rookery`.
pub(super) fn config() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config")
}

/// The folder of journals: `$XDG_STATE_HOME/rookery`, else `~/.local/state/rookery`.
pub(super) fn state() -> Result<PathBuf, Ending> {
    folder("XDG_STATE_HOME", ".local/state")
        .ok_or_else(|| Ending::new(Exit::Unexpected, "neither HOME nor XDG_STATE_HOME is set; journals need a place"))
}

fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let given = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    given.or_else(|| home().map(|home| home.join(below_home))).map(|base| base.join("rookery"))
}
