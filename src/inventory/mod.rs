//! The fleet as its operator wrote it down: TOML to [`Inventory`], host ranges, and the selectors that name hosts.
//!
//! Values only: it reads no file (the text is given to [`Inventory::parse`]), resolves no name and reaches no host. Every
//! error says where it is, shows the line, and names the way out; all errors of a file are reported at once.

mod diagnostics;
mod duration;
mod glob;
mod group;
mod host;
mod host_name;
mod host_set;
mod hosts;
mod jump;
mod membership;
mod name_regex;
mod nearest;
mod parse;
mod reader;
mod roles;
mod rollout_section;
mod rollout_settings;
mod sections;
mod select;
mod select_fault;
mod selector;
mod settings;
mod share;
mod swarm_settings;

pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use duration::{DurationError, parse_duration};
pub use group::Group;
pub use host::{Host, HostId, HostKeyPolicy, SaidKey, SshConfig, Standing};
pub use host_name::HostNameError;
pub use host_set::HostSet;
pub use hosts::{EXPANSION_MAX, HostPattern, PatternError, PatternFault, expand, fold, fold_patterns};
pub use jump::{JumpHost, JumpHostError};
pub use name_regex::NameRegex;
pub use nearest::did_you_mean;
pub use parse::Inventory;
pub use roles::{Place, Roles};
pub use rollout_settings::{Gate, Mode, RolloutSettings};
pub use sections::KNOWN_KEYS;
pub use select::{SelectContext, SelectError};
pub use share::{Share, ShareError};
pub use swarm_settings::SwarmSettings;
