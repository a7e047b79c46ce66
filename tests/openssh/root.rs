//! Commands as root, and whose the files are afterwards.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::account::Account;
use super::lab::Lab;
use super::{deployed, source};

/// A lab whose hosts are logged in to as `account`, and are root's then.
fn lab_of(account: &Account, count: u8) -> Option<Lab> {
    let lab = Lab::of(count)?;
    lab.edit_inventory("user = \"root\"", &format!("user = \"{}\"\nbecome = true", account.name));
    Some(lab)
}

#[test]
fn sudo_without_a_password_makes_files_anybodys() {
    let Some(account) = Account::new("/bin/sh") else { return };
    account.sudoer("NOPASSWD: ALL");
    let Some(lab) = lab_of(&account, 3) else { return };
    let source = source(&lab, 1);
    let own = format!("become = true\nowner = \"{}\"\ngroup = \"daemon\"\nmode = \"0750\"", account.name);
    lab.edit_inventory("become = true", &own);
    for _ in 0..2 {
        lab.run(&source, &["--tag", "v1"]).expect_code(0);
    }
    lab.assert_clean();
    for host in &lab.hosts {
        let release = host.releases().join("v1");
        for (path, mode) in [("", 0o750), ("bin", 0o750), ("bin/run me.sh", 0o750), ("secret", 0o640)] {
            let about = fs::symlink_metadata(release.join(path)).expect("it was delivered");
            assert_eq!((about.uid(), about.gid()), (account.uid(), 1), "{path}");
            assert_eq!(about.permissions().mode() & 0o7777, mode, "{path}");
        }
        let link = fs::symlink_metadata(release.join("dangling")).expect("links are delivered");
        assert_eq!(link.uid(), account.uid());
    }

    lab.edit_inventory("become = true", "");
    let ended = lab.run(&source, &["--tag", "v2"]);
    assert_ne!(ended.code, 0, "nobody but root gives files away\n{}", ended.story);
}

#[test]
fn sudo_that_wants_a_terminal_gets_one() {
    let Some(account) = Account::new("/bin/sh") else { return };
    account.password("right-horse");
    let Some(lab) = lab_of(&account, 2) else { return };
    let source = source(&lab, 1);
    let file = lab.path("password");
    fs::write(&file, "right-horse\n").expect("it takes files");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let password = ["--become-password-file", file.to_str().expect("it is text")];
    for (tag, rights, more) in [("v1", "NOPASSWD: ALL", &[][..]), ("v2", "ALL", &password[..])] {
        account.sudoer(&format!("{rights}\nDefaults:{} requiretty", account.name));
        let ended = lab.run(&source, &[&["--tag", tag], more].concat()).expect_code(0);
        assert!(!ended.story.contains("right-horse"), "{}", ended.story);
        lab.assert_delivered(&deployed(&lab, &source), tag, &[]);
        lab.assert_clean();
    }
}

#[test]
fn an_owner_that_a_host_does_not_know_is_named_before_anything_is_fetched() {
    let Some(lab) = Lab::of(2) else { return };
    let source = source(&lab, 1);
    lab.edit_inventory("[swarm]", "owner = \"nobody-of-that-name\"\n[swarm]");
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = ended.reason(&lab.hosts[1]);
    assert!(why.contains("find the user") && why.contains("nobody-of-that-name"), "{why}");
    lab.assert_clean();
}

#[test]
fn sudo_with_a_password_is_answered_and_a_wrong_one_is_tried_on_one_host_only() {
    let Some(account) = Account::new("/bin/sh") else { return };
    account.password("right-horse");
    account.sudoer("ALL");
    let Some(lab) = lab_of(&account, 4) else { return };
    let source = source(&lab, 1);
    let ended = lab.run(&source, &["--tag", "v1"]).expect_code(3);
    let why = ended.reason(&lab.hosts[0]);
    assert!(why.starts_with("failed: sudo: a password is required"), "{why}");

    let file = lab.path("password");
    fs::write(&file, "wrong-horse\n").expect("it takes files");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let from_file = |tag| [["--tag", tag], ["--become-password-file", file.to_str().expect("it is text")]].concat();
    let ended = lab.run(&source, &from_file("v2")).expect_code(3);
    let tried = lab.hosts.iter().filter(|host| ended.reason(host).contains("does not take the password")).count();
    let spared = lab.hosts.iter().filter(|host| ended.reason(host).contains("it was wrong on another host")).count();
    assert_eq!((tried, spared), (1, 3), "{}", ended.story);

    fs::write(&file, "right-horse\n").expect("it takes files");
    let ended = lab.run(&source, &from_file("v3")).expect_code(0);
    assert!(!ended.story.contains("right-horse"), "{}", ended.story);
    assert_eq!(fs::metadata(lab.hosts[3].releases().join("v3")).expect("it is there").uid(), 0);
    lab.assert_clean();

    account.sudoer("/bin/true");
    let ended = lab.run(&source, &from_file("v4")).expect_code(3);
    let why = ended.reason(&lab.hosts[0]);
    assert!(why.starts_with("failed: sudo: "), "{why}");
}
