//! The windowed backtest: the same step over the bars on disk.

pub mod figures;
pub mod inputs;
pub mod job;
pub mod write;
