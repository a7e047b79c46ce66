//! Which hosts are shown, in which order.

use std::cmp::Reverse;

use super::hits::Hits;
use super::model::{Model, Sort, Urgency, View, severity};
use crate::inventory::HostId;
use crate::rollout::{HostRecord, Standing};

/// The hosts of the view that pass the filter, in its order.
pub(super) fn hosts(model: &Model) -> Vec<HostId> {
    let (hosts, hits) = (model.shown().hosts(), Hits::of(model));
    let mut shown: Vec<&HostRecord> = match model.view {
        View::Table => hosts.iter().enumerate().filter(|(at, _)| hits.has(*at)).map(|(_, host)| host).collect(),
        View::Grid | View::Failures | View::Events | View::Host | View::Log => {
            model.map.order().iter().filter(|at| hits.has(**at)).filter_map(|at| hosts.get(*at)).collect()
        }
    };
    if model.view == View::Table {
        sort(&mut shown, model.sort);
        if model.reversed {
            shown.reverse();
        }
    }
    shown.into_iter().map(|host| host.id).collect()
}

impl Model {
    /// Sorts the table.
    pub(super) fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.say_order();
    }

    /// Turns the order of the table round.
    pub(super) fn turn_round(&mut self) {
        self.reversed = !self.reversed;
        self.say_order();
    }

    /// Beside a long word the last line has no room for the order, and who has just chosen it looks there. The run's
    /// own question is not covered by it.
    fn say_order(&mut self) {
        match self.rollout().standing() {
            Standing::Underway => self.say(Urgency::Info, format!("sorted: {}", self.order_title())),
            Standing::Asking | Standing::Halted(_) => {}
        }
    }

    /// The order of the table, as it is shown.
    pub(super) fn order_title(&self) -> String {
        let turned = if self.reversed { ", reversed" } else { "" };
        format!("{}{turned}", self.sort.title())
    }
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
