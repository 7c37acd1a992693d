//! The proof: LIVE and BACKTEST compared slot by slot, synced at flat.

pub mod compare;
pub mod job;
pub mod judge;
mod locate;
mod orders;
pub mod proof;
pub mod proofs;
pub mod prove;
pub mod report;
mod retention;
