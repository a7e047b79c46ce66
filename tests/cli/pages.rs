//! Everything else that prints.

use std::fs;

use rookery::console::BUILTIN as NAMES;

use crate::desk::{Desk, NOBODY, Said};

const TRACKER: &str = "http://192.0.2.1:8998/announce";

#[test]
fn every_help_fits_80_columns_and_says_what_to_give() {
    let desk = Desk::new(NOBODY);
    let commands = [
        "",
        "run",
        "demo",
        "rehearse",
        "hosts",
        "runs",
        "runs show",
        "runs report",
        "torrent",
        "torrent create",
        "torrent show",
        "theme",
        "theme list",
        "theme show",
        "theme check",
        "keys",
        "doctor",
        "completions",
        "man",
    ];
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = Said::of(&desk.command(&args).env("COLUMNS", "80").output().unwrap()).works();
        assert!(help.contains("Usage: rookery") && help.is_ascii(), "{help}");
        let wide = help.lines().find(|line| line.len() > 80);
        assert_eq!(wide, None, "{command}");
    }
    let run = desk.run("run --help").works();
    assert!(run.contains("3  some hosts failed") && run.contains("143"), "{run}");
    assert_eq!(desk.run("--version").works(), format!("rookery {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let desk = Desk::new(NOBODY);
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&format!("completions {shell}")).works();
        assert!(script.contains("piece-length") && script.contains("doctor"), "{shell}");
    }
    desk.run("completions csh").fails(2, &["csh", "bash"]);
    let page = desk.run("man").works();
    for words in [".TH rookery 1", "ROOKERY RUN", "ROOKERY TORRENT CREATE", "some hosts failed", "ROOKERY_TAG"] {
        assert!(page.contains(words), "{words} in\n{page}");
    }
    assert_eq!(page.matches(".SH SYNOPSIS").count(), 1);
}

#[test]
fn the_keys_of_the_console_are_printed() {
    let keys = Desk::new(NOBODY).run("keys").works();
    assert!(["`r`", "`A`", "`?`", "`+`"].iter().all(|key| keys.contains(key)), "{keys}");
}

