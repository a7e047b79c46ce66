//! Commands as root: through sudo, whose password is asked for once, here, and answered only where it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use super::{Passphrase, within};
use crate::driver::channel::{Channel, Exit, PROMPT};
use crate::rollout::{Failure, Phase};

/// The operator's password for sudo, and whether a host has taken it.
///
/// It is tried on one host first: one that is wrong would lock an account that all hosts share.
#[derive(Debug)]
pub struct SudoPassword {
    secret: Passphrase,
    trust: Mutex<Trust>,
}

#[derive(Debug, Clone, Copy)]
enum Trust {
    Untried,
    Taken,
    Refused,
}

impl SudoPassword {
    /// A password that no host has seen.
    pub fn new(secret: Passphrase) -> Self {
        Self { secret, trust: Mutex::new(Trust::Untried) }
    }
}

/// How commands of a session become root's.
#[derive(Debug)]
pub(super) struct Sudo {
    /// sudo runs nothing without a terminal there (`requiretty`).
    terminal: AtomicBool,
    password: Option<Arc<SudoPassword>>,
    /// What sudo asks with: nobody else's prompt is answered.
    prompt: String,
    /// What is said on stderr once the command is root's.
    inside: String,
}

/// What sudo said next.
enum Heard {
    Inside,
    Prompt,
    Ended(Failure),
}

impl Sudo {
    pub(super) fn new(password: Option<Arc<SudoPassword>>) -> Self {
        let token = fastrand::u64(..);
        let terminal = AtomicBool::new(false);
        Self {
            terminal,
            password,
            prompt: format!("{PROMPT}{token:016x}:"),
            inside: format!("@rookery-root-{token:016x}"),
        }
    }

    /// `command`, which a login shell reads, as root's. What sshd said about the connection goes along.
    pub(super) fn command(&self, command: &str) -> String {
        let how = match &self.password {
            // -k: the password is asked for each time it is needed, whatever was typed by hand before.
            Some(_) => format!("-k -S -p \"{}\"", self.prompt),
            None => "-n".to_owned(),
        };
        let command = command.strip_prefix("exec ").unwrap_or(command);
        if self.terminal.load(Ordering::Relaxed) {
            return self.command_on_terminal(command, &how);
        }
        format!(
            "exec sudo {how} -H -- /bin/sh -c '{BECOME}' \"{inside}\" \"$SSH_CONNECTION\" {command}",
            inside = self.inside
        )
    }

    /// The same with a terminal, of which sudo only wants that it is there: `script` makes one on the host, and what goes in
    /// and comes out goes past it, byte for byte.
    fn command_on_terminal(&self, command: &str, how: &str) -> String {
        let how = how.replace('"', "");
        format!(
            "exec /bin/sh -c '{SCRIPT}' 'exec sudo {how} -H -- {INSIDE}' '{BECOME}' \"{inside}\" \"$SSH_CONNECTION\" {command}",
            inside = self.inside
        )
    }

    /// Whether sudo ended for want of a terminal; the next command gets one.
    pub(super) fn wants_terminal(&self, failure: &Failure) -> bool {
        let wanted = matches!(failure, Failure::Sudo { why } if why.contains("tty"));
        wanted && !self.terminal.swap(true, Ordering::Relaxed)
    }

    /// Waits until the command is root's, and answers sudo on the way.
    pub(super) async fn enter(&self, channel: &mut Channel, after: Duration) -> Result<(), Failure> {
        within(Phase::Exec, after, async {
            match self.hear(channel).await {
                Heard::Inside => Ok(()),
                Heard::Ended(failure) => Err(failure),
                Heard::Prompt => self.answer(channel).await,
            }
        })
        .await?
    }

    async fn answer(&self, channel: &mut Channel) -> Result<(), Failure> {
        let Some(password) = &self.password else { return Err(refused("it asks for a password")) };
        let mut trust = password.trust.lock().await;
        match *trust {
            Trust::Refused => return Err(refused("the password is not sent: it was wrong on another host")),
            // Nobody has to wait any more.
            Trust::Taken => drop(trust),
            Trust::Untried => {
                *trust = match self.say(channel, password).await {
                    Heard::Inside => Trust::Taken,
                    Heard::Prompt => Trust::Refused,
                    Heard::Ended(failure) => return Err(failure),
                };
                return if matches!(*trust, Trust::Taken) { Ok(()) } else { Err(wrong()) };
            }
        }
        match self.say(channel, password).await {
            Heard::Inside => Ok(()),
            Heard::Prompt => Err(wrong()),
            Heard::Ended(failure) => Err(failure),
        }
    }

