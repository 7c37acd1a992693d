//! A table of numbers for other programs: CSV or Parquet, a time and columns of doubles, written piece by piece.

use std::{fmt::Write as _, path::Path, sync::Arc};

use parquet::{
    basic::{Compression, Repetition, Type as Physical, ZstdLevel},
    data_type::{DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};
use thiserror::Error;

use super::disk::{Disk, DiskError, Staged};

/// Times, and a number for each of them in every column. An unknown number is NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumberTable {
    /// `ts_ms`: close of the bar, milliseconds UTC.
    pub ts_ms: Vec<i64>,
    /// Name and numbers.
    pub columns: Vec<(String, Vec<f64>)>,
}

impl NumberTable {
    /// Appends the header of these columns as CSV.
    fn push_header(names: &[String], out: &mut String) {
        out.push_str("ts_ms");
        for name in names {
            out.push(',');
            if name.contains([',', '"']) {
                let _ = write!(out, "\"{}\"", name.replace('"', "\"\""));
            } else {
                out.push_str(name);
            }
        }
        out.push('\n');
    }

    /// Appends the rows as CSV: an unknown number is an empty cell.
    fn push_rows(&self, out: &mut String) {
        for (row, ts_ms) in self.ts_ms.iter().enumerate() {
            let _ = write!(out, "{ts_ms}");
            for (_, values) in &self.columns {
                out.push(',');
                if values[row].is_finite() {
                    let _ = write!(out, "{}", values[row]);
                }
            }
            out.push('\n');
        }
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Writes the rows as one row group.
    fn pack(&self, file: &mut SerializedFileWriter<Vec<u8>>) -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        let mut times = group.next_column()?.ok_or(ParquetError::EOF("ts_ms".to_owned()))?;
        times.typed::<Int64Type>().write_batch(&self.ts_ms, None, None)?;
        times.close()?;
        for (name, values) in &self.columns {
            let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
            let levels: Vec<i16> = values.iter().map(|x| i16::from(x.is_finite())).collect();
            let mut column = group.next_column()?.ok_or(ParquetError::EOF(name.clone()))?;
            column.typed::<DoubleType>().write_batch(&known, Some(&levels), None)?;
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    /// Text: an unknown number is an empty cell, a name with a comma is quoted.
    Csv,
    /// Parquet: `ts_ms` is a whole number, as in the ledgers; an unknown number is null.
    Parquet,
}

/// Makes bytes of a table that comes in pieces. The pieces decide over the bytes of Parquet: each is a row group.
pub enum Packer {
    /// Whether the header is still to come.
    Csv(bool),
    /// Nothing before the first piece, which names the columns.
    Parquet(Option<Box<SerializedFileWriter<Vec<u8>>>>),
}

impl Packer {
    /// Before the first piece.
    pub const fn new(form: TableForm) -> Self {
        match form {
            TableForm::Csv => Self::Csv(true),
            TableForm::Parquet => Self::Parquet(None),
        }
    }

    /// The bytes that a piece adds.
    pub fn add(&mut self, piece: &NumberTable) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Csv(is_first) => {
                let mut text = String::new();
                if std::mem::take(is_first) {
                    NumberTable::push_header(&piece.names(), &mut text);
                }
                piece.push_rows(&mut text);
                Ok(text.into_bytes())
            }
            Self::Parquet(file) => {
                let file = match file {
                    Some(file) => file,
                    None => file.insert(Box::new(parquet_writer(&piece.names())?)),
                };
                piece.pack(file)?;
                file.flush()?;
                Ok(std::mem::take(file.inner_mut()))
            }
        }
    }

    /// The bytes at the end of the file.
    pub fn end(self) -> Result<Vec<u8>, ParquetError> {
        match self {
            Self::Csv(_) | Self::Parquet(None) => Ok(Vec::new()),
            Self::Parquet(Some(file)) => file.into_inner(),
        }
    }
}

fn parquet_writer(names: &[String]) -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let mut fields = vec![Arc::new(
        Type::primitive_type_builder("ts_ms", Physical::INT64)
            .with_repetition(Repetition::REQUIRED)
            .build()?,
    )];
    for name in names {
        let column = Type::primitive_type_builder(name, Physical::DOUBLE)
            .with_repetition(Repetition::OPTIONAL);
        fields.push(Arc::new(column.build()?));
    }
    let schema = Type::group_type_builder("features").with_fields(fields).build()?;
    let packed = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(packed).build();
    SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
}

