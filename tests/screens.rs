//! What the operator sees, as snapshots, and what no key may ever do, as laws.
#![cfg(feature = "machines")]
#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

#[path = "screens/acting.rs"]
mod acting;
#[path = "screens/commands.rs"]
mod commands;
#[path = "screens/laws.rs"]
mod laws;
#[path = "screens/outside.rs"]
mod outside;
#[path = "screens/script.rs"]
mod script;
#[path = "screens/stage.rs"]
mod stage;
#[path = "screens/waves.rs"]
mod waves;
#[path = "screens/words.rs"]
mod words;

use std::time::Duration;

use rookery::base::ByteCount;
use rookery::control::AgentFailure;
use rookery::rollout::Failure;
use script::Script;
use stage::{Screen, lost};

const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 60)];

fn disk_full() -> Failure {
    Failure::Agent(AgentFailure::DiskFull {
        path: "/srv/releases".to_owned(),
        needed: ByteCount(4 << 30),
        free: ByteCount(120 << 20),
    })
}

fn key_changed() -> Failure {
    Failure::HostKeyChanged {
        algorithm: "ssh-ed25519".to_owned(),
        fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLzWaL2M1IxnWvLcQo".to_owned(),
        known_at: "/home/ops/.ssh/known_hosts:118".to_owned(),
    }
}

/// A demo-sized fleet in the middle of its run.
fn small() -> Script {
    Screen::of(24)
        .done(8)
        .fetching(6)
        .stalled(1)
        .failed(1, &disk_full())
        .failed(1, &key_changed())
        .failed(1, &lost())
        .on_the_way(1)
}

/// A whole data centre.
fn large() -> Script {
    Screen::of(1400)
        .done(500)
        .fetching(360)
        .stalled(6)
        .failed(12, &disk_full())
        .failed(3, &key_changed())
        .failed(5, &lost())
        .on_the_way(4)
}

fn every_size(name: &str, script: impl Fn() -> Script, keys: &str) {
    for (columns, rows) in SIZES {
        let mut screen = script().at(columns, rows);
        if !keys.is_empty() {
            screen.press(keys);
        }
        keep(name, &screen, (columns, rows));
    }
}

/// The picture is what it was.
fn keep(name: &str, screen: &Screen, (columns, rows): (u16, u16)) {
    insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), screen.picture());
}

#[test]
fn the_grid_shows_a_small_fleet_with_names() {
    every_size("grid", small, "l");
}

#[test]
fn the_grid_shows_a_large_fleet_a_glyph_a_host() {
    every_size("grid_large", large, "n");
}

#[test]
fn the_grid_is_grouped_by_rack() {
    every_size("grid_by_rack", large, "b l");
}

#[test]
fn the_table_has_the_worst_first() {
    every_size("table", small, "2");
}

#[test]
fn failures_are_grouped_by_cause() {
    every_size("failures", large, "3");
}

#[test]
fn events_are_told_in_order() {
    every_size("events", small, "4");
}

#[test]
fn a_failed_host_says_why_and_what_to_do() {
    every_size("host_failed", small, "n enter");
}

#[test]
fn a_host_under_way_shows_its_pieces_and_peers() {
    every_size("host_fetching", small, "/ f e t c h i n g enter enter");
}

#[test]
fn the_log_of_a_host_tells_all_that_was_heard_of_it() {
    every_size("log", small, "n r r L");
}

#[test]
fn what_was_copied_can_be_selected_by_hand() {
    every_size("copied", large, "3 Y");
}

#[test]
fn a_grouped_fleet_keeps_one_host_a_cell_where_it_can() {
    let mut screen = large().at(80, 24);
    screen.press("b b l");
    assert!(!screen.text().contains("1 cell ="), "{}", screen.text());
    insta::assert_snapshot!("grid_by_shelf_80x24", screen.picture());
}

#[test]
fn the_help_is_the_table_of_keys() {
    every_size("help", small, "?");
}

#[test]
fn abort_names_the_hosts_and_the_effect() {
    every_size("dialog_abort", large, "* a");
}

#[test]
fn a_run_is_aborted_by_the_name_of_its_release() {
    every_size("dialog_abort_run", large, "A");
}

#[test]
fn a_confirmed_abort_says_how_to_take_it_back() {
    every_size("grace", small, "g g a y");
}

#[test]
fn a_command_is_typed_with_what_may_be_meant() {
    every_size("command", small, ": s h o w space");
}

#[test]
fn a_watcher_sees_that_no_key_changes_anything() {
    every_size("watcher", || small().watched(), "a");
}

#[test]
fn quitting_a_live_run_asks_for_the_release() {
    every_size("dialog_quit", small, "q");
}

#[test]
fn who_leaves_before_everything_is_clean_is_told_what_may_be_left_there() {
    for (columns, rows) in SIZES {
        let mut screen = small().at(columns, rows);
        screen.press("q").enter("web-2026.08.1").press("enter").wait(Duration::from_secs(6)).press("q");
        keep("dialog_uncleaned", &screen, (columns, rows));
    }
}

#[test]
fn a_settled_run_says_what_the_keys_do_now() {
    every_size("settled", || Screen::of(12).done(10).failed(2, &disk_full()).asking_at_the_end(), "l");
}

#[test]
fn a_settled_run_is_ended_with_a_yes_that_says_what_is_missing() {
    every_size("dialog_finish", || Screen::of(12).done(10).failed(2, &disk_full()).asking_at_the_end(), "q");
}

#[test]
fn many_retries_name_their_hosts_and_take_their_number() {
    every_size("dialog_retry", large, "R");
}

#[test]
fn a_stop_of_the_console_says_what_stands_still() {
    every_size("dialog_suspend", small, "ctrl-z");
}

#[test]
fn a_filter_is_typed_with_how_many_hosts_it_shows() {
    every_size("filter", small, "/ f a i l e d");
}

#[test]
fn a_map_whose_hosts_all_stall_says_where_they_are_listed() {
    every_size("stalled", || Screen::of(24).done(2).stalled(22), "l");
}

#[test]
fn cards_show_everything_of_a_few_hosts() {
    every_size("cards", || Screen::of(9).done(2).fetching(4).stalled(1).failed(2, &disk_full()), "l");
}

#[test]
fn a_tiny_screen_says_how_far_and_how_much_is_missing() {
    insta::assert_snapshot!("tiny_24x5", small().at(24, 5).text());
}

#[test]
fn ten_thousand_hosts_share_cells_and_the_worst_is_seen() {
    let script = || Screen::of(10_000).done(6000).fetching(300).failed(7, &disk_full());
    let screen = script().at(80, 24);
    insta::assert_snapshot!("aggregate_80x24", screen.text());
    assert!(screen.text().contains("1 cell = 7 hosts"));
}
