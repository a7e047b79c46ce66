//! What the run waits for.

use crate::script::Scenario;
use crate::script::Step::{Answers, Holds, Press, Shows};

/// A run in three waves, the first of which is over, until it is aborted at a gate.
pub(super) const OPENED: &[Scenario] = &[
    Scenario(
        "a gate that was put off says how it is opened",
        &[Holds("what waits", |session| session.screen().contains("GATE"))],
    ),
    Scenario(
        "o asks again, and enter opens the wave",
        &[Press("o"), Answers("Wave 1 of 3 is over", "x", "press enter to go on"), Shows("enter", "wave 2/3")],
    ),
    Scenario(
        "a at a gate aborts the run, by its name",
        &[
            Answers("Wave 2 of 3 is over", "a", "Abort the whole run?"),
            Answers("Abort the whole run?", "demo-1\r", "aborting the run in "),
        ],
    ),
];

/// A run that a failure has stopped, until it goes on.
pub(super) const STOPPED: &[Scenario] = &[
    Scenario(
        "a run that has stopped says why and what goes on",
        &[Holds("why it has stopped", |session| {
            session.screen().contains("STOPPED") && session.screen().contains("goes on, A aborts the run")
        })],
    ),
    Scenario(
        "o asks again, and y goes on",
        &[
            Press("o"),
            Answers("The run has stopped", "\r", "press y for yes"),
            Shows("y", "going on"),
            Holds("it runs", |session| !session.screen().contains("STOPPED")),
        ],
    ),
];
