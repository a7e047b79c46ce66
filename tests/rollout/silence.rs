//! Agents of which nothing is heard while their connection stays.

use std::time::Duration;

use rookery::base::ByteRate;
use rookery::control::{Progress, Status};
use rookery::inventory::HostId;
use rookery::rollout::{HostState, Input, Stall, StateName, StationState};

use crate::fleet::{Fault, Fleet};
use crate::plans::host;

#[test]
fn what_a_silent_agent_told_last_is_over_soon() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::StopsAt(5)).fault(host(1), Fault::StopsAt(5));
    let told = |pieces| {
        let rate = ByteRate(4 << 20);
        Status::Progress(Progress {
            pieces,
            rate_down: rate,
            rate_up: rate,
            peers: 2,
            unchoking: 1,
            ..Progress::default()
        })
    };
    fleet.run_until(|fleet| (1..3).all(|id| fleet.rollout.host(HostId(id)).unwrap().progress.pieces == 5));
    fleet.give(Input::Status { at: host(2), attempt: 1, status: told(5) });
    assert_eq!(fleet.rollout.totals(fleet.now).rate_down, ByteRate(4 << 20));
    fleet.silence(host(2));
    fleet.run_for(Duration::from_secs(13));
    assert_eq!(fleet.rollout.totals(fleet.now).rate_down, ByteRate(0), "others are heard, and it is not");
    assert_eq!(fleet.rollout.host(HostId(2)).unwrap().progress.rate_up, ByteRate(0));
    fleet.run_until(|fleet| (1..3).all(|id| fleet.state(id) == StateName::Stalled));
    let why = |fleet: &Fleet, id| fleet.rollout.host(HostId(id)).unwrap().state.clone();
    assert!(matches!(why(&fleet, 2), HostState::Stalled { reason: Stall::AgentSilent, .. }));
    assert!(matches!(why(&fleet, 1), HostState::Stalled { reason: Stall::Choked, .. }));
    fleet.silence(host(1));
    fleet.run_for(Duration::from_secs(13));
    assert!(matches!(why(&fleet, 1), HostState::Stalled { reason: Stall::AgentSilent, .. }), "it fell silent later");
}

#[test]
fn a_seeder_that_falls_silent_is_not_said_to_be_up() {
    let mut fleet = Fleet::of(3).fault(host(2), Fault::StopsAt(5));
    fleet.run_until(|fleet| fleet.rollout.seeder().state == StationState::Ready && fleet.state(0) == StateName::Done);
    fleet.silence(host(0));
    fleet.run_for(Duration::from_secs(11));
    assert!(matches!(fleet.rollout.seeder().state, StationState::Silent { .. }), "{:?}", fleet.rollout.seeder());
}
