//! What a run achieved: return, risk and trades, each figure by its stated definition. For reports only, hence in `f64`.

pub mod confidence;
pub mod curve;
pub mod drawdowns;
mod sample;
pub mod tearsheet;
pub mod trades;
