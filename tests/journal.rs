//! Journals: written, torn, read back.
#![cfg(feature = "machines")]
#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

#[path = "rollout/fleet.rs"]
#[expect(dead_code, reason = "a journal needs less of a fleet than a rollout does")]
mod fleet;
#[path = "rollout/plans.rs"]
#[expect(dead_code, reason = "as above")]
mod plans;

use std::cell::Cell;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use fleet::{Fault, Fleet};
use jiff::Timestamp;
use plans::{config, host, plan};
use rookery::journal::{Event, Scribe, Story, Writer, journal_path, newest, read, read_run, retell, runs};
use rookery::rollout::StateName;

const TIME: Timestamp = Timestamp::constant(1_767_225_600, 125_000_000);

/// The journal of a run of three hosts: one is done, one denies the key, one cannot be reached.
fn journal() -> String {
    let mut fleet = Fleet::with(plan(3), config()).fault(host(1), Fault::Denies).fault(host(2), Fault::Refuses(9));
    let summary = fleet.run();
    let mut scribe = Scribe::new(plan(3).run, "mara".to_owned(), 0);
    let mut writer = Writer::new(Vec::new());
    writer.write(&scribe.start(TIME, fleet.rollout.plan())).unwrap();
    for notice in &fleet.notices {
        writer.write(&scribe.notice(TIME, &fleet.rollout, notice)).unwrap();
    }
    writer.write(&scribe.end(TIME, &fleet.rollout, &summary)).unwrap();
    String::from_utf8(writer.into_inner()).unwrap()
}

fn story(text: &str) -> Story {
    read(text.as_bytes()).unwrap().unwrap()
}

#[test]
fn every_line_is_an_event_with_the_contract_s_fields() {
    let text = journal();
    for (line, seq) in text.lines().zip(1..) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((value["schema"].as_u64(), value["seq"].as_u64()), (Some(1), Some(seq)));
        assert_eq!(value["time"], "2026-01-01T00:00:00.125Z");
        assert_eq!(value["run"], "20260101-120000-ab12");
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(event.to_line().trim_end(), line);
    }
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "run.start");
    for field in
        ["tag", "source", "hosts", "payload_bytes", "sha256", "pieces", "piece_length", "info_hash", "operator"]
    {
        assert!(!first[field].is_null(), "{field} in {first}");
    }
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["outcome"]), (&"run.end".into(), &"partial".into()));
    assert_eq!(last["counts"], serde_json::json!({ "done": 1, "failed": 1, "unreachable": 1 }));
    for field in ["elapsed_ms", "bytes_from_seeder", "bytes_from_peers", "slowest", "left_behind", "failed"] {
        assert!(!last[field].is_null(), "{field} in {last}");
    }
}

#[test]
fn the_last_states_are_rebuilt() {
    let story = story(&journal());
    assert_eq!(story.failed().collect::<Vec<_>>(), ["web001", "web002"]);
    assert_eq!(story.unreachable().collect::<Vec<_>>(), ["web002"]);
    assert_eq!(story.states["web001"].cause.as_deref(), Some("permission denied"));
    assert_eq!(story.states["web002"].attempt, 3);
    assert_eq!(story.outcome, Some(rookery::rollout::Outcome::Partial));
    assert_eq!((story.damaged, story.counts()[&StateName::Done]), (0, 1));
}

#[test]
fn a_torn_last_line_loses_that_line_only() {
    let text = journal();
    for cut in 1..200 {
        let torn = story(&text[..text.len() - cut]);
        assert_eq!(torn.outcome.is_some(), cut == 1, "a whole line without its line feed still counts");
        assert_eq!(torn.damaged, usize::from(cut > 1));
        assert_eq!(torn.pending().collect::<Vec<_>>(), ["web001", "web002"]);
    }
}

#[test]
fn an_event_of_a_later_version_is_skipped() {
    let mut text = journal();
    let seq = story(&text).seq;
    let later = r#"{"schema":1,"seq":SEQ,"time":"2026-01-01T00:00:01Z","run":"x","event":"moon","phase":3}"#;
    text.push_str(&later.replace("SEQ", &(seq + 1).to_string()));
    assert_eq!((story(&text).damaged, story(&text).seq), (0, seq + 1));
}

#[test]
fn a_journal_is_private_appended_to_and_found_again() {
    let state = tempfile::tempdir().unwrap();
    assert!(runs(state.path()).unwrap().is_empty());
    let run = plan(3).run;
    let mut scribe = Scribe::new(run.clone(), "mara".to_owned(), 0);
    let start = scribe.start(TIME, &plan(3));
    Writer::open(state.path(), &run).unwrap().write(&start).unwrap();
    let path = journal_path(state.path(), &run);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    let mut torn = std::fs::read_to_string(&path).unwrap();
    torn.push_str("{\"schema\":1,\"seq\":2,\"ti");
    std::fs::write(&path, torn).unwrap();
    let mut scribe = Scribe::new(run.clone(), "mara".to_owned(), read_run(state.path(), &run).unwrap().seq);
    Writer::open(state.path(), &run).unwrap().write(&scribe.start(TIME, &plan(3))).unwrap();
    let story = newest(state.path()).unwrap().unwrap();
    assert_eq!((story.seq, story.damaged, story.pending().count()), (2, 1, 3));
}

#[test]
fn a_full_disk_stops_no_run_and_fills_no_memory() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer::new(Full);
    let event = Scribe::new(plan(3).run, "mara".to_owned(), 0).start(TIME, &plan(3));
    assert!(writer.write(&event).is_err() && writer.flush().is_ok());
}

#[test]
fn a_line_that_a_full_disk_cut_off_spoils_no_other_one() {
    /// What is written, and how much may be.
    struct Tight(Vec<u8>, Rc<Cell<usize>>);
    impl std::io::Write for Tight {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let room = bytes.len().min(self.1.get() - self.0.len());
            self.0.extend_from_slice(&bytes[..room]);
            if room == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(room) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut scribe = Scribe::new(plan(3).run, "mara".to_owned(), 0);
    let start = scribe.start(TIME, &plan(3));
    let room = Rc::new(Cell::new(start.to_line().len() + 20));
    let mut writer = Writer::new(Tight(Vec::new(), Rc::clone(&room)));
    writer.write(&start).unwrap();
    assert!(writer.write(&scribe.resumed(TIME)).is_err());
    room.set(usize::MAX);
    writer.write(&scribe.resumed(TIME)).unwrap();
    let text = String::from_utf8(writer.into_inner().0).unwrap();
    assert_eq!((story(&text).seq, story(&text).damaged), (3, 1), "{text}");
}

#[test]
fn the_last_events_are_told_again_on_the_clock_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = plan(3).run;
    let mut writer = Writer::open(folder.path(), &run).unwrap();
    let events: Vec<Event> = journal().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (seconds, event) in (0..).zip(&events) {
        writer.write(&Event { time: TIME + jiff::SignedDuration::from_secs(seconds), ..event.clone() }).unwrap();
    }
    drop(writer);
    let story = read_run(folder.path(), &run).unwrap();
    let told = retell(folder.path(), &story, 3).unwrap();
    let urgent = events.iter().filter(|event| event.is_urgent()).count();
    assert_eq!((told.events.len(), told.forgotten), (3, urgent as u64 - 3));
    let (last, _) = &told.events[2];
    assert_eq!(last.as_micros(), 1_000_000 * (events.len() as u64 - 1));
    assert!(story.launched.is_empty(), "every host is settled");
}
