//! The ssh command that reaches a host the way a run does.

use std::ffi::OsString;

use crate::inventory::{Host, HostKeyPolicy, Inventory, JumpHost};

/// The program and its arguments. Nothing of it goes through a shell, and names come after `--`.
pub(super) fn command(inventory: &Inventory, host: &Host) -> Vec<OsString> {
    let mut words = vec!["ssh".to_owned(), "-p".to_owned(), host.port.to_string()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(user) = &host.user {
        option("-l", user.clone());
    }
    for identity in &host.identity {
        option("-i", identity.clone());
    }
    for certificate in &host.certificate {
        option("-o", format!("CertificateFile={certificate}"));
    }
    if !host.known_hosts.is_empty() {
        option("-o", format!("UserKnownHostsFile={}", host.known_hosts.join(" ")));
    }
    let policy = match host.strict_host_key {
        HostKeyPolicy::Yes => "yes",
        HostKeyPolicy::AcceptNew => "accept-new",
    };
    option("-o", format!("StrictHostKeyChecking={policy}"));
    if host.address != host.name && host.key_alias.is_none() {
        // A run looks a key up by the host's name; ssh, left alone, by its address.
        let alias = if host.port == 22 { host.name.clone() } else { format!("[{}]:{}", host.name, host.port) };
        option("-o", format!("HostKeyAlias={alias}"));
    }
    if let Some(alias) = &host.key_alias {
        option("-o", format!("HostKeyAlias={alias}"));
    }
    if !host.proxy_command.is_empty() {
        option("-o", format!("ProxyCommand={}", shell(&host.proxy_command)));
    }
    let jumps = if host.proxy_command.is_empty() { host.jump.as_slice() } else { &[] };
    let jumps: Vec<String> = jumps.iter().map(|jump| way(inventory, jump)).collect();
    if !jumps.is_empty() {
        option("-J", jumps.join(","));
    }
    words.extend(["--".to_owned(), host.address.clone()]);
    words.into_iter().map(OsString::from).collect()
}

/// A program and its arguments as a shell reads them: ssh has one for its proxy command.
fn shell(words: &[String]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

/// A jump host as ssh takes it: what the inventory knows of it goes without saying there.
fn way(inventory: &Inventory, jump: &str) -> String {
    let Ok(JumpHost { user, host, port }) = jump.parse() else { return jump.to_owned() };
    let known = inventory.find(&host).and_then(|id| inventory.host(id));
    let user = user.or_else(|| known.and_then(|known| known.user.clone()));
    let port = port.or_else(|| known.map(|known| known.port)).unwrap_or(22);
    let address = known.map_or(host, |known| known.address.clone());
    let address = if address.contains(':') { format!("[{address}]") } else { address };
    user.map_or_else(|| format!("{address}:{port}"), |user| format!("{user}@{address}:{port}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn ssh_goes_the_way_of_the_run() {
        let text = r#"
version = 1
[defaults]
user = "deploy"
identity = ["~/.ssh/deploy"]
[roles]
seeder = "web1"
[group.web]
hosts = ["web1", "web2"]
jump = ["bastion", "ops@10.9.9.9:2200"]
[host.bastion]
address = "192.0.2.1"
port = 2222
jump = ""
[host.web2]
address = "10.0.0.2"
port = 2022
strict_host_key = "accept-new"
known_hosts = ["~/.ssh/fleet"]
jump = ""
"#;
        let inventory = Inventory::parse(Path::new("inventory.toml"), text).expect("it is right");
        let words = |name: &str| {
            let host = inventory.find(name).and_then(|id| inventory.host(id)).expect(name);
            let words = command(&inventory, host).into_iter().map(|word| word.into_string().expect("it is text"));
            words.collect::<Vec<_>>().join(" ")
        };
        let web1 = words("web1");
        assert!(web1.starts_with("ssh -p 22 -l deploy -i ~/.ssh/deploy "), "{web1}");
        assert!(
            web1.ends_with(" -o StrictHostKeyChecking=yes -J deploy@192.0.2.1:2222,ops@10.9.9.9:2200 -- web1"),
            "{web1}"
        );
        let web2 = words("web2");
        for part in ["-p 2022", "UserKnownHostsFile=~/.ssh/fleet", "StrictHostKeyChecking=accept-new"] {
            assert!(web2.contains(part), "{part} in {web2}");
        }
        assert!(web2.ends_with("-o HostKeyAlias=[web2]:2022 -- 10.0.0.2"), "{web2}");
    }
}
