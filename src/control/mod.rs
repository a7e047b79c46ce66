//! What console and agent say to each other: an [`Order`] goes down, a [`Status`] comes up.
//!
//! Values and their bytes only. It does not know what carries them (an SSH channel, then the agent's socket), and it decides
//! nothing.

mod codec;
mod failure;
mod frame;
mod run;

pub use codec::{Carried, Codec, CodecError, FRAME_LENGTH_MAX, MARKER, encode};
pub use failure::{AgentFailure, Remedy};
pub use frame::{
    Attached, CheckOrder, DataSource, HelloOrder, Holder, Mark, Order, Owner, PROTOCOL, PackOrder, PayloadFacts,
    PayloadFormat, PeerSummary, Placing, PortRange, Progress, ServeOrder, ServeRole, Status, TrackerHealth,
};
pub use run::{AgentId, RunId, RunIdError, Tag, TagError};
