//! SSH to hosts: a [`Dialer`] makes a [`Session`] over a [`Route`], a session runs commands as
//! [`Channel`](super::channel::Channel)s.
//!
//! The only module that names russh besides the demo's servers. It checks host keys (`driver::known_hosts`),
//! authenticates with the operator's keys, goes through jump hosts, and turns whatever goes wrong into a
//! [`Failure`](crate::rollout::Failure). Every wait has a deadline. It retries nothing but a connection that is closed
//! before the server's banner, and knows nothing of agents.

mod auth;
mod bastions;
mod certificate;
mod dial;
mod exec;
mod gate;
mod identity;
mod keys;
mod logins;
mod proxy;
mod route;
mod scan;
mod session;
mod signer;
mod stream;
mod sudo;

pub(super) use dial::within;
pub use dial::{Deadlines, Dialer};
pub use keys::{Credentials, Passphrase, PassphrasePrompt};
pub use route::{Hop, Route};
pub use scan::{Seen, Standing};
pub use session::{Session, Way};
pub use sudo::SudoPassword;
