//! What a run achieved: return, risk and trades, each figure by its stated definition. For reports only, hence in `f64`.

pub(crate) mod confidence;
pub mod curve;
pub(crate) mod tearsheet;
pub mod trades;
