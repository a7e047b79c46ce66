//! Laws of a rollout, whatever it hears.

use std::time::Duration;

use proptest::prelude::*;
use rookery::base::{ByteCount, ByteRate, Instant};
use rookery::control::{AgentFailure, PROTOCOL, Progress, Status};
use rookery::inventory::{HostId, Place};
use rookery::rollout::{Action, Caps, Choice, Failure, HostFacts, Input, Output, Plan, Rollout, Source, Summary};

use crate::plans::{PIECES, asking, config, host, pack_order, payload, plan, planned};

/// Anything a driver or an operator could say, sensible or not.
fn input() -> impl Strategy<Value = Input> {
    let place = prop_oneof![(0_u32..4).prop_map(host), Just(Place::Console)];
    let hosts = || proptest::collection::vec((0_u32..5).prop_map(HostId), 0..4);
    let status = prop_oneof![
        Just(Status::Hello { protocol: PROTOCOL, version: String::new(), pid: 1 }),
        Just(Status::Hello { protocol: 99, version: String::new(), pid: 1 }),
        Just(Status::Tracking { port: 8998 }),
        any::<u8>().prop_map(|bits| Status::Serving { port: 6881, bitfield: vec![bits, bits, bits & 0xf0].into() }),
        Just(Status::Serving { port: 6881, bitfield: vec![0xff, 0xff, 0xf0].into() }),
        (0..PIECES + 9, any::<u32>()).prop_map(|run| {
            Status::Progress(Progress { completed: vec![run], rate_up: ByteRate(5), ..Progress::default() })
        }),
        Just(Status::Verifying),
        Just(Status::Unpacking),
        any::<bool>().prop_map(|already| Status::Delivered { already }),
        Just(Status::Packing { bytes: ByteCount(1) }),
        Just(Status::Packed { payload: payload().facts, torrent: payload().torrent }),
        Just(Status::Failed { failure: AgentFailure::SourceChanged { path: "/srv/build".to_owned() } }),
        Just(Status::Failed { failure: AgentFailure::ReadOnly { path: "/srv".to_owned() } }),
        Just(Status::Stopped { left_behind: vec!["/x".to_owned()] }),
    ];
    let failure = proptest::option::of(prop_oneof![
        Just(Failure::AgentDied { how: "killed".to_owned() }),
        Just(Failure::Authentication { user: "deploy".to_owned(), tried: String::new() }),
        Just(Failure::ConnectionLost { why: "reset".to_owned() }),
        Just(Failure::ClosedBeforeBanner { address: "10.0.0.1".to_owned() }),
    ]);
    let action = prop_oneof![
        hosts().prop_map(Action::Retry),
        hosts().prop_map(Action::Abort),
        Just(Action::Pause),
        Just(Action::Resume),
        Just(Action::Watch(Some(HostId(1)))),
        Just(Action::Caps(Caps::default())),
    ];
    let facts = HostFacts { address: [10, 0, 0, 1].into(), console: None, system: String::new() };
    (place, 1_u32..4).prop_flat_map(move |(at, attempt)| {
        prop_oneof![
            1 => Just(Input::Elapsed),
            2 => action.clone().prop_map(Input::Operator),
            3 => Just(Input::Connected { at, attempt, facts: facts.clone() }),
            4 => Just(Input::Attached { at, attempt, work_dir: "/w".to_owned() }),
            14 => status.clone().prop_map(move |status| Input::Status { at, attempt, status }),
            1 => (0_u64..3_000_000).prop_map(move |n| Input::Pushed { at, attempt, bytes: ByteCount(n) }),
            2 => failure.clone().prop_map(move |failure| match failure {
                Some(failure) => Input::Lost { at, attempt, failure },
                None => Input::Rejoined { at, attempt },
            }),
            3 => failure.clone().prop_map(move |failure| Input::Ended { at, attempt, failure, left_behind: vec![] }),
        ]
    })
}

/// Rings at every deadline until the run has ended.
fn wait_for_the_end(rollout: &mut Rollout, mut now: Instant) -> Summary {
    for _ in 0..10_000 {
        while let Some(output) = rollout.poll_output() {
            if let Output::Ended(summary) = output {
                return summary;
            }
        }
        now = now.max(rollout.deadline().unwrap_or_else(|| panic!("waits for nothing: {:?}", rollout.stage())));
        rollout.handle_input(now, Input::Elapsed);
    }
    panic!("the run does not end: {:?}", rollout.stage());
}

fn any_plan() -> impl Strategy<Value = Plan> {
    (0..3_usize, 0..3_usize, any::<bool>(), any::<(bool, bool)>()).prop_map(|(seeder, tracker, packs, any)| {
        let mut plan = plan(3);
        plan.helpers = vec![planned(3)];
        let places = [host(0), host(3), Place::Console];
        (plan.seeder, plan.tracker) = (places[seeder], places[tracker]);
        let choice = |any| if any { Choice::Any } else { Choice::Named };
        (plan.seeder_choice, plan.tracker_choice) = (choice(any.0), choice(any.1));
        if packs {
            plan.source = Source::OnSeeder(pack_order());
        }
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_heard_a_finished_run_ends_with_every_host_settled(
        plan in any_plan(),
        inputs in proptest::collection::vec((input(), 0_u64..5_000_000), 0..120),
        aborts in any::<bool>(),
    ) {
        let mut rollout = Rollout::new(plan, asking(), 1);
        let mut now = Instant::ZERO;
        for (input, micros) in inputs {
            now = now + Duration::from_micros(micros);
            rollout.handle_input(now, input);
            prop_assert_eq!(rollout.counts().total(), 3);
            while rollout.poll_output().is_some() {}
        }
        rollout.handle_input(now, Input::Operator(if aborts { Action::AbortRun } else { Action::Finish }));
        let summary = wait_for_the_end(&mut rollout, now);
        prop_assert_eq!(summary.counts.settled(), 3);
        prop_assert_eq!(summary.counts.total(), 3);
    }

    #[test]
    fn without_an_operator_every_run_ends_by_itself(
        plan in any_plan(),
        inputs in proptest::collection::vec((input(), 0_u64..5_000_000), 0..120),
    ) {
        let mut rollout = Rollout::new(plan, config(), 1);
        let mut now = Instant::ZERO;
        let mut ended = false;
        for (input, micros) in inputs {
            if matches!(input, Input::Operator(_)) {
                continue;
            }
            now = now + Duration::from_micros(micros);
            rollout.handle_input(now, input);
            while let Some(output) = rollout.poll_output() {
                ended |= matches!(output, Output::Ended(_));
            }
        }
        if !ended {
            rollout.handle_input(now, Input::Elapsed);
            prop_assert_eq!(wait_for_the_end(&mut rollout, now).counts.settled(), 3);
        }
    }
}
