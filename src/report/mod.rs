//! The report about one ledger: its figures, findings in words, pictures and page. Pure: rows come in, text goes out.

pub mod axis;
mod charts;
pub mod compare;
pub mod figures;
mod findings;
pub mod gather;
pub mod header;
mod line;
pub mod number;
pub mod page;
pub mod pyramid;
pub mod sweep;
mod tables;
#[cfg(test)]
mod tests;
pub mod trade;
pub mod training;
