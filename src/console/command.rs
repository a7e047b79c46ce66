//! The words after `:`: every action of the keymap by its name, and those that need to be told which hosts, how much or
//! what. The words are those of the command line.

use super::actions::{Decision, count, decide_abort, decide_caps, decide_retry, refusal};
use super::filter::Filter;
use super::keymap::{Act, Verb};
use super::model::{Model, Sort, View};
use super::prompt::Purpose;
use crate::base::ByteRate;
use crate::inventory::HostId;
use crate::rollout::{Caps, StateName};

/// What a line comes to.
pub(super) enum Command {
    /// As if its key were pressed.
    Verb(Verb),
    /// Something for the run.
    Decide(Decision),
    /// Show these only.
    Filter(Filter),
    /// Mark these.
    Mark(Vec<HostId>),
    /// Go there.
    Host(HostId),
    /// Group the map by this label, or by none.
    Group(Option<String>),
    /// Order the table so.
    Sort(Sort),
    /// Use this theme.
    Theme(String),
}

/// What a command is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Hosts,
    Host,
    Label,
    Order,
    Theme,
    Rate,
    View,
}

/// Commands that can be told something.
const TELLING: [(&str, Takes); 13] = [
    ("retry", Takes::Hosts),
    ("abort", Takes::Hosts),
    ("mark", Takes::Hosts),
    ("filter", Takes::Hosts),
    ("limit", Takes::Hosts),
    ("exclude", Takes::Hosts),
    ("host", Takes::Host),
    ("group", Takes::Label),
    ("sort", Takes::Order),
    ("theme", Takes::Theme),
    ("max-upload", Takes::Rate),
    ("max-download", Takes::Rate),
    ("show", Takes::View),
];

/// Completions that are offered.
const OFFERED_MAX: usize = 40;

/// Reads a line; why not, in words for the operator.
pub(super) fn parse(model: &Model, line: &str) -> Result<Command, String> {
    let line = line.trim();
    let (name, told) = line.split_at(line.find(' ').unwrap_or(line.len()));
    let told = told.trim();
    let takes = TELLING.iter().find(|(known, _)| *known == name).map(|(_, takes)| *takes);
    match takes {
        Some(takes) if !told.is_empty() => with(model, name, takes, told),
        Some(_) | None => {
            let verb = plain(model, name);
            match (verb, takes) {
                (Some(_), _) if !told.is_empty() => Err(format!("`{name}` takes no more words")),
                (Some(verb), _) => Ok(Command::Verb(verb)),
                (None, Some(_)) => Err(format!("`{name}` needs a word more (tab shows which)")),
                (None, None) if name.is_empty() => Err("nothing was typed".to_owned()),
                (None, None) => Err(format!("no command `{name}` (tab shows which there are)")),
            }
        }
    }
}

/// What may be meant by an unfinished line, as whole lines.
pub(super) fn completions(model: &Model, purpose: Purpose, line: &str) -> Vec<String> {
    let last = line.rfind(' ').map_or(0, |space| space + 1);
    let (before, word) = line.split_at(last);
    let takes =
        TELLING.iter().find(|(name, _)| *name == before.trim() || before.trim().starts_with(&format!("{name} ")));
    let words = match (purpose, takes) {
        (Purpose::Command, _) if before.is_empty() => names(model),
        (Purpose::Filter, _) | (Purpose::Command, Some((_, Takes::Hosts))) => subjects(model, word),
        (Purpose::Command, Some((_, takes))) => told(model, *takes),
        (Purpose::Command, None) | (Purpose::Help, _) => Vec::new(),
    };
    let mut fitting: Vec<_> = words.into_iter().filter(|other| other.starts_with(word)).collect();
    fitting.sort_unstable();
    fitting.dedup();
    fitting.into_iter().take(OFFERED_MAX).map(|word| format!("{before}{word}")).collect()
}

/// What the command that is typed can be told, in a word.
pub(super) fn takes(line: &str) -> Option<&'static str> {
    let (_, takes) = TELLING.iter().find(|(name, _)| *name == line.trim())?;
    Some(match takes {
        Takes::Hosts => "HOSTS",
        Takes::Host => "HOST",
        Takes::Label => "LABEL",
        Takes::Order => "ORDER",
        Takes::Theme => "NAME",
        Takes::Rate => "RATE",
        Takes::View => "VIEW",
    })
}

/// Why the command that is typed cannot be used now.
pub(super) fn refused(model: &Model, line: &str) -> Option<String> {
    match parse(model, line).ok()? {
        Command::Verb(verb) => refusal(model, verb),
        Command::Decide(Decision::Refuse(why)) => Some(why),
        Command::Decide(Decision::Tell(_) | Decision::Ask(_))
        | Command::Filter(_)
        | Command::Mark(_)
        | Command::Host(_)
        | Command::Group(_)
        | Command::Sort(_)
        | Command::Theme(_) => None,
    }
}

/// An action of the keymap by its name.
fn plain(model: &Model, name: &str) -> Option<Verb> {
    let bindings = model.setup.keymap.bindings();
    let named = bindings.iter().find(|binding| binding.name == name).map(|binding| binding.verb);
    named.or_else(|| match name {
        "q" => Some(Verb::Quit),
        "resume" if model.rollout.is_paused() => Some(Verb::Act(Act::Pause)),
        _ => None,
    })
}

