//! The arithmetic of learning from bars: labels, rows, folds without leaks, chance with a seed, and what a model is measured by.

pub(crate) mod calibration;
pub mod chance;
pub mod folds;
pub mod label;
pub mod likelihood;
pub(crate) mod overlap;
pub(crate) mod peek;
pub(crate) mod ranking;
pub mod rows;
