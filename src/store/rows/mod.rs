//! Rows of the ledgers: fast encoders, and readers that check every field once and name file, line and reason.

pub mod commands;
pub mod decisions;
pub mod encode;
pub(crate) mod number;
pub mod signals;
pub(crate) mod table;
pub mod timing;
pub mod trades;
