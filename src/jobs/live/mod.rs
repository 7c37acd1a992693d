//! The live paper loop: one decision per closed bar, restart-safe, catch-up-safe.

pub mod background;
pub mod cycle;
pub mod feeds;
pub mod job;
pub mod plan;
mod repeats;
mod signal_wait;
pub mod state;
pub mod voice;
pub mod watcher;
