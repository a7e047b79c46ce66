//! Hosts of our own: real SSH servers on loopback in this process, each with a folder, for a first try and for tests.
//!
//! [`DemoFleet`] starts them, writes the inventory, keys and payload for them, and removes all of it at its end. What
//! runs on these hosts are real processes of this machine; only the servers and the faults to practise on are made
//! here. It knows nothing of a run: `rookery run` goes there as it goes anywhere.

mod account;
mod fault;
mod files;
mod fleet;
mod process;
mod server;

pub use account::Keys;
pub use fault::Fault;
pub use files::write_payload;
pub use fleet::{DemoError, DemoFleet, DemoHost, DemoOptions};
pub use server::{Server, ServerOptions};
