//! A table of numbers for other programs: CSV or Parquet, a time and columns of doubles.

use std::{fmt::Write as _, sync::Arc};

use parquet::{
    basic::{Compression, Repetition, Type as Physical, ZstdLevel},
    data_type::{DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

/// Rows of one row group.
const GROUP_ROWS: usize = 1 << 17;

/// Times, and a number for each of them in every column. An unknown number is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// `ts_ms`: close of the bar, milliseconds UTC.
    pub ts_ms: Vec<i64>,
    /// Name and numbers.
    pub columns: Vec<(String, Vec<f64>)>,
}

impl Table {
    /// As CSV: an unknown number is an empty cell, a name with a comma is quoted.
    pub fn csv(&self) -> String {
        let mut text = "ts_ms".to_owned();
        for (name, _) in &self.columns {
            text.push(',');
            if name.contains([',', '"']) {
                let _ = write!(text, "\"{}\"", name.replace('"', "\"\""));
            } else {
                text.push_str(name);
            }
        }
        text.push('\n');
        for (row, ts_ms) in self.ts_ms.iter().enumerate() {
            let _ = write!(text, "{ts_ms}");
            for (_, values) in &self.columns {
                text.push(',');
                if values[row].is_finite() {
                    let _ = write!(text, "{}", values[row]);
                }
            }
            text.push('\n');
        }
        text
    }

    /// As Parquet: `ts_ms` as a whole number, as in the ledgers; an unknown number is null.
    pub fn parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let mut fields = vec![Arc::new(
            Type::primitive_type_builder("ts_ms", Physical::INT64)
                .with_repetition(Repetition::REQUIRED)
                .build()?,
        )];
        for (name, _) in &self.columns {
            let column = Type::primitive_type_builder(name, Physical::DOUBLE)
                .with_repetition(Repetition::OPTIONAL);
            fields.push(Arc::new(column.build()?));
        }
        let schema = Type::group_type_builder("features").with_fields(fields).build()?;
        let packed = Compression::ZSTD(ZstdLevel::try_new(3)?);
        let properties = WriterProperties::builder().set_compression(packed).build();
        let mut file =
            SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
        for start in (0..self.ts_ms.len()).step_by(GROUP_ROWS) {
            let rows = start..(start + GROUP_ROWS).min(self.ts_ms.len());
            let mut group = file.next_row_group()?;
            let mut times = group.next_column()?.ok_or(ParquetError::EOF("ts_ms".to_owned()))?;
            times.typed::<Int64Type>().write_batch(&self.ts_ms[rows.clone()], None, None)?;
            times.close()?;
            for (name, values) in &self.columns {
                let values = &values[rows.clone()];
                let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
                let levels: Vec<i16> = values.iter().map(|x| i16::from(x.is_finite())).collect();
                let mut column = group.next_column()?.ok_or(ParquetError::EOF(name.clone()))?;
                column.typed::<DoubleType>().write_batch(&known, Some(&levels), None)?;
                column.close()?;
            }
            group.close()?;
        }
        file.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_leaves_out_what_is_unknown_and_quotes_names() {
        let table = Table {
            ts_ms: vec![300_000, 600_000],
            columns: vec![
                ("ema(close, 2)".to_owned(), vec![f64::NAN, 1.5]),
                ("x".to_owned(), vec![1.0, f64::INFINITY]),
            ],
        };
        assert_eq!(table.csv(), "ts_ms,\"ema(close, 2)\",x\n300000,,1\n600000,1.5,\n");
    }
}
