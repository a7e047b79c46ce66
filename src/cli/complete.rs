//! `rookery completions` and `rookery man`.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Arguments;
use super::exit::{Ended, Exit, Or};

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> Ended {
    clap_complete::generate(shell, &mut Arguments::command(), "rookery", &mut io::stdout());
    Ok(Exit::Done)
}

/// Prints the manual page.
pub(super) fn man() -> Ended {
    clap_mangen::Man::new(Arguments::command()).render(&mut io::stdout()).or_unexpected("print the manual page")?;
    Ok(Exit::Done)
}
