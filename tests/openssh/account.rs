//! Users of this machine that tests make and remove: they need root.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::lab::{is_ci, user, wait_until};

/// How many users this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A user with a home of its own. Dropping it removes the user, its home and its rights.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
}

impl Account {
    /// Makes a user with a login shell; `None` where that may not be, which is an error in CI.
    pub(crate) fn new(shell: &str) -> Option<Self> {
        if user() != "root" {
            assert!(!is_ci(), "this test makes users and needs root");
            eprintln!("skipped: making users needs root");
            return None;
        }
        let found = ["sudo", "useradd", shell].map(|program| {
            let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
            let path = String::from_utf8_lossy(&found.expect("sh is everywhere").stdout).trim().to_owned();
            if path.is_empty() {
                assert!(!is_ci(), "{program} is missing (.ci/run installs it)");
                eprintln!("skipped: {program} is missing");
            }
            path
        });
        if found.iter().any(String::is_empty) {
            return None;
        }
        let name = format!("rk{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let home = PathBuf::from(format!("/tmp/{name}-home"));
        let account = Self { name, home };
        // Others may be making users at the same time.
        wait_until("a user is made", || {
            let mut command = Command::new("useradd");
            command.args(["-m", "-s", &found[2], "-p", "*", "-d"]).arg(&account.home).arg(&account.name);
            command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
        Some(account)
    }

    /// Sets its password.
    pub(crate) fn password(&self, password: &str) {
        let mut child = Command::new("chpasswd").stdin(Stdio::piped()).spawn().expect("chpasswd is everywhere");
        writeln!(child.stdin.take().expect("it is piped"), "{}:{password}", self.name).expect("it listens");
        assert!(child.wait().expect("it was started").success());
    }

    /// Lets it use sudo, as `rights` say: `ALL` or `NOPASSWD: ALL`.
    pub(crate) fn sudoer(&self, rights: &str) {
        let text = format!("{} ALL=(ALL) {rights}\n", self.name);
        fs::create_dir_all("/etc/sudoers.d").expect("this is root");
        fs::write(self.sudoers(), text).expect("this is root");
        fs::set_permissions(self.sudoers(), fs::Permissions::from_mode(0o440)).expect("it is ours");
    }

    pub(crate) fn uid(&self) -> u32 {
        fs::metadata(&self.home).expect("it has a home").uid()
    }

    fn sudoers(&self) -> PathBuf {
        PathBuf::from(format!("/etc/sudoers.d/{}", self.name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.sudoers());
        let remove = || {
            let mut command = Command::new("userdel");
            command.args(["-f", "-r", &self.name]).stderr(Stdio::null()).stdout(Stdio::null());
            // 6: there is no such user any more.
            command.status().is_ok_and(|status| status.success() || status.code() == Some(6))
        };
        let removed = (0..100).any(|_| {
            let removed = remove();
            if !removed {
                std::thread::park_timeout(std::time::Duration::from_millis(50));
            }
            removed
        });
        assert!(removed || std::thread::panicking(), "the user {} is left", self.name);
    }
}
