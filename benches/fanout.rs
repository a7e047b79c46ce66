//! `true` on every host of an inventory over Rookery's own SSH, and connections that are held: what a client pays for them.
//! `benches/fleet.py` makes the hosts, runs it, and compares; docs/performance.md has the numbers.
//!
//!     fanout INVENTORY [FANOUT] [HOLD_SECONDS]

#![expect(clippy::disallowed_methods, reason = "it measures real time")]
#![expect(clippy::print_stdout, reason = "what it measures is for whoever runs it")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has to say so")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rookery::driver::bootstrap::AgentImage;
use rookery::driver::channel::Exit;
use rookery::driver::fleet::{Surroundings, Targets};
use rookery::driver::ssh::{Credentials, Deadlines, Dialer, Session};
use rookery::inventory::Inventory;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next() else { return };
    let mut number = |default: u64| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (fanout, hold) = (number(64), number(0));
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    runtime.block_on(fan_out(Path::new(&path), fanout as usize, Duration::from_secs(hold)));
}

async fn fan_out(path: &Path, fanout: usize, hold: Duration) {
    let text = std::fs::read_to_string(path).expect("the inventory can be read");
    let inventory = Inventory::parse(path, &text).expect("the inventory is right");
    let image = Arc::new(AgentImage::from_bytes(b"none is brought"));
    let made = Targets::new(&inventory.hosts, &Surroundings::of_process(), &image).expect("known hosts can be read");
    let credentials = Credentials::load(None, &made.identities, &[], None, &mut |_, _| None).await;
    let dialer = Arc::new(Dialer::new(credentials, Deadlines::default()));
    let (slots, began) = (Arc::new(Semaphore::new(fanout)), Instant::now());
    let mut tasks = JoinSet::new();
    for target in made.targets {
        let (dialer, slots) = (Arc::clone(&dialer), Arc::clone(&slots));
        tasks.spawn(async move {
            let _slot = slots.acquire().await;
            let session = dialer.dial(&target.route).await.map_err(|failure| failure.to_string())?;
            run_true(&session).await?;
            Ok::<_, String>(session)
        });
    }
    let (mut sessions, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        match done.expect("no task panics") {
            Ok(session) if hold.is_zero() => drop(session),
            Ok(session) => sessions.push(session),
            Err(why) => {
                failed += 1;
                if failed <= 3 {
                    println!("failed: {why}");
                }
            }
        }
    }
    println!("done in {:.2} s, {failed} failed, {}", began.elapsed().as_secs_f64(), cost());
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
        let alive = sessions.iter().filter(|session| !session.is_closed()).count();
        println!("held {alive} of {} for {} s, {}", sessions.len(), hold.as_secs(), cost());
    }
}

async fn run_true(session: &Session) -> Result<(), String> {
    let mut channel = session.exec("true").await.map_err(|failure| failure.to_string())?;
    let mut said = Vec::new();
    channel.output.read_to_end(&mut said).await.map_err(|error| error.to_string())?;
    match channel.exit.await {
        Ok(Exit::Status(0)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Processor time so far, and memory, of this process.
fn cost() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 100.0;
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let memory = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()).unwrap_or("?").to_owned()
    };
    format!(
        "cpu_user {:.2} s, cpu_system {:.2} s, rss_kib {}, peak_kib {}",
        ticks(11),
        ticks(12),
        memory("VmRSS:"),
        memory("VmHWM:")
    )
}
