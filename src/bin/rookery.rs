//! The console and command line, on the operator's jump box: hands over to `cli`, and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    rookery::cli::main()
}
