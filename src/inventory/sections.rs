//! The sections of the file, each value read but nothing put together yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::host_name::parse_host_name;
use super::jump::{USER_RULE, is_user};
use super::reader::{Entry, Reader, entries};
use super::rollout_section::{self, RolloutSection};
use super::selector::{Selector, TermKind};
use super::settings::Settings;
use super::{HostKeyPolicy, HostPattern, JumpHost, SshConfig, SwarmSettings, parse_duration};
use crate::base::ByteRate;

/// Every key of an inventory, by section; `group` and `host` are followed by a name.
pub const KNOWN_KEYS: [(&str, &[&str]); 7] = [
    ("", &["version", "defaults", "roles", "swarm", "rollout", "group", "host"]),
    ("defaults", &SETTING_KEYS),
    ("roles", &["seeder", "tracker"]),
    ("swarm", &["port", "tracker_port", "max_upload", "max_download", "zone", "fanout"]),
    ("group", &["hosts", "include", "exclude"]),
    ("host", &["address", "swarm_address"]),
    ("rollout", &rollout_section::KEYS),
];

/// What defaults, groups and hosts may all say.
const SETTING_KEYS: [&str; 23] = [
    "user",
    "port",
    "identity",
    "certificate",
    "strict_host_key",
    "known_hosts",
    "connect_timeout",
    "jump",
    "jump_connections",
    "proxy_command",
    "ssh_config",
    "to",
    "work_dir",
    "become",
    "owner",
    "group",
    "mode",
    "max_upload",
    "max_download",
    "agent",
    "agents",
    "agents_dir",
    "tags",
];

/// The file, read.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) defaults: Settings,
    pub(super) seeder: Option<Spanned<String>>,
    pub(super) tracker: Option<Spanned<String>>,
    pub(super) swarm: SwarmSettings,
    pub(super) zone_span: Range<usize>,
    pub(super) rollout: RolloutSection,
    pub(super) groups: Vec<GroupSection>,
    pub(super) hosts: Vec<HostSection>,
}

/// `[group.NAME]`.
#[derive(Debug)]
pub(super) struct GroupSection {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) hosts: Vec<(Spanned<String>, HostPattern)>,
    pub(super) include: Vec<(Spanned<String>, Selector)>,
    pub(super) exclude: Vec<(Spanned<String>, Selector)>,
    pub(super) settings: Settings,
}

/// `[host.NAME]`.
#[derive(Debug)]
pub(super) struct HostSection {
    pub(super) name: Spanned<String>,
    pub(super) pattern: HostPattern,
    pub(super) address: Option<Spanned<String>>,
    pub(super) swarm_address: Option<Spanned<IpAddr>>,
    pub(super) settings: Settings,
}

impl Sections {
    /// Reads every section; what is wrong is in `reader`.
    pub(super) fn read(reader: &mut Reader<'_>, document: &DeTable<'_>) -> Self {
        let mut sections = Self::default();
        for entry in entries(document) {
            match entry.key {
                "version" => version(reader, &entry),
                "defaults" => {
                    for entry in reader.table(entry.value, "`[defaults]`") {
                        if !setting(reader, &mut sections.defaults, &entry) {
                            reader.unknown(&entry, "in [defaults]", &SETTING_KEYS);
                        }
                    }
                }
                "roles" => sections.roles(reader, &entry),
                "swarm" => sections.swarm(reader, &entry),
                "rollout" => sections.rollout.read(reader, &entry),
                "group" => {
                    let named = reader.table(entry.value, "`[group.NAME]`");
                    sections.groups = named.iter().filter_map(|entry| group(reader, entry)).collect();
                }
                "host" => {
                    let named = reader.table(entry.value, "`[host.\"NAME\"]`");
                    sections.hosts = named.iter().filter_map(|entry| host(reader, entry)).collect();
                }
                _ => reader.unknown(&entry, "at the top", KNOWN_KEYS[0].1),
            }
        }
        sections
    }

