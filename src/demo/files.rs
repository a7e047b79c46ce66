//! The files of a demo: its inventory, and something to distribute.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use fastrand::Rng;

use super::fault::Fault;
use super::fleet::DemoHost;

/// Download cap of a host, in KiB a second: with the default payload a run takes about 20 seconds.
const CAP: u32 = 1024;

/// Download cap of the slow host, in KiB a second.
const SLOW_CAP: u32 = 512;

/// Upload cap of the seeder, in KiB a second: the swarm has to do the work.
const SEEDER_CAP: u32 = 4096;

/// Writes a directory of about `bytes` bytes: some large files, many small ones, a link and a program.
pub fn write_payload(folder: &Path, bytes: u64, seed: u64) -> io::Result<()> {
    let mut random = Rng::with_seed(seed);
    for name in ["bin", "lib", "assets/icons"] {
        fs::create_dir_all(folder.join(name))?;
    }
    fs::write(folder.join("bin/hello"), "#!/bin/sh\necho \"hello from the demo release\"\n")?;
    fs::set_permissions(folder.join("bin/hello"), fs::Permissions::from_mode(0o755))?;
    symlink("hello", folder.join("bin/hi"))?;
    let small = 200;
    for number in 0..small {
        let length = random.u64(100..4000);
        write_random(&folder.join(format!("assets/icons/icon-{number:03}.png")), length, &mut random)?;
    }
    let large = 8;
    for number in 0..large {
        write_random(&folder.join(format!("lib/part-{number}.bin")), bytes / large, &mut random)?;
    }
    Ok(())
}

fn write_random(path: &Path, length: u64, random: &mut Rng) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut block = [0_u8; 4096];
    let mut left = length;
    while left > 0 {
        let part = left.min(block.len() as u64) as usize;
        random.fill(&mut block[..part]);
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    file.flush()
}

/// The inventory of these hosts.
pub(super) fn inventory(hosts: &[DemoHost], folder: &Path) -> String {
    let shown = |name: &str| format!("{:?}", folder.join(name).display().to_string());
    let seeder = hosts.first().map_or("", |host| host.name.as_str());
    let mut text = format!(
        "# The demo's hosts: SSH servers on this machine, gone when the demo ends.\n\
         version = 1\n\n\
         [defaults]\nuser = \"demo\"\nidentity = [{}]\nknown_hosts = [{}]\n\
         to = \"~/releases\"\nwork_dir = \"~/.cache/rookery\"\n\n\
         [roles]\nseeder = \"{seeder}\"\n\n\
         [swarm]\nport = \"21000-22999\"\ntracker_port = 0\nmax_download = \"{CAP}KiB\"\nzone = \"rack\"\n",
        shown("id_ed25519"),
        shown("known_hosts"),
    );
    for group in ["web", "db"] {
        let members: Vec<_> = hosts.iter().filter(|host| host.group == group).map(|host| &host.name).collect();
        if !members.is_empty() {
            write!(text, "\n[group.{group}]\nhosts = {members:?}\n").expect("memory takes it");
        }
    }
    for (number, host) in hosts.iter().enumerate() {
        let (name, at) = (&host.name, host.address);
        let rack = number / 8 + 1;
        write!(text, "\n[host.\"{name}\"]\naddress = \"{}\"\nport = {}\n", at.ip(), at.port())
            .expect("memory takes it");
        writeln!(text, "tags = {{ rack = \"r{rack}\" }}").expect("memory takes it");
        if number == 0 {
            writeln!(text, "max_upload = \"{SEEDER_CAP}KiB\"").expect("memory takes it");
        }
        if host.fault == Some(Fault::Slow) {
            writeln!(text, "max_download = \"{SLOW_CAP}KiB\"").expect("memory takes it");
        }
    }
    text
}
