//! Bars from files of others: CSV and Parquet, gzipped or not, in whatever order, unit and column names. Every row that is refused is named.

mod assemble;
mod claim;
mod columns;
mod csv;
mod distance;
mod headerless;
mod parquet;
mod read;
mod row;
mod stamp;
mod twice;
mod volume;
mod when;
mod words;

pub use assemble::{Archive, ArchiveGap, ArchiveRows, Conflict, RawRow, RefusedRow, RowOrder};
pub use read::{ColumnNames, ReadOptions, parse, parse_rows, read};
pub use stamp::{StampMeaning, StampUnit};
