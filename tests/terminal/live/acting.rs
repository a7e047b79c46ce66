//! What changes the run: retries, aborts, pause, caps, and the questions before them. Each leaves the swarm as the next one
//! needs it.

use crate::script::Scenario;
use crate::script::Step::{Answers, At, Gets, Hides, Holds, Press, Shows, Types};
use crate::session::Session;

fn shows(session: &Session, text: &str) -> bool {
    session.screen().contains(text)
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario("p pauses and resumes", &[Shows("p", "PAUSED"), Hides("p", "PAUSED")]),
    Scenario(
        "+ = and - move the cap of every host",
        &[
            Shows("+", "cap: 256 KiB/s per host, each way"),
            Shows("=", "cap: 512 KiB/s per host, each way"),
            Shows("-", "cap: 256 KiB/s per host, each way"),
            Shows("-", "is the lowest cap"),
            Press(":"),
            Types("max-download 64K\r", "download 64 KiB/s"),
            Press(":"),
            Types("max-upload 3M\r", "upload 3.0 MiB/s"),
        ],
    ),
    Scenario(
        "what the operator did is among the events",
        &[Shows("4", "> pause"), Holds("all of it", |session| shows(session, "> resume") && shows(session, "> caps"))],
    ),
    Scenario("o has nothing to open", &[Shows("o", "no wave waits to be opened")]),
    Scenario("r on a host that has not failed says so", &[At("j", "web02"), Shows("r", "this host has not failed")]),
    Scenario(
        "r retries one host, which says why it fails again",
        &[
            At("n", "web12"),
            Shows("r", "retrying 1 host"),
            Holds("it fails again", |session| {
                shows(session, "3 failed") && session.journal().matches("\"attempt\":2").count() > 1
            }),
        ],
    ),
    Scenario(
        "r on a cause retries its hosts",
        &[Shows("3", "1 × agent died"), Hides("r", "1 × agent died"), Hides("esc", "1 × host key")],
    ),
    Scenario(
        "R retries all that failed in the filter",
        &[
            Press("/"),
            Types("db*\r", "/db* (4)"),
            Shows("R", "retrying 1 host"),
            Hides("esc", "/db*"),
            Holds("one is left", |session| shows(session, "✗ 1 failed")),
        ],
    ),
    Scenario(
        "an abort of one host takes a y, and neither enter nor space",
        &[
            At("j j j j", "web05"),
            Press("a"),
            Answers("Abort 1 host?", "\r", "press y for yes"),
            Shows("n", "nothing was done"),
            Press("a"),
            Answers("Abort 1 host?", "y", "z takes it back"),
            Holds("it is aborted", |session| shows(session, "1 abort")),
        ],
    ),
    Scenario(
        "a key of the first moments answers nothing",
        &[At("j", "web02"), Shows("a y", "came too early"), Shows("esc", "nothing was done")],
    ),
    Scenario(
        "z takes an abort back in its first seconds",
        &[
            At("j", "web02"),
            Press("a"),
            Answers("Abort 1 host?", "y", "z takes it back"),
            Shows("z", "taken back: aborting 1 host"),
        ],
    ),
    Scenario(
        "many marked hosts are aborted by their number only",
        &[
            Press(":"),
            Types("mark web[02-04],web[06-11],db01,db02,db04\r", "12 marked"),
            Press("a"),
            Answers("Abort 12 hosts?", "y\r", "not what is asked for"),
            Types("\x1512\r", "aborting 12 hosts in "),
            Shows("z", "taken back: aborting 12 hosts"),
        ],
    ),
    Scenario(
        "many retries are asked for, and kept pieces go on",
        &[
            Press(":"),
            Types("abort web[02-04],web[06-11],db01,db04\r", "and 1 more"),
            Answers("Abort 11 hosts?", "11\r", "aborting 11 hosts in "),
            Holds("they are aborted", |session| shows(session, "12 abort")),
            Press(":"),
            Types("retry aborted\r", "Retry 12 hosts?"),
            Answers("Retry 12 hosts?", "12\r", "retrying 12 hosts"),
            Holds("they fetch again", |session| shows(session, "14 fetching")),
        ],
    ),
    Scenario(
        "what is pasted answers no question",
        &[
            Press("A"),
            Answers("Abort the whole run?", "\x1b[200~demo-1\x1b[201~", "pasted text does not count"),
            Shows("enter", "not what is asked for"),
            Shows("esc", "nothing was done"),
        ],
    ),
    Scenario(
        "nor does it when esc was pressed right before",
        &[
            Types("\x1b\x1b[200~Ap\rq\x1b[201~", "pasted text is ignored"),
            Holds("nothing has happened", |session| {
                !shows(session, "PAUSED") && !shows(session, "The run is not over")
            }),
        ],
    ),
    Scenario(
        "the whole run is not aborted by another name",
        &[
            Press("A"),
            Answers("Abort the whole run?", "demo-2\r", "not what is asked for"),
            Shows("esc", "nothing was done"),
        ],
    ),
    Scenario("q asks while the run is on", &[Shows("q", "The run is not over"), Shows("esc", "nothing was done")]),
    Scenario("Q asks, too", &[Shows("Q", "The run is not over"), Shows("esc", "nothing was done")]),
    Scenario(
        "ctrl-c asks, and a second one is a no",
        &[Press("ctrl-c"), Answers("The run is not over", "\x03", "nothing was done")],
    ),
    Scenario(
        "SIGINT asks as ctrl-c does",
        &[Gets("INT", "The run is not over"), Answers("The run is not over", "y\r", "not what is asked for")],
    ),
    Scenario("ctrl-z asks", &[Press("ctrl-z"), Answers("Stop this console", "n", "nothing was done")]),
    Scenario("SIGTSTP asks as ctrl-z does", &[Gets("TSTP", "Stop this console"), Shows("esc", "nothing was done")]),
    Scenario(
        "SIGCONT draws the screen anew",
        &[crate::script::Step::Scribble("another program"), crate::script::Step::Clears("CONT", "another program")],
    ),
];
