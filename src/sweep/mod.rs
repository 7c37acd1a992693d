//! Floor 2, and pure: many trials of one strategy, and what the best of them is worth. No files, no clock, no threads: what is tried,
//! how one trial is played, who wins, and the figures that keep a search from fooling its owner.

pub mod market;
mod nearest;
pub mod normal;
pub mod pbo;
pub mod plateau;
pub mod searches;
pub mod sobol;
pub mod space;
pub mod stats;
pub mod sums;
pub mod trial;
pub mod verdict;
pub mod windows;
pub mod xoshiro;

#[cfg(test)]
mod tests;
