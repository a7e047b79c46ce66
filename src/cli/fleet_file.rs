//! The inventory: which file, and what is wrong with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exit::{Ending, Exit, Or};
use super::out::tell;
use super::paths;
use crate::inventory::{HostSet, Inventory, SelectContext};
use crate::journal::{Story, newest};

/// The largest inventory that is read, in bytes.
const LENGTH_MAX: u64 = 16 << 20;

/// What names the inventory where no flag does.
pub(super) const INVENTORY_VARIABLE: &str = "ROOKERY_INVENTORY";

/// Finds, reads and parses the inventory; warnings go to stderr.
pub(super) fn load(given: Option<&Path>) -> Result<Inventory, Ending> {
    let path = find(given)?;
    let unreadable = |error: io::Error| {
        let from = if is_of_variable(&path) { format!(", which ${INVENTORY_VARIABLE} names") } else { String::new() };
        Ending::new(Exit::Invalid, format!("failed to read the inventory {}{from}: {error}", path.display()))
    };
    if fs::metadata(&path).map_err(unreadable)?.len() > LENGTH_MAX {
        let why = format!("the inventory {} is larger than {LENGTH_MAX} bytes", path.display());
        return Err(Ending::new(Exit::Invalid, why));
    }
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    let inventory = Inventory::parse(&path, &text)
        .map_err(|found| Ending::new(Exit::Invalid, format!("the inventory cannot be used\n{found}")))?;
    inventory.warnings.iter().for_each(tell);
    Ok(inventory)
}

/// Whether an environment variable names this file, so that nobody looks for it on the command line.
fn is_of_variable(path: &Path) -> bool {
    std::env::var_os(INVENTORY_VARIABLE).is_some_and(|named| named == path.as_os_str())
}

/// The inventory that is used, unless there is none.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, Ending> {
    if let Some(path) = given.filter(|path| !path.as_os_str().is_empty()) {
        return Ok(path.to_owned());
    }
    let usual = [Some(PathBuf::from("inventory.toml")), paths::config().map(|config| config.join("inventory.toml"))];
    let usual: Vec<PathBuf> = usual.into_iter().flatten().collect();
    usual.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let looked: Vec<String> = usual.iter().map(|path| path.display().to_string()).collect();
        let why = format!(
            "no inventory: looked for {}; name one with -i, or start from inventory.toml.example",
            looked.join(" and ")
        );
        Ending::new(Exit::Invalid, why)
    })
}

/// The hosts of a selector; `None` is the whole fleet. Never an empty set.
pub(super) fn select(inventory: &Inventory, selector: Option<&str>) -> Result<HostSet, Ending> {
    let last = match selector {
        Some(text) if text.contains("@failed") || text.contains("@unreachable") => last_run()?,
        Some(_) | None => None,
    };
    if let Some(story) = last.as_ref().filter(|story| story.outcome.is_none()) {
        let (run, at) = (&story.run, story.last);
        tell(format_args!("rookery: the last run, {run}, has not ended: what is meant is what had failed by {at:.0}"));
    }
    let names = |pick: fn(&Story) -> Vec<String>| last.as_ref().map(pick);
    let failed = names(|story| story.failed().map(str::to_owned).collect());
    let unreachable = names(|story| story.unreachable().map(str::to_owned).collect());
    let read = |name: &str| fs::read_to_string(name);
    let context =
        SelectContext { failed: failed.as_deref(), unreachable: unreachable.as_deref(), file: &read, seed: 0 };
    let hosts = match selector {
        Some(selector) => inventory.select(selector, &context).map_err(|error| Ending::new(Exit::NoHost, error))?,
        None => inventory.fleet(),
    };
    if hosts.is_empty() {
        let why = format!("no host is selected: {} has none", inventory.path.display());
        return Err(Ending::new(Exit::NoHost, why));
    }
    Ok(hosts)
}

/// What `@failed` and `@unreachable` mean.
fn last_run() -> Result<Option<Story>, Ending> {
    newest(&paths::state()?).or_exit(Exit::Unexpected)
}
