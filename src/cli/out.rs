//! stdout and stderr, whose readers may go away at any time.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use super::exit::{Ended, Exit, Or};

/// Writes to stdout. A reader that went away (`| head`) has seen what it wanted.
pub(super) fn print(text: impl AsRef<[u8]>) -> Ended {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => written.or_unexpected("write to stdout").map(|()| Exit::Done),
    }
}

/// Writes a line to stderr, if anybody is there to read it.
pub(super) fn tell(line: impl Display) {
    tell_on(format_args!("{line}\n"));
}

/// Writes to stderr without ending the line.
pub(super) fn tell_on(text: impl Display) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{text}").and_then(|()| err.flush());
}

/// A number and its noun: `1 piece`, `2 pieces`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Writes lines to stdout.
pub(super) fn print_lines(lines: impl IntoIterator<Item = impl Display>) -> Ended {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    print(text)
}

/// Rows of a name and a value.
#[derive(Debug, Default)]
pub(super) struct Rows(String);

impl Rows {
    /// Adds a row.
    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name:<12} {value}");
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}
