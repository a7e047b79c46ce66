//! `[rollout]`, read.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::nearest::did_you_mean;
use super::reader::{Entry, Reader};
use super::selector::Selector;
use super::{Gate, Inventory, Mode, RolloutSettings, SelectContext, Share, parse_duration};

/// The keys of the section.
pub(super) const KEYS: [&str; 14] = [
    "waves",
    "canary",
    "spread",
    "mode",
    "gate",
    "max_fail",
    "max_unreachable",
    "health",
    "health_timeout",
    "health_tries",
    "retries",
    "host_deadline",
    "deadline",
    "lease",
];

/// Arguments of a health command.
const HEALTH_ARGUMENTS_MAX: usize = 64;

/// The section, and where in it stands what can only be checked once the hosts are known.
#[derive(Debug, Default)]
pub(super) struct RolloutSection {
    pub(super) settings: RolloutSettings,
    canary: Option<Spanned<String>>,
    spread: Range<usize>,
}

impl RolloutSection {
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, section: &Entry<'_>) {
        for entry in reader.table(section.value, "`[rollout]`") {
            self.key(reader, &entry);
        }
    }

    fn key(&mut self, reader: &mut Reader<'_>, entry: &Entry<'_>) {
        let (value, settings) = (entry.value, &mut self.settings);
        match entry.key {
            "waves" => settings.waves = waves(reader, value),
            "canary" => self.canary = selector(reader, value),
            "spread" => {
                self.spread = value.span();
                settings.spread = reader.string(value, "the name of a tag: `\"rack\"`").map(Spanned::into_inner);
            }
            "mode" => set(&mut settings.mode, reader.parsed(value, "`\"stage-then-switch\"`", parse_mode)),
            "gate" => settings.gate = plain(reader.parsed(value, "`\"ask\"`", parse_gate)),
            "max_fail" => settings.max_fail = share(reader, value),
            "max_unreachable" => settings.max_unreachable = share(reader, value),
            "health" => settings.health = command(reader, value),
            "health_timeout" => {
                set(&mut settings.health_timeout, reader.parsed(value, "`\"30s\"`", parse_wait));
            }
            "health_tries" => set(&mut settings.health_tries, reader.integer(value, 1, "`3`")),
            "retries" => set(&mut settings.retries, reader.integer(value, 0, "`2`, or `0` for none")),
            "host_deadline" => settings.host_deadline = plain(reader.parsed(value, "`\"30m\"`", parse_wait)),
            "deadline" => settings.deadline = plain(reader.parsed(value, "`\"2h\"`", parse_wait)),
            "lease" => set(&mut settings.lease, reader.parsed(value, "`\"15m\"`", parse_wait)),
            _ => reader.unknown(entry, "in [rollout]", &KEYS),
        }
    }

    /// Checks what names hosts and tags, now that both are known.
    pub(super) fn settle(&self, inventory: &mut Inventory, reader: &mut Reader<'_>) {
        if let Some(canary) = &self.canary {
            match inventory.select(canary.get_ref(), &SelectContext::bare()) {
                Ok(_) => inventory.rollout.canary = Some(canary.get_ref().clone()),
                Err(error) => reader.error(&canary.span(), error.diagnostic.message),
            }
        }
        let tags = || inventory.hosts.iter().flat_map(|host| host.tags.keys());
        if let Some(spread) = &self.settings.spread
            && !tags().any(|tag| tag == spread)
        {
            let hint = did_you_mean(spread, tags().map(String::as_str));
            let message = format!("no host has the tag `{spread}`, so none would be kept from another{hint}");
            reader.error(&self.spread, message);
        }
    }
}

fn plain<T>(from: Option<Spanned<T>>) -> Option<T> {
    from.map(Spanned::into_inner)
}

fn set<T>(to: &mut T, from: Option<Spanned<T>>) {
    if let Some(from) = from {
        *to = from.into_inner();
    }
}

/// `5` or `"10%"`.
fn share(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Share> {
    const EXAMPLE: &str = "`5` or `\"10%\"`";
    if value.get_ref().is_integer() {
        return reader.integer(value, 1, EXAMPLE).map(|count| Share::Count(u32::from(count.into_inner())));
    }
    plain(reader.parsed(value, EXAMPLE, str::parse))
}

fn waves(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Share> {
    let errors = reader.found.len();
    let Some(array) = value.get_ref().as_array() else {
        reader.wrong_type(value, "an array", "`[1, \"10%\", \"50%\", \"100%\"]`");
        return Vec::new();
    };
    let waves: Vec<Share> = array.iter().filter_map(|value| share(reader, value)).collect();
    if reader.found.len() == errors
        && let Err(error) = Share::check_waves(&waves)
    {
        reader.error(&value.span(), error.to_string());
    }
    waves
}

fn selector(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Spanned<String>> {
    let text = reader.string(value, "a selector: `\"role=canary\"`")?;
    if let Err((span, fault)) = Selector::parse(text.get_ref()) {
        let span = reader.within(&text, &span);
        reader.error(&span, fault.to_string());
        return None;
    }
    Some(text)
}

/// A program and its arguments: no shell looks at them.
fn command(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<String> {
    const EXAMPLE: &str = "`[\"/usr/local/bin/check\", \"--quick\"]`";
    if !value.get_ref().is_array() {
        reader.wrong_type(value, "an array of a program and its arguments", EXAMPLE);
        return Vec::new();
    }
    let command: Vec<String> = reader.strings(value, EXAMPLE).into_iter().map(Spanned::into_inner).collect();
    match command.first() {
        Some(program) if program.is_empty() || !(program.starts_with('/') || program.starts_with("~/")) => {
            let why = "is no absolute path; begin it with `/` or `~/`, arguments stand each by itself";
            reader.error(&value.span(), format!("the program `{program}` {why}"));
        }
        Some(_) if command.len() > HEALTH_ARGUMENTS_MAX => {
            let why = format!("a command of more than {HEALTH_ARGUMENTS_MAX} words; put it into a script on the hosts");
            reader.error(&value.span(), why);
        }
        Some(_) | None => {}
    }
    command
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    let known = [Mode::WaveByWave, Mode::StageThenSwitch];
    known.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
        let hint = did_you_mean(text, known.map(Mode::as_str));
        format!("`{text}` is no mode; write `wave-by-wave` or `stage-then-switch`{hint}")
    })
}

fn parse_gate(text: &str) -> Result<Gate, String> {
    let known = [Gate::Ask, Gate::Auto];
    let found = known.into_iter().find(|gate| gate.as_str() == text);
    found.ok_or_else(|| format!("`{text}` is no gate; write `ask`, or `auto` to go on without a question"))
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing is done in no time; write `30s`".to_owned()),
        Ok(wait) => Ok(wait),
        Err(error) => Err(error.to_string()),
    }
}
