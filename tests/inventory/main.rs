//! The inventory as its operator meets it: what selectors mean, and how mistakes are told.
#![cfg(feature = "machines")]

mod mistakes;
mod selectors;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rookery::base::ByteRate;
use rookery::inventory::{HostKeyPolicy, Inventory, KNOWN_KEYS, expand, fold, fold_patterns};

const EXAMPLE: &str = include_str!("../../inventory.toml.example");

fn inventory(text: &str) -> Inventory {
    Inventory::parse(Path::new("inventory.toml"), text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_contracts_own_inventory_is_taken() {
    let text = r#"
version = 1
[defaults]
user = "deploy"
[roles]
seeder = "deploy01.dc1"
tracker = "deploy01.dc1"
[swarm]
port = "6881-6889"
tracker_port = 0
zone = "rack"
[group.web]
hosts = ["web[001-120].dc1", "web[001-040].dc2"]
jump = "bastion.dc1"
tags = { tier = "front" }
[group.prod]
include = ["web"]
exclude = ["web[001-002].dc1"]
[host."web007.dc1"]
address = "10.1.0.7"
tags = { rack = "r7", role = "canary" }
"#;
    let fleet = inventory(text);
    assert_eq!((fleet.fleet().len(), fleet.hosts.len(), fleet.swarm.tracker_port), (160, 161, 0));
    assert_eq!(fleet.warnings, []);
}

#[test]
fn host_beats_group_beats_defaults_and_later_groups_beat_earlier_ones() {
    let fleet = inventory(
        r#"
[defaults]
user = "deploy"
port = 22
connect_timeout = "1m30s"
jump = "bastion"
tags = { stage = "live", tier = "none" }
[group.web]
hosts = ["web[1-3]"]
port = 2222
tags = { tier = "front" }
max_upload = "20MiB"
[group.edge]
include = ["web"]
port = 2222
jump = ["ops@a:2222", "b"]
strict_host_key = "accept-new"
[host.web2]
jump = ""
address = "10.1.0.2"
swarm_address = "10.9.0.2"
tags = { stage = "test" }
"#,
    );
    let host = |name: &str| fleet.find(name).and_then(|id| fleet.host(id)).expect("a host");
    let (one, two) = (host("web1"), host("web2"));
    assert_eq!((one.user.as_deref(), one.port, one.connect_timeout), (Some("deploy"), 2222, Duration::from_secs(90)));
    assert_eq!((one.jump.join(","), one.strict_host_key), ("ops@a:2222,b".to_owned(), HostKeyPolicy::AcceptNew));
    assert_eq!((one.max_upload, one.max_download), (Some(ByteRate(20 << 20)), None));
    assert_eq!(one.groups, ["web", "edge"]);
    assert_eq!((one.tags["stage"].as_str(), one.tags["tier"].as_str()), ("live", "front"));
    assert_eq!((two.address.as_str(), two.jump.len(), two.tags["stage"].as_str()), ("10.1.0.2", 0, "test"));
    assert_eq!(two.swarm_address.map(|address| address.to_string()).as_deref(), Some("10.9.0.2"));
    assert_eq!(fleet.warnings, []);
}

#[test]
fn hosts_stay_in_file_order_once_each_and_go_when_every_group_excludes_them() {
    let fleet = inventory(
        "[group.b]\nhosts = [\"b2\", \"a[1-3]\", \"B2\"]\nexclude = [\"a2\"]\n[host.c]\n[group.a]\nhosts = [\"a3\", \"z\"]",
    );
    let names: Vec<_> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["b2", "a1", "a3", "c", "z"]);
    let members: Vec<String> = fleet.groups.iter().map(|group| fold(fleet.names_of(&group.hosts))).collect();
    assert_eq!(members, ["a[1,3], b2 (3)", "a3, z (2)"]);
}

#[test]
fn the_example_has_every_key_and_nothing_to_warn_of() {
    let example = inventory(EXAMPLE);
    assert_eq!(example.warnings, []);
    assert_eq!(example.fleet().len(), 169);
    for (section, keys) in KNOWN_KEYS {
        for key in keys {
            let is_said = |line: &str| {
                line.starts_with(&format!("{key} ="))
                    || line.starts_with(&format!("[{key}]"))
                    || line.starts_with(&format!("[{key}."))
            };
            assert!(EXAMPLE.lines().any(is_said), "`{key}` of [{section}] is not in inventory.toml.example");
        }
    }
}

#[test]
fn the_examples_of_the_guides_are_right() {
    let guide = concat!(include_str!("../../docs/fleet.md"), include_str!("../../docs/agents.md"));
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(examples.len() >= 4, "the guide shows how");
    for example in examples {
        assert_eq!(inventory(example).warnings, [], "{example}");
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let example = inventory(EXAMPLE);
    let bare = inventory("");
    assert_eq!(example.swarm.port, bare.swarm.port);
    assert_eq!((example.swarm.tracker_port, example.swarm.fanout), (bare.swarm.tracker_port, bare.swarm.fanout));
    let web = example.find("web001.dc1").and_then(|id| example.host(id)).expect("a host");
    let host = rookery::inventory::Host::new("web001.dc1");
    assert_eq!((web.port, &web.known_hosts, &web.work_dir), (host.port, &host.known_hosts, &host.work_dir));
    assert_eq!((web.connect_timeout, web.strict_host_key), (host.connect_timeout, host.strict_host_key));
}

#[test]
fn a_hundred_thousand_hosts_expand_and_fold_again() {
    assert_eq!(expand("r[01-10]n[00001-10000].dc1").expect("a pattern").count(), 100_000);
    let fleet = inventory("[group.all]\nhosts = [\"web[000001-100000].dc1\"]\n");
    assert_eq!(fleet.hosts.len(), 100_000);
    assert_eq!(fold(fleet.names_of(&fleet.fleet())), "web[000001-100000].dc1 (100000)");
    let too_many = mistakes::errors("[group.a]\nhosts = [\"a[1-150000]\", \"b[1-150000]\"]\n");
    assert!(too_many.contains("more than 200000 hosts"), "{too_many}");
}

proptest! {
    #[test]
    fn names_folded_and_expanded_are_the_same_names(
        names in prop::collection::btree_set("[ab]{0,1}[0-9]{1,3}(-[0-9]{1,2}){0,1}\\.dc[0-3]", 1..60),
    ) {
        let patterns = fold_patterns(&names);
        let mut again = BTreeSet::new();
        for pattern in &patterns {
            for name in expand(pattern).expect("a pattern of ours") {
                prop_assert!(again.insert(name.clone()), "{} twice", name);
            }
        }
        prop_assert_eq!(again, names);
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC*", selector in "[@~!&,()\\[\\]a-c0-9%=*:./ -]{0,24}") {
        let _ = Inventory::parse(Path::new("x"), &text);
        let _ = selectors::select(&inventory("[group.a]\nhosts = [\"b[1-9]\", \"c\"]\n"), &selector);
        if let Ok(names) = expand(&selector) {
            prop_assert!(names.take(300_000).count() <= 200_000);
        }
    }
}
