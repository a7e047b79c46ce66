//! The main job on real OpenSSH servers: eight hosts on loopback, and everything that goes wrong with them.

#![expect(clippy::disallowed_methods, reason = "these tests run in real time")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod access;
mod account;
mod check;
mod console;
mod lab;
mod life;
mod root;
mod routes;
mod shells;
mod taken;
mod units;
mod waves;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Lab, wait_until};
use serde_json::Value;

/// A directory with links, modes and odd names, and `mib` MiB that do not compress.
fn source(lab: &Lab, mib: usize) -> PathBuf {
    let root = lab.path("site");
    fs::create_dir_all(root.join("bin/empty")).expect("the lab's folder takes folders");
    fs::write(root.join("bin/run me.sh"), "#!/bin/sh\necho hi\n").expect("it takes files");
    fs::set_permissions(root.join("bin/run me.sh"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::write(root.join("-rf"), "a name to be careful with").expect("it takes files");
    fs::write(root.join("new\nline 'quote' \"double\" $HOME `id`"), "odd").expect("it takes files");
    fs::write(root.join("ünïcode…"), "").expect("it takes files");
    fs::write(root.join("secret"), "s").expect("it takes files");
    fs::set_permissions(root.join("secret"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    symlink("bin/run me.sh", root.join("start")).expect("it takes links");
    symlink("nowhere", root.join("dangling")).expect("it takes links");
    fs::create_dir_all(root.join(".git")).expect("it takes folders");
    fs::write(root.join(".git/config"), "left out").expect("it takes files");
    fs::write(root.join("data.bin"), noise(mib << 20)).expect("it takes files");
    root
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `source` without what is never deployed.
fn deployed(lab: &Lab, source: &Path) -> PathBuf {
    let copy = lab.path("expected");
    if copy.exists() {
        return copy;
    }
    assert!(Command::new("cp").arg("-a").arg(source).arg(&copy).status().expect("cp is everywhere").success());
    fs::remove_dir_all(copy.join(".git")).expect("it was copied");
    copy
}

#[test]
fn every_host_ends_with_an_identical_tree() {
    let Some(lab) = Lab::of(8) else { return };
    let source = source(&lab, 8);
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(0);
    assert_eq!(ended.end()["outcome"], "complete");
    assert_eq!(ended.end()["counts"]["done"], 8);
    assert_eq!(ended.end()["left_behind"].as_array().map(Vec::len), Some(0), "{}", ended.story);
    let bytes = |event: &Value, field: &str| event[field].as_u64().expect("it is a number");
    let payload = ended.events.iter().find(|event| event["event"] == "payload").expect("it is told");
    let moved = bytes(ended.end(), "bytes_from_seeder") + bytes(ended.end(), "bytes_from_peers");
    assert!(moved >= 7 * bytes(payload, "payload_bytes"), "{moved}: all but the seeder fetched it\n{}", ended.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();

    let again = lab.run(&source, &["--tag", "v1"]).expect_code(0);
    assert_eq!(again.end()["bytes_from_seeder"], 0, "what is there is not sent again\n{}", again.story);
    fs::write(lab.hosts[3].releases().join("v1/secret"), "changed").expect("it is ours");
    let differs = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert!(differs.reason(&lab.hosts[3]).contains("other content"), "{}", differs.story);
    assert_eq!(fs::read(lab.hosts[3].releases().join("v1/secret")).expect("nothing was touched"), b"changed");
    lab.assert_clean();
}

#[test]
fn a_seeder_that_cannot_have_the_release_seeds_all_the_same() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 4);
    fs::create_dir(lab.hosts[0].releases().join("v1")).expect("it takes folders");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert!(ended.reason(&lab.hosts[0]).contains("other content"), "{}", ended.story);
    assert_eq!(ended.end()["counts"]["done"], 3, "{}", ended.story);
    fs::remove_dir(lab.hosts[0].releases().join("v1")).expect("it was left alone");
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[0]);
    lab.assert_clean();
}

#[test]
fn a_file_and_a_source_on_the_seeder_are_deployed_too() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 2);
    lab.run(&source.join("data.bin"), &["--tag", "one-file"]).expect_code(0);
    for host in &lab.hosts {
        assert_eq!(fs::read(host.releases().join("one-file")).expect("it is there"), noise(2 << 20));
    }
    let there = format!("127.0.0.3:{}", source.display());
    lab.run(Path::new(&there), &["--tag", "from-host"]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "from-host", &[]);
    lab.assert_clean();
}

#[test]
fn this_machine_can_seed_and_track() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 2);
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    fs::write(lab.path("inventory.toml"), inventory + "[roles]\nseeder = \"console\"\n").expect("it takes files");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
    assert!(lab::processes_below(&lab.path("home")).is_empty());
}

