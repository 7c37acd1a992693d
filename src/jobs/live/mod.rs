//! The live paper loop: one decision per closed bar, restart-safe, catch-up-safe.

pub mod cycle;
pub(crate) mod feeds;
pub(crate) mod job;
pub mod plan;
mod repeats;
mod signal_wait;
pub(crate) mod state;
pub(crate) mod voice;
pub(crate) mod watcher;