/// Why a table could not be written.
#[derive(Debug, Error)]
pub enum TableError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It could not be packed.
    #[error("pack a table: {0}")]
    Pack(#[from] ParquetError),
}

/// A table that is written piece by piece: whoever reads sees the old file or the whole new one.
pub struct TableFile<'d, D: Disk> {
    disk: &'d D,
    staged: Staged,
    packer: Packer,
}

impl<'d, D: Disk> TableFile<'d, D> {
    /// Before the first piece. The folder must exist.
    pub fn begin(disk: &'d D, path: &Path, form: TableForm) -> Result<Self, TableError> {
        Ok(Self { disk, staged: disk.begin(path)?, packer: Packer::new(form) })
    }

    /// Writes a piece.
    pub fn add(&mut self, piece: &NumberTable) -> Result<(), TableError> {
        let bytes = self.packer.add(piece)?;
        Ok(self.disk.append(self.staged.path(), &bytes)?)
    }

    /// Makes the file durable under its name.
    pub fn finish(self) -> Result<(), TableError> {
        let Self { disk, staged, packer } = self;
        let rest = packer.end().map_err(TableError::from);
        match rest.and_then(|rest| Ok(disk.append(staged.path(), &rest)?)) {
            Ok(()) => Ok(disk.finish(staged)?),
            Err(error) => {
                disk.abandon(staged);
                Err(error)
            }
        }
    }

    /// Gives it up.
    pub fn abandon(self) {
        self.disk.abandon(self.staged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    fn table(rows: std::ops::Range<i64>) -> NumberTable {
        let x = |ts: i64| if ts % 3 == 0 { f64::NAN } else { ts as f64 / 4.0 };
        NumberTable {
            ts_ms: rows.clone().collect(),
            columns: vec![
                ("ema(close, 2)".to_owned(), rows.clone().map(x).collect()),
                ("x".to_owned(), rows.map(|ts| ts as f64).collect()),
            ],
        }
    }

    #[test]
    fn csv_leaves_out_what_is_unknown_and_quotes_names() {
        let table = NumberTable {
            ts_ms: vec![300_000, 600_000],
            columns: vec![
                ("ema(close, 2)".to_owned(), vec![f64::NAN, 1.5]),
                ("x".to_owned(), vec![1.0, f64::INFINITY]),
            ],
        };
        let mut packer = Packer::new(TableForm::Csv);
        let mut text = packer.add(&table).unwrap();
        text.extend(packer.add(&table).unwrap());
        text.extend(packer.end().unwrap());
        let rows = "300000,,1\n600000,1.5,\n";
        let expected = format!("ts_ms,\"ema(close, 2)\",x\n{rows}{rows}");
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn pieces_of_parquet_leave_nothing_behind_and_are_read_as_one_table() {
        use parquet::{
            file::reader::{FileReader as _, SerializedFileReader},
            record::RowAccessor as _,
        };
        let temp = tempfile::tempdir().unwrap();
        let (disk, path) = (RealDisk::new(temp.path()), temp.path().join("t.parquet"));
        let mut file = TableFile::begin(&disk, &path, TableForm::Parquet).unwrap();
        for start in [0, 1_000, 2_000] {
            file.add(&table(start..start + 1_000)).unwrap();
            let Packer::Parquet(Some(packed)) = &file.packer else { panic!("it was begun") };
            assert!(packed.inner().is_empty(), "what was written is not kept in memory");
        }
        file.finish().unwrap();
        let read = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(read.metadata().num_row_groups(), 3);
        let whole = table(0..3_000);
        for (n, row) in read.get_row_iter(None).unwrap().map(Result::unwrap).enumerate() {
            assert_eq!(row.get_long(0).unwrap(), whole.ts_ms[n]);
            let [known, x] = [1, 2].map(|at| row.get_double(at));
            let expected = whole.columns[0].1[n];
            assert!(if expected.is_nan() { known.is_err() } else { known.unwrap() == expected });
            assert_eq!(x.unwrap(), whole.columns[1].1[n]);
        }
    }
}
