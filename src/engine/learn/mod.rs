//! The arithmetic of learning from bars: labels, rows, folds without leaks, chance with a seed, and what a model is measured by.

pub mod label;
pub(crate) mod lookahead;
pub mod rows;
pub mod scores;
pub mod split_mix;