#[test]
fn an_unreachable_host_and_wrong_keys_fail_alone_and_say_why() {
    let Some(mut lab) = Lab::of(8) else { return };
    let source = source(&lab, 2);
    lab.hosts[1].stop_sshd();
    let known: String = lab
        .hosts
        .iter()
        .enumerate()
        .map(|(index, host)| match index {
            2 => String::new(),
            3 => Lab::known_key(&lab.hosts[4]).replace(
                &format!("[{}]:{}", lab.hosts[4].name, lab.hosts[4].port),
                &format!("[{}]:{}", host.name, host.port),
            ),
            _ => Lab::known_key(host),
        })
        .collect();
    fs::write(lab.path("known_hosts"), known).expect("it takes files");
    let config = lab.hosts[5].folder.join("sshd_config");
    let refusing = fs::read_to_string(&config).expect("the lab wrote it").replace("/id.pub", "/no-such-file");
    fs::write(&config, refusing).expect("it takes files");
    lab.reload(5);

    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = |index: usize| ended.reason(&lab.hosts[index]);
    assert!(why(1).starts_with("unreachable: cannot connect"), "{}", why(1));
    assert!(why(2).starts_with("failed: unknown host key SHA256:"), "{}", why(2));
    assert!(why(3).starts_with("failed: host key changed: SHA256:"), "{}", why(3));
    assert!(why(5).starts_with("failed: permission denied for"), "{}", why(5));
    assert_eq!(ended.end()["counts"]["done"], 4, "{}", ended.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[1, 2, 3, 5]);
    lab.assert_clean();

    let all: String = lab.hosts.iter().map(Lab::known_key).collect();
    fs::write(lab.path("known_hosts"), all).expect("it takes files");
    let healed = lab.run(&source, &["--tag", "v1", "--limit", "@failed ! 127.0.0.[3,7]"]).expect_code(0);
    assert_eq!(healed.end()["counts"]["done"], 2, "{}", healed.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[1, 5]);
}

/// Who seeds or tracks in the place of another, and how many of the two.
fn new_role(events: &[Value]) -> Option<(&str, usize)> {
    let event = events.iter().rfind(|event| event["event"] == "role")?;
    Some((event["place"].as_str()?, event["roles"].as_array()?.len()))
}

#[test]
fn the_first_host_being_down_holds_nobody() {
    let Some(mut lab) = Lab::of(4) else { return };
    let source = source(&lab, 4);
    lab.hosts[0].stop_sshd();
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = ended.reason(&lab.hosts[0]);
    assert!(why.starts_with("unreachable: cannot connect"), "{why}");
    assert_eq!(ended.end()["counts"]["done"], 3, "{}", ended.story);
    assert!(
        new_role(&ended.events).is_some_and(|(place, roles)| place != "127.0.0.2" && roles == 2),
        "{}",
        ended.story
    );
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[0]);
    lab.assert_clean();

    // The seeder's agent dies before a copy is out: another host takes over with what it has.
    let mut run = lab.start(&source, &["--tag", "v2", "--max-upload", "1M", "--limit", "127.0.0.[3-5]"]);
    run.until_all_have_pieces(&lab.hosts[1..]);
    kill(&lab.hosts[1].agents());
    let ended = run.finish();
    assert_eq!(ended.end()["counts"]["done"], 3, "{}", ended.story);
    assert!(new_role(&ended.events).is_some_and(|(place, _)| place != "127.0.0.3"), "{}", ended.story);
    lab.assert_delivered(&deployed(&lab, &source), "v2", &[0]);
    lab.assert_clean();
}

