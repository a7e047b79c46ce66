//! What the operator sees and presses: `update` takes a message, `view` draws the model.
//!
//! Pure: it reads no clock and no file, opens no terminal, and knows no key but its own [`Key`]. What is true about a
//! host is in the [`Rollout`](crate::rollout::Rollout) inside the [`Model`], once.

mod io;
mod theme;

pub use io::{Effect, Key, KeyCode, KeyError, Leave, Msg, Signal};
pub use theme::{BUILTIN, ColorChoice, ColorDepth, Glyphs, Scope, TerminalEnv, Theme};
