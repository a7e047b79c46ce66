//! The question before a run on a terminal.

use std::io::{self, IsTerminal};

use super::args::RunArgs;
use super::exit::{Ending, Exit, Or};
use super::out::{Rows, count, tell_on};
use super::plan::Draft;
use crate::inventory::fold;

/// Characters shown of a folded list of hosts.
const HOSTS_SHOWN: usize = 300;

/// Asks whether to start, where there is somebody to ask and more than one host to reach.
///
/// It asks first of all: after the answer a run needs nobody until it is over.
pub(super) fn go_ahead(args: &RunArgs, draft: &Draft) -> Result<(), Ending> {
    let attended = io::stdin().is_terminal() && io::stderr().is_terminal();
    if args.yes || args.show.json || !attended || draft.selected.len() < 2 {
        return Ok(());
    }
    tell_on(question(args, draft));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).or_unexpected("read the answer")?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Ending::new(Exit::Aborted, "nothing was started; --yes starts without asking"))
}

fn question(args: &RunArgs, draft: &Draft) -> String {
    let folded = fold(draft.selected.iter().map(|id| &draft.host(id).name));
    let hosts = match folded.char_indices().nth(HOSTS_SHOWN) {
        Some((end, _)) => format!("{} ...", &folded[..end]),
        None => folded,
    };
    let release = args.tag.as_ref().map_or_else(|| format!("{}-<SHA-256>", draft.source_name()), ToString::to_string);
    let mut course = Rows::default();
    if draft.course.has_waves() {
        draft.course.describe(&mut course, &draft.inventory);
    }
    format!(
        "{} to {}: {hosts}\nseeder {}, release {}\n{}go? [y/N] ",
        args.source,
        count(draft.selected.len() as u64, "host", "hosts"),
        draft.place_name(draft.seeder),
        draft.folders().iter().map(|folder| format!("{folder}/{release}")).collect::<Vec<_>>().join(", "),
        course.into_text(),
    )
}
