//! How mistakes are told.

use std::path::Path;

use rookery::inventory::Inventory;

use super::inventory;

pub(super) fn errors(text: &str) -> String {
    Inventory::parse(Path::new("inventory.toml"), text).expect_err("a bad inventory").to_string()
}

fn warnings(text: &str) -> String {
    inventory(text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_looks_like_a_mistake_is_warned_of() {
    let found = warnings(
        r#"
[swarm]
zone = "rakc"
[group.web]
hosts = ["web[1-3]"]
user = "a"
[group.edge]
include = ["web"]
exclude = ["db"]
user = "b"
[group.db]
hosts = ["db1"]
tags = { rack = "r1" }
"#,
    );
    insta::assert_snapshot!(found, @r#"
    inventory.toml:3:8: warning: no host has the tag `rakc`, so none is near another; did you mean `rack`?
        3 | zone = "rakc"
          |        ^^^^^^
    inventory.toml:9:12: warning: `db` takes nobody out of group `edge`
        9 | exclude = ["db"]
          |            ^^^^
    inventory.toml:10:8: warning: `user` differs from that of group `web`, which has hosts in common such as web1; group `edge` is later and is heard: say it in [host."web1"], or reorder the groups
       10 | user = "b"
          |        ^^^
    "#);
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let found = errors(
        r#"
[defaults]
idenity = ["~/.ssh/id"]
port = "22"
connect_timeout = "10 parsecs"
strict_host_key = "no"

[swarm]
port = "6889-6881"
max_upload = "fast"

[groups.web]
hosts = ["web1"]

[group.web]
hosts = ["web[1-99999999999]", "web[001-02]", "-oProxyCommand=x", "root@web1"]
"#,
    );
    insta::assert_snapshot!(found, @r#"
    inventory.toml:3:1: unknown key `idenity` in [defaults]; did you mean `identity`?
        3 | idenity = ["~/.ssh/id"]
          | ^^^^^^^
    inventory.toml:4:8: expected an integer, found string; write `22`
        4 | port = "22"
          |        ^^^^
    inventory.toml:5:19: `10 parsecs` is not a time; write a number and a unit, such as `10s`, `500ms` or `1m30s`
        5 | connect_timeout = "10 parsecs"
          |                   ^^^^^^^^^^^^
    inventory.toml:6:19: `no` is no policy; write `yes`, or `accept-new` to trust a host key the first time
        6 | strict_host_key = "no"
          |                   ^^^^
    inventory.toml:9:8: the ports `6889-6881` run backwards; write `"6881-6889"`
        9 | port = "6889-6881"
          |        ^^^^^^^^^^^
    inventory.toml:10:14: expected a number such as `10`, `1.5M` or `256KiB`, found `fast`
       10 | max_upload = "fast"
          |              ^^^^^^
    inventory.toml:12:2: unknown key `groups` at the top; did you mean `group`?
       12 | [groups.web]
          |  ^^^^^^
    inventory.toml:16:14: this stands for 99999999999 hosts, more than the 200000 allowed; is a digit too many in it?
       16 | hosts = ["web[1-99999999999]", "web[001-02]", "-oProxyCommand=x", "root@web1"]
          |              ^^^^^^^^^^^^^^^
    inventory.toml:16:37: the ends of the range `001-02` are padded differently; write both as wide as the wider one
       16 | hosts = ["web[1-99999999999]", "web[001-02]", "-oProxyCommand=x", "root@web1"]
          |                                     ^^^^^^
    inventory.toml:16:47: host name `-oProxyCommand=x` begins with `-`
       16 | hosts = ["web[1-99999999999]", "web[001-02]", "-oProxyCommand=x", "root@web1"]
          |                                               ^^^^^^^^^^^^^^^^^^
    inventory.toml:16:67: host name `root@web1` holds a user; set `user = …` in the group or in [host."web1"]
       16 | hosts = ["web[1-99999999999]", "web[001-02]", "-oProxyCommand=x", "root@web1"]
          |                                                                   ^^^^^^^^^^^
    "#);
}

#[test]
fn a_text_that_is_not_toml_is_told_where() {
    insta::assert_snapshot!(errors("[defaults]\nuser = deploy\n"), @r#"
    inventory.toml:2:8: not TOML: string values must be quoted, expected literal string
        2 | user = deploy
          |        ^^^^^^
    "#);
}

#[test]
fn a_key_given_twice_is_told() {
    insta::assert_snapshot!(errors("[defaults]\nport = 22\nport = 23\n"), @r#"
    inventory.toml:3:1: not TOML: duplicate key; a key stands once in a table: merge the two
        3 | port = 23
          | ^^^^
    "#);
}

#[test]
fn groups_that_go_round_in_circles_are_told() {
    let found = errors(
        "[group.a]\ninclude = [\"b\"]\n[group.b]\nexclude = [\"web1, c\"]\n[group.c]\ninclude = [\"a\"]\n[host.web1]\n",
    );
    insta::assert_snapshot!(found, @r#"
    inventory.toml:6:13: group `a` (declared at inventory.toml:1) refers to itself: `a` → `b` → `c` → `a`; take one of them out
        6 | include = ["a"]
          |             ^
    "#);
}

#[test]
fn an_include_of_nobody_is_told() {
    let found =
        errors("[group.web]\nhosts = [\"web[1-3]\"]\n[group.prod]\ninclude = [\"wbe\", \"web[7-9]\", \"web & 10%\"]\n");
    insta::assert_snapshot!(found, @r#"
    inventory.toml:4:13: no group or host `wbe`; did you mean `web`?
        4 | include = ["wbe", "web[7-9]", "web & 10%"]
          |             ^^^
    inventory.toml:4:20: no host matches `web[7-9]`; did you mean `web1`?
        4 | include = ["wbe", "web[7-9]", "web & 10%"]
          |                    ^^^^^^^^
    inventory.toml:4:38: groups are settled before tags and runs are known; name groups, hosts, globs or a `~regex`, and select the rest with --limit
        4 | include = ["wbe", "web[7-9]", "web & 10%"]
          |                                      ^^^
    "#);
}

#[test]
fn a_host_of_the_wrong_shape_is_told() {
    let found = errors(
        "[host.\"web_1\"]\n[host.web2]\naddress = \"10.0.0.300\"\nswarm_address = \"web2.example\"\nhosts = []\n",
    );
    insta::assert_snapshot!(found, @r#"
    inventory.toml:1:7: host name `web_1` holds `_`; letters, digits, `-` and `.` are allowed (RFC 1123)
        1 | [host."web_1"]
          |       ^^^^^^^
    inventory.toml:3:11: `10.0.0.300` ends like an IPv4 address but is none
        3 | address = "10.0.0.300"
          |           ^^^^^^^^^^^^
    inventory.toml:4:17: `web2.example` is not an address that peers can dial; write it in digits, as in `10.1.0.7`
        4 | swarm_address = "web2.example"
          |                 ^^^^^^^^^^^^^^
    inventory.toml:5:1: unknown key `hosts` in [host."web2"]; known are address, swarm_address, user, port, identity, certificate, strict_host_key, known_hosts, connect_timeout, jump, jump_connections, proxy_command, ssh_config, to, work_dir, become, owner, group, mode, max_upload, max_download, agent, agents, agents_dir, tags
        5 | hosts = []
          | ^^^^^
    "#);
}

#[test]
fn wrong_kinds_of_value_are_told() {
    let found = errors(
        "defaults = 1\n[group.web]\nhosts = [\"web1\", 2]\ntags = { rack = 7, \"a b\" = \"c\" }\nto = \"srv\"\njump = \"a b\"\n",
    );
    insta::assert_snapshot!(found, @r#"
    inventory.toml:1:12: expected a table, found integer; write `[defaults]`
        1 | defaults = 1
          |            ^
    inventory.toml:3:18: expected a string, found integer; write `["web[001-250]"]`
        3 | hosts = ["web1", 2]
          |                  ^
    inventory.toml:4:17: expected a string, found integer; write `"r7"`
        4 | tags = { rack = 7, "a b" = "c" }
          |                 ^
    inventory.toml:4:20: tag name `a b` must hold only letters, digits, `_`, `-` and `.`
        4 | tags = { rack = 7, "a b" = "c" }
          |                    ^^^^^
    inventory.toml:5:6: `srv` is not a folder on a host; begin it with `/` or `~/`, with no `..` in it
        5 | to = "srv"
          |      ^^^^^
    inventory.toml:6:8: host name `a b` holds ` `; letters, digits, `-` and `.` are allowed (RFC 1123)
        6 | jump = "a b"
          |        ^^^^^
    "#);
}

#[test]
fn a_version_from_the_future_is_told() {
    insta::assert_snapshot!(errors("version = 2\nhots = []\n"), @r#"
    inventory.toml:1:11: version 2 is not known here; write `version = 1`, or use a newer rookery
        1 | version = 2
          |           ^
    inventory.toml:2:1: unknown key `hots` at the top; did you mean `host`?
        2 | hots = []
          | ^^^^
    "#);
}

#[test]
fn names_that_mean_something_else_are_told() {
    insta::assert_snapshot!(errors("[group.failed]\n[group.\"a b\"]\n[roles]\nseeder = \"a,b\"\nsedeer = \"a\"\n"), @r#"
    inventory.toml:1:8: `@failed` means hosts of the last run; give this group another name
        1 | [group.failed]
          |        ^^^^^^
    inventory.toml:2:8: group name `a b` cannot be selected; use letters, digits, `_`, `-` and `.`, beginning with one of the first three
        2 | [group."a b"]
          |        ^^^^^
    inventory.toml:4:10: host name `a,b` holds `,`; letters, digits, `-` and `.` are allowed (RFC 1123)
        4 | seeder = "a,b"
          |          ^^^^^
    inventory.toml:5:1: unknown key `sedeer` in [roles]; did you mean `seeder`?
        5 | sedeer = "a"
          | ^^^^^^
    "#);
}

#[test]
fn a_rollout_that_cannot_be_is_told() {
    let found = errors(
        r#"
[rollout]
waves = [1, "10%", "5%"]
canary = "role=canray"
spread = "rakc"
mode = "stage-than-switch"
gate = "maybe"
max_fail = 0
max_unreachable = "120%"
health = ["check", "{release}"]
health_timeout = "0s"
retires = 3
deadline = "soon"
[group.web]
hosts = ["web[1-3]"]
tags = { rack = "r1", role = "canary" }
"#,
    );
    insta::assert_snapshot!(found);
}

#[test]
fn waves_and_health_are_lists() {
    let found = errors("[rollout]\nwaves = \"10%\"\nhealth = \"/bin/check now\"\nmax_fail = 1.5\n");
    insta::assert_snapshot!(found);
}
