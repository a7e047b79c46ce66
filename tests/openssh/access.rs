//! Who is let in, and whom we believe: certificates of hosts and users, the ssh-agent, its constraints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::lab::{Lab, keygen, wait_until};
use super::{deployed, source};

fn public(path: &Path) -> String {
    let path = path.with_extension("pub");
    fs::read_to_string(&path).expect("ssh-keygen made it").trim().to_owned()
}

/// Signs `key`; `arguments` say for whom and how long.
fn certify(authority: &Path, key: &Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-I", "made for a test", "-s"]).arg(authority).args(arguments).arg(key.with_extension("pub"));
    assert!(command.status().expect("ssh-keygen is installed").success());
}

fn quiet(program: &str, arguments: &[&str], socket: &Path) {
    let mut command = Command::new(program);
    command.args(arguments).env("SSH_AUTH_SOCK", socket).stderr(Stdio::null());
    assert!(command.status().expect("it is installed").success(), "{program} {arguments:?}");
}

/// An ssh-agent of the lab's own.
struct Agent(Child, PathBuf);

impl Agent {
    fn start(lab: &mut Lab) -> Self {
        let socket = lab.path("agent.sock");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let agent = Self(child.expect("ssh-agent is installed: apt-get install openssh-client"), socket.clone());
        wait_until("the ssh-agent listens", || socket.exists());
        lab.agent = Some(socket);
        agent
    }

