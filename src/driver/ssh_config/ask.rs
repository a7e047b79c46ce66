//! `ssh -G`, many at once, each question once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SshConfigError;
use crate::driver::channel::printable;
use crate::inventory::{Host, SaidKey, SshConfig};

/// For one answer. It takes some milliseconds, unless a `Match exec` runs something.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Answers being worked on at once, for each core.
const ASKED_PER_CORE: usize = 2;

/// Bytes of an answer; most are 4 KiB.
const ANSWER_MAX: usize = 256 << 10;

/// Keys that are tried anyway when the configuration names none: `ssh -G` lists them then.
const USUAL_KEYS: [&str; 7] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa"];

/// What ssh is asked: what is the same here need not be asked twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    file: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    name: String,
}

impl Question {
    /// How ssh would be called for this host.
    pub(super) fn of(host: &Host) -> Self {
        let file = match &host.ssh_config {
            SshConfig::Off | SshConfig::Usual => None,
            SshConfig::File(path) => Some(path.clone()),
        };
        let port = host.said.contains(&SaidKey::Port).then_some(host.port);
        Self { file, user: host.user.clone(), port, name: host.name.clone() }
    }

    fn arguments(&self) -> Vec<String> {
        let mut words = vec!["-G".to_owned()];
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        option("-F", self.file.as_deref().map(home));
        option("-l", self.user.clone());
        option("-p", self.port.map(|port| port.to_string()));
        words.extend(["--".to_owned(), self.name.clone()]);
        words
    }
}

/// `~/` resolved, because no shell does it here.
fn home(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        (Some(_) | None, _) => path.to_owned(),
    }
}

/// What ssh would do: keys in lower case, with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer(Vec<(String, String)>);

impl Answer {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Self(lines.map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned())).collect())
    }

    pub(super) fn first(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let found = self.0.iter().filter(|(name, value)| name == key && value != "none");
        found.map(|(_, value)| value.clone()).collect()
    }

    /// The key files that the configuration names.
    pub(super) fn identities(&self) -> Vec<String> {
        let named = self.all("identityfile");
        let is_usual = |path: &String| path.strip_prefix("~/.ssh/").is_some_and(|name| USUAL_KEYS.contains(&name));
        if named.iter().all(is_usual) { Vec::new() } else { named }
    }

    /// Where host keys are looked up, and written to first.
    pub(super) fn known_hosts(&self) -> Vec<String> {
        let files = ["userknownhostsfile", "globalknownhostsfile"].map(|key| self.first(key).unwrap_or_default());
        let files = files.iter().flat_map(|files| files.split_whitespace());
        files.filter(|path| !matches!(*path, "none" | "/dev/null")).map(str::to_owned).collect()
    }

    pub(super) fn jumps(&self) -> Vec<String> {
        let jumps = self.first("proxyjump").filter(|jumps| *jumps != "none").unwrap_or_default();
        jumps
            .split(',')
            .map(|jump| jump.trim_start_matches("ssh://").to_owned())
            .filter(|jump| !jump.is_empty())
            .collect()
    }
}

/// Asks what is not answered yet.
pub(super) fn ask_all(
    questions: BTreeSet<Question>,
    answers: &mut BTreeMap<Question, Answer>,
) -> Result<(), SshConfigError> {
    let open = questions.into_iter().filter(|question| !answers.contains_key(question)).collect::<Vec<_>>();
    let failed = |why: std::io::Error| SshConfigError::Start { host: "the fleet".to_owned(), why: why.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let room = ASKED_PER_CORE * available_parallelism().map_or(2, usize::from);
    runtime.block_on(async {
        let (mut asked, mut open) = (JoinSet::new(), open.into_iter());
        loop {
            while asked.len() < room
                && let Some(question) = open.next()
            {
                asked.spawn(ask(question));
            }
            let Some(answered) = asked.join_next().await else { return Ok(()) };
            let (question, answer) = answered.map_err(|error| failed(error.into()))??;
            answers.insert(question, answer);
        }
    })
}

async fn ask(question: Question) -> Result<(Question, Answer), SshConfigError> {
    let host = question.name.clone();
    let mut command = Command::new("ssh");
    command.args(question.arguments()).stdin(Stdio::null()).kill_on_drop(true);
    let said = match timeout(ANSWER_TIMEOUT, command.output()).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => return Err(SshConfigError::Start { host, why: error.to_string() }),
        Err(_) => {
            let why = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            return Err(SshConfigError::Failed { host, why });
        }
    };
    if !said.status.success() || said.stdout.len() > ANSWER_MAX {
        let errors = String::from_utf8_lossy(&said.stderr);
        let why = errors.lines().rev().find(|line| !line.trim().is_empty()).map(printable);
        return Err(SshConfigError::Failed { host, why: why.unwrap_or_else(|| said.status.to_string()) });
    }
    let answer = Answer::parse(&String::from_utf8_lossy(&said.stdout));
    Ok((question, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_ssh_says_it() {
        let text = "user deploy\nhostname 10.0.0.7\nport 2222\nidentityfile ~/.ssh/fleet key\nidentityfile ~/.ssh/id_rsa\n\
                    userknownhostsfile ~/.ssh/fleet /dev/null\nglobalknownhostsfile /etc/ssh/ssh_known_hosts\n\
                    proxyjump ops@a:22,b\ncertificatefile none\n";
        let answer = Answer::parse(text);
        assert_eq!((answer.first("hostname"), answer.first("port")), (Some("10.0.0.7"), Some("2222")));
        assert_eq!(answer.identities(), ["~/.ssh/fleet key", "~/.ssh/id_rsa"]);
        assert_eq!(answer.known_hosts(), ["~/.ssh/fleet", "/etc/ssh/ssh_known_hosts"]);
        assert_eq!(answer.jumps(), ["ops@a:22", "b"]);
        assert!(answer.all("certificatefile").is_empty());
        assert!(Answer::parse("identityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519\n").identities().is_empty());
    }
}
