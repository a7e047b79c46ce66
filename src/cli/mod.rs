//! The command line of `rookery`, one file a subcommand.
//!
//! It reads arguments, files and the environment, puts the parts of a run together, and turns every ending into an exit
//! code. It decides nothing about hosts, pieces or cells.

#![expect(clippy::disallowed_methods, reason = "a run is named by the time it began")]

mod args;
mod ask;
mod complete;
mod demo;
mod doctor;
mod dry_run;
mod exit;
mod fleet_file;
mod folder;
mod hosts;
mod interrupt;
mod keys;
mod logging;
mod out;
mod outfit;
mod package;
mod paths;
mod plan;
mod report;
mod run;
mod runs;
mod theme;
mod torrent;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::{Ending, Exit};

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let ended = match &arguments.command {
        Command::Run(args) => run::main(args),
        Command::Demo(args) => demo::main(args),
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
