//! The windowed backtest: the same step over the bars on disk.

pub(crate) mod figures;
pub(crate) mod job;
pub(crate) mod ledgers;
pub(crate) mod tape;
