//! The only code that waits: it moves inputs into the machines and their outputs out, on real hosts.
//!
//! It decides nothing that a machine decides: which piece, which peer and which host is asked next is said in the layers
//! below; what is here is sockets, files, clocks and processes.

#![expect(clippy::disallowed_methods, reason = "drivers read the clock for the machines")]

mod clock;

pub use clock::Clock;
