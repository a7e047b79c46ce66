//! The `BitTorrent` engine of one host, as a machine.
//!
//! It decides whom to connect to, which block to ask of whom, whom to serve, and what to think of a peer that lies: BEP 3
//! with the fast extension (BEP 6), the extension handshake (BEP 10), peer exchange (BEP 11) and canonical priority (BEP
//! 40). [`Input`] and [`Output`] are the whole contract.
//!
//! It does **not** know a socket, a file, a hash function or the time: what is to be read, written, hashed, sent or
//! awaited is said as [`Output`] and answered as [`Input`]. It never gives up: a run is ended by whoever began it.

mod announcer;
mod blame;
mod border;
mod bucket;
mod choker;
mod config;
mod dialer;
mod exchange;
mod fetch;
mod greet;
mod io;
mod locality;
mod machine;
mod meter;
mod peer;
mod peers;
mod picker;
mod pieces;
mod priority;
mod serve;
mod slumber;
mod spread;

pub use announcer::TrackerHealth;
pub use config::{Config, Tracker};
pub use exchange::Exchange;
pub use io::{Announcement, ConnectionId, Input, Note, Output, PeerFault};
pub use machine::{Fault, Swarm, Totals};
pub use peer::{Origin, PeerSummary};
pub use priority::{Preference, canonical_priority};
