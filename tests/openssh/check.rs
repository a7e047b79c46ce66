//! `rookery check` on real OpenSSH servers: what it finds, and that it leaves everything as it was.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::lab::{self, Lab, LabHost};
use crate::source;

/// A check that ended.
struct Checked {
    code: i32,
    lines: Vec<Value>,
    story: String,
}

impl Checked {
    fn of(lab: &Lab, arguments: &[&str]) -> Self {
        let output = lab.rookery(&[&["check", "--json"], arguments].concat()).output().expect("rookery was built");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let story = text.clone() + &String::from_utf8_lossy(&output.stderr);
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{story}"))).collect();
        Self { code: output.status.code().unwrap_or(-1), lines, story }
    }

    fn of_host(&self, host: &LabHost) -> &Value {
        let line = self.lines.iter().find(|line| line["host"] == host.name.as_str());
        line.unwrap_or_else(|| panic!("nothing was told of {}\n{}", host.name, self.story))
    }

    fn causes(&self, host: &LabHost) -> Vec<&str> {
        let faults = self.of_host(host)["faults"].as_array().expect("every host has a list of faults");
        faults.iter().filter_map(|fault| fault["cause"].as_str()).collect()
    }

    fn end(&self) -> &Value {
        let end = self.lines.last().unwrap_or_else(|| panic!("no line at all\n{}", self.story));
        assert_eq!(end["event"], "check.end", "{}", self.story);
        end
    }
}

/// Everything below a host's folder but its log.
fn state(host: &LabHost) -> Vec<String> {
    lab::tree(&host.folder).into_iter().filter(|line| !line.starts_with("sshd.log")).collect()
}

fn states(lab: &Lab) -> Vec<Vec<String>> {
    lab.hosts.iter().map(state).collect()
}

#[test]
fn a_check_of_healthy_hosts_changes_nothing() {
    let Some(mut lab) = Lab::of(6) else { return };
    let source = source(&lab, 2);
    lab.configure(4, "AllowTcpForwarding no");
    let before = states(&lab);
    let checked = Checked::of(&lab, &[&source.display().to_string()]);
    assert_eq!(checked.code, 0, "{}", checked.story);
    assert_eq!((&checked.end()["ready"], &checked.end()["hosts"]), (&6.into(), &6.into()), "{}", checked.story);
    assert!(lab.hosts.iter().all(|host| checked.of_host(host)["agent"] == "absent"), "{}", checked.story);
    assert_eq!(states(&lab), before, "a check leaves hosts as they were");

    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    let before = states(&lab);
    let checked = Checked::of(&lab, &["--limit", "127.0.0.[2-4]"]);
    assert_eq!(checked.code, 0, "{}", checked.story);
    assert_eq!(checked.end()["hosts"], 3, "{}", checked.story);
    assert_eq!(checked.of_host(&lab.hosts[1])["agent"], "there", "{}", checked.story);
    assert_eq!(states(&lab), before, "a check leaves the agent alone");
    lab.assert_clean();
}

