//! The live paper loop: one decision per closed bar, restart-safe, catch-up-safe.

pub mod background;
pub mod cycle;
mod desk;
mod hearing;
pub mod job;
pub mod network;
pub mod plan;
pub mod recording;
mod repeats;
pub mod state;
pub mod tally;
pub mod voice;
