//! `rookery demo`: the main job on hosts of its own.

use std::io::IsTerminal;

use tokio::runtime::Runtime;

use super::args::{AccessArgs, CompressArg, DemoArgs, FleetArgs, PaceArgs, RunArgs};
use super::exit::{Ended, Or};
use super::interrupt::Interrupt;
use super::out::{count, tell};
use super::run::{self, Keeping, Site};
use crate::demo::{DemoFleet, DemoOptions};

/// Starts the hosts, runs, and removes every trace.
pub(super) fn main(args: &DemoArgs) -> Ended {
    let runtime = Runtime::new().or_unexpected("start the event loop")?;
    let options = DemoOptions { hosts: usize::from(args.hosts), seed: args.seed, faults: !args.no_faults, dir: None };
    let interrupt = Interrupt::listen()?;
    let fleet = runtime.block_on(DemoFleet::start(options)).or_unexpected("start the demo")?;
    if let Err(interrupted) = interrupt.check() {
        fleet.stop().or_unexpected("remove the demo's folder")?;
        return Err(interrupted);
    }
    drop(interrupt);
    if !args.show.quiet && !args.show.json && std::io::stderr().is_terminal() {
        tell(format_args!("{} in {}", count(u64::from(args.hosts), "host", "hosts"), fleet.folder().display()));
    }
    let site = Site { state: fleet.folder().join("state"), agent: None, home: None, keeping: Keeping::Goes };
    let ended = run::run(&arguments(args, &fleet), &site, &[]);
    fleet.stop().or_unexpected("remove the demo's folder")?;
    ended
}

fn arguments(args: &DemoArgs, fleet: &DemoFleet) -> RunArgs {
    let show = &args.show;
    RunArgs {
        source: fleet.payload().display().to_string(),
        fleet: FleetArgs { inventory: Some(fleet.inventory()), limit: None },
        tag: Some("demo-1".parse().expect("a plain name")),
        to: None,
        exclude: None,
        exclude_path: Vec::new(),
        compress: CompressArg::Auto,
        piece_length: None,
        // A host that died is there to practise on.
        pace: PaceArgs { max_upload: None, max_download: None, fanout: None, retries: Some(0) },
        access: AccessArgs { ask_become_pass: false, become_password_file: None },
        rollout: args.rollout.clone(),
        dry_run: false,
        yes: true,
        show: show.clone(),
    }
}
