//! Bars from files of others: CSV and Parquet, gzipped or not, in whatever order, unit and column names. Every row that is refused is named.

mod amounts;
mod assemble;
mod cell;
mod claim;
mod columns;
mod csv;
mod dates;
mod distance;
mod format;
mod headerless;
mod labels;
mod length;
mod parquet;
mod read;
mod row;
mod stamp;
mod twice;
mod volume;
mod when;
mod words;

pub use assemble::{Archive, Conflict, Gap, Order, RawRow, Refused, Rows};
pub use read::{ColumnNames, Options, parse, parse_rows, read};
pub use stamp::{Meaning, Unit};