    /// The names, in lower case, of the hosts that seed, track or are on the way to others.
    pub(super) fn helpers(&self) -> BTreeSet<String> {
        let of_groups = self.groups.iter().map(|group| &group.settings);
        let settings =
            [&self.defaults].into_iter().chain(of_groups).chain(self.hosts.iter().map(|host| &host.settings));
        let jumps = settings.filter_map(|settings| settings.jump.as_ref()).flat_map(Spanned::get_ref);
        let jumps = jumps.filter_map(|jump| jump.parse::<JumpHost>().ok()).map(|jump| jump.host);
        let roles = [&self.seeder, &self.tracker].into_iter().flatten().map(|name| name.get_ref().clone());
        jumps.chain(roles).map(|name| name.to_ascii_lowercase()).collect()
    }

    fn roles(&mut self, reader: &mut Reader<'_>, section: &Entry<'_>) {
        for entry in reader.table(section.value, "`[roles]`") {
            let role = match entry.key {
                "seeder" => &mut self.seeder,
                "tracker" => &mut self.tracker,
                _ => {
                    reader.unknown(&entry, "in [roles]", KNOWN_KEYS[2].1);
                    continue;
                }
            };
            *role = reader.parsed(entry.value, "a host or `\"console\"`", parse_host_name);
        }
    }

    fn swarm(&mut self, reader: &mut Reader<'_>, section: &Entry<'_>) {
        for entry in reader.table(section.value, "`[swarm]`") {
            let value = entry.value;
            match entry.key {
                "port" => set(&mut self.swarm.port, ports(reader, value)),
                "tracker_port" => set(&mut self.swarm.tracker_port, reader.integer(value, 0, "`8998`, or `0` for any")),
                "max_upload" => set(&mut self.swarm.max_upload, rate(reader, value)),
                "max_download" => set(&mut self.swarm.max_download, rate(reader, value)),
                "fanout" => set(&mut self.swarm.fanout, reader.integer(value, 1, "`64`")),
                "zone" => {
                    self.zone_span = value.span();
                    self.swarm.zone = reader.string(value, "the name of a tag: `\"rack\"`").map(Spanned::into_inner);
                }
                _ => reader.unknown(&entry, "in [swarm]", KNOWN_KEYS[3].1),
            }
        }
    }
}

fn set<T>(to: &mut T, from: Option<Spanned<T>>) {
    if let Some(from) = from {
        *to = from.into_inner();
    }
}

fn version(reader: &mut Reader<'_>, entry: &Entry<'_>) {
    if let Some(version) = reader.integer(entry.value, 0, "`version = 1`")
        && *version.get_ref() != 1
    {
        let message =
            format!("version {} is not known here; write `version = 1`, or use a newer rookery", version.get_ref());
        reader.error(&entry.value.span(), message);
    }
}

fn group(reader: &mut Reader<'_>, section: &Entry<'_>) -> Option<GroupSection> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name = section.key;
    if name.is_empty() || !name.chars().all(allowed) || name.starts_with(['-', '.']) {
        let rule = "letters, digits, `_`, `-` and `.`, beginning with one of the first three";
        reader.error(&section.span, format!("group name `{name}` cannot be selected; use {rule}"));
        return None;
    }
    if matches!(name, "failed" | "unreachable") {
        reader.error(&section.span, format!("`@{name}` means hosts of the last run; give this group another name"));
        return None;
    }
    let mut group = GroupSection {
        name: name.to_owned(),
        span: section.span.clone(),
        hosts: Vec::new(),
        include: Vec::new(),
        exclude: Vec::new(),
        settings: Settings::default(),
    };
    for entry in reader.table(section.value, "`[group.NAME]`") {
        match entry.key {
            "hosts" => {
                for text in reader.strings(entry.value, "`[\"web[001-250]\"]`") {
                    group.hosts.extend(host_pattern(reader, &text).map(|pattern| (text, pattern)));
                }
            }
            "include" => group.include = selectors(reader, entry.value),
            "exclude" => group.exclude = selectors(reader, entry.value),
            _ => {
                if !setting(reader, &mut group.settings, &entry) {
                    let known = [KNOWN_KEYS[4].1, &SETTING_KEYS].concat();
                    reader.unknown(&entry, &format!("in [group.{name}]"), &known);
                }
            }
        }
    }
    Some(group)
}

