//! The arguments, as clap reads them.

use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::course::{GateArg, RolloutArgs};
use super::fleet_file::INVENTORY_VARIABLE;
use crate::base::{BLOCK_LENGTH, ByteCount, ByteRate, UnitError};
use crate::console::{ColorChoice, ColorDepth};
use crate::control::Tag;
use crate::payload::PIECE_LENGTH_MAX;

/// The contract's exit codes, for those who write scripts.
const EXIT_CODES: &str = "\
Exit codes:
  0  every selected host is done      5  retried hosts are done, others failed
  1  unexpected error                 6  aborted by the operator
  2  the arguments are off            7  inventory or configuration invalid
  3  some hosts failed                8  a check failed
  4  no host selected                 129, 130, 143  ended by a signal";

/// Those of cleaning.
const CLEAN_EXIT_CODES: &str = "\
Exit codes:
  0  nothing is left anywhere         7  inventory or configuration invalid
  4  no host selected                 8  something is left, or a host was not reached";

/// Where a run can be watched.
const ATTACH_WHERE: &str = "\
It reads the run's journal, which lies on the machine where the run was begun, in
~/.local/state/rookery of the user who began it: log in there to watch.

It ends with 0 when the run has ended or its console is gone. The run's own exit
code is told by its console alone.";

/// Those of a check.
const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0  every host is ready              7  inventory or configuration invalid
  4  no host selected                 8  a host has a fault";

/// Those of a rehearsal.
const REHEARSE_EXIT_CODES: &str = "\
Exit codes:
  0  every live host has everything   3  some have not
  1  a law of the simulation broke    7  the scenario cannot be used";

/// Deploys files to a whole fleet of servers by BitTorrent, over SSH.
#[derive(Debug, Parser)]
#[command(name = "rookery", version, styles = Styles::plain(), max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take a directory or file to every host: package, swarm, verify, unpack to DIR/TAG.
    Run(Box<RunArgs>),
    /// Look at every host as a run would, and change nothing: SSH, folders, room, clock, agent, ports; exits 8 on a fault.
    Check(Box<CheckArgs>),
    /// Take up a run whose console ended: attach to what is alive, carry on with what is not.
    Resume(ResumeArgs),
    /// Watch a run that another console of yours has in its hands, on the machine where that console runs.
    Attach(AttachArgs),
    /// Prove that no agent, lock or temporary file of ours is left on the hosts, or name what is; exits 8 then.
    Clean(Box<CleanArgs>),
    /// The main job on 24 hosts of its own: real SSH servers on loopback, no set-up, no root.
    Demo(DemoArgs),
    /// Practise: the real console over a simulated fleet. Without a terminal: measure the real swarm, faster than time.
    Rehearse(RehearseArgs),
    /// Show what a selector means.
    Hosts(HostsArgs),
    /// Show earlier runs.
    Runs(RunsArgs),
    /// Make and show .torrent files, for any client.
    Torrent(TorrentArgs),
    /// List, show and check themes.
    Theme(ThemeArgs),
    /// Print the keys of the console.
    Keys,
    /// Show versions, paths, keys and what the terminal can do; exits 8 when something must be mended.
    Doctor(DoctorArgs),
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct RunArgs {
    /// A directory or file of this machine, or `HOST:/path` when it already lies on the seeder's host.
    pub(super) source: String,
    /// Package, show hosts, roles, waves, payload and pieces, and touch no host.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Start at once; without it a run of several hosts asks first when there is a terminal to ask on.
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) fleet: FleetArgs,
    /// The release's name [default: the source's name and 12 digits of the payload's SHA-256].
    #[arg(long, env = "ROOKERY_TAG", hide_env_values = true, help_heading = "Payload")]
    pub(super) tag: Option<Tag>,
    /// The folder releases land in on the hosts [default: `to` of the inventory].
    #[arg(long, value_name = "DIR", env = "ROOKERY_TO", hide_env_values = true, help_heading = "Payload")]
    pub(super) to: Option<String>,
    /// All but these hosts.
    #[arg(long, value_name = "SELECTOR", help_heading = "Fleet")]
    pub(super) exclude: Option<String>,
    /// Leave paths out of the payload; may be given several times.
    #[arg(long, value_name = "GLOB", help_heading = "Payload")]
    pub(super) exclude_path: Vec<String>,
    /// Whether a directory is compressed; `auto`: when it pays.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = CompressArg::Auto, env = "ROOKERY_COMPRESS")]
    #[arg(hide_env_values = true, help_heading = "Payload")]
    pub(super) compress: CompressArg,
    /// Piece length, a power of two from 16 KiB to 16 MiB [default: from the size].
    #[arg(long, value_name = "SIZE", value_parser = piece_length, help_heading = "Payload")]
    pub(super) piece_length: Option<u32>,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
    #[command(flatten)]
    pub(super) pace: PaceArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

