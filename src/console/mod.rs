//! What the operator sees and presses: [`update`] takes a message, [`view`](fn@view) draws the model.
//!
//! Pure: it reads no clock and no file, opens no terminal, and knows no key but its own [`Key`]. What is true about a
//! host is in the [`Rollout`](crate::rollout::Rollout) inside the [`Model`], once.

mod actions;
mod arrange;
mod command;
mod dialog;
mod events;
mod filter;
mod grace;
mod hits;
mod io;
mod keymap;
mod marks;
mod model;
mod motion;
mod order;
mod outside;
mod popup;
mod prompt;
mod retold;
mod settings;
mod theme;
mod update;
mod view;

pub use filter::Labels;
pub use io::{Effect, Key, KeyCode, KeyError, LastScreen, Leave, Msg, Progress, Signal};
pub use keymap::{Act, Binding, Keymap, Motion, Section, Verb};
pub use model::{Access, Density, Model, Setup, Sort, View};
pub use settings::{OnHangup, Settings, SettingsOf, ThemeChoice};
pub use theme::{BUILTIN, ColorChoice, ColorDepth, Glyphs, Measure, Scope, TerminalEnv, Theme, Variant};
pub use update::update;
pub use view::view;