fn with(model: &Model, name: &str, takes: Takes, told: &str) -> Result<Command, String> {
    match takes {
        Takes::Hosts => {
            let inverse = if name == "exclude" { "!" } else { "" };
            let filter = Filter::parse(&format!("{inverse}{told}"));
            if let Some(why) = filter.fault() {
                return Err(format!("`{told}` cannot be read: {why}"));
            }
            let hosts = hosts(model, &filter);
            if hosts.is_empty() {
                return Err(format!("no host is meant by `{told}`"));
            }
            Ok(match name {
                "retry" => Command::Decide(decide_retry(model, &hosts)),
                "abort" => Command::Decide(decide_abort(model, &hosts)),
                "mark" => Command::Mark(hosts),
                _ => Command::Filter(filter),
            })
        }
        Takes::Host => host(model, told).map(Command::Host),
        Takes::Label => {
            let known = told_of(model, takes, told)?;
            Ok(Command::Group(if known == "none" { None } else { Some(known) }))
        }
        Takes::Order => {
            let known = told_of(model, takes, told)?;
            let order = Sort::ALL.into_iter().find(|order| order.word() == known);
            order.map(Command::Sort).ok_or_else(|| format!("no order `{told}`"))
        }
        Takes::Theme => told_of(model, takes, told).map(Command::Theme),
        Takes::Rate => {
            let rate: ByteRate = told.parse().map_err(|error: crate::base::UnitError| error.to_string())?;
            let caps = model.rollout.caps();
            let caps =
                if name == "max-upload" { Caps { upload: rate, ..caps } } else { Caps { download: rate, ..caps } };
            Ok(Command::Decide(decide_caps(model, caps)))
        }
        Takes::View => {
            let known = told_of(model, takes, told)?;
            let view = View::ALL.into_iter().find(|view| view.title() == known);
            view.map(|view| Command::Verb(Verb::Show(view))).ok_or_else(|| format!("no view `{told}`"))
        }
    }
}

/// The word, when it is one that the command knows.
fn told_of(model: &Model, takes: Takes, word: &str) -> Result<String, String> {
    let known = told(model, takes);
    if known.iter().any(|other| other == word) {
        return Ok(word.to_owned());
    }
    Err(format!("`{word}` is none of: {}", known.join(", ")))
}

/// The words a command can be told.
fn told(model: &Model, takes: Takes) -> Vec<String> {
    match takes {
        Takes::Hosts | Takes::Host => model.rollout.plan().hosts.iter().map(|host| host.name.clone()).collect(),
        Takes::Label => {
            let mut labels = model.parting.clone();
            labels.push("none".to_owned());
            labels
        }
        Takes::Order => Sort::ALL.map(|order| order.word().to_owned()).to_vec(),
        Takes::Theme => model.setup.themes.clone(),
        Takes::Rate => ["0", "1M", "10M", "100M"].map(str::to_owned).to_vec(),
        Takes::View => View::ALL.map(|view| view.title().to_owned()).to_vec(),
    }
}

fn names(model: &Model) -> Vec<String> {
    let bound = model.setup.keymap.bindings().iter().filter(|binding| !matches!(binding.verb, Verb::Move(_)));
    bound.map(|binding| binding.name).chain(TELLING.map(|(name, _)| name)).map(str::to_owned).collect()
}

/// The words of a filter that may be meant by the last of its words.
fn subjects(model: &Model, word: &str) -> Vec<String> {
    let inverse = if word.starts_with('!') { "!" } else { "" };
    let hosts = &model.rollout.plan().hosts;
    let labels = hosts.iter().flat_map(|host| model.setup.labels.of(host.id));
    let mut words: Vec<String> = labels.map(|(label, value)| format!("{label}={value}")).collect();
    words.extend(StateName::ALL.map(|state| state.as_str().to_owned()));
    words.extend(model.shown().failures().iter().map(|group| Filter::of_cause(group.cause).text().to_owned()));
    words.push("marked".to_owned());
    words.extend(hosts.iter().map(|host| host.name.clone()));
    words.into_iter().map(|word| format!("{inverse}{word}")).collect()
}

fn hosts(model: &Model, filter: &Filter) -> Vec<HostId> {
    let meant = model.rollout.hosts().iter().filter(|host| model.meets(filter, host));
    meant.map(|host| host.id).collect()
}

/// The host of this name, or the only one whose name has this part.
fn host(model: &Model, name: &str) -> Result<HostId, String> {
    let hosts = &model.rollout.plan().hosts;
    if let Some(host) = hosts.iter().find(|host| host.name == name || model.names.short(&host.name) == name) {
        return Ok(host.id);
    }
    match hosts.iter().filter(|host| host.name.contains(name)).collect::<Vec<_>>().as_slice() {
        [] => Err(format!("no host `{name}`")),
        [only] => Ok(only.id),
        several => Err(format!("`{name}` is a part of the names of {}", count(several.len()))),
    }
}