#[derive(Debug, Args)]
#[command(after_help = CHECK_EXIT_CODES)]
pub(super) struct CheckArgs {
    /// What is going to be deployed: the room for it is looked for, too.
    pub(super) source: Option<String>,
    #[command(flatten)]
    pub(super) fleet: FleetArgs,
    /// All but these hosts.
    #[arg(long, value_name = "SELECTOR", help_heading = "Fleet")]
    pub(super) exclude: Option<String>,
    /// The folder releases land in on the hosts [default: `to` of the inventory].
    #[arg(long, value_name = "DIR", env = "ROOKERY_TO", hide_env_values = true, help_heading = "Payload")]
    pub(super) to: Option<String>,
    /// The release's name: hosts that have it need no room.
    #[arg(long, env = "ROOKERY_TAG", hide_env_values = true, help_heading = "Payload")]
    pub(super) tag: Option<Tag>,
    /// Leave paths out of what SOURCE needs; may be given several times.
    #[arg(long, value_name = "GLOB", help_heading = "Payload")]
    pub(super) exclude_path: Vec<String>,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    /// Hosts being looked at at once [default: the inventory's, else 64].
    #[arg(long, value_name = "N", env = "ROOKERY_FANOUT", hide_env_values = true, help_heading = "Pace")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) fanout: Option<u16>,
    /// No line that is written over while hosts are looked at.
    #[arg(long, help_heading = "Display")]
    pub(super) plain: bool,
    /// One JSON object a host on stdout, one for all at the end, and nothing else there.
    #[arg(long, help_heading = "Display")]
    pub(super) json: bool,
    /// Only faults.
    #[arg(long, short = 'q', help_heading = "Display")]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct ResumeArgs {
    /// The run [default: the last that is unfinished].
    pub(super) run: Option<String>,
    /// Between the waves to come: ask at the console, or go on by itself [default: as the run was begun].
    #[arg(long, value_name = "WHO", value_enum)]
    pub(super) gate: Option<GateArg>,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

#[derive(Debug, Args)]
#[command(after_help = ATTACH_WHERE)]
pub(super) struct AttachArgs {
    /// The run [default: the last that has a console].
    pub(super) run: Option<String>,
    /// Watch, and change nothing: the only way there is.
    #[arg(long, required = true)]
    pub(super) read_only: bool,
    /// The events as they are in the journal, one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = CLEAN_EXIT_CODES)]
pub(super) struct CleanArgs {
    #[command(flatten)]
    pub(super) fleet: FleetArgs,
    /// All but these hosts.
    #[arg(long, value_name = "SELECTOR", help_heading = "Fleet")]
    pub(super) exclude: Option<String>,
    /// The folder releases land in on the hosts [default: `to` of the inventory].
    #[arg(long, value_name = "DIR", env = "ROOKERY_TO", hide_env_values = true)]
    pub(super) to: Option<String>,
    /// End runs that are under way, too: those whose console was heard lately.
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    /// Hosts being cleaned at once [default: the inventory's, else 64].
    #[arg(long, value_name = "N", env = "ROOKERY_FANOUT", hide_env_values = true, help_heading = "Pace")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) fanout: Option<u16>,
    /// One JSON object a host on stdout, and nothing else there.
    #[arg(long, help_heading = "Display")]
    pub(super) json: bool,
    /// Only what is left behind or not known.
    #[arg(long, short = 'q', help_heading = "Display")]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub(super) struct FleetArgs {
    /// The inventory [default: ./inventory.toml, then the user's config folder].
    #[arg(long, short = 'i', value_name = "FILE", env = INVENTORY_VARIABLE, hide_env_values = true)]
    pub(super) inventory: Option<PathBuf>,
    /// Only these hosts: `web,db`, `@web & @dc1`, `web[001-010].dc1`, `rack=r1`, `10%`, `@failed`.
    #[arg(long, value_name = "SELECTOR")]
    pub(super) limit: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// Ask for the password of sudo, for hosts with `become = true` [default: when a host wants one].
    #[arg(long, short = 'K', conflicts_with = "become_password_file")]
    pub(super) ask_become_pass: bool,
    /// The password of sudo is the first line of this file, which nobody else may read.
    #[arg(long, value_name = "FILE", env = "ROOKERY_BECOME_PASSWORD_FILE", hide_env_values = true)]
    pub(super) become_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
pub(super) struct PaceArgs {
    /// Upload cap of each host, such as 20M; 0 is none [default: the inventory's].
    #[arg(long, value_name = "RATE", env = "ROOKERY_MAX_UPLOAD", hide_env_values = true)]
    pub(super) max_upload: Option<ByteRate>,
    /// Download cap of each host; 0 is none [default: the inventory's].
    #[arg(long, value_name = "RATE", env = "ROOKERY_MAX_DOWNLOAD", hide_env_values = true)]
    pub(super) max_download: Option<ByteRate>,
    /// SSH sessions being set up at once [default: the inventory's, else 64].
    #[arg(long, value_name = "N", env = "ROOKERY_FANOUT", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) fanout: Option<u16>,
    /// Automatic retries of a host whose agent failed for a reason that may heal [default: the inventory's, else 2].
    #[arg(long, value_name = "N", env = "ROOKERY_RETRIES", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..=100))]
    pub(super) retries: Option<u16>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Display")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct ShowArgs {
    /// A line a change instead of the console.
    #[arg(long)]
    pub(super) plain: bool,
    /// One JSON object a line on stdout, and nothing else there.
    #[arg(long)]
    pub(super) json: bool,
    /// Only failures and the end.
    #[arg(long, short = 'q')]
    pub(super) quiet: bool,
    /// A console that watches: no key changes the run, which ends by itself.
    #[arg(long)]
    pub(super) read_only: bool,
    /// Colours and glyphs; `rookery theme list` shows them.
    #[arg(long, value_name = "NAME", env = "ROOKERY_THEME", hide_env_values = true)]
    pub(super) theme: Option<String>,
    /// How many colours [default: as many as the terminal has].
    #[arg(long, value_name = "DEPTH", value_enum, env = "ROOKERY_COLOR", hide_env_values = true)]
    pub(super) color: Option<ColorArg>,
    /// No character beyond ASCII [default: from the locale].
    #[arg(long)]
    pub(super) ascii: bool,
    /// Frames a second at most [default: 10, over SSH 4].
    #[arg(long, value_name = "N", env = "ROOKERY_FPS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=60))]
    pub(super) fps: Option<u16>,
    /// Ask the terminal for its background and for 24-bit colours before the console begins.
    #[arg(long)]
    pub(super) probe: bool,
    /// Let a click select a host, and the wheel move; the terminal selects text with shift then.
    #[arg(long)]
    pub(super) mouse: bool,
    /// Where diagnostics go [default: the run's folder].
    #[arg(long, value_name = "FILE", env = "ROOKERY_LOG_FILE", hide_env_values = true)]
    pub(super) log_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How many hosts.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(super) hosts: u16,
    /// The same seed makes the same payload and faults.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Nothing goes wrong.
    #[arg(long)]
    pub(super) no_faults: bool,
    #[command(flatten)]
    pub(super) rollout: RolloutArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

#[derive(Debug, Args)]
#[command(after_help = REHEARSE_EXIT_CODES)]
pub(super) struct RehearseArgs {
    /// The scenario, a TOML file; docs/rehearse.md has its keys [default: 1,400 hosts with some of every trouble].
    pub(super) scenario: Option<PathBuf>,
    /// Measure, also on a terminal: run the real swarm to its end and report.
    #[arg(long)]
    pub(super) measure: bool,
    /// Decides what is left to chance [default: the scenario's].
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Measure so many times, each with the next seed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) seeds: u32,
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct HostsArgs {
    /// Which hosts [default: all].
    pub(super) selector: Option<String>,
    /// The inventory [default: ./inventory.toml, then the user's config folder].
    #[arg(long, short = 'i', value_name = "FILE", env = INVENTORY_VARIABLE, hide_env_values = true)]
    pub(super) inventory: Option<PathBuf>,
    /// One name a line.
    #[arg(long, conflicts_with = "json")]
    pub(super) list: bool,
    /// One JSON array, with everything known of each host; with --keyscan, with its key and what is known of that.
    #[arg(long)]
    pub(super) json: bool,
    /// Have every host present its key, and show them for review; exits 8 when one has changed or is not seen.
    #[arg(long, conflicts_with = "list")]
    pub(super) keyscan: bool,
    /// Write keys that are new to the first file of `known_hosts`.
    #[arg(long, requires = "keyscan")]
    pub(super) write: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(subcommand)]
    pub(super) command: Option<RunsCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// Every event of a run, a line each.
    Show {
        /// The run [default: the last].
        run: Option<String>,
    },
    /// How a run ended, host by host.
    Report {
        /// The run [default: the last].
        run: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct TorrentArgs {
    #[command(subcommand)]
    pub(super) command: TorrentCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TorrentCommand {
    /// Make a .torrent of a file, or of all files in a folder.
    Create {
        /// The file or folder.
        path: PathBuf,
        /// The tracker: http://ADDRESS:PORT/announce.
        #[arg(long, value_name = "URL")]
        announce: String,
        /// Where the .torrent goes.
        #[arg(long, short = 'o', value_name = "FILE")]
        output: PathBuf,
        /// Piece length, a power of two from 16 KiB to 16 MiB [default: from the size].
        #[arg(long, value_name = "SIZE", value_parser = piece_length)]
        piece_length: Option<u32>,
        /// Only the tracker may tell peers of each other (BEP 27).
        #[arg(long)]
        private: bool,
    },
    /// Show what is in a .torrent.
    Show {
        /// The .torrent.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ThemeArgs {
    #[command(subcommand)]
    pub(super) command: ThemeCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ThemeCommand {
    /// The themes there are.
    List,
    /// A swatch of every state.
    Show {
        /// The theme.
        name: String,
    },
    /// Whether a theme has no mistake, can be read, and keeps states apart for every kind of colour vision.
    Check {
        /// Names or files [default: every theme].
        themes: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The inventory [default: ./inventory.toml, then the user's config folder].
    #[arg(long, short = 'i', value_name = "FILE", env = INVENTORY_VARIABLE, hide_env_values = true)]
    pub(super) inventory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CompressArg {
    Auto,
    None,
    Zstd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorArg {
    Auto,
    Never,
    #[value(name = "16")]
    Ansi16,
    #[value(name = "256")]
    Ansi256,
    Truecolor,
}

impl From<ColorArg> for ColorChoice {
    fn from(arg: ColorArg) -> Self {
        match arg {
            ColorArg::Auto => Self::Auto,
            ColorArg::Never => Self::Only(ColorDepth::Mono),
            ColorArg::Ansi16 => Self::Only(ColorDepth::Ansi16),
            ColorArg::Ansi256 => Self::Only(ColorDepth::Ansi256),
            ColorArg::Truecolor => Self::Only(ColorDepth::TrueColor),
        }
    }
}

/// Reads `--piece-length`.
fn piece_length(text: &str) -> Result<u32, String> {
    let ByteCount(bytes) = text.parse().map_err(|error: UnitError| error.to_string())?;
    let length = u32::try_from(bytes).ok().filter(|length| length.is_power_of_two());
    let length = length.filter(|length| (BLOCK_LENGTH..=PIECE_LENGTH_MAX).contains(length));
    length.ok_or_else(|| "expected a power of two from 16K to 16M".to_owned())
}
