//! Who runs this program.

use std::env;
use std::process::{Command, Stdio};

use rustix::process::getuid;

/// A variable of the environment, unless it is empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The user's name: as the environment has it, else as the system knows the user's number, else that number.
pub fn user() -> String {
    variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| name_of(getuid().as_raw()))
}

/// What `id` knows, which asks the directories too that the system is set up for.
fn name_of(number: u32) -> String {
    let said =
        Command::new("id").args(["-un", &number.to_string()]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said =
        said.ok().filter(|said| said.status.success()).map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let name = said.map(|said| said.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("uid {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_name_that_the_system_knows_or_none() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(3_999_999_999), "uid 3999999999");
    }
}
