//! What holds the payload back, and for how long.

use std::time::Duration;

use rookery::inventory::HostId;
use rookery::rollout::{Notice, StateName};

use crate::fleet::{Fault, Fleet};
use crate::plans::{config, host, plan};

#[test]
fn a_host_without_a_port_is_told_before_the_payload_moves_and_holds_nobody() {
    let mut fleet = Fleet::with(plan(6), config()).fault(host(3), Fault::Deaf);
    let summary = fleet.run();
    let told = fleet.notices.iter().find_map(|notice| match notice {
        Notice::Preflight { ready, faults, .. } if !faults.is_empty() => Some((*ready, faults[0].cause, faults.len())),
        _ => None,
    });
    assert_eq!(told, Some((5, "no free swarm port", 1)));
    let failed: Vec<_> = summary.failed.iter().map(|(id, failure)| (*id, failure.cause())).collect();
    assert_eq!((failed, summary.counts.of(StateName::Done)), (vec![(HostId(3), "no free swarm port")], 5));
}

#[test]
fn the_payload_waits_a_moment_for_those_who_were_told_to_serve_and_no_longer_for_one_of_them() {
    let pushed = |fault: Option<Fault>| {
        let fleet = Fleet::with(plan(6), config());
        let mut fleet = fault.into_iter().fold(fleet, |fleet, fault| fleet.fault(host(3), fault));
        fleet.run_until(|fleet| fleet.serves.contains_key(&host(3)));
        let told = fleet.now;
        fleet.run_until(|fleet| fleet.rollout.pushed().is_some_and(|pushed| pushed.sent.0 > 0));
        let serving = (0..6).filter(|id| fleet.state(*id) == StateName::Fetching).count();
        (serving, fleet.now.since(told))
    };
    let (serving, after) = pushed(None);
    assert!(serving == 6 && after < Duration::from_millis(500), "{serving} after {after:?}");
    let (serving, after) = pushed(Some(Fault::Dawdles));
    assert_eq!((serving, after.as_secs()), (5, 1), "{after:?}");
}
