//! What shows the fleet: the cursor, the views, and how they look.

use crate::script::Scenario;
use crate::script::Step::{At, Hides, Holds, Press, Scribble, Sends, Shows, Types};
use crate::session::Session;

/// Whether the page of a host has this title.
fn page_of(session: &Session, host: &str) -> bool {
    session.screen().lines().nth(3).is_some_and(|line| line.contains(host))
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario("j and k move down and up", &[At("j", "web02"), At("j", "web03"), At("k", "web02"), At("k", "web01")]),
    Scenario("the arrows move down and up", &[At("down", "web02"), At("down", "web03"), At("up", "web02")]),
    Scenario(
        "h and l move on the map",
        &[
            Press("T T"),
            Shows("T", "detail: cells"),
            At("l", "web02"),
            At("l", "web03"),
            At("h", "web02"),
            Press("T"),
            Shows("T", "detail: as much"),
        ],
    ),
    Scenario(
        "the arrows move sideways on the map",
        &[
            Press("T T"),
            Shows("T", "detail: cells"),
            At("right", "web02"),
            At("right", "web03"),
            At("left", "web02"),
            Press("T"),
            Shows("T", "detail: as much"),
        ],
    ),
    Scenario("G and g g go to the last host and to the first", &[At("G", "db04"), At("g g", "web01")]),
    Scenario("end and home do, too", &[At("end", "db04"), At("home", "web01")]),
    Scenario("half a page is gone with ctrl-d and ctrl-u", &[At("ctrl-d", "db01"), At("ctrl-u", "web01")]),
    Scenario("or with the keys for pages", &[At("pgdn", "db01"), At("pgup", "web01")]),
    Scenario(
        "every view has a number",
        &[
            Shows("2", "host   state"),
            Shows("3", "1 × disk full"),
            Shows("4", "the seeder is up"),
            Shows("5", "History"),
            Shows("6", "Log of web"),
            Hides("1", "Log of web"),
        ],
    ),
    Scenario(
        "tab goes round the views",
        &[Shows("tab", "host   state"), Shows("tab", "1 × disk full"), Shows("tab", "the seeder is up")],
    ),
    Scenario("shift-tab goes round the other way", &[Shows("shift-tab", "Log of web01"), Shows("shift-tab", "Pieces")]),
    Scenario(
        "the help shows the keys and is searched",
        &[
            Shows("?", "retry every failed"),
            Shows("/", "in the help"),
            Types("copy", "/copy"),
            Holds("only what was sought", |session| {
                session.screen().contains("copy what became") && !session.screen().contains("retry every failed")
            }),
        ],
    ),
    Scenario("f1 shows it too, and ? takes it away", &[Shows("f1", "retry every failed"), Hides("?", "retry every")]),
    Scenario(
        "a host that failed says why, what next, and with which key",
        &[
            At("n", "web12"),
            Shows("enter", "History"),
            Holds("the next step and its key", |session| {
                let screen = session.screen();
                screen.contains("find out why it changed") && screen.contains("(r retries)")
            }),
        ],
    ),
    Scenario(
        "failures are grouped by cause, and enter shows the hosts of one",
        &[
            Shows("3", "1 × agent died"),
            Holds("each cause with a next step", |session| session.screen().matches("next  ").count() == 3),
            Shows("enter", "(esc shows all again)"),
            Hides("esc", "/cause="),
        ],
    ),
    Scenario(
        "a host's page shows pieces, peers and last words, and scrolls",
        &[
            At("j j", "web03"),
            Shows("5", "Pieces"),
            Holds("copies of the pieces", |session| session.screen().contains("copies in its ")),
            Shows("G", "listening on port"),
        ],
    ),
    Scenario(
        "from a host's page the arrows go to the next host and back",
        &[
            At("j j", "web03"),
            Shows("5", "Pieces"),
            Press("right"),
            Holds("the page of web04", |session| page_of(session, "web04")),
            Press("left"),
            Holds("the page of web03", |session| page_of(session, "web03")),
        ],
    ),
    Scenario("L opens the log on the map", &[Shows("L", "Log of web01"), Hides("esc", "Log of web01")]),
    Scenario(
        "l opens the log from a host's page, and esc goes back there",
        &[Shows("5", "Pieces"), Shows("l", "Log of web01"), Shows("esc", "Pieces")],
    ),
    Scenario(
        "the log has the last words of agent and ssh",
        &[
            At("n n", "db02"),
            Shows("L", "failed: the agent died"),
            Holds("its last words", |session| session.screen().contains("failed: the agent died: killed by signal 9")),
        ],
    ),
    Scenario(
        "events are filtered",
        &[
            Shows("4", "the seeder is up"),
            Press("/"),
            Types("operator\r", "/operator"),
            Holds("the operator's actions alone", |session| {
                session.screen().contains("> caps") && !session.screen().contains("the seeder is up")
            }),
        ],
    ),
    Scenario(
        "f freezes what is shown while the run goes on",
        &[
            Shows("f", "FROZEN"),
            Holds("its age", |session| session.screen().contains("FROZEN 2s ago")),
            Hides("f", "FROZEN"),
        ],
    ),
    Scenario(
        "s sorts the table and S turns it round",
        &[
            Shows("s", "only the table is sorted"),
            Shows("2", "host   state"),
            Shows("s", "inventory order"),
            Shows("s", "least complete first"),
            Shows("s", "fastest first"),
            Shows("s", "longest without a piece first"),
            Shows("s", "worst first"),
            Shows("S", "worst first, reversed"),
            Hides("S", "reversed"),
        ],
    ),
    Scenario(
        "t goes round the themes",
        &[
            Shows("t", "theme: dark"),
            Shows("t", "theme: light"),
            Shows("t", "theme: high-contrast"),
            Press(":"),
            Types("theme ansi\r", "theme: ansi"),
        ],
    ),
    Scenario(
        "T goes round the levels of detail",
        &[
            Shows("T", "detail: cards"),
            Shows("T", "detail: tiles"),
            Shows("T", "detail: cells"),
            Shows("T", "detail: aggregate"),
            Shows("T", "detail: as much as fits"),
        ],
    ),
    Scenario(
        "b groups the map by each label and ungroups it",
        &[Shows("b", "grid: by group"), Shows("b", "grid: by rack"), Shows("b", "in the order of the inventory")],
    ),
    Scenario(
        "ctrl-l draws over what does not belong there",
        &[Scribble("another program"), Hides("ctrl-l", "another program")],
    ),
    Scenario(
        "the mouse chooses a host, and its wheel goes on from there",
        &[
            Sends("\x1b[<0;5;9M\x1b[<0;5;9m"),
            Holds("the host that was clicked", |session| crate::script::focus(session) == "web06"),
            Sends("\x1b[<65;5;9M"),
            Holds("the host below", |session| crate::script::focus(session) == "web07"),
            Sends("\x1b[<64;5;9M\x1b[<64;5;9M"),
            Holds("the host above", |session| crate::script::focus(session) == "web05"),
        ],
    ),
    Scenario(
        "esc at home quits nothing",
        &[Press("esc esc esc"), Shows("4", "the seeder is up"), Hides("esc", "the seeder is up")],
    ),
];
