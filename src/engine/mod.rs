//! Floor 1: the pure trading core. One step function serves live, backtest, restart and proof.

pub mod indicators;
pub mod metrics;
pub mod strategy;
