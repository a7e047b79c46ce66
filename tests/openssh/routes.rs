//! Ways to hosts: jump hosts in a row, few connections to them, ssh's own configuration, programs that connect.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::lab::{Lab, LabHost, user, wait_until};
use super::source;

fn logins(host: &LabHost) -> usize {
    let log = fs::read_to_string(host.folder.join("sshd.log")).expect("sshd writes one");
    log.lines().filter(|line| line.contains("Accepted publickey")).count()
}

fn limit() -> [&'static str; 2] {
    ["--limit", "127.0.0.[4-9]"]
}

#[test]
fn all_hosts_share_a_connection_through_a_chain_of_busy_jump_hosts() {
    let Some(mut lab) = Lab::of(8) else { return };
    let source = source(&lab, 1);
    for index in 0..2 {
        lab.configure(index, "MaxStartups 3:50:10\nMaxSessions 1");
    }
    let way = "[group.behind]\nhosts = [\"127.0.0.[4-9]\"]\njump = [\"127.0.0.2\", \"127.0.0.3\"]\n";
    lab.write_inventory(way);
    lab.run(&source, &[&["--tag", "v1"], &limit()[..]].concat()).expect_code(0);
    assert_eq!((logins(&lab.hosts[0]), logins(&lab.hosts[1])), (1, 1));

    lab.write_inventory(&format!("{way}jump_connections = 2\n"));
    let jump = "[host.\"127.0.0.3\"]\n";
    lab.edit_inventory(jump, &format!("{jump}jump_connections = 2\n"));
    lab.run(&source, &[&["--tag", "v2"], &limit()[..]].concat()).expect_code(0);
    assert_eq!((logins(&lab.hosts[0]), logins(&lab.hosts[1])), (2, 3));
    lab.assert_clean();
}

#[test]
fn what_the_inventory_does_not_say_is_as_ssh_would_do_it() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 1);
    let mut config = format!(
        "Host gate\n  HostName {}\n  Port {}\nHost web*\n  ProxyJump gate\nMatch originalhost web2\n  Port 1\n\
         Host *\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        lab.hosts[0].name,
        lab.hosts[0].port,
        user(),
        lab.path("id").display(),
        lab.path("known_hosts").display(),
    );
    let mut inventory = format!(
        "version = 1\n[swarm]\ntracker_port = 0\n[group.web]\nhosts = [\"web[1-3]\"]\nssh_config = \"{}\"\n",
        lab.path("ssh_config").display()
    );
    for (number, host) in (1..).zip(&lab.hosts[1..]) {
        config = format!("Host web{number}\n  HostName {}\n{config}", host.name);
        if number != 2 {
            config = format!("Host web{number}\n  Port {}\n{config}", host.port);
        }
        let (to, work_dir) = (host.releases(), host.work_dir());
        let (to, work_dir) = (to.display(), work_dir.display());
        let _ = writeln!(inventory, "[host.web{number}]\nto = \"{to}\"\nwork_dir = \"{work_dir}\"");
        if number == 2 {
            let _ = writeln!(inventory, "port = {}", host.port);
        }
    }
    fs::write(lab.path("ssh_config"), &config).expect("it takes files");
    fs::write(lab.path("inventory.toml"), inventory).expect("it takes files");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    assert_eq!(logins(&lab.hosts[0]), 1);
    lab.hosts[1..].iter().for_each(|host| assert!(host.releases().join("v1").is_dir()));

    // ssh -G puts a number into brackets.
    let gate = format!("ProxyJump {}:{}", lab.hosts[0].name, lab.hosts[0].port);
    fs::write(lab.path("ssh_config"), config.replace("ProxyJump gate", &gate)).expect("it takes files");
    lab.run(&source, &["--tag", "v2"]).expect_code(0);
    assert_eq!(logins(&lab.hosts[0]), 2);

    fs::write(lab.path("ssh_config"), "Hots web1\n").expect("it takes files");
    let said = lab.rookery(&["run", &source.display().to_string()]).output().expect("rookery was built");
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(7) && text.contains("`ssh -G web"), "{text}");
    assert!(text.contains("ssh_config"), "{text}");
    lab.assert_clean();
}

#[test]
fn a_program_can_be_the_connection_and_its_words_are_told_when_it_fails() {
    let Some(lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    let program = lab.path("my proxy");
    let script = "#!/bin/bash\n[ \"$1\" = 127.0.0.3 ] && { echo no route for $3 >&2; exit 1; }\n\
                  exec 3<>\"/dev/tcp/$1/$2\"\ncat <&3 & echo $! >> \"$0.child\"; cat >&3\n";
    fs::write(&program, script).expect("it takes files");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let command = format!("proxy_command = [\"{}\", \"%h\", \"%p\", \"%r\"]\n[swarm]", program.display());
    lab.edit_inventory("[swarm]", &command);
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = ended.reason(&lab.hosts[1]);
    let told = format!("no route for {}", user());
    assert!(why.starts_with("unreachable: cannot connect") && why.contains(&told), "{why}");
    assert_eq!(ended.end()["counts"]["done"], 1, "{}", ended.story);
    let children = fs::read_to_string(lab.path("my proxy.child")).expect("one was started");
    assert!(children.lines().count() > 0);
    for child in children.lines() {
        let status = || fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        wait_until("what a proxy command started ends with it", || {
            !status().contains("State:") || status().contains("Z (zombie)")
        });
    }
    lab.assert_clean();
}