fn host(reader: &mut Reader<'_>, section: &Entry<'_>) -> Option<HostSection> {
    let name = Spanned::new(section.span.clone(), section.key.to_owned());
    let mut host = HostSection {
        pattern: host_pattern(reader, &name)?,
        name,
        address: None,
        swarm_address: None,
        settings: Settings::default(),
    };
    for entry in reader.table(section.value, "`[host.\"NAME\"]`") {
        match entry.key {
            "address" => {
                host.address = reader.parsed(entry.value, "a name or address: `\"10.1.0.7\"`", parse_host_name);
            }
            "swarm_address" => host.swarm_address = reader.parsed(entry.value, "`\"10.1.0.7\"`", parse_swarm_address),
            _ => {
                if !setting(reader, &mut host.settings, &entry) {
                    let known = [KNOWN_KEYS[5].1, &SETTING_KEYS].concat();
                    reader.unknown(&entry, &format!("in [host.\"{}\"]", section.key), &known);
                }
            }
        }
    }
    Some(host)
}

/// Reads what defaults, groups and hosts may all say; false when `entry` is none of it.
fn setting(reader: &mut Reader<'_>, settings: &mut Settings, entry: &Entry<'_>) -> bool {
    let value = entry.value;
    match entry.key {
        "user" => settings.user = reader.parsed(value, "`\"deploy\"`", parse_user),
        "port" => settings.port = reader.integer(value, 1, "`22`"),
        "identity" => settings.identity = paths(reader, value, "`[\"~/.ssh/id_ed25519\"]`"),
        "certificate" => settings.certificate = paths(reader, value, "`[\"~/.ssh/id_ed25519-cert.pub\"]`"),
        "strict_host_key" => settings.strict_host_key = reader.parsed(value, "`\"yes\"`", parse_policy),
        "known_hosts" => settings.known_hosts = paths(reader, value, "`[\"~/.ssh/known_hosts\"]`"),
        "connect_timeout" => settings.connect_timeout = reader.parsed(value, "`\"10s\"`", parse_timeout),
        "jump" => settings.jump = Some(jumps(reader, value)),
        "jump_connections" => settings.jump_connections = connections(reader, value),
        "proxy_command" => settings.proxy_command = paths(reader, value, "`[\"nc\", \"%h\", \"%p\"]`"),
        "ssh_config" => settings.ssh_config = reader.parsed(value, "`\"ssh -G\"`", parse_ssh_config),
        "to" => settings.to = reader.parsed(value, "`\"/srv/releases\"`", parse_remote_folder),
        "work_dir" => settings.work_dir = reader.parsed(value, "`\"~/.cache/rookery\"`", parse_remote_folder),
        "become" => settings.sudo = reader.boolean(value, "`true`"),
        "owner" => settings.owner = reader.parsed(value, "`\"www-data\"`", parse_user),
        "group" => settings.group = reader.parsed(value, "`\"www-data\"`", parse_user),
        "mode" => settings.mode = reader.parsed(value, "`\"0750\"`", parse_mode),
        "max_upload" => settings.max_upload = rate(reader, value),
        "max_download" => settings.max_download = rate(reader, value),
        "agent" => settings.agent = reader.parsed(value, "`\"agents/rookery-agent-aarch64\"`", parse_path),
        "agents" => settings.agents = named(reader, value, "machine", AGENTS),
        "agents_dir" => settings.agents_dir = reader.parsed(value, "`\"agents\"`", parse_path),
        "tags" => settings.tags = named(reader, value, "tag", TAGS),
        _ => return false,
    }
    true
}

