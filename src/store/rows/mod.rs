//! Rows of the ledgers: fast encoders, and readers that check every field once and name file, line and reason.

pub mod commands;
pub mod decisions;
pub mod signals;
pub mod table;
pub mod trades;