#[test]
fn a_killed_agent_fails_alone_and_a_retry_carries_on() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 8);
    let caps = ["--tag", "v1", "--retries", "0", "--max-upload", "2M", "--max-download", "2M"];
    let mut run = lab.start(&source, &caps);
    run.until_all_have_pieces(&lab.hosts[3..]);
    kill(&life::detached(&lab.hosts[3]));
    let ended = run.finish().expect_code(3);
    let why = ended.reason(&lab.hosts[3]);
    let died = "failed: the agent died: killed by signal 9 (KILL)";
    assert!(why.starts_with(died), "{why}");
    assert_eq!(ended.end()["counts"]["done"], 3, "{}", ended.story);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[3]);
    lab.assert_clean();

    let mut run = lab.start(&source, &["--tag", "v2", "--max-upload", "2M", "--retries", "2"]);
    run.until_all_have_pieces(&lab.hosts[3..]);
    kill(&lab.hosts[3].agents());
    run.finish().expect_code(0);
    lab.assert_delivered(&lab.path("expected"), "v2", &[]);
    lab.assert_clean();
}

#[test]
fn a_full_disk_fails_alone_with_numbers() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 8);
    let releases = lab.hosts[2].releases();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&releases).status();
    if !mounted.expect("mount is everywhere").success() {
        assert!(!lab::is_ci(), "this test mounts a small tmpfs and needs root");
        return eprintln!("skipped: mounting a small tmpfs needs root");
    }
    let ended = lab.run(&source, &["--tag", "v1"]);
    let why = ended.reason(&lab.hosts[2]);
    let left = fs::read_dir(&releases).map_or(0, Iterator::count);
    assert!(Command::new("umount").arg(&releases).status().expect("umount is everywhere").success());
    let ended = ended.expect_code(3);
    assert!(why.contains("is full: ") && why.contains(" needed"), "{why}");
    assert_eq!(left, 0, "nothing is left on the full disk");
    assert_eq!(ended.end()["counts"]["done"], 2, "{}", ended.story);
    lab.run(&source, &["--tag", "v1", "--limit", "@failed"]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
}

#[test]
fn hosts_that_share_folders_do_not_disturb_each_other() {
    let Some(lab) = Lab::of(4) else { return };
    let source = source(&lab, 4);
    let shared = |text: &str| {
        let mut text = text.to_owned();
        for other in [3, 4, 5] {
            text = text.replace(&format!("/h{other}/work\""), "/h2/work\"");
        }
        text
    };
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    fs::write(lab.path("inventory.toml"), shared(&inventory)).expect("it takes files");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();

    let one_destination = inventory.replace("/h4/releases\"", "/h3/releases\"");
    fs::write(lab.path("inventory.toml"), one_destination).expect("it takes files");
    let ended = lab.run(&source, &["--tag", "v2", "--max-upload", "1M"]).expect_code(3);
    let why = [1, 2].map(|index| ended.reason(&lab.hosts[index]));
    assert!(why.iter().any(|why| why.contains("another host of this run")), "{why:?}");
    assert_eq!(ended.end()["counts"]["done"], 3, "{}", ended.story);
    lab.assert_delivered(&lab.path("expected"), "v2", &[2]);
    lab.assert_clean();
    let again = lab.run(&source, &["--tag", "v2"]).expect_code(0);
    assert_eq!(again.end()["counts"]["done"], 4, "{}", again.story);
}

#[test]
fn a_second_run_to_the_same_folders_is_refused_and_told_who_holds_them() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 4);
    // It has to be under way until the other run has been to every host.
    let mut slow = lab.start(&source, &["--tag", "slow", "--max-upload", "256K"]);
    slow.until_all_have_pieces(&lab.hosts);
    let refused = lab.run(&source, &["--tag", "quick"]).expect_code(3);
    let why = refused.reason(&lab.hosts[1]);
    let user = lab::user();
    assert!(
        why.contains(&format!("is held by run {}", slow.id())) && why.contains(&format!(" of {user}, from ")),
        "{}",
        refused.story
    );
    assert!(why.contains(" since 20") && why.ends_with("site as slow"), "{why}");
    let looked = refused.events.iter().find(|event| event["event"] == "preflight").expect("hosts are looked at");
    assert_eq!(looked["faults"][0]["cause"], "held by another run", "{}", refused.story);
    assert_eq!(looked["ready"], 0, "{}", refused.story);
    let checked = lab.rookery(&["check"]).output().expect("rookery was built");
    let told = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(
        (checked.status.code(), told.matches(why.trim_start_matches("failed: ")).count()),
        (Some(8), 1),
        "{told}"
    );
    assert_eq!(told.matches(&format!("is held by run {} of {user}", slow.id())).count(), 3, "{told}");
    slow.finish().expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "slow", &[]);
    lab.assert_clean();
    let free = lab.rookery(&["check"]).output().expect("rookery was built");
    assert_eq!(free.status.code(), Some(0), "{}", String::from_utf8_lossy(&free.stdout));
}