/// Tables of words as they are written, and what stands in them.
const AGENTS: (&str, &str) = ("`{ aarch64 = \"agents/aarch64\" }`", "`\"agents/aarch64\"`");
const TAGS: (&str, &str) = ("`{ rack = \"r7\" }`", "`\"r7\"`");

/// A table of words with a text each; `what` the words are.
fn named(
    reader: &mut Reader<'_>,
    value: &Spanned<DeValue<'_>>,
    what: &str,
    (example, text_example): (&str, &str),
) -> BTreeMap<String, Spanned<String>> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut found = BTreeMap::new();
    for entry in reader.table(value, example) {
        if entry.key.is_empty() || !entry.key.chars().all(is_word) {
            let message = format!("{what} name `{}` must hold only letters, digits, `_`, `-` and `.`", entry.key);
            reader.error(&entry.span, message);
        } else if let Some(text) = reader.string(entry.value, text_example) {
            found.insert(entry.key.to_owned(), text);
        }
    }
    found
}

fn host_pattern(reader: &mut Reader<'_>, text: &Spanned<String>) -> Option<HostPattern> {
    let pattern: HostPattern = match text.get_ref().parse() {
        Ok(pattern) => pattern,
        Err(super::PatternError { span, fault }) => {
            let span = reader.within(text, &span);
            reader.error(&span, fault.to_string());
            return None;
        }
    };
    reader.names = reader.names.saturating_add(pattern.count());
    if reader.names > NAMES_MAX {
        reader.error(
            &text.span(),
            format!("the patterns up to here stand for more than {NAMES_MAX} hosts; take some out"),
        );
        return None;
    }
    let wrong = pattern.iter().find_map(|name| parse_host_name(&name).err());
    if let Some(error) = &wrong {
        reader.error(&text.span(), error.to_string());
    }
    wrong.is_none().then_some(pattern)
}

