//! What runs on a host: hands the arguments over, and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rookery::driver::agent::main(std::env::args_os().skip(1)))
}
