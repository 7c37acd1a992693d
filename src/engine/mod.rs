//! Floor 1: the pure trading core. One step function serves live, backtest, restart and proof.

mod account;
pub mod anchor;
pub mod learn;
pub mod metrics;
pub mod model;
mod position;
mod risk;
pub mod rules;
pub(crate) mod saved;
pub mod signals;
pub mod slot;
pub mod state;
pub mod step;
pub mod still;
pub mod strategy;
