//! Training: rows from stored bars, walking forward, a test of every fold through the engine, and a model with its report.

pub mod dataset;
mod evaluate;
pub(crate) mod job;
mod label_shuffle_check;
mod output;
mod picture;
pub(crate) mod report;
mod settings;
mod walk_forward;
