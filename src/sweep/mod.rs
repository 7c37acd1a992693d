//! Floor 2, and pure: many trials of one strategy, and what the best of them is worth. No files, no clock, no threads: what is tried,
//! how one trial is played, who wins, and the figures that keep a search from fooling its owner.

pub(crate) mod chance;
pub(crate) mod market;
pub(crate) mod normal;
pub(crate) mod pbo;
pub(crate) mod plateau;
pub(crate) mod searches;
pub(crate) mod sobol;
pub(crate) mod space;
pub(crate) mod stats;
pub mod sums;
pub mod trial;
pub(crate) mod verdict;
pub(crate) mod windows;

#[cfg(test)]
mod tests;
