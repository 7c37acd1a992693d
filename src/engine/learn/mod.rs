//! The arithmetic of learning from bars: labels, rows, folds without leaks, chance with a seed, and what a model is measured by.

pub mod calibration;
pub mod chance;
pub mod folds;
pub mod label;
pub mod likelihood;
pub mod overlap;
pub mod peek;
pub mod ranking;
pub mod rows;
