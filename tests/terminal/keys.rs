//! Every key, pressed in a real terminal. The hosts are played, so that a key is all that happens.

use super::session::Session;

const USUAL: (u16, u16) = (24, 80);

/// The host under the cursor, by the line under the map.
fn focus(session: &Session) -> String {
    let screen = session.screen();
    let line = screen.lines().find(|line| line.starts_with('▸')).unwrap_or_default();
    line.split_whitespace().find(|word| word.starts_with("web")).unwrap_or_default().to_owned()
}

fn wait_for_focus(session: &Session, host: &str) {
    session.wait(&format!("the cursor on {host}"), |_| focus(session) == host);
}

#[test]
fn the_cursor_moves_with_the_keys_of_vi_and_with_the_arrows() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("T");
    session.press("T");
    session.press_for("T", "detail: cells");
    for (keys, host) in [
        ("l", "web02"),
        ("\x1b[C", "web03"),
        ("h", "web02"),
        ("\x1b[D", "web01"),
        ("G", "web60"),
        ("gg", "web01"),
        ("\x1b[F", "web60"),
        ("\x1b[H", "web01"),
    ] {
        session.press(keys);
        wait_for_focus(&session, host);
    }
    session.press_for("2", "host   state");
    session.press("sgg");
    wait_for_focus(&session, "web01");
    for (keys, row) in [("j", 2), ("\x1b[B", 3), ("k", 2), ("\x1b[A", 1), ("\x04", 10), ("\x15", 1)] {
        session.press(keys);
        wait_for_focus(&session, &format!("web{row:02}"));
    }
    session.stop();
}

#[test]
fn every_view_has_a_number_and_tab_goes_round_them() {
    let mut session = Session::rehearsal(USUAL, &[]);
    for (key, text) in [
        ("2", "host   state"),
        ("3", "4 × disk full"),
        ("4", "g g oldest"),
        ("5", "History"),
        ("6", "Log of web"),
        ("\t", "web60"),
        ("\t", "host   state"),
        ("\x1b[Z", "web60"),
        ("\x1b[Z", "Log of web"),
    ] {
        session.press_for(key, text);
    }
    session.stop();
}

#[test]
fn a_filter_takes_states_labels_patterns_and_expressions_and_esc_takes_it_away() {
    let mut session = Session::rehearsal(USUAL, &[]);
    for (filter, hosts) in [
        ("failed", "6 hosts"),
        ("!failed", "54 hosts"),
        ("rack=r01", "40 hosts"),
        ("web[01-09]", "9 hosts"),
        ("web0?", "9 hosts"),
        ("~^web[12]0$", "2 hosts"),
        ("failed,web01", "hosts"),
        ("cause=disk-full", "4 hosts"),
        ("@web", "60 hosts"),
    ] {
        session.press("/\x15");
        session.press_for(filter, hosts);
        session.press("\r");
    }
    session.press("/\x15");
    session.press_for("~web[", "unclosed");
    session.press("\x1b");
    session.wait_without("unclosed");
    session.stop();
}

#[test]
fn a_filter_is_completed_and_comes_back() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("/rack=", "tab:");
    session.press_for("\t", "rack=r0");
    session.press_for("\t", "40 hosts");
    session.press("\r");
    session.press("/\x15");
    session.press_for("\x1b[A", "/rack=r01");
    session.press("\r\x1b");
    session.wait_without("/rack=r01");
    session.stop();
}

#[test]
fn a_command_is_completed_remembered_and_carried_out() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for(":sh", "tab: show");
    session.press_for(":\x15show ta\t", "show table");
    session.press_for("\r", "host   state");
    session.press_for(":host web33\r", "web33");
    session.press_for(":nonsense\r", "no command `nonsense`");
    session.press_for(":\x1b[A", "nonsense");
    session.press_for("\x1b[A", ":host web33");
    session.press("\x1b");
    session.wait_without(":host web33");
    session.press_for(":group rack\r", "r02");
    session.press_for(":mark failed\r", "6 marked");
    session.stop();
}

#[test]
fn the_help_shows_the_keys_and_is_searched() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("?", "retry every failed");
    session.press_for("G", "unreachable");
    session.press_for("/clip\x15copy", "copy what became of them");
    session.wait_without("retry every failed");
    session.press("\r\x1b");
    session.wait_without("copy what became of them");
    session.stop();
}

#[test]
fn hosts_are_marked_one_by_one_as_a_range_and_all_but_those() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("gg");
    session.press_for(" ", "1 marked");
    session.press("v");
    session.press_for("lll", "range 4");
    session.press_for("v", "5 marked");
    session.press_for("*", "55 marked");
    session.press_for("z", "5 marked");
    session.press_for("z", "1 marked");
    session.press_for("\x1b", "marks taken away");
    session.wait_without("1 marked");
    session.stop();
}

