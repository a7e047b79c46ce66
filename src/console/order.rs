//! Which hosts are shown, in which order.

use std::cmp::Reverse;

use super::model::{Model, Sort, View, severity};
use crate::inventory::HostId;
use crate::rollout::HostRecord;

/// The hosts of the view that pass the filter, in its order.
pub(super) fn hosts(model: &Model) -> Vec<HostId> {
    let hosts = model.shown().hosts();
    let mut shown: Vec<&HostRecord> = match model.view {
        View::Table => hosts.iter().collect(),
        View::Grid | View::Failures | View::Events | View::Host | View::Log => {
            model.map.order().iter().filter_map(|index| hosts.get(*index)).collect()
        }
    };
    shown.retain(|host| model.passes(host));
    if model.view == View::Table {
        sort(&mut shown, model.sort);
        if model.reversed {
            shown.reverse();
        }
    }
    shown.into_iter().map(|host| host.id).collect()
}

/// Stable: hosts that are alike stay in the order of the inventory.
fn sort(hosts: &mut [&HostRecord], sort: Sort) {
    let permille = |host: &HostRecord| (host.completion() * 1000.0) as u32;
    match sort {
        Sort::Worst => hosts.sort_by_cached_key(|host| (Reverse(severity(host.state.name())), permille(host))),
        Sort::Inventory => {}
        Sort::Completion => hosts.sort_by_cached_key(|host| permille(host)),
        Sort::Rate => hosts.sort_by_cached_key(|host| Reverse(host.progress.rate_down)),
        Sort::Age => hosts.sort_by_cached_key(|host| (host.state.name().is_settled(), host.advanced)),
    }
}
