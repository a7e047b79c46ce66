//! Which hosts are meant: filters, marks, commands, what is copied, and a visit by ssh.

use crate::script::Scenario;
use crate::script::Step::{At, Hides, Holds, Press, Shows, Types};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario(
        "a filter by state is typed, stays, and goes with esc",
        &[
            Shows("/", "   16 hosts"),
            Types("failed", "   3 hosts"),
            Shows("enter", "/failed (3)"),
            Hides("esc", "/failed"),
        ],
    ),
    Scenario("a filter is turned round by !", &[Press("/"), Types("!failed", "   13 hosts")]),
    Scenario("a filter is a label", &[Press("/"), Types("rack=r2", "   8 hosts")]),
    Scenario("a filter is a range of hosts", &[Press("/"), Types("web[01-09]", "   9 hosts")]),
    Scenario("a filter is a pattern", &[Press("/"), Types("*b0?", "   13 hosts")]),
    Scenario("a filter is a regular expression", &[Press("/"), Types("~^(web|db)01$", "   2 hosts")]),
    Scenario("a filter is a cause", &[Press("/"), Types("cause=disk-full", "   1 host")]),
    Scenario("a filter is a group", &[Press("/"), Types("@db", "   4 hosts")]),
    Scenario("a filter is a choice", &[Press("/"), Types("failed,web01", "   4 hosts")]),
    Scenario("a filter is all of its words", &[Press("/"), Types("@web failed", "   1 host")]),
    Scenario("a filter that cannot be says why", &[Press("/"), Types("~web[", "unclosed")]),
    Scenario(
        "a filter is completed by tab and comes back with the arrow",
        &[
            Press("/"),
            Types("rack=", "tab: "),
            Press("tab"),
            Shows("tab", "   8 hosts"),
            Shows("enter", "/rack=r1 (8)"),
            Hides("esc", "/rack=r1"),
            Press("/"),
            Shows("up", "/rack=r1"),
        ],
    ),
    Scenario(
        "what is pasted into a filter is typed, and its lines do not end it",
        &[Press("/"), Types("\x1b[200~web0[1-2]\nA\x1b[201~", "   2 hosts")],
    ),
    Scenario(
        "what is pasted elsewhere is ignored",
        &[Types("\x1b[200~Ay\rq\x1b[201~", "pasted text is ignored"), Shows("4", "the seeder is up")],
    ),
    Scenario(
        "a command is completed and carried out",
        &[Press(":"), Types("sh", "tab: show"), Types("ow ta\t", "show table"), Shows("enter", "host   state")],
    ),
    Scenario("a word that is no command is told", &[Press(":"), Types("nonsense\r", "no command `nonsense`")]),
    Scenario(
        "a command comes back with the arrow",
        &[Press(":"), Types("host web07\r", "Pieces"), Hides("esc", "Pieces"), Press(":"), Shows("up", ":host web07")],
    ),
    Scenario("a command marks what a filter means", &[Press(":"), Types("mark failed\r", "3 hosts marked")]),
    Scenario(
        "hosts are marked one by one, and z unmarks the last",
        &[At("j", "web02"), Shows("space", "1 marked"), Shows("space", "2 marked"), Shows("z", "1 marked")],
    ),
    Scenario(
        "hosts are marked as a range",
        &[
            At("j", "web02"),
            Shows("v", "range: move"),
            Shows("j j j", "range 4"),
            Shows("v", "4 marked"),
            Shows("esc", "marks taken away"),
            Shows("z", "4 marked"),
        ],
    ),
    Scenario(
        "marks are turned round",
        &[At("j", "web02"), Shows("space", "1 marked"), Shows("*", "14 marked"), Shows("*", "1 marked")],
    ),
    Scenario("a host that is done is not marked", &[Shows("space", "web01 is done")]),
    Scenario(
        "n and N go from failed host to failed host",
        &[At("n", "web12"), At("n", "db02"), At("n", "db03"), At("N", "db02"), At("n n", "web12")],
    ),
    Scenario(
        "y copies the host's name and shows it",
        &[
            At("j", "web02"),
            Shows("y", "copied 1 host"),
            Holds("the clipboard has it", |session| session.count("\x1b]52;c;d2ViMDI=\x07") == 1),
            Holds("it can be selected by hand", |session| {
                session.screen().lines().any(|line| line.trim_matches([' ', '│']) == "web02")
            }),
        ],
    ),
    Scenario(
        "Y copies what became of it and what to do",
        &[At("n", "web12"), Shows("Y", "any key closes this"), Hides("q", "any key closes this")],
    ),
    Scenario(
        "! is ssh to the host in this terminal, and back",
        &[
            At("j j", "web03"),
            Shows("!", "ssh got: -p"),
            Holds("the host's address", |session| session.screen().contains("-- 127.")),
            Types("\n", "exit status: 7; enter goes back"),
            Types("\n", "seeder up"),
            Shows("4", "the seeder is up"),
        ],
    ),
    Scenario(
        "w writes a report and says where",
        &[
            Shows("w", "report.txt"),
            Holds("it is there", |session| session.kept("report.txt").contains("demo-1: run ")),
            Hides("q", "any key closes this"),
        ],
    ),
];
