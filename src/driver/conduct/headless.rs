//! A run without a terminal.

use super::{Crew, Finished};
use crate::console::{Msg, Signal};
use crate::rollout::{Action, Input, Rollout, Stage};

/// Carries the rollout to its end. The first interrupt aborts the run and cleans up; the second leaves at once. Told to go
/// by another signal it parts as the crew was told to.
///
/// `signal` is one that has come already. Where the crew does not leave, a hangup lets the run go on without its terminal,
/// and ends it when every host is settled, or when the operator would have to decide something.
pub fn headless(rollout: &mut Rollout, crew: &mut Crew, mut signal: Option<Signal>) -> Finished {
    if let Some(signal) = signal.filter(|signal| crew.leaves(*signal)) {
        crew.leave(signal);
        return Finished { summary: None, signal: Some(signal) };
    }
    let first = match signal {
        Some(Signal::Interrupt | Signal::Terminate) => Input::Operator(Action::AbortRun),
        Some(Signal::Hangup) | None => Input::Elapsed,
    };
    rollout.handle_input(crew.now(), first);
    loop {
        while let Some(output) = rollout.poll_output() {
            if let Some(summary) = crew.act(rollout, output) {
                return Finished { summary: Some(summary), signal };
            }
        }
        let unattended = signal == Some(Signal::Hangup);
        if unattended && (matches!(rollout.stage(), Stage::Settled) || rollout.waits_for_operator()) {
            rollout.handle_input(crew.now(), Input::Operator(Action::Finish));
            continue;
        }
        match crew.next(rollout.deadline()) {
            Some(Msg::Fleet(input)) => rollout.handle_input(crew.now(), input),
            // The terminal that is gone says so twice, and an abort that has begun is not left half-way for it.
            Some(Msg::Signal(Signal::Hangup)) if signal.is_some() => {}
            Some(Msg::Signal(next)) if crew.leaves(next) => {
                crew.leave(next);
                return Finished { summary: None, signal: Some(next) };
            }
            Some(Msg::Signal(next)) => {
                if matches!(signal, Some(Signal::Interrupt | Signal::Terminate)) {
                    return Finished { summary: None, signal };
                }
                signal = Some(next);
                rollout.handle_input(crew.now(), Input::Operator(Action::AbortRun));
            }
            Some(_) => {}
            None => {
                if rollout.deadline().is_some_and(|deadline| deadline <= crew.now()) {
                    rollout.handle_input(crew.now(), Input::Elapsed);
                }
            }
        }
    }
}
