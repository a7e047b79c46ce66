//! The command line of `rookery`, one file a subcommand.
//!
//! It reads arguments, files and the environment, puts the parts of a run together, and turns every ending into an exit
//! code. It decides nothing about hosts, pieces or cells.

#![expect(clippy::disallowed_methods, reason = "a run is named by the time it began")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program speaks")]

mod args;
mod complete;
mod demo;
mod exit;
mod fleet_file;
mod hosts;
mod keys;
mod logging;
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
        Command::Completions { shell } => complete::completions(*shell),
        Command::Man => complete::man(),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(Ending { exit, message }) => {
            if !message.is_empty() {
                eprintln!("rookery: {message}");
            }
            exit.into()
        }
    }
}