#[test]
fn a_check_tells_every_fault_of_every_host_at_once() {
    let Some(mut lab) = Lab::of(7) else { return };
    let source = source(&lab, 8);
    lab.hosts[1].stop_sshd();
    let known: String =
        lab.hosts.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, host)| Lab::known_key(host)).collect();
    lab.know(&known);
    lab.edit_inventory("/h5/releases\"", "/h5/releases/file/x\"");
    fs::write(lab.hosts[3].releases().join("file"), "in the way").expect("it takes files");
    let (small, noexec) = (lab.hosts[4].releases(), lab.hosts[5].work_dir());
    fs::create_dir(&noexec).expect("it takes folders");
    let small_disk = Mount::of(&small, "size=4m,nr_inodes=5");
    let no_programs = Mount::of(&noexec, "noexec,mode=700");
    if small_disk.is_none() || no_programs.is_none() {
        return;
    }
    let before = states(&lab);
    let checked = Checked::of(&lab, &[&source.display().to_string()]);
    assert_eq!(checked.code, 8, "{}", checked.story);
    let causes: Vec<_> = lab.hosts.iter().map(|host| checked.causes(host)).collect();
    let expected: [&[&str]; 7] = [
        &[],
        &["cannot connect"],
        &["host key unknown"],
        &["folder not to be used"],
        &["disk full", "no inodes left"],
        &[],
        &[],
    ];
    assert_eq!(causes, expected, "{}", checked.story);
    assert!(!checked.of_host(&lab.hosts[5])["work_dir"].as_str().unwrap_or("").contains("/h7/"), "{}", checked.story);
    assert_eq!(states(&lab), before, "a check leaves hosts as they were");

    let table = lab.rookery(&["check", &source.display().to_string()]).output().expect("rookery was built");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for part in
        ["cannot connect                   127.0.0.3 (1)", "next: free space on the host", "3 of 7 hosts", "noexec"]
    {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    assert_eq!(lab.rookery(&["check", "--limit", "nobody"]).status().expect("it runs").code(), Some(4));

    // A run finds the same before a byte of the payload goes there, and takes it to all others.
    lab.know(&lab.hosts.iter().map(Lab::known_key).collect::<String>());
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert!(ended.reason(&lab.hosts[3]).contains("is no folder"), "{}", ended.story);
    assert!(ended.reason(&lab.hosts[4]).contains("is full: "), "{}", ended.story);
    assert_eq!(ended.end()["counts"]["done"], 4, "{}", ended.story);
    for faulty in [3, 4] {
        assert!(!lab.hosts[faulty].work_dir().join("agents").exists(), "no agent was brought to it\n{}", ended.story);
    }
}

#[test]
fn ports_that_are_taken_and_a_host_without_a_way_to_the_seeder_are_found() {
    let Some(lab) = Lab::of(4) else { return };
    let Some(island) = Island::of(&lab) else { return };
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    // Other tests of this machine have their own: ports below those that are given to anybody.
    let first = 20_000 + (std::process::id() % 4000) as u16 * 3;
    let inventory = inventory
        .replace("6881-6999", &format!("{first}-{}", first + 1))
        .replace("tracker_port = 0", &format!("tracker_port = {}", first + 2));
    fs::write(lab.path("inventory.toml"), inventory + &island.inventory()).expect("it is ours");
    let known = fs::read_to_string(lab.path("known_hosts")).expect("the lab wrote it");
    lab.know(&(known + &island.known_key()));
    let taken =
        |port: u16| std::net::TcpListener::bind((lab.hosts[2].name.as_str(), port)).expect("nobody else has it");
    let _ports = (taken(first), taken(first + 1));
    let checked = Checked::of(&lab, &[]);
    assert_eq!(checked.code, 8, "{}", checked.story);
    assert_eq!(checked.causes(&lab.hosts[2]), ["no free swarm port"], "{}", checked.story);
    let causes = &checked.end()["causes"];
    assert_eq!(causes["no way to the seeder"], serde_json::json!(["island"]), "{}", checked.story);
    assert_eq!(causes["no way to the tracker"], serde_json::json!(["island"]), "{}", checked.story);
    assert_eq!(checked.end()["ready"], 3, "{}", checked.story);
}

