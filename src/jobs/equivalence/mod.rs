//! The proof: LIVE and BACKTEST compared slot by slot, synced at flat.

pub mod both;
pub mod compare;
mod flat;
pub mod job;
pub mod judge;
pub mod locate;
mod orders;
pub mod proof;
pub mod proofs;
pub mod prove;
mod proven;
pub mod report;
mod retention;
mod stored;
