//! What a strategy is, and the rule strategies: features computed from bars since an anchor, and a rule without memory over them.

pub mod by_score;
mod contract;
pub mod ema_atr;
pub mod params;
pub mod rsi_revert;
pub mod stops;

pub use contract::{Features, Intent, Protection, Strategy, Values};
