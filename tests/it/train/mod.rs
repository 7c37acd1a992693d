//! Training and promotion: folds without leaks, the same bits however they were reached, and which model is in use.

mod export;
pub mod fixture;
mod folds;
mod future;
mod holes;
mod job;
mod leaks;
mod market;
mod newcomer;
mod noise;
mod numbers;
mod pipeline;
mod process;
mod promote;