    async fn say(&self, channel: &mut Channel, password: &SudoPassword) -> Heard {
        let line = format!("{}\n", password.secret.0);
        // A host that does not read it has ended, and says why.
        channel.input.write_all(line.as_bytes()).await.ok();
        channel.input.flush().await.ok();
        self.hear(channel).await
    }

    /// Listens for one of our two marks; everything else is noise, of which the last line is why it ended.
    async fn hear(&self, channel: &mut Channel) -> Heard {
        let mut last = None;
        while let Some(line) = channel.lines.recv().await {
            match line.trim() {
                line if line == self.inside => return Heard::Inside,
                line if line.ends_with(&self.prompt) => return Heard::Prompt,
                line => last = Some(line.to_owned()),
            }
        }
        let exit = (&mut channel.exit).await.unwrap_or_else(|_| Exit::Lost("the channel was dropped".to_owned()));
        Heard::Ended(match exit {
            Exit::Lost(why) => Failure::ConnectionLost { why },
            Exit::Status(_) | Exit::Signal(_) => refused(&last.unwrap_or_else(|| exit.to_string())),
        })
    }
}

/// Says that it runs, gives back what sudo took out of the environment, and becomes the command.
const BECOME: &str = "echo \"$0\" >&2; SSH_CONNECTION=$1; export SSH_CONNECTION; shift; exec \"$@\"";

/// Runs `$0` on a terminal of its own, with stdin, stdout and stderr at hand as 3, 4 and 5. The arguments are what it runs, the
/// last of them a command of `/bin/sh -c`.
const SCRIPT: &str = "RK_B=$1; RK_I=$2; RK_S=$3; shift 5; RK_C=$1; SHELL=/bin/sh; export RK_B RK_I RK_S RK_C SHELL; \
                      exec script -qec \"$0\" /dev/null 3<&0 4>&1 5>&2 </dev/null >/dev/null 2>&1";

/// What sudo runs there.
const INSIDE: &str = "/bin/sh -c \"$RK_B\" \"$RK_I\" \"$RK_S\" /bin/sh -c \"$RK_C\" <&3 >&4 2>&5";

fn refused(why: &str) -> Failure {
    Failure::Sudo { why: why.strip_prefix("sudo: ").unwrap_or(why).to_owned() }
}

fn wrong() -> Failure {
    refused("it does not take the password")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_root_is_safe_in_any_login_shell() {
        assert!(!BECOME.contains(['\'', '!', '\\', '\n', '\r']));
        let plain = Sudo::new(None).command("exec /bin/sh -c 'id'");
        assert!(plain.starts_with("exec sudo -n -H -- /bin/sh -c '"), "{plain}");
        assert!(plain.ends_with("\"$SSH_CONNECTION\" /bin/sh -c 'id'"), "{plain}");
        let password = Arc::new(SudoPassword::new(Passphrase("secret".to_owned())));
        let asking = Sudo::new(Some(password)).command("/bin/sh -c 'id'");
        assert!(asking.contains("sudo -k -S -p \"@rookery-sudo-") && !asking.contains("secret"), "{asking}");
        assert!(!(SCRIPT.to_owned() + INSIDE).contains(['\'', '!', '\\', '\n', '\r']));
        let without = Sudo::new(None);
        assert!(!without.wants_terminal(&refused("a password is required")));
        assert!(without.wants_terminal(&refused("sorry, you must have a tty to run sudo")));
        assert!(!without.wants_terminal(&refused("sorry, you must have a tty to run sudo")), "it has one");
        let with = without.command("exec /bin/sh -c 'id'");
        assert!(with.contains("script -qec") && with.ends_with("\"$SSH_CONNECTION\" /bin/sh -c 'id'"), "{with}");
    }
}
