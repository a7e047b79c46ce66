//! Builds the agent and embeds it, compressed, in the console.
//!
//! The agent is a static program, built by this same Cargo with the `agent` profile in a target folder of its own.
//! `ROOKERY_AGENT=FILE` embeds that file instead (for packagers who build the agent apart).

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The largest agent that is still cheap to push to ten thousand hosts.
const LENGTH_MAX: u64 = 2_621_440;

/// How the agent is compiled and linked besides its profile: static, without the tables for unwinding that it never
/// does (its own, then by `.cargo/agent.ld` those of std and libc), with its relocations packed, and with what many
/// functions have in common written once; it is known by its digest, so that it needs no build id.
const RUST_FLAGS: &str = "-Ctarget-feature=+crt-static\u{1f}-Cforce-unwind-tables=no\u{1f}-Clink-arg=-T.cargo/agent.ld\u{1f}\
                          -Clink-arg=-Wl,--no-eh-frame-hdr,-z,pack-relative-relocs,--build-id=none\u{1f}\
                          -Cllvm-args=--enable-machine-outliner=always";

/// The same for whole functions, where the linker that Rust brings along, which can do it, is the usual one.
const FOLD_FLAG: &str = "\u{1f}-Clink-arg=-Wl,--icf=all";

/// The same for zstd in C; of its block compressors only the two that `payload`'s level uses, and everything once, not for
/// newer processors a second time.
const C_FLAGS: &str = "-fno-asynchronous-unwind-tables -fno-unwind-tables -DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR -DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR \
                       -DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR -DDYNAMIC_BMI2=0";

/// What the agent is made of, files or folders: a change elsewhere does not build it again.
const SOURCES: [&str; 29] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/agent.ld",
    "src/lib.rs",
    "src/bin/rookery-agent.rs",
    "src/announce",
    "src/base",
    "src/control",
    "src/driver/agent",
    "src/driver/bell",
    "src/driver/clock",
    "src/driver/disk",
    "src/driver/failures",
    "src/driver/line",
    "src/driver/member",
    "src/driver/mod.rs",
    "src/driver/pace",
    "src/driver/packed",
    "src/driver/peers",
    "src/driver/scribe",
    "src/driver/storage",
    "src/driver/tally",
    "src/driver/tracker",
    "src/metainfo",
    "src/payload",
    "src/release",
    "src/swarm",
    "src/tracker",
    "src/wire",
];

fn main() {
    println!("cargo::rerun-if-env-changed=ROOKERY_AGENT");
    if env::var_os("CARGO_FEATURE_CONSOLE").is_none() {
        println!("cargo::rerun-if-changed=build.rs");
        return;
    }
    let agent = match env::var_os("ROOKERY_AGENT") {
        Some(path) => PathBuf::from(path),
        None => build(),
    };
    println!("cargo::rerun-if-changed={}", agent.display());
    if let Err(error) = embed(&agent) {
        fail(&format!("cannot embed {}: {error}", agent.display()));
    }
}

fn build() -> PathBuf {
    for source in SOURCES.iter().flat_map(|source| [(*source).to_owned(), format!("{source}.rs")]) {
        if Path::new(&source).exists() {
            println!("cargo::rerun-if-changed={source}");
        }
    }
    let release = variable("PROFILE") == "release";
    let profile = if release { "agent" } else { "agent-dev" };
    let target = variable("TARGET");
    let folds = target == "x86_64-unknown-linux-gnu";
    let folder = Path::new(&variable("OUT_DIR")).join("agent");
    let mut cargo = Command::new(variable("CARGO"));
    // What this build was told of its features and profile is not what that one shall be told.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PKG_"].iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo
        .args(["build", "--locked", "--no-default-features", "--features", "agent", "--bin", "rookery-agent"])
        .args(["--profile", profile, "--target", &target])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(variable("CARGO_MANIFEST_DIR"))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", format!("{RUST_FLAGS}{}", if folds { FOLD_FLAG } else { "" }))
        .env("CFLAGS", format!("{} {C_FLAGS}", env::var("CFLAGS").unwrap_or_default()))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("building the agent ended with {status}")),
        Err(error) => fail(&format!("cannot run cargo to build the agent: {error}")),
    }
    let agent = folder.join(target).join(profile).join("rookery-agent");
    let length = agent.metadata().map_or(0, |metadata| metadata.len());
    if release {
        println!("cargo::warning=the agent is {length} bytes, static ({LENGTH_MAX} allowed)");
        if length > LENGTH_MAX {
            fail(&format!("the agent is {length} bytes; {LENGTH_MAX} is the most"));
        }
    }
    agent
}

fn embed(agent: &Path) -> io::Result<()> {
    let bytes = std::fs::read(agent)?;
    let digest = Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let file = File::create(Path::new(&variable("OUT_DIR")).join("rookery-agent.gz"))?;
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(&bytes)?;
    encoder.finish()?.sync_all()?;
    println!("cargo::rustc-env=ROOKERY_AGENT_SHA256={digest}");
    println!("cargo::rustc-env=ROOKERY_AGENT_LENGTH={}", bytes.len());
    Ok(())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(why: &str) -> ! {
    println!("cargo::error={why}");
    std::process::exit(1)
}
