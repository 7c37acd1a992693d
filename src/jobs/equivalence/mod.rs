//! The proof: LIVE and BACKTEST compared slot by slot, synced at flat.

pub mod both;
pub mod compare;
mod flat;
pub mod job;
pub mod judge;
pub mod locate;
pub mod proof;
pub mod proofs;
pub mod prove;
mod proven;
mod stored;