fn selectors(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<(Spanned<String>, Selector)> {
    let mut found = Vec::new();
    for text in reader.strings(value, "`[\"web\", \"db[01-04]\"]`") {
        let selector = match Selector::parse(text.get_ref()) {
            Ok(selector) => selector,
            Err((span, fault)) => {
                let span = reader.within(&text, &span);
                reader.error(&span, fault.to_string());
                continue;
            }
        };
        let passing = selector.terms().into_iter().find(|term| is_passing(&term.kind)).map(|term| term.span.clone());
        if let Some(span) = passing {
            let span = reader.within(&text, &span);
            let why = "groups are settled before tags and runs are known; name groups, hosts, globs or a `~regex`";
            reader.error(&span, format!("{why}, and select the rest with --limit"));
            continue;
        }
        found.push((text, selector));
    }
    found
}

/// Whether a term's hosts are only known once the inventory is put together.
fn is_passing(kind: &TermKind) -> bool {
    match kind {
        TermKind::Tag { .. } | TermKind::Percent(_) | TermKind::Pick(_) => true,
        TermKind::At(name) => matches!(name.as_str(), "failed" | "unreachable") || name.contains('/'),
        TermKind::Nested(_) | TermKind::Name(_) | TermKind::Pattern(_) | TermKind::Glob(_) | TermKind::Regex(_) => {
            false
        }
    }
}

fn paths(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, example: &str) -> Option<Spanned<Vec<String>>> {
    let errors = reader.found.len();
    let paths: Vec<String> = reader.strings(value, example).into_iter().map(Spanned::into_inner).collect();
    if paths.iter().any(String::is_empty) {
        reader.error(&value.span(), format!("a path is empty; write {example}"));
    }
    (reader.found.len() == errors).then(|| Spanned::new(value.span(), paths))
}

/// `"bastion"`, `["a", "b"]`, or `""` for none.
fn jumps(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Spanned<Vec<String>> {
    let mut jumps = Vec::new();
    if value.get_ref().as_str() != Some("") {
        for text in reader.strings(value, "`\"bastion\"`, `[\"a\", \"b\"]`, or `\"\"` for none") {
            match text.get_ref().parse::<JumpHost>() {
                Ok(_) => jumps.push(text.into_inner()),
                Err(error) => reader.error(&text.span(), error.to_string()),
            }
        }
    }
    Spanned::new(value.span(), jumps)
}

fn rate(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Spanned<ByteRate>> {
    if value.get_ref().as_integer().is_some_and(|integer| integer.as_str() == "0") {
        return Some(Spanned::new(value.span(), ByteRate::UNLIMITED));
    }
    reader.parsed(value, "`\"20MiB\"`, or `\"0\"` for no cap", str::parse)
}

fn ports(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Spanned<(u16, u16)>> {
    const EXAMPLE: &str = "`\"6881-6889\"`";
    if value.get_ref().is_integer() {
        let port = reader.integer(value, 1, EXAMPLE)?;
        return Some(Spanned::new(value.span(), (*port.get_ref(), *port.get_ref())));
    }
    reader.parsed(value, EXAMPLE, |text| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok((first, last)),
            (Some(_), Some(_)) => Err(format!("the ports `{text}` run backwards; write {EXAMPLE}")),
            _ => Err(format!("`{text}` is not a range of ports from 1 to 65535; write {EXAMPLE}")),
        }
    })
}

fn parse_user(text: &str) -> Result<String, String> {
    if is_user(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a user; {USER_RULE}")) }
}

fn parse_policy(text: &str) -> Result<HostKeyPolicy, String> {
    match text {
        "yes" => Ok(HostKeyPolicy::Yes),
        "accept-new" => Ok(HostKeyPolicy::AcceptNew),
        other => {
            Err(format!("`{other}` is no policy; write `yes`, or `accept-new` to trust a host key the first time"))
        }
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("no connection is made in no time; write `10s`".to_owned()),
        Ok(timeout) => Ok(timeout),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_remote_folder(text: &str) -> Result<String, String> {
    let is_clean = !text.split('/').any(|part| part == "..");
    if (text.starts_with('/') || text == "~" || text.starts_with("~/")) && is_clean {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a folder on a host; begin it with `/` or `~/`, with no `..` in it"))
}

/// As many as a jump host takes at once (`MaxStartups`) without dropping some.
fn connections(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Spanned<u16>> {
    const MAX: u16 = 10;
    let number = reader.integer(value, 1, "`4`")?;
    if *number.get_ref() > MAX {
        reader.error(&value.span(), format!("a jump host is asked for {MAX} connections at most; write `4`"));
        return None;
    }
    Some(number)
}

fn parse_ssh_config(text: &str) -> Result<SshConfig, String> {
    match text {
        "off" => Ok(SshConfig::Off),
        "ssh -G" => Ok(SshConfig::Usual),
        path if path.starts_with('/') || path.starts_with("~/") => Ok(SshConfig::File(path.to_owned())),
        other => {
            Err(format!("`{other}` is none of `off`, `ssh -G` and the path of a configuration (`~/.ssh/fleet_config`)"))
        }
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777 && mode & 0o400 != 0);
    mode.ok_or_else(|| format!("`{text}` is no mode that its owner can read; write `0750`"))
}

fn parse_path(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("the path is empty; name a file, or leave the key out") } else { Ok(text.to_owned()) }
}

fn parse_swarm_address(text: &str) -> Result<IpAddr, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = inner.parse().ok().filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast());
    address
        .ok_or_else(|| format!("`{text}` is not an address that peers can dial; write it in digits, as in `10.1.0.7`"))
}

/// Names that all patterns of a file stand for, the same host in several groups counted each time.
const NAMES_MAX: u64 = 1_000_000;
