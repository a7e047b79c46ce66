//! `rookery rehearse`: a scenario on a simulated fleet, on the console or measured.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::RehearseArgs;
use super::exit::{Ended, Ending, Exit};
use super::out::{self, Rows, count};
use super::practice;
use crate::driver::Clock;
use crate::sim::{Figures, Progress, Scenario, World};

/// The largest scenario that is read, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// Events between two looks at the clock: some milliseconds' worth.
const EVENTS_AT_ONCE: u64 = 10_000;

/// Between two lines of progress.
const SAY_EVERY: Duration = Duration::from_secs(3);

/// A run, and how long it took to simulate.
struct Run {
    seed: u64,
    figures: Figures,
    wall: Duration,
}

/// Runs the scenario with each seed, and reports.
pub(super) fn main(args: &RehearseArgs) -> Ended {
    let scenario = match &args.scenario {
        Some(path) => read(path)?,
        None => practice::scenario(),
    };
    if let Some(stage) = practice::Stage::of(args)? {
        return stage.play(&Scenario { seed: args.seed.unwrap_or(scenario.seed), ..scenario });
    }
    let first = args.seed.unwrap_or(scenario.seed);
    let mut runs = Vec::new();
    for seed in (0..u64::from(args.seeds)).map(|more| first.wrapping_add(more)) {
        let run = run(&Scenario { seed, ..scenario.clone() }, args)?;
        if args.seeds > 1 && !args.show.quiet {
            out::tell(line(&run));
        }
        runs.push(run);
    }
    let text =
        if args.show.json { format!("{}\n", as_json(&scenario, &runs)) } else { as_text(args, &scenario, &runs) };
    out::print(text)?;
    let complete = runs.iter().all(|run| run.figures.is_complete());
    Ok(if complete { Exit::Done } else { Exit::HostsFailed })
}

fn read(path: &Path) -> Result<Scenario, Ending> {
    let unreadable = |error: io::Error| {
        Ending::new(Exit::Invalid, format!("failed to read the scenario {}: {error}", path.display()))
    };
    if fs::metadata(path).map_err(unreadable)?.len() > LENGTH_MAX {
        let why = format!("the scenario {} is larger than {LENGTH_MAX} bytes", path.display());
        return Err(Ending::new(Exit::Invalid, why));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Scenario::read(&path.display().to_string(), &text)
        .map_err(|found| Ending::new(Exit::Invalid, format!("the scenario cannot be used\n{found}")))
}

fn run(scenario: &Scenario, args: &RehearseArgs) -> Result<Run, Ending> {
    let clock = Clock::start();
    let mut world = World::new(scenario);
    let mut said = (clock.now(), 0);
    let broken = |violation| {
        let why = format!("seed {}: {violation}; this is a fault of Rookery, please report it", scenario.seed);
        Ending::new(Exit::Unexpected, why)
    };
    while let Some(progress) = world.advance(EVENTS_AT_ONCE).map_err(broken)? {
        let passed = clock.now().since(said.0);
        if passed >= SAY_EVERY && !args.show.quiet {
            out::tell(step(scenario, &progress, (progress.events - said.1) as f64 / passed.as_secs_f64()));
            said = (clock.now(), progress.events);
        }
    }
    let figures = Figures::of(scenario, &world.finish());
    Ok(Run { seed: scenario.seed, figures, wall: clock.now().since(crate::base::Instant::ZERO) })
}

fn step(scenario: &Scenario, progress: &Progress, rate: f64) -> String {
    let simulated = seconds(progress.now.since(crate::base::Instant::ZERO));
    format!(
        "seed {}: {simulated} simulated, {} of {} hosts complete, {:.2} M events/s",
        scenario.seed,
        progress.complete,
        progress.complete + progress.unfinished,
        rate / 1e6
    )
}

/// One run of several.
fn line(run: &Run) -> String {
    let figures = &run.figures;
    format!(
        "seed {}: {}/{} complete, last host {}, {} x the optimum, {} copies, wall {}",
        run.seed,
        figures.complete,
        figures.alive,
        figures.last.map_or_else(|| "-".to_owned(), seconds),
        number(figures.ratio()),
        number(figures.copies),
        seconds(run.wall)
    )
}

fn as_text(args: &RehearseArgs, scenario: &Scenario, runs: &[Run]) -> String {
    let mut rows = Rows::default();
    rows.add("scenario", named(args));
    rows.add("hosts", scenario.hosts);
    let pieces = count(u64::from(scenario.pieces), "piece", "pieces");
    rows.add("payload", format!("{}, {pieces} of {}", scenario.payload(), scenario.piece_length));
    rows.add("optimum", seconds(scenario.optimum()));
    if let [run] = runs {
        one(&mut rows, run);
    } else {
        several(&mut rows, runs);
    }
    rows.into_text()
}

/// The scenario as it was given.
fn named(args: &RehearseArgs) -> String {
    args.scenario.as_ref().map_or_else(|| "the one for practice".to_owned(), |path| path.display().to_string())
}

fn one(rows: &mut Rows, run: &Run) {
    let figures = &run.figures;
    let after = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), seconds);
    rows.add("seed", run.seed);
    rows.add("complete", format!("{} of {} alive", figures.complete, figures.alive));
    rows.add("last host", after(figures.last));
    rows.add("ratio", format!("{} x the optimum", number(figures.ratio())));
    rows.add("median host", after(figures.median));
    rows.add("seeder", format!("{} copies uploaded", number(figures.copies)));
    rows.add("wasted", figures.wasted);
    rows.add("faults", figures.faults);
    rows.add("simulated", seconds(figures.ended));
    rows.add("wall", format!("{}, {}", seconds(run.wall), count(figures.events, "event", "events")));
}

