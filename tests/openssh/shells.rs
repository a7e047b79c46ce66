//! Hosts that are not like others: their login shells, their folders, their architecture.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::lab::{Lab, is_ci};
use super::source;

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("it takes files");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn login_shells_may_be_any_and_may_talk() {
    let Some(lab) = Lab::of(5) else { return };
    let source = source(&lab, 1);
    let noisy = lab.path("noisy");
    script(
        &noisy,
        "#!/bin/sh\necho 'Welcome \x1b[2J to the host'; printf 'no end'; echo motd >&2\nexec /bin/sh \"$@\"\n",
    );
    let shells = ["tcsh", "fish", noisy.to_str().expect("it is text"), "sh", "rbash"];
    let mut accounts = Vec::new();
    let mut inventory = fs::read_to_string(lab.path("inventory.toml")).expect("the lab wrote it");
    for (index, (shell, host)) in shells.iter().zip(&lab.hosts).enumerate() {
        let Some(account) = Account::new(shell) else { return };
        let mut own = format!("[host.\"{}\"]\nuser = \"{}\"\n", host.name, account.name);
        if index == 3 {
            // Through sudo as well: what it prints is noise, too.
            account.sudoer("NOPASSWD: ALL");
            let _ = writeln!(own, "become = true");
        } else {
            let mut chown = Command::new("chown");
            chown.arg("-R").arg(&account.name).arg(&host.folder);
            assert!(chown.status().expect("chown is everywhere").success());
        }
        inventory = inventory.replace(&format!("[host.\"{}\"]\n", host.name), &own);
        accounts.push(account);
    }
    fs::write(lab.path("inventory.toml"), inventory).expect("it takes files");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert_eq!(ended.end()["counts"]["done"], 4, "{}", ended.story);
    assert!(!ended.story.contains('\x1b') && !ended.story.contains("\\u001b"), "{}", ended.story);
    let why = ended.reason(&lab.hosts[4]);
    assert!(why.contains("does not run commands") && why.contains("restricted"), "{why}");
    lab.assert_clean();
}

#[test]
fn a_work_folder_that_runs_nothing_is_passed_over() {
    let Some(mut lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    let home = lab.path("home-of-host");
    lab.configure(1, &format!("SetEnv HOME={}", home.display()));
    let work = lab.hosts[1].work_dir();
    fs::create_dir(&work).expect("it takes folders");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "noexec,mode=700", "tmpfs"]).arg(&work).status();
    if !mounted.expect("mount is everywhere").success() {
        assert!(!is_ci(), "this test mounts a small tmpfs and needs root");
        return eprintln!("skipped: mounting a small tmpfs needs root");
    }
    let ended = lab.run(&source, &["--tag", "v1"]);
    assert!(Command::new("umount").arg(&work).status().expect("umount is everywhere").success());
    ended.expect_code(0);
    assert!(home.join(".cache/rookery/agents").is_dir(), "the next folder of the ladder is used");
    lab.assert_clean();
}

#[test]
fn an_agent_is_brought_again_when_its_file_was_changed_and_only_then() {
    let Some(lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    lab.run(&source, &["--tag", "v1"]).expect_code(0);
    let agents: Vec<PathBuf> = lab.hosts.iter().map(|host| only(&host.work_dir().join("agents"))).collect();
    let inode = |folder: &PathBuf| fs::metadata(folder.join("rookery-agent")).expect("it is there").ino();
    let kept = inode(&agents[0]);
    let (whole, changed) = (fs::read(agents[0].join("rookery-agent")), agents[1].join("rookery-agent"));
    let whole = whole.expect("it can be read");
    fs::write(&changed, [&whole[..], b"more"].concat()).expect("it is ours");
    lab.run(&source, &["--tag", "v2"]).expect_code(0);
    assert_eq!(inode(&agents[0]), kept, "what is as it was is not replaced");
    assert!(fs::read(&changed).expect("it is there") == whole, "what was changed is");
    lab.assert_clean();
}

/// The one thing in a folder.
fn only(folder: &Path) -> PathBuf {
    let found: Vec<_> = fs::read_dir(folder).expect("it is there").collect();
    let [Ok(entry)] = &found[..] else { panic!("{found:?}") };
    entry.path()
}

#[test]
fn the_agent_is_the_one_for_the_hosts_architecture_and_old_ones_go() {
    let Some(mut lab) = Lab::of(3) else { return };
    let source = source(&lab, 1);
    let tools = lab.path("tools");
    fs::create_dir(&tools).expect("it takes folders");
    let uname = "#!/bin/sh\nfor o; do case $o in -snm) echo Linux odd pdp11;; -n) echo odd;; esac; done\n";
    script(&tools.join("uname"), uname);
    lab.configure(2, &format!("SetEnv PATH={}:/usr/bin:/bin", tools.display()));
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    assert!(ended.reason(&lab.hosts[2]).contains("no agent for Linux pdp11"), "{}", ended.story);

    let agents = lab.hosts[0].work_dir().join("agents");
    let digests = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<_> =
            fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path()).collect();
        found.sort();
        found
    };
    let carried = digests(&agents)[0].join("rookery-agent");
    let folder = lab.path("agents");
    fs::create_dir(&folder).expect("it takes folders");
    script(&folder.join("rookery-agent-pdp11"), &format!("#!/bin/sh\nexec {} \"$@\"\n", carried.display()));
    lab.edit_inventory("[swarm]", &format!("agents_dir = \"{}\"\n[swarm]", folder.display()));
    let theirs = lab.hosts[2].work_dir().join("agents");
    for (name, age) in [("old", "20 days ago"), ("recent", "2 days ago")] {
        fs::create_dir_all(theirs.join(name)).expect("it takes folders");
        let touched = Command::new("touch").args(["-d", age]).arg(theirs.join(name)).status();
        assert!(touched.expect("touch is everywhere").success());
    }
    for folder in [lab.hosts[2].work_dir(), theirs.clone()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    lab.run(&source, &["--tag", "v2"]).expect_code(0);
    let names: Vec<_> = digests(&theirs);
    assert!(names.len() == 2 && names[1].ends_with("recent"), "{names:?}");
    assert_eq!(digests(&agents).len(), 1, "hosts of this architecture have the one that is carried");

    fs::copy(&carried, folder.join("rookery-agent-pdp11")).expect("it can be read");
    let said = lab.rookery(&["run", &source.display().to_string()]).output().expect("rookery was built");
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(7) && text.contains(" not for pdp11"), "{text}");
    lab.assert_clean();
}
