//! Training: rows from stored bars, walking forward, a test of every fold through the engine, and a model with its report.

mod asked;
mod canary;
mod evaluate;
mod fitting;
pub mod job;
mod leave;
pub mod material;
mod picture;
mod publish;
pub mod report;
mod table;
mod walk;
