//! What a run's folder keeps for the console that takes the run up when this one is gone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use serde::{Deserialize, Serialize};

use super::args::{Arguments, Command, RunArgs};
use super::exit::{Ending, Exit, Or};
use super::folder::LOCK;
use super::plan::{Draft, Origin, Where};
use crate::control::PayloadFacts;
use crate::inventory::Inventory;
use crate::metainfo::Metainfo;
use crate::rollout::Payload;

/// The version of the file.
const VERSION: u32 = 1;

const PLAN: &str = "plan.json";
const INVENTORY: &str = "inventory.toml";
const FACTS: &str = "payload.json";
const TORRENT: &str = "payload.torrent";

/// How a run was begun.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// The folder it was begun in: relative paths begin there.
    folder: PathBuf,
    /// `run` and its arguments, with those that came from the environment.
    words: Vec<String>,
    /// Where the inventory was read from; its text is kept beside this file.
    inventory: PathBuf,
    /// The fleet, in its order.
    pub(super) hosts: Vec<String>,
    /// Where its source lay.
    pub(super) source: Where,
}

impl Kept {
    /// Keeps how a run is begun.
    pub(super) fn write(run_folder: &Path, words: &[String], draft: &Draft) -> Result<(), Ending> {
        let kept = Self {
            version: VERSION,
            folder: std::env::current_dir().or_unexpected("find the current folder")?,
            words: words.to_vec(),
            inventory: draft.inventory.path.clone(),
            hosts: draft.selected.iter().map(|id| draft.host(id).name.clone()).collect(),
            source: match draft.origin {
                Origin::Here(_) => Where::Here,
                Origin::There(..) | Origin::Nowhere => Where::There,
            },
        };
        let text = fs::read(&draft.inventory.path).or_unexpected("read the inventory again")?;
        let written = write(&run_folder.join(INVENTORY), &text)
            .and_then(|()| write(&run_folder.join(PLAN), &serde_json::to_vec_pretty(&kept)?));
        written.or_unexpected(format_args!("write the plan in {}", run_folder.display()))
    }

    /// Keeps what the payload is.
    pub(super) fn write_payload(run_folder: &Path, payload: &Payload) -> io::Result<()> {
        write(&run_folder.join(TORRENT), &payload.torrent)?;
        write(&run_folder.join(FACTS), &serde_json::to_vec_pretty(&payload.facts)?)
    }

    /// Reads what was kept.
    pub(super) fn read(run_folder: &Path) -> Result<Self, Ending> {
        let path = run_folder.join(PLAN);
        let unreadable = |error: &dyn std::fmt::Display| {
            let why = format!("the run cannot be taken up: {}: {error}; start a new run", path.display());
            Ending::new(Exit::Usage, why)
        };
        let text = fs::read(&path).map_err(|error| unreadable(&error))?;
        let kept: Self = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
        if kept.version != VERSION {
            return Err(unreadable(&format!("it has version {}, not {VERSION}", kept.version)));
        }
        Ok(kept)
    }

    /// The inventory, as it was.
    pub(super) fn inventory(&self, run_folder: &Path) -> Result<Inventory, Ending> {
        let path = run_folder.join(INVENTORY);
        let text = fs::read_to_string(&path).or_unexpected(format_args!("read {}", path.display()))?;
        Inventory::parse(&self.inventory, &text)
            .map_err(|found| Ending::new(Exit::Invalid, format!("the run's inventory cannot be used\n{found}")))
    }

    /// The arguments, as they were; relative paths mean what they meant from now on.
    pub(super) fn arguments(&self) -> Result<RunArgs, Ending> {
        std::env::set_current_dir(&self.folder)
            .or_unexpected(format_args!("go to {}, where the run was begun", self.folder.display()))?;
        let blind = |command: clap::Command| command.mut_args(|arg| arg.env(Resettable::Reset));
        let command = Arguments::command().mut_subcommands(blind);
        let words = std::iter::once("rookery".to_owned()).chain(self.words.iter().cloned()).map(OsString::from);
        let parsed = command.try_get_matches_from(words).and_then(|found| Arguments::from_arg_matches(&found));
        let Command::Run(args) = parsed.or_unexpected("understand the arguments of the run")?.command else {
            return Err(Ending::new(Exit::Unexpected, "what was kept is no run"));
        };
        Ok(*args)
    }

    /// The payload, if it was known.
    pub(super) fn payload(run_folder: &Path) -> Result<Option<Payload>, Ending> {
        let (torrent, facts) = match (fs::read(run_folder.join(TORRENT)), fs::read(run_folder.join(FACTS))) {
            (Ok(torrent), Ok(facts)) => (Bytes::from(torrent), facts),
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            (torrent, facts) => {
                torrent.and(facts).or_unexpected("read what the payload is")?;
                return Ok(None);
            }
        };
        let facts: PayloadFacts = serde_json::from_slice(&facts).or_unexpected("read what the payload is")?;
        let metainfo = Metainfo::parse(&torrent).or_unexpected("read the payload's torrent")?;
        Ok(Some(Payload { info_hash: metainfo.info_hash(), layout: metainfo.layout(), torrent, facts }))
    }

    /// Removes everything that was kept.
    pub(super) fn remove(run_folder: &Path) -> io::Result<()> {
        for name in [PLAN, INVENTORY, FACTS, TORRENT, LOCK] {
            match fs::remove_file(run_folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// The words of a command line of `run`, with the options that came from the environment as options.
pub(super) fn words(found: &ArgMatches) -> Vec<String> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let (Some(run), command) = (found.subcommand_matches("run"), Arguments::command()) else { return words };
    let Some(options) = command.find_subcommand("run") else { return words };
    let mut extra = Vec::new();
    for option in options.get_arguments() {
        let id = option.get_id().as_str();
        let from_environment = run.value_source(id) == Some(ValueSource::EnvVariable);
        let (true, Some(long), Ok(Some(values))) = (from_environment, option.get_long(), run.try_get_raw(id)) else {
            continue;
        };
        extra.extend(values.map(|value| format!("--{long}={}", value.to_string_lossy())));
    }
    // Right behind `run`: what follows `--` is no option.
    let at = words.iter().position(|word| word == "run").map_or(words.len(), |at| at + 1);
    words.splice(at..at, extra);
    words
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text)
}
