//! The live paper loop: one decision per closed bar, restart-safe, catch-up-safe.

pub mod background;
pub mod cycle;
mod hearing;
pub mod job;
pub mod network;
pub mod plan;
pub mod recording;
pub mod state;
pub mod tally;
