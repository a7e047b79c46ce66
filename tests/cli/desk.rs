//! An operator's desk: a home, an inventory, something to deploy, and the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rookery::demo::Keys;
use tempfile::TempDir;

/// Four hosts where nobody listens.
pub(crate) const NOBODY: &str = r#"
version = 1
[defaults]
user = "nobody"
to = "/srv/releases"
connect_timeout = "2s"
[roles]
seeder = "console"
[swarm]
port = "6881-6989"
tracker_port = 0
[group.web]
hosts = ["127.0.0.[2-5]"]
port = 1
"#;

pub(crate) struct Desk {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    /// With an inventory and a directory `src`.
    pub(crate) fn new(inventory: &str) -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        fs::create_dir_all(desk.path("home/.ssh")).unwrap();
        fs::create_dir_all(desk.path("work/src/sub")).unwrap();
        desk.write("inventory.toml", inventory);
        desk.write("src/app", "an application\n");
        desk.write("src/sub/data", "its data\n");
        std::os::unix::fs::symlink("sub/data", desk.path("work/src/link")).unwrap();
        desk
    }

    /// The same with a key to log in with.
    pub(crate) fn with_key(inventory: &str) -> Self {
        let desk = Self::new(inventory);
        Keys::generate().write(&desk.path("home/.ssh/id_ed25519")).unwrap();
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the inventory.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path("work").join(name), text).unwrap();
    }

    /// The state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("home/.local/state/rookery")
    }

    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_rookery"), args)
    }

    /// Another program, as the operator starts it.
    pub(crate) fn command_of(&self, program: &str, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("work")).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.path("home")).env("USER", "olga");
        command
    }

    /// Runs the program with words parted by spaces.
    pub(crate) fn run(&self, words: &str) -> Said {
        self.run_args(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_args(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// Files and folders below the home, besides keys.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.path("home/.local"), &mut found);
        found
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
        Self { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Ended with `code`, and stderr holds every one of `words`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "stdout is for results");
        assert!(words.iter().all(|word| self.err.contains(word)), "{words:?} in\n{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Ended well with nothing on stderr; returns stdout.
    #[track_caller]
    pub(crate) fn works(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
}

fn list(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}