    fn add(&self, arguments: &[&str]) {
        quiet("ssh-add", &[&["-q"], arguments].concat(), &self.1);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_authority_vouches_for_hosts_and_for_no_more_than_it_signed() {
    let Some(mut lab) = Lab::of(6) else { return };
    let source = source(&lab, 1);
    let authority = lab.path("authority");
    keygen(&authority);
    for (index, names, time) in [
        (0, "127.0.0.2", "+1h"),
        (1, "127.0.0.3", "20200101:20200102"),
        (2, "web1.example", "+1h"),
        (3, "127.0.0.5", "+1h"),
        (5, "127.0.0.7", "20200101:20200102"),
    ] {
        let key = lab.hosts[index].folder.join("hostkey");
        certify(&authority, &key, &["-h", "-n", names, "-V", time]);
        lab.configure(index, &format!("HostCertificate {}-cert.pub", key.display()));
    }
    let revoked = public(&lab.hosts[3].folder.join("hostkey"));
    let known = format!(
        "@cert-authority 127.0.0.* {}\n@revoked * {revoked}\n{}",
        public(&authority),
        Lab::known_key(&lab.hosts[5])
    );
    lab.know(&known);
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = |index: usize| ended.reason(&lab.hosts[index]);
    assert!(why(1).contains("host certificate refused: it expired at 2020-01-0"), "{}", why(1));
    assert!(why(2).contains("host certificate refused: it is for web1.example; "), "{}", why(2));
    assert!(why(2).contains("known_hosts:1 would trust"), "{}", why(2));
    assert!(why(3).contains("is revoked at") && why(3).contains("known_hosts:2"), "{}", why(3));
    assert!(why(4).starts_with("failed: unknown host key SHA256:"), "{}", why(4));
    assert_eq!(ended.end()["counts"]["done"], 2, "{}", ended.story);
    lab.assert_clean();

    lab.know(&format!("@revoked * {}\n{known}", public(&authority)));
    let ended = lab.run(&source, &["--tag", "v2", "--limit", "127.0.0.2"]).expect_code(3);
    let why = ended.reason(&lab.hosts[0]);
    assert!(why.contains("is revoked at") && why.contains("its authority's key"), "{why}");
}

#[test]
fn a_certificate_beside_a_key_or_named_opens_hosts_whoever_holds_the_key() {
    let Some(mut lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    let (authority, rsa) = (lab.path("authority"), lab.path("rsa"));
    keygen(&authority);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa).status();
    assert!(made.expect("ssh-keygen is installed").success());
    let user = super::lab::user();
    for index in 0..2 {
        let trust = format!("TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none", authority.display());
        lab.configure(index, &trust);
    }
    let refused = lab.run(&source, &["--tag", "v0"]).expect_code(3);
    assert!(refused.reason(&lab.hosts[0]).starts_with("failed: permission denied for"), "{}", refused.story);

    certify(&authority, &lab.path("id"), &["-n", &user, "-V", "+1h"]);
    certify(&authority, &rsa, &["-n", &user, "-V", "+1h"]);
    lab.run(&source, &["--tag", "beside"]).expect_code(0);

    let key = format!("identity = [\"{}\"]", lab.path("id").display());
    lab.edit_inventory(&key, &format!("identity = [\"{}\"]", rsa.display()));
    lab.run(&source, &["--tag", "rsa"]).expect_code(0);

    // The agent has the keys alone; the certificate is named.
    let agent = Agent::start(&mut lab);
    fs::rename(lab.path("rsa-cert.pub"), lab.path("somewhere.pub")).expect("it is ours");
    agent.add(&[&rsa.display().to_string()]);
    fs::rename(&rsa, lab.path("away")).expect("it is ours");
    let named = format!("certificate = [\"{}\"]", lab.path("somewhere.pub").display());
    lab.edit_inventory(&format!("identity = [\"{}\"]", rsa.display()), &named);
    lab.run(&source, &["--tag", "named"]).expect_code(0);

    // The agent has key and certificate, and nothing is named at all.
    lab.edit_inventory(&named, "");
    agent.add(&["-D"]);
    agent.add(&[&lab.path("id").display().to_string()]);
    lab.run(&source, &["--tag", "agent"]).expect_code(0);
    lab.assert_clean();
}

#[test]
fn host_keys_are_shown_for_review_and_written_when_asked_for() {
    let Some(mut lab) = Lab::of(5) else { return };
    for name in ["hostkey", "hostkey.pub"] {
        fs::copy(lab.hosts[2].folder.join(name), lab.hosts[1].folder.join(name)).expect("it is ours");
    }
    lab.reload(1);
    lab.hosts[4].stop_sshd();
    let other = Lab::known_key(&lab.hosts[0]).replace("127.0.0.2", "127.0.0.5");
    let other = other.replace(&format!(":{}", lab.hosts[0].port), &format!(":{}", lab.hosts[3].port));
    let known = Lab::known_key(&lab.hosts[0]) + &other;
    lab.know(&known);
    let scan = |more: &[&str]| {
        let arguments = [&["hosts", "127.0.0.[2-6]", "--keyscan"], more].concat();
        let said = lab.rookery(&arguments).output().expect("rookery was built");
        (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (code, text) = scan(&[]);
    assert_eq!(code, Some(8), "{text}");
    assert!(text.contains("1 host known\n") && text.contains("2 hosts new"), "{text}");
    assert!(text.contains(" ssh-ed25519: 127.0.0.[3-4] (2); the same key on all of them"), "{text}");
    assert!(text.contains("1 host changed") && text.contains("known_hosts:2: 127.0.0.5"), "{text}");
    assert!(text.contains("1 host not seen\n  cannot connect to 127.0.0.6"), "{text}");
    assert_eq!(fs::read_to_string(lab.path("known_hosts")).expect("it is there"), known);
    let (code, text) = scan(&["--json"]);
    let hosts: serde_json::Value = serde_json::from_str(&text).expect("it is one array");
    let of = |index: usize, what: &str| hosts[index][what].as_str().unwrap_or_default().to_owned();
    let standings: Vec<_> = (0..5).map(|index| of(index, "standing")).collect();
    assert_eq!((code, standings.join(" ").as_str()), (Some(8), "known new new changed unseen"), "{text}");
    assert!(of(1, "fingerprint").starts_with("SHA256:") && of(1, "algorithm") == "ssh-ed25519", "{text}");
    assert!(of(3, "at").ends_with("known_hosts:2") && of(4, "reason").contains("127.0.0.6"), "{text}");
    scan(&["--write"]);
    let (_, text) = scan(&[]);
    assert!(text.contains("3 hosts known") && !text.contains("new"), "{text}");
    assert_eq!(fs::read_to_string(lab.path("known_hosts")).expect("it is there").lines().count(), 4);
}

#[test]
fn an_agent_of_another_version_is_told_in_words_and_not_tried_again() {
    let Some(lab) = Lab::of(1) else { return };
    let source = source(&lab, 1);
    let old = lab.path("old-agent");
    fs::write(&old, OLD_AGENT).expect("the lab's folder takes files");
    lab.edit_inventory("[defaults]\n", &format!("[defaults]\nagent = \"{}\"\n", old.display()));
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert_eq!(ended.reason(&lab.hosts[0]), "failed: the agent speaks protocol 1, the console 3", "{}", ended.story);
    assert_eq!(ended.end()["failed"][0]["cause"], "agent of another version", "{}", ended.story);
    assert!(
        !ended.events.iter().any(|event| event["attempt"] == 2 && event["state"] == "bootstrapping"),
        "{}",
        ended.story
    );
    lab.assert_clean();
}

/// Says marker, that it is attached, and hello of another version, and ends with its input.
const OLD_AGENT: &str = "#!/bin/sh
frame() { printf \"\\000\\000\\000\\\\$(printf %03o ${#2})\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\\\00$1%s\" \"$2\"; }
printf '\\000rookery-agent\\002\\n'
frame 0 \"{\\\"status\\\":\\\"attached\\\",\\\"instance\\\":7,\\\"taken\\\":0,\\\"pid\\\":$$}\"
frame 1 \"{\\\"status\\\":\\\"hello\\\",\\\"protocol\\\":1,\\\"version\\\":\\\"0\\\",\\\"pid\\\":$$}\"
cat >/dev/null
";

#[test]
fn when_the_first_hosts_all_refuse_the_others_are_not_tried() {
    let Some(mut lab) = Lab::of(8) else { return };
    let source = source(&lab, 1);
    for index in 0..8 {
        lab.configure(index, "AuthorizedKeysFile none");
    }
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let refused = lab.hosts.iter().filter(|host| ended.reason(host).starts_with("failed: permission denied")).count();
    let withheld = lab.hosts.iter().filter(|host| ended.reason(host).contains("the first 5 hosts all refused")).count();
    assert_eq!((refused, withheld), (5, 3), "{}", ended.story);
    lab.assert_clean();
}

#[test]
fn the_named_key_of_an_agent_with_many_is_tried_first_and_a_constrained_one_signs_for_its_host_only() {
    let Some(mut lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    for index in 0..2 {
        lab.configure(index, "MaxAuthTries 2");
    }
    let agent = Agent::start(&mut lab);
    for number in 0..7 {
        let other = lab.path(&format!("other{number}"));
        keygen(&other);
        agent.add(&[&other.display().to_string()]);
    }
    let key = lab.path("id");
    agent.add(&[&key.display().to_string()]);
    fs::rename(&key, lab.path("away")).expect("it is ours");
    // Only the public half is here: it says which of the agent's keys is meant.
    let named = format!("identity = [\"{}\"]", key.display());
    lab.edit_inventory(&named, &format!("identity = [\"{}.pub\"]", key.display()));
    lab.run(&source, &["--tag", "v1"]).expect_code(0);

    agent.add(&["-D"]);
    let first = format!("[{}]:{}", lab.hosts[0].name, lab.hosts[0].port);
    let known = lab.path("known_hosts");
    agent.add(&["-H", &known.display().to_string(), "-h", &first, &lab.path("away").display().to_string()]);
    let ended = lab.run(&source, &["--tag", "v2"]).expect_code(3);
    let why = ended.reason(&lab.hosts[1]);
    assert!(why.starts_with("failed: permission denied for"), "{why}");
    assert_eq!(ended.end()["counts"]["done"], 1, "{}", ended.story);
    lab.assert_clean();
}

#[test]
fn new_host_keys_are_accepted_once_by_all_hosts_at_a_time_and_changed_ones_never() {
    let Some(mut lab) = Lab::of(4) else { return };
    let source = source(&lab, 1);
    lab.know("");
    lab.edit_inventory("[defaults]\n", "[defaults]\nstrict_host_key = \"accept-new\"\n");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    let known = fs::read_to_string(lab.path("known_hosts")).expect("it was written");
    let line = |host| Lab::known_key(host).split(' ').take(3).collect::<Vec<_>>().join(" ");
    assert_eq!(known.lines().count(), 4, "{known}");
    assert!(lab.hosts.iter().all(|host| known.contains(&line(host))), "each key in a line of its own: {known}");
    for name in ["hostkey", "hostkey.pub"] {
        let (from, to) = (lab.hosts[0].folder.join(name), lab.hosts[3].folder.join(name));
        fs::copy(from, to).expect("it is ours");
    }
    lab.reload(3);
    let ended = lab.run(&source, &["--tag", "v2"]).expect_code(3);
    assert!(ended.reason(&lab.hosts[3]).contains("host key"), "{}", ended.story);
    assert_eq!(ended.end()["failed"][0]["cause"], "host key changed", "{}", ended.story);
    assert_eq!(fs::read_to_string(lab.path("known_hosts")).expect("it is there"), known, "nothing was written");
    lab.assert_delivered(&deployed(&lab, &source), "v2", &[3]);
    lab.assert_clean();
}

#[test]
fn the_cipher_that_costs_least_is_agreed_on() {
    let Some(mut lab) = Lab::of(1) else { return };
    let source = source(&lab, 1);
    lab.configure(0, "LogLevel DEBUG1");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    let log = fs::read_to_string(lab.hosts[0].folder.join("sshd.log")).expect("sshd writes it");
    let agreed: Vec<_> = log.lines().filter(|line| line.contains("kex: ") && line.contains("cipher: ")).collect();
    let both_ways = !agreed.is_empty() && agreed.iter().all(|line| line.contains("cipher: aes128-gcm@openssh.com"));
    assert!(both_ways, "{agreed:?}");
    lab.assert_clean();
}
