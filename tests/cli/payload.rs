//! What is packaged, without touching a host.

use std::fs;

use crate::desk::{Desk, NOBODY};

fn row<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("{name} in\n{text}"))[name.len()..].trim()
}

#[test]
fn a_dry_run_of_a_directory_says_all_and_leaves_nothing() {
    let desk = Desk::new(NOBODY);
    let first = desk.run("run src --dry-run").works();
    assert_eq!(first, desk.run("run src --dry-run").works(), "the same input is the same payload");
    assert_eq!(row(&first, "hosts"), "127.0.0.[2-5] (4)");
    assert_eq!(row(&first, "seeder"), "console (this machine)");
    assert_eq!(row(&first, "lands"), "in     /srv/releases");
    assert!(row(&first, "payload").contains("1 piece of 64 KiB"), "{first}");
    let sha256 = row(&first, "sha256");
    assert_eq!((sha256.len(), row(&first, "info-hash").len()), (64, 40));
    assert_eq!(row(&first, "release"), format!("src-{}", &sha256[..12]));
    desk.write("src/app", "another application\n");
    assert_ne!(sha256, row(&desk.run("run src --dry-run").works(), "sha256"));
    assert!(desk.left().is_empty() && !desk.state().exists(), "{:?}", desk.left());
}

#[test]
fn options_change_what_a_dry_run_says() {
    let desk = Desk::new(NOBODY);
    let words = "run src --dry-run --tag v1 --to ~/apps --limit 127.0.0.3 --piece-length 16K --compress none";
    let said = desk.run(words).works();
    assert_eq!(row(&said, "release"), "v1");
    assert_eq!(row(&said, "lands"), "in     ~/apps");
    assert_eq!(row(&said, "hosts"), "127.0.0.3 (1)");
    assert!(row(&said, "payload").ends_with("of 16 KiB"), "{said}");
    let whole = desk.run("run src --dry-run").works();
    let without = desk.run("run src --dry-run --exclude-path sub --exclude-path link").works();
    assert_ne!(row(&whole, "unpacked"), row(&without, "unpacked"));
}

#[test]
fn a_dry_run_of_a_file_leaves_the_file() {
    let desk = Desk::new(NOBODY);
    let said = desk.run("run src/app --dry-run").works();
    assert_eq!(row(&said, "unpacked"), "15 B in 1 entry");
    assert!(row(&said, "release").starts_with("app-"), "{said}");
    assert_eq!(fs::read(desk.path("work/src/app")).unwrap(), b"an application\n");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_source_on_a_host_makes_that_host_the_seeder() {
    let desk = Desk::new(NOBODY);
    let said = desk.run("run 127.0.0.3:/srv/app --dry-run").works();
    assert_eq!((row(&said, "seeder"), row(&said, "tracker")), ("127.0.0.3", "127.0.0.3"));
    assert!(row(&said, "payload").starts_with("/srv/app on the seeder"), "{said}");
    assert!(row(&said, "release").starts_with("app-<"), "{said}");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_source_that_cannot_be_deployed_is_refused_with_the_way_out() {
    let desk = Desk::new(NOBODY);
    fs::create_dir(desk.path("work/empty")).unwrap();
    desk.run("run empty --dry-run").fails(2, &["empty holds nothing to deploy"]);
    desk.write("nothing", "");
    desk.run("run nothing --dry-run").fails(2, &["nothing holds nothing to deploy"]);
    std::os::unix::fs::symlink("/etc/passwd", desk.path("work/src/out")).unwrap();
    desk.run("run src --dry-run").fails(2, &["src/out links to /etc/passwd", "--exclude-path"]);
    desk.run("run src --dry-run --exclude-path out").works();
    desk.run("run src --dry-run --exclude-path a[").fails(2, &["`a[` is not a glob"]);
    desk.run("run /dev/null --dry-run").fails(2, &["/dev/null is a device"]);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn without_a_folder_for_releases_nothing_is_packaged() {
    let desk = Desk::new("version = 1\n[group.web]\nhosts = [\"web1\"]\n");
    desk.run("run src").fails(7, &["no folder for releases on web1", "--to DIR"]);
    desk.run("run src --dry-run --to /srv").works();
    desk.write("inventory.toml", "version = 1\n[defaults]\nto = \"srv\"\n[group.web]\nhosts = [\"web1\"]\n");
    desk.run("run src").fails(7, &["inventory.toml:3:6", "`srv` is not a folder"]);
}