#[test]
fn the_keys_are_those_of_the_settings_and_a_mistake_in_them_is_shown() {
    let desk = Desk::with_key(NOBODY);
    let config = desk.path("home/.config/rookery");
    fs::create_dir_all(&config).unwrap();
    let set = |text: &str| fs::write(config.join("config.toml"), text).unwrap();
    set("theme = \"nord\"\n[keys]\nretry = [\"f5\"]\nabort = []\n");
    let keys = desk.run("keys").works();
    assert!(keys.contains("| `f5` | retry the host") && keys.contains("|  | abort the host"), "{keys}");
    set("[keys]\nretyr = [\"f5\"]\n");
    let mistake = ["home/.config/rookery/config.toml:2:1: no action `retyr`; did you mean `retry`?", "^^^^^"];
    desk.run("keys").fails(7, &mistake);
    desk.run("run src --plain --yes").fails(7, &mistake);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_torrent_is_the_same_every_time() {
    let desk = Desk::new(NOBODY);
    let create = |out: &str| desk.run(&format!("torrent create src/app --announce {TRACKER} -o {out}")).works();
    let (first, second) = (create("a.torrent"), create("b.torrent"));
    let hash = first.split_whitespace().next().unwrap();
    assert!(hash.len() == 40 && second.starts_with(hash), "{first}{second}");
    let read = |name: &str| fs::read(desk.path("work").join(name)).unwrap();
    assert_eq!(read("a.torrent"), read("b.torrent"));
    let shown = desk.run("torrent show a.torrent").works();
    for words in ["app", hash, "15 bytes", "1 of 64 KiB", TRACKER] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
}

#[test]
fn a_torrent_of_a_folder_lists_its_files_and_is_private_only_when_asked() {
    let desk = Desk::new(NOBODY);
    desk.write("src/sub/more", "more data\n");
    desk.run(&format!("torrent create src/sub --announce {TRACKER} -o open.torrent")).works();
    desk.run(&format!("torrent create src/sub --private --announce {TRACKER} -o private.torrent")).works();
    let shown = desk.run("torrent show open.torrent").works();
    for words in ["name         sub", "19 bytes", "private      no", " 9  data", "10  more"] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
    assert!(desk.run("torrent show private.torrent").works().contains("private      yes"));
    let link = desk.run(&format!("torrent create src --announce {TRACKER} -o x.torrent"));
    link.fails(1, &["src/link is no file", "holds no links"]);
}

#[test]
fn a_torrent_that_cannot_be_made_or_read_says_why() {
    let desk = Desk::new(NOBODY);
    let create = |path: &str, tracker: &str, out: &str| {
        desk.run(&format!("torrent create {path} --announce {tracker} -o {out}"))
    };
    create("nosuch", TRACKER, "x.torrent").fails(2, &["nosuch does not exist"]);
    create("src/app", "192.0.2.1:80", "x.torrent").fails(2, &["`192.0.2.1:80` is no tracker", "http://ADDRESS:PORT"]);
    create("src/app", TRACKER, "src/app").fails(2, &["-o src/app is the file itself"]);
    create("src/app", TRACKER, "nosuch/x.torrent").fails(1, &["nosuch/x.torrent", "No such file"]);
    desk.run("torrent show nosuch").fails(1, &["failed to read nosuch"]);
    desk.run("torrent show src/app").fails(1, &["failed to read src/app", "bencode"]);
    assert!(!desk.path("work/x.torrent").exists());
    assert_eq!(fs::read(desk.path("work/src/app")).unwrap(), b"an application\n");
}

#[test]
fn themes_are_listed_shown_and_checked() {
    let desk = Desk::new(NOBODY);
    let themes = desk.path("home/.config/rookery/themes");
    fs::create_dir_all(&themes).unwrap();
    fs::write(themes.join("mine.toml"), "inherits = \"dark\"\n").unwrap();
    let listed = desk.run("theme list").works();
    let names: Vec<_> = listed.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, NAMES.map(|(name, _)| name).iter().copied().chain(["mine"]).collect::<Vec<_>>());
    assert!(listed.contains("light            light") && listed.contains("mine             dark"), "{listed}");
    let shown = desk.run("theme show mine").works();
    assert!(shown.lines().count() == 12 && shown.contains("unreachable") && !shown.contains('\x1b'), "{shown:?}");
    desk.run("theme show nosuch").fails(7, &["no theme `nosuch`", "catppuccin, mine"]);
    desk.write("broken.toml", "inherits = \"dark\"\nnonsense = 1\n");
    desk.run("theme check broken.toml").fails(7, &[":2:1", "nonsense"]);
    desk.run("theme check nosuch.toml").fails(1, &["nosuch.toml"]);
    assert!(desk.run_args(&["theme", "check", themes.join("mine.toml").to_str().unwrap()]).works().contains("good"));
    let every = desk.run("theme check").works();
    assert_eq!(every.matches(": good, for").count(), 12, "{every}");
    assert!(every.contains("trouble and done") && every.contains("protanopia"), "{every}");
    desk.write("alike.toml", "inherits = \"dark\"\n[state]\nfailed = { fg = \"green\" }\ndone = { fg = \"green\" }\n");
    let alike = desk.run("theme check alike.toml");
    assert!(alike.code == 8 && alike.out.contains("TOO LITTLE"), "{alike:?}");
}

#[test]
fn doctor_says_what_a_run_would_find() {
    let desk = Desk::with_key(NOBODY);
    let well = desk.run("doctor").works();
    for words in [
        "rookery",
        "sha256",
        "inventory.toml: 4 hosts",
        "home/.config/rookery",
        "home/.local/state/rookery",
        "SSH_AUTH_SOCK",
    ] {
        assert!(well.contains(words), "{words} in\n{well}");
    }
    let terminal = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("SSH_AUTH_SOCK", "/nonexistent")];
    let said = Said::of(&desk.command(&["doctor"]).envs(terminal).output().unwrap());
    assert!(said.out.contains("256 colours, UTF-8") && said.out.contains("ssh-agent at /nonexistent"), "{}", said.out);
    let inside = [("TERM", "screen-256color"), ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")];
    let said = Said::of(&desk.command(&["doctor"]).envs(inside).output().unwrap());
    assert!(said.out.contains("a multiplexer") && said.out.contains("4 frames a second"), "{}", said.out);
    fs::create_dir_all(desk.path("home/.config/rookery")).unwrap();
    fs::write(desk.path("home/.config/rookery/config.toml"), "fsp = 4\n").unwrap();
    let ill = desk.run("doctor");
    assert!(ill.code == 8 && ill.out.contains("did you mean `fps`?"), "{ill:?}");
    desk.write("inventory.toml", "version = 2\n");
    let ill = desk.run("doctor");
    assert_eq!(ill.code, 8, "{ill:?}");
    assert!(ill.out.contains("MEND") && ill.out.contains("inventory.toml:1"), "{}", ill.out);
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