#[test]
fn n_goes_from_failed_host_to_failed_host_and_back() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("ggn");
    session.wait("a failed host", |screen| screen.lines().any(|line| line.starts_with("▸✗")));
    let first = focus(&session);
    session.press("n");
    session.wait("the next one", |_| focus(&session) != first);
    session.press("N");
    wait_for_focus(&session, &first);
    session.stop();
}

#[test]
fn r_retries_the_host_and_capital_r_all_that_failed() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("/cause=disk-full\r");
    session.press_for("gg", "disk full");
    session.press_for("r", "retrying 1 host");
    session.press("\x1b");
    session.wait_without("/cause=disk-full");
    session.press_for("R", "retrying 5 hosts");
    session.wait_for("2 failed");
    session.stop();
}

#[test]
fn r_on_a_cause_retries_its_hosts() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("3", "4 × disk full");
    session.press_for("r", "retrying 4 hosts");
    session.wait_without("× disk full");
    session.press_for("\r", "2 hosts: host key changed");
    session.stop();
}

#[test]
fn p_pauses_and_resumes() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("p", "PAUSED");
    session.press_for("p", "resumed");
    session.wait_for("running");
    session.stop();
}

#[test]
fn plus_and_minus_move_the_cap_while_it_runs() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("+", "there is no cap to raise");
    session.press_for("-", "cap: ");
    session.press_for("-", "per host, each way");
    session.press_for(":max-upload 3M\r", "upload 3.0 MiB/s");
    session.press_for(":max-download 0\r", "download none");
    session.stop();
}

#[test]
fn f_freezes_what_is_shown_and_the_run_goes_on() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("f", "FROZEN");
    session.wait_for("FROZEN 2s ago");
    session.press("f");
    session.wait_without("FROZEN");
    session.stop();
}

#[test]
fn the_table_is_sorted_and_turned_round() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("s", "only the table is sorted");
    session.press_for("2", "host   state");
    for order in
        ["inventory order", "least complete first", "fastest first", "longest without a piece first", "worst first"]
    {
        session.press_for("s", order);
    }
    session.press_for("S", "worst first, reversed");
    session.stop();
}

#[test]
fn l_opens_the_log_and_on_the_map_capital_l_does() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press("ggn");
    session.press_for("L", "Log of web");
    session.wait_for("failed: ");
    session.press_for("\x1b", "web60");
    session.press_for("\r", "Last words");
    session.press_for("l", "Log of web");
    session.press_for("\x1b", "Last words");
    session.press("1gg");
    session.press("l");
    wait_for_focus(&session, "web02");
    session.stop();
}

#[test]
fn what_is_copied_goes_to_the_clipboard_and_is_shown() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("ggy", "copied 1 host");
    assert_eq!(session.count("\x1b]52;c;d2ViMDE=\x07"), 1, "web01, as base64");
    assert!(session.screen().lines().any(|line| line.trim_end() == "web01"), "{}", session.screen());
    session.press("q");
    session.wait_without("copied 1 host");
    session.press("3");
    session.press_for("Y", "any key closes this");
    session.wait_for("free space on the host");
    session.press_for("1", "web60");
    session.stop();
}

#[test]
fn themes_and_levels_of_detail_go_round() {
    let mut session = Session::rehearsal(USUAL, &[]);
    for theme in ["dark", "light", "high-contrast"] {
        session.press_for("t", &format!("theme: {theme}"));
    }
    session.press_for(":theme nord\r", "theme: nord");
    for detail in ["cards", "tiles", "cells", "aggregate", "as much as fits"] {
        session.press_for("T", &format!("detail: {detail}"));
    }
    session.stop();
}

#[test]
fn b_groups_the_map_and_ungroups_it() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("b", "grid: by rack");
    session.wait_for("r02");
    session.press_for("b", "in the order of the inventory");
    session.stop();
}

#[test]
fn events_are_filtered_and_tell_what_the_operator_did() {
    let mut session = Session::rehearsal(USUAL, &[]);
    session.press_for("p", "PAUSED");
    session.press_for("4", "> pause");
    session.press("/operator\r");
    session.wait_without("web59");
    session.wait_for("> pause");
    session.press_for("gg", "g g oldest");
    session.stop();
}

#[test]
fn a_host_shows_pieces_peers_and_last_words_and_scrolls() {
    let mut session = Session::rehearsal((40, 120), &[]);
    session.press_for("/fetching\r5", "Pieces");
    session.wait_for("copies in its ");
    session.wait_for("rookery 0");
    session.press_for("G", "publickey accepted");
    let before = session.screen();
    session.press("\x1b[C");
    session.wait("the next host", |screen| screen.lines().nth(3) != before.lines().nth(3));
    session.stop();
}
