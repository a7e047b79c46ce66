//! Inventories and selectors.

use crate::desk::{Desk, NOBODY};

#[test]
fn arguments_that_are_off_end_with_2_and_name_themselves() {
    let desk = Desk::new(NOBODY);
    for (words, named) in [
        ("bogus", "bogus"),
        ("run", "<SOURCE>"),
        ("run src --tag a/b", "tag `a/b` holds '/'"),
        ("run src --tag ..", "`..` cannot name a release"),
        ("run src --piece-length 17K", "power of two from 16K to 16M"),
        ("run src --piece-length 99G", "power of two from 16K to 16M"),
        ("run src --piece-length big", "expected a number"),
        ("run src --max-upload fast", "expected a number"),
        ("run src --max-upload 5Q", "unknown unit `Q`"),
        ("run src --fanout 0", "--fanout"),
        ("run src --fps 0", "--fps"),
        ("run src --compress gzip", "auto, none, zstd"),
        ("run src --to releases", "--to releases is no absolute path"),
        ("run nosuch", "nosuch does not exist here; write HOST:/path"),
        ("hosts --list --json", "--json"),
        ("runs show X_", "`X_` is not a run"),
        ("runs show 2020", "no run `2020`"),
        ("runs report", "no run yet"),
    ] {
        desk.run(words).fails(2, &[named]);
    }
    desk.run("").fails(2, &["Usage: rookery <COMMAND>", "demo"]);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_selector_without_hosts_ends_with_4_and_never_with_success() {
    let desk = Desk::new(NOBODY);
    desk.run_args(&["hosts", ""]).fails(4, &["the selector is empty"]);
    desk.run("hosts webb").fails(4, &["no group or host `webb`", "^^^^", "did you mean `web`?"]);
    desk.run("hosts @failed").fails(4, &["no earlier run"]);
    desk.run("hosts @nosuch").fails(4, &["no group or file `nosuch`"]);
    desk.run("run src --limit db").fails(4, &["`db`"]);
    desk.run("run src --exclude web").fails(4, &["--exclude web takes all"]);
    desk.run("run src --exclude wbe").fails(4, &["`wbe`"]);
    desk.run("run src --limit 127.0.0.2 --exclude 127.0.0.2").fails(4, &["takes all"]);
    desk.run("run nosuch:/srv/app").fails(4, &["`nosuch` in `nosuch:/srv/app` is no host of inventory.toml"]);
    desk.write("empty.toml", "version = 1\n");
    desk.run("hosts -i empty.toml").fails(4, &["no host", "empty.toml"]);
    desk.run("hosts -i empty.toml web").fails(4, &["names no host"]);
    desk.run("run src -i empty.toml").fails(4, &["no host"]);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn every_mistake_of_an_inventory_is_shown_with_its_place_and_line() {
    let desk = Desk::new(NOBODY);
    desk.write(
        "bad.toml",
        "version = 1\n[defaults]\nport = \"x\"\n[group.web]\nhots = [\"a\"]\nhosts = [\"web[1-\"]\n",
    );
    for words in ["hosts -i bad.toml", "run src -i bad.toml", "run src --dry-run -i bad.toml"] {
        desk.run(words).fails(
            7,
            &[
                "bad.toml:3:8: expected an integer",
                "port = \"x\"",
                "bad.toml:5:1: unknown key `hots` in [group.web]; did you mean `hosts`?",
                "hots = [\"a\"]",
                "bad.toml:6:14: `[` is never closed",
                "hosts = [\"web[1-\"]",
            ],
        );
    }
    desk.write("syntax.toml", "version = 1\n[group.web\n");
    desk.run("hosts -i syntax.toml").fails(7, &["syntax.toml:2:", "[group.web"]);
    desk.write("binary.toml", [0xff_u8, 0xfe]);
    desk.run("hosts -i binary.toml").fails(7, &["binary.toml", "UTF-8"]);
    desk.run("hosts -i src").fails(7, &["src", "directory"]);
    desk.run("hosts -i nosuch.toml").fails(7, &["nosuch.toml", "No such file"]);
}

#[test]
fn without_an_inventory_the_places_looked_at_are_named() {
    let desk = Desk::new(NOBODY);
    std::fs::remove_file(desk.path("work/inventory.toml")).unwrap();
    let named = ["inventory.toml", "home/.config/rookery/inventory.toml", "-i"];
    desk.run("hosts").fails(7, &named);
    desk.run("run src --dry-run").fails(7, &named);
}

#[test]
fn the_inventory_is_found_where_the_contract_says() {
    let desk = Desk::new("version = 1\n[group.web]\nhosts = [\"here\"]\n");
    let config = desk.path("home/.config/rookery");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("inventory.toml"), "version = 1\n[group.web]\nhosts = [\"far\"]\n").unwrap();
    desk.write("other.toml", "version = 1\n[group.web]\nhosts = [\"other\"]\n");
    desk.write("flag.toml", "version = 1\n[group.web]\nhosts = [\"flag\"]\n");
    let said = |args: &[&str], variable: &str| {
        let output = desk.command(args).env("ROOKERY_INVENTORY", variable).output().unwrap();
        crate::desk::Said::of(&output).works()
    };
    assert_eq!(said(&["hosts", "-i", "flag.toml"], "other.toml"), "flag (1)\n");
    assert_eq!(said(&["hosts"], "other.toml"), "other (1)\n");
    assert_eq!(said(&["hosts"], ""), "here (1)\n");
    let output = desk.command(&["hosts"]).env("ROOKERY_INVENTORY", "nosuch.toml").output().unwrap();
    crate::desk::Said::of(&output).fails(7, &["nosuch.toml, which $ROOKERY_INVENTORY names", "No such file"]);
    std::fs::remove_file(desk.path("work/inventory.toml")).unwrap();
    assert_eq!(said(&["hosts"], ""), "far (1)\n");
}

#[test]
fn hosts_are_shown_folded_listed_or_as_json() {
    let desk = Desk::new(NOBODY);
    assert_eq!(desk.run("hosts").works(), "127.0.0.[2-5] (4)\n");
    assert_eq!(desk.run("hosts web --list").works(), "127.0.0.2\n127.0.0.3\n127.0.0.4\n127.0.0.5\n");
    assert_eq!(desk.run_args(&["hosts", "@web ! 127.0.0.[3-4]"]).works(), "127.0.0.[2,5] (2)\n");
    let all: serde_json::Value = serde_json::from_str(&desk.run("hosts --json").works()).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 4);
    assert_eq!((&all[0]["name"], &all[0]["port"]), (&"127.0.0.2".into(), &1.into()));
    assert_eq!((&all[3]["user"], &all[3]["groups"]), (&"nobody".into(), &serde_json::json!(["web"])));
}