fn several(rows: &mut Rows, runs: &[Run]) {
    let incomplete = runs.iter().filter(|run| !run.figures.is_complete());
    let incomplete: Vec<String> = incomplete.map(|run| run.seed.to_string()).collect();
    rows.add("seeds", format!("{}, from {}", runs.len(), runs.first().map_or(0, |run| run.seed)));
    rows.add("incomplete", if incomplete.is_empty() { "none".to_owned() } else { incomplete.join(", ") });
    for (name, of) in [("ratio", Figures::ratio as fn(&Figures) -> Option<f64>), ("copies", |figures| figures.copies)] {
        let [least, median, most] = spread(runs.iter().filter_map(|run| of(&run.figures)));
        rows.add(name, format!("min {}  median {}  max {}", number(least), number(median), number(most)));
    }
    rows.add("faults", runs.iter().map(|run| run.figures.faults).sum::<usize>());
    let (wall, events) =
        runs.iter().fold((Duration::ZERO, 0), |(wall, events), run| (wall + run.wall, events + run.figures.events));
    rows.add("wall", format!("{}, {}", seconds(wall), count(events, "event", "events")));
}

fn as_json(scenario: &Scenario, runs: &[Run]) -> Value {
    let [least, median, most] = spread(runs.iter().filter_map(|run| run.figures.ratio()));
    let each = runs.iter().map(|run| {
        let figures = &run.figures;
        json!({
            "seed": run.seed, "alive": figures.alive, "complete": figures.complete,
            "last_ms": figures.last.map(millis), "ratio": figures.ratio(), "median_ms": figures.median.map(millis),
            "copies": figures.copies, "bytes_wasted": figures.wasted, "faults": figures.faults,
            "simulated_ms": millis(figures.ended), "wall_ms": millis(run.wall), "events": figures.events,
        })
    });
    json!({
        "schema": 1, "hosts": scenario.hosts, "payload_bytes": scenario.payload(), "pieces": scenario.pieces,
        "piece_length": scenario.piece_length, "optimum_ms": millis(scenario.optimum()),
        "ratio": { "min": least, "median": median, "max": most }, "runs": each.collect::<Vec<_>>(),
    })
}

/// The least, the middle and the most of some numbers, if there are any.
fn spread(numbers: impl Iterator<Item = f64>) -> [Option<f64>; 3] {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    [numbers.first().copied(), numbers.get(numbers.len() / 2).copied(), numbers.last().copied()]
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.3}"))
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_some_numbers_is_found_whatever_their_order() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), [Some(1.0), Some(2.0), Some(3.0)]);
        assert_eq!(spread([].into_iter()), [None; 3]);
    }
}
