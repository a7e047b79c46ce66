//! From a connection to an agent that runs: look at the host, bring the agent if it is not there, start it.
//!
//! Nothing but `sh` and the usual tools is expected of the host. All commands are fixed texts; folders, digests and
//! process ids go in on stdin, so that no name can become shell. It knows no order or status: what the started agent
//! says is `driver::fleet`'s business.

mod agents;
mod command;
mod consult;
mod image;
mod install;
mod link;
mod local;
mod needs;
mod probe;
mod process;
mod script;

pub use agents::Agents;
pub use consult::{Consultation, consult};
pub use image::{AgentImage, ImageError};
pub use install::{Foothold, install};
pub use link::Link;
pub use needs::{Needs, Room, SKEW_MAX};
pub use probe::{Holder, Landing, Probe, Traces, enter, probe};
pub use process::{AgentPlace, Cleaned, Live, attach, clean, prove_gone};
