//! The proof: LIVE and BACKTEST compared slot by slot, synced at flat.

pub mod compare;
