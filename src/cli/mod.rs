//! The command line of `rookery`, one file a subcommand.
//!
//! It reads arguments, files and the environment, puts the parts of a run together, and turns every ending into an exit
//! code. It decides nothing about hosts, pieces or cells.

#![expect(clippy::disallowed_methods, reason = "a run is named by the time it began")]

mod args;
mod ask;
mod attach;
mod check;
mod check_report;
mod clean;
mod complete;
mod course;
mod demo;
mod doctor;
mod dry_run;
mod exit;
mod fault_table;
mod fleet_file;
mod folder;
mod hosts;
mod interrupt;
mod kept;
mod keys;
mod keyscan;
mod logging;
mod login;
mod out;
mod outfit;
mod outlet;
mod package;
mod paths;
mod plan;
mod practice;
mod rehearse;
mod report;
mod resume;
mod run;
mod runs;
mod settings;
mod sudo;
mod theme;
mod torrent;

use std::env;
use std::ffi::OsStr;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches};

use args::{Arguments, Command};
use exit::{Ending, Exit};

/// Runs the program.
pub fn main() -> ExitCode {
    let parsed = without_empty_variables(Arguments::command()).try_get_matches();
    let read = |found: clap::ArgMatches| Ok((Arguments::from_arg_matches(&found)?, kept::words(&found)));
    let (arguments, words) = match parsed.and_then(read) {
        Ok(read) => read,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let ended = match &arguments.command {
        Command::Run(args) => run::main(args, &words),
        Command::Resume(args) => resume::main(args),
        Command::Attach(args) => attach::main(args),
        Command::Clean(args) => clean::main(args),
        Command::Check(args) => check::main(args),
        Command::Demo(args) => demo::main(args),
        Command::Rehearse(args) => rehearse::main(args),
        Command::Hosts(args) => hosts::main(args),
        Command::Runs(args) => runs::main(args),
        Command::Torrent(args) => torrent::main(args),
        Command::Theme(args) => theme::main(args),
        Command::Keys => keys::main(),
        Command::Doctor(args) => doctor::main(args),
        Command::Completions { shell } => complete::completions(*shell),
        Command::Man => complete::man(),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(Ending { exit, message }) => {
            if !message.is_empty() {
                out::tell(format_args!("rookery: {message}"));
            }
            exit.into()
        }
    }
}

/// The same command, blind to environment variables that are set to nothing: they mean no more than unset ones.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |variable: &OsStr| env::var_os(variable).is_some_and(|value| value.is_empty());
    let seen = |arg: clap::Arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(seen).mut_subcommands(without_empty_variables)
}
