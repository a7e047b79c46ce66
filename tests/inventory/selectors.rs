//! What selectors mean.

use std::io;

use rookery::inventory::{Inventory, Place, SelectContext, Standing, fold};

use super::inventory;

const FLEET: &str = r#"
[defaults]
user = "deploy"
tags = { stage = "live" }
[roles]
seeder = "deploy01.dc1"
[group.web]
hosts = ["web[001-004].dc1", "web[001-002].dc2"]
jump = "bastion"
[group.db]
hosts = ["db[1-3].dc1", "[2001:db8::7]"]
[group.dc1]
include = ["*.dc1"]
[group.canary]
hosts = ["web001.dc1"]
[group.prod]
include = ["web", "db"]
exclude = ["web002.dc1", "~^db[3-9]"]
[group.spare]
[host."web003.dc1"]
tags = { rack = "r7" }
[host.bastion]
user = "ops"
"#;

pub(super) fn select(inventory: &Inventory, selector: &str) -> Result<String, String> {
    let failed = ["web001.dc1".to_owned(), "gone".to_owned()];
    let file = |path: &str| match path {
        "./hosts" => Ok("# first\nweb001.dc1\n\n  db[1-2].dc1 # both\n".to_owned()),
        "./loop" => Ok("@./loop\n".to_owned()),
        "./bad" => Ok("web001.dc1\nwbe\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let context = SelectContext { failed: Some(&failed), unreachable: Some(&[]), file: &file, seed: 7 };
    match inventory.select(selector, &context) {
        Ok(hosts) => Ok(fold(inventory.names_of(&hosts))),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_selector_means_its_hosts() {
    let fleet = inventory(FLEET);
    for (selector, hosts) in [
        ("web", "web[001-004].dc1, web[001-002].dc2 (6)"),
        ("@web", "web[001-004].dc1, web[001-002].dc2 (6)"),
        ("web,db", "2001:db8::7, db[1-3].dc1, web[001-004].dc1, web[001-002].dc2 (10)"),
        ("@web & @dc1", "web[001-004].dc1 (4)"),
        ("@prod ! @canary", "2001:db8::7, db[1-2].dc1, web[001-002].dc2, web[003-004].dc1 (7)"),
        ("@prod!@canary & web", "web[001-002].dc2, web[003-004].dc1 (4)"),
        ("web,db ! @canary,db", "web[001-002].dc2, web[002-004].dc1 (5)"),
        ("web & ! *.dc2", "web[001-004].dc1 (4)"),
        ("! web", "2001:db8::7, db[1-3].dc1 (4)"),
        ("web[003-010].dc1", "web[003-004].dc1 (2)"),
        ("web[001,004].dc[1-2]", "web[001,004].dc1, web001.dc2 (3)"),
        ("*.dc2", "web[001-002].dc2 (2)"),
        ("w*[1-2].dc1", "web[001-002].dc1 (2)"),
        ("~^db\\d{1,2}", "db[1-3].dc1 (3)"),
        ("rack=r7", "web003.dc1 (1)"),
        ("stage=l* & db", "2001:db8::7, db[1-3].dc1 (4)"),
        ("pick:99 & @canary", "web001.dc1 (1)"),
        ("@failed", "web001.dc1 (1)"),
        ("@./hosts", "db[1-2].dc1, web001.dc1 (3)"),
        ("(web ! @canary) & (*.dc1, ( *.dc2 ))", "web[001-002].dc2, web[002-004].dc1 (5)"),
        ("all", "2001:db8::7, db[1-3].dc1, web[001-004].dc1, web[001-002].dc2 (10)"),
        ("[2001:DB8::7], WEB001.dc1", "2001:db8::7, web001.dc1 (2)"),
        ("deploy01.dc1", "deploy01.dc1 (1)"),
    ] {
        assert_eq!(select(&fleet, selector).as_deref(), Ok(hosts), "{selector}");
    }
}

#[test]
fn a_selector_that_means_no_host_says_why_and_where() {
    let fleet = inventory(FLEET);
    for (selector, message) in [
        (
            "spare",
            "selector:1:1: no host in group `spare` (declared at inventory.toml:19); add hosts to it or select another group\n    1 | spare\n      | ^^^^^",
        ),
        (
            "@web & @wbe",
            "selector:1:8: no group or file `wbe`; did you mean `web`?\n    1 | @web & @wbe\n      |        ^^^^",
        ),
        (
            "web001.dc3",
            "selector:1:1: no group or host `web001.dc3`; did you mean `web001.dc1`?\n    1 | web001.dc3\n      | ^^^^^^^^^^",
        ),
        ("@prod ! *.dc3", "selector:1:9: no host matches `*.dc3`\n    1 | @prod ! *.dc3\n      |         ^^^^^"),
        (
            "web & db",
            "selector:1:7: none of the 6 hosts before this is left; list them with `rookery hosts`\n    1 | web & db\n      |       ^^",
        ),
        (
            "rack=r8",
            "selector:1:1: no host has the tag `rack` with the value `r8`; did you mean `r7`?\n    1 | rack=r8\n      | ^^^^^^^",
        ),
        ("rakc=r7", "selector:1:1: no host has the tag `rakc`; did you mean `rack`?\n    1 | rakc=r7\n      | ^^^^^^^"),
        (
            "@unreachable",
            "selector:1:1: the last run has no unreachable host that is in this inventory\n    1 | @unreachable\n      | ^^^^^^^^^^^^",
        ),
        (
            "web[4-1]",
            "selector:1:5: the range `4-1` runs backwards; write the smaller number first\n    1 | web[4-1]\n      |     ^^^",
        ),
        ("@./bad", "./bad:2:1: no group or host `wbe`; did you mean `web`?\n    2 | wbe\n      | ^^^"),
        ("@./gone", "selector:1:1: cannot read `./gone`: entity not found\n    1 | @./gone\n      | ^^^^^^^"),
        (
            "web db",
            "selector:1:5: an operator is missing; write `a,b` (either), `a & b` (both) or `a ! b` (a without b)\n    1 | web db\n      |     ^^",
        ),
    ] {
        assert_eq!(select(&fleet, selector), Err(message.to_owned()), "{selector}");
    }
    assert!(select(&fleet, "@./loop").is_err_and(|error| error.contains("names too many other files")));
    let no_run = fleet.select("@failed", &SelectContext::bare()).expect_err("no run").to_string();
    assert!(no_run.contains("there is no earlier run"), "{no_run}");
    assert!(select(&inventory(""), "all").is_err_and(|error| error.contains("the inventory names no host")));
}

#[test]
fn a_share_is_of_what_is_left_and_grows_with_itself() {
    let fleet = inventory("[group.a]\nhosts = [\"a[1-200]\"]\n[group.b]\nhosts = [\"b[1-50]\"]");
    let context = SelectContext::bare();
    let picked = |selector: &str, seed| fleet.select(selector, &SelectContext { seed, ..context }).expect("hosts");
    assert_eq!(picked("10%", 1).len(), 25);
    assert_eq!(picked("b & 10%", 1).len(), 5);
    assert_eq!(picked("b ! 10%", 1).len(), 45);
    assert_eq!(picked("b & pick:7", 1).len(), 7);
    assert_eq!(picked("1%", 1).len(), 3);
    assert_eq!(picked("10%", 1), picked("10%", 1));
    assert_ne!(picked("10%", 1), picked("10%", 2));
    assert!(picked("pick:5", 1).minus(&picked("pick:9", 1)).is_empty());
}

#[test]
fn a_host_only_named_as_seeder_or_on_the_way_is_no_part_of_the_fleet() {
    let fleet = inventory(FLEET);
    assert_eq!(fleet.fleet().len(), 10);
    let seeder = fleet.find("deploy01.dc1").expect("the seeder");
    assert_eq!(fleet.roles.seeder, Some(Place::Host(seeder)));
    let bastion = fleet.find("bastion").and_then(|id| fleet.host(id)).expect("the bastion");
    assert_eq!((bastion.standing, bastion.user.as_deref()), (Standing::Helper, Some("ops")));
    let console = inventory("[roles]\nseeder = \"console\"\n[host.web1]\n");
    assert_eq!((console.roles.seeder, console.fleet().len()), (Some(Place::Console), 1));
}
