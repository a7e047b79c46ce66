//! `rookery hosts`: what a selector means.

use serde_json::json;

use super::args::HostsArgs;
use super::exit::Ended;
use super::keyscan::{self, Form, NewKeys};
use super::{fleet_file, out};
use crate::inventory::fold;

/// Shows the hosts of a selector.
pub(super) fn main(args: &HostsArgs) -> Ended {
    let inventory = fleet_file::load(args.inventory.as_deref())?;
    let hosts = fleet_file::select(&inventory, args.selector.as_deref())?;
    if args.keyscan {
        let new = if args.write { NewKeys::Written } else { NewKeys::Shown };
        let form = if args.json { Form::Json } else { Form::Text };
        return keyscan::main(inventory, &hosts, new, form);
    }
    let chosen = hosts.iter().map(|id| &inventory.hosts[id.as_usize()]);
    if args.json {
        let all: Vec<_> = chosen
            .map(|host| {
                json!({
                    "name": host.name, "address": host.address, "port": host.port, "user": host.user,
                    "jump": host.jump, "to": host.to, "work_dir": host.work_dir,
                    "groups": host.groups, "tags": host.tags,
                })
            })
            .collect();
        out::print_lines([serde_json::Value::from(all)])
    } else if args.list {
        out::print_lines(chosen.map(|host| &host.name))
    } else {
        out::print_lines([fold(chosen.map(|host| &host.name))])
    }
}
