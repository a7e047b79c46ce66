//! The layers of `docs/ARCHITECTURE.md`, as data, checked against every file.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file in lines.
const LINES_MAX: usize = 500;

/// What a module may name of this crate, and which of the crates with a place of their own it may use.
const LAYERS: &[(&str, &str, &str)] = &[
    ("base", "", "bytes"),
    ("metainfo", "base", "bytes bt_bencode sha1"),
    ("wire", "base", "bytes bt_bencode"),
    ("announce", "base", "bytes bt_bencode"),
    ("control", "base metainfo", "bytes serde_json"),
    ("inventory", "base", "toml regex_lite"),
    ("roster", "base", "fastrand"),
    ("tracker", "base announce roster", "fastrand"),
    ("swarm", "base metainfo wire announce", "bytes fastrand"),
    ("rollout", "base metainfo control inventory roster", "bytes fastrand"),
    ("console", "base control inventory rollout journal", "ratatui toml"),
    ("payload", "base metainfo", "tar zstd rustix sha1 sha2"),
    ("release", "base metainfo payload", "rustix sha2"),
    ("journal", "base control inventory rollout", "serde_json jiff"),
    (
        "driver",
        "base metainfo wire announce control inventory tracker swarm rollout console payload release journal",
        "bytes tokio russh hyper hyper_util http_body_util crossterm ratatui sha1 sha2 rustix fastrand jiff serde_json \
         flate2 lexopt tracing signal_hook socket2 bt_bencode",
    ),
    ("sim", "base metainfo wire announce control inventory tracker swarm rollout console", "bytes fastrand toml"),
    ("demo", "base control driver inventory", "bytes tokio russh fastrand rustix tracing"),
    (
        "cli",
        "base metainfo wire announce control inventory tracker swarm rollout console payload release journal driver sim demo",
        "bytes tokio clap clap_complete clap_mangen jiff serde_json tracing tracing_appender tracing_subscriber rpassword \
         rustix fastrand toml sha2 signal_hook ratatui",
    ),
    ("bin", "cli driver", "lexopt tokio"),
    ("lib", "", ""),
];

/// Crates that belong to some layers only; all others may be used by all.
const PLACED: &str = "bt_bencode bytes clap clap_complete clap_mangen crossterm fastrand flate2 http_body_util hyper \
                      hyper_util jiff lexopt ratatui regex_lite rpassword russh rustix serde_json sha1 sha2 signal_hook socket2 tar \
                      tokio toml tracing tracing_appender tracing_subscriber zstd";

#[test]
fn every_module_names_only_what_lies_below_it() {
    let faults: Vec<String> = sources().iter().flat_map(|path| layer_faults(path)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    let files = [sources(), files_in(&root().join("tests"))].concat();
    let faults: Vec<String> = files.iter().filter_map(|path| shape_fault(path)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_wrong_name_would_be_found() {
    let text = "//! Doc.\nuse crate::driver::x;\nuse tokio::net::TcpStream;\nuse crate::{base, cli};\n// crate::demo\n";
    let found = faults_in("swarm", "src/swarm/mod.rs", text);
    let expected = [
        "src/swarm/mod.rs:2: swarm may not use driver",
        "src/swarm/mod.rs:3: swarm may not use the crate tokio",
        "src/swarm/mod.rs:4: swarm may not use cli",
    ];
    assert_eq!(found, expected);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    files_in(&root().join("src"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path()) {
        if entry.is_dir() {
            files.extend(files_in(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("it is in the project").display().to_string()
}

fn layer_faults(path: &Path) -> Vec<String> {
    let name = relative(path);
    let module = name.trim_start_matches("src/").split('/').next().unwrap_or_default().trim_end_matches(".rs");
    faults_in(module, &name, &fs::read_to_string(path).expect("a source is text"))
}

fn faults_in(module: &str, name: &str, text: &str) -> Vec<String> {
    let Some((_, modules, crates)) = LAYERS.iter().find(|(layer, ..)| *layer == module) else {
        return vec![format!("{name}:1: {module} is no layer; give it a row in tests/tidy.rs")];
    };
    let named = |list: &str, word: &str| list.split_whitespace().any(|listed| listed == word);
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for used in ["crate::", "rookery::"].iter().flat_map(|prefix| paths_after(code, prefix)) {
            let known = LAYERS.iter().any(|(layer, ..)| *layer == used);
            if known && used != module && !named(modules, &used) {
                faults.push(format!("{name}:{number}: {module} may not use {used}"));
            }
        }
        for placed in PLACED.split_whitespace() {
            let used = code.contains(&format!("use {placed}::")) || code.trim() == format!("use {placed};");
            if used && !named(crates, placed) {
                faults.push(format!("{name}:{number}: {module} may not use the crate {placed}"));
            }
        }
    }
    faults
}

/// The identifiers right behind `prefix`, those of a `{a, b}` group on one line included.
fn paths_after(code: &str, prefix: &str) -> Vec<String> {
    let identifier = |part: &str| part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.match_indices(prefix)
        .flat_map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap_or_default().split(',').map(identifier).collect(),
                None => vec![identifier(rest)],
            }
        })
        .collect()
}

fn shape_fault(path: &Path) -> Option<String> {
    let (name, text) = (relative(path), fs::read_to_string(path).expect("a source is text"));
    let lines = text.lines().count();
    if lines > LINES_MAX {
        return Some(format!("{name}:{LINES_MAX}: {lines} lines, {LINES_MAX} is the most"));
    }
    (!text.starts_with("//!")).then(|| format!("{name}:1: a file opens with what it is for"))
}