#[test]
fn a_run_tries_swarm_ports_and_the_ways_to_its_seeder_before_the_payload_moves() {
    let Some(lab) = Lab::of(4) else { return };
    let Some(island) = Island::of(&lab) else { return };
    let source = source(&lab, 8);
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    let first = 32_000 - (std::process::id() % 3000) as u16 * 2;
    let inventory = inventory.replace("6881-6999", &format!("{first}-{}", first + 1));
    let roles = "[roles]\nseeder = \"127.0.0.2\"\n";
    fs::write(lab.path("inventory.toml"), inventory + roles + &island.inventory()).expect("it is ours");
    let known = fs::read_to_string(lab.path("known_hosts")).expect("the lab wrote it");
    lab.know(&(known + &island.known_key()));
    let taken =
        |port: u16| std::net::TcpListener::bind((lab.hosts[2].name.as_str(), port)).expect("nobody else has it");
    let _ports = (taken(first), taken(first + 1));
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "1M"]);
    let told = run.until("ways and ports are tried", |event| {
        let faults = event["faults"].as_array().into_iter().flatten();
        let causes: Vec<_> = faults.filter_map(|fault| fault["cause"].as_str()).collect();
        event["event"] == "preflight"
            && ["no way to the seeder", "no free swarm port"].iter().all(|one| causes.contains(one))
    });
    let of = |cause: &str| {
        let faults = told["faults"].as_array().into_iter().flatten();
        let hosts = faults.filter(|fault| fault["cause"] == cause).filter_map(|fault| fault["hosts"].as_object());
        hosts.flat_map(|hosts| hosts.keys().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(of("no way to the seeder"), ["island"], "{told}");
    assert_eq!(of("no way to the tracker"), ["island"], "{told}");
    assert_eq!(of("no free swarm port"), [lab.hosts[2].name.as_str()], "{told}");
    assert_eq!(told["ready"], 3, "{told}");
    let moved = run.events.iter().any(|event| event["pieces"].as_u64() > Some(0) && event["event"] == "host.progress");
    assert!(!moved, "{:?}", run.events);
    let pid = run.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("it is there").success());
    run.finish().expect_code(130);
    lab.assert_clean();
}

/// A file system for one test.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn of(at: &'a Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).status();
        if mounted.expect("mount is everywhere").success() {
            return Some(Self(at));
        }
        assert!(!lab::is_ci(), "this test mounts small file systems and needs root");
        eprintln!("skipped: mounting a small tmpfs needs root");
        None
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// A host in a network of its own that reaches nobody but this machine.
struct Island {
    name: String,
    address: String,
    folder: std::path::PathBuf,
    sshd: std::process::Child,
}

impl Island {
    const PORT: u16 = 2222;

    fn of(lab: &Lab) -> Option<Self> {
        let name = format!("rk{}", std::process::id());
        let folder = lab.path("island");
        fs::create_dir_all(folder.join("releases")).expect("the lab's folder takes folders");
        let [.., high, low] = std::process::id().to_be_bytes();
        let network = format!("10.{}.{low}", 200 + high % 50);
        let address = format!("{network}.2");
        let made = ip(&format!("netns add {name}"))
            && ip(&format!("link add {name}a type veth peer name {name}b netns {name}"))
            && ip(&format!("addr add {network}.1/30 dev {name}a"))
            && ip(&format!("link set {name}a up"))
            && ip(&format!("-n {name} addr add {address}/30 dev {name}b"))
            && ip(&format!("-n {name} link set {name}b up"))
            && ip(&format!("-n {name} link set lo up"));
        if !made {
            ip(&format!("netns del {name}"));
            assert!(!lab::is_ci(), "this test makes a network namespace: root and iproute2 (.ci/run installs it)");
            eprintln!("skipped: a network namespace needs root and iproute2");
            return None;
        }
        let sshd = lab.start_island(&name, &folder, &address, Self::PORT);
        Some(Self { name, address, folder, sshd })
    }

    fn inventory(&self) -> String {
        let (folder, address, port) = (self.folder.display(), &self.address, Self::PORT);
        format!(
            "[host.island]\naddress = \"{address}\"\nport = {port}\nto = \"{folder}/releases\"\nwork_dir = \"{folder}/work\"\n"
        )
    }

    fn known_key(&self) -> String {
        let key = fs::read_to_string(self.folder.join("hostkey.pub")).expect("the key was made");
        format!("[island]:{} {}\n", Self::PORT, key.trim())
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) -> bool {
    let ran = Command::new("ip").args(words.split(' ')).output();
    ran.is_ok_and(|output| output.status.success())
}
