//! `rookery completions` and `rookery man`.

use std::io::{self, Write};

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Arguments;
use super::exit::{Ended, Or};
use super::out;

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rookery", &mut script);
    out::print(script)
}

/// Prints the manual page: one for everything, each subcommand a section.
pub(super) fn man() -> Ended {
    let mut page = Vec::new();
    render(&mut page).or_unexpected("print the manual page")?;
    out::print(page)
}

fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let top = Man::new(command.clone());
    top.render_title(page)?;
    top.render_name_section(page)?;
    top.render_synopsis_section(page)?;
    top.render_description_section(page)?;
    for subcommand in leaves(&command) {
        section(page, subcommand)?;
    }
    Ok(())
}

/// The commands that do something, in order.
fn leaves(command: &Command) -> Vec<&Command> {
    let subcommands = command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help");
    let mut found: Vec<&Command> = Vec::new();
    for subcommand in subcommands {
        if !subcommand.is_subcommand_required_set() {
            found.push(subcommand);
        }
        found.extend(leaves(subcommand));
    }
    found
}

/// An option whose help names its environment variable.
fn with_variable(arg: Arg) -> Arg {
    match (arg.get_env(), arg.get_help()) {
        (Some(variable), Some(help)) => {
            let text = format!("{help} [env: {}]", variable.to_string_lossy());
            arg.help(text)
        }
        (Some(_), None) | (None, _) => arg,
    }
}

fn section(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let one = Man::new(command.clone().mut_args(with_variable));
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    writeln!(page, ".SH \"{name}\"")?;
    let mut parts = Vec::new();
    one.render_description_section(&mut parts)?;
    one.render_synopsis_section(&mut parts)?;
    one.render_options_section(&mut parts)?;
    if command.get_after_help().is_some() {
        one.render_extra_section(&mut parts)?;
    }
    // What is a section of a page of its own is a part of a section here.
    page.extend(String::from_utf8_lossy(&parts).replace(".SH ", ".SS ").into_bytes());
    Ok(())
}
