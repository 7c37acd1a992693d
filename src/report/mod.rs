//! The report about one ledger: its figures, findings in words, pictures and page. Pure: rows come in, text goes out.

mod axis;
mod charts;
pub(crate) mod figures;
mod findings;
pub(crate) mod gather;
pub(crate) mod header;
mod line;
mod number;
pub(crate) mod page;
pub(crate) mod pyramid;
mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod trade;
