//! Training and promotion: folds without leaks, the same bits however they were reached, and which model is in use.

mod export;
pub mod fixture;
mod folds;
mod job;
mod leaks;
pub mod noise;
mod numbers;
mod pipeline;
mod process;
mod promote;