#[test]
fn a_folder_of_releases_is_made_as_the_user_would_and_a_planted_one_is_refused() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 1);
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    let deeper = inventory.replace("/h3/releases\"", "/h3/releases/web/live\"");
    fs::write(lab.path("inventory.toml"), deeper).expect("it takes files");
    fs::create_dir(lab.path("elsewhere")).expect("it takes folders");
    symlink(lab.path("elsewhere"), lab.hosts[2].releases().join(".rookery")).expect("it takes links");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let made = lab.hosts[1].releases().join("web/live");
    assert_eq!(fs::metadata(&made).expect("it was made").permissions().mode() & 0o055, 0o055);
    assert!(made.join("v1").is_dir() && !made.join(".rookery").exists());
    let why = ended.reason(&lab.hosts[2]);
    assert!(why.contains("cannot work in") && why.contains("is not a folder of its own"), "{why}");
    assert_eq!(fs::read_dir(lab.path("elsewhere")).expect("it is there").count(), 0);
}

#[test]
fn a_tampered_partial_file_is_fetched_again_where_it_is_wrong() {
    let Some(lab) = Lab::of(3) else { return };
    let source = source(&lab, 8);
    let mut run = lab.start(&source, &["--tag", "v1", "--max-upload", "2M"]);
    run.until_all_have_pieces(&lab.hosts);
    let console = run.child.id();
    kill(&[console]);
    drop(run.finish());
    lab.hosts.iter().for_each(|host| kill(&host.agents()));
    lab.hosts.iter().for_each(|host| wait_until("killed agents end", || host.agents().is_empty()));
    let workspace = lab.hosts[2].releases().join(".rookery");
    let partial = fs::read_dir(&workspace)
        .expect("a console that was killed leaves partial data")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
        .expect("partial data is kept")
        .path();
    let mut bytes = fs::read(&partial).expect("it is ours");
    bytes.iter_mut().step_by(100_000).for_each(|byte| *byte ^= 0xff);
    fs::write(&partial, bytes).expect("it is ours");
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    lab.assert_delivered(&deployed(&lab, &source), "v1", &[]);
    lab.assert_clean();
}

#[test]
fn the_rest_goes_on_without_the_tracker_and_without_the_seeder() {
    let Some(lab) = Lab::of(6) else { return };
    let source = source(&lab, 8);
    let roles = "[roles]\nseeder = \"127.0.0.2\"\ntracker = \"127.0.0.3\"\n";
    let inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    fs::write(lab.path("inventory.toml"), inventory + roles).expect("it takes files");

    let caps = ["--tag", "v1", "--max-upload", "3M", "--exclude", "127.0.0.3"];
    let mut run = lab.start(&source, &caps);
    run.until_all_have_pieces(&lab.hosts[2..]);
    kill(&lab.hosts[1].agents());
    let ended = run.finish().expect_code(0);
    assert_eq!(ended.end()["counts"]["done"], 5, "{}", ended.story);
    lab.assert_clean();

    let mut run = lab.start(&source, &["--tag", "v2", "--max-upload", "3M", "--limit", "127.0.0.[4-7]"]);
    run.until("one copy is out", |event| event["event"] == "swarm" && event["rarest"].as_u64() > Some(1));
    kill(&lab.hosts[0].agents());
    let ended = run.finish().expect_code(0);
    assert_eq!(ended.end()["counts"]["done"], 4, "{}", ended.story);
    lab.assert_delivered(&deployed(&lab, &source), "v2", &[0, 1]);
    lab.assert_clean();
}

fn kill(pids: &[u32]) {
    assert!(!pids.is_empty(), "there is an agent to kill");
    for pid in pids {
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.expect("kill is everywhere").success());
    }
}
