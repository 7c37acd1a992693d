//! Bars from files of others: CSV, gzipped CSV, Parquet, in whatever order, unit and column names. Every row that is refused is named.

mod assemble;
mod columns;
mod csv;
mod parquet;
mod read;
mod stamp;

pub use assemble::{Archive, Gap, Order, RawRow, Refused, Rows};
pub use read::{Options, parse, parse_rows, read};
pub use stamp::{Meaning, Unit};
