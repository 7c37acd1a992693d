//! The proof: LIVE and BACKTEST compared slot by slot, synced at flat.

pub(crate) mod both;
pub(crate) mod compare;
mod flat;
pub(crate) mod job;
pub(crate) mod judge;
pub(crate) mod proofs;
pub(crate) mod prove;
mod proven;
