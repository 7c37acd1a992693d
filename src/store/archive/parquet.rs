//! A Parquet file of others: numeric columns by name, stamps with or without a logical type, nulls allowed and refused row by row.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use bytes::Bytes;
use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical},
    column::reader::get_typed_column_reader,
    data_type::{DataType, DoubleType, FloatType, Int32Type, Int64Type},
    errors::ParquetError,
    file::reader::{FileReader, RowGroupReader, SerializedFileReader},
    schema::types::ColumnDescriptor,
};

use super::{
    assemble::{Archive, Assembler, RawRow, Refused, Rows},
    columns::Columns,
    read::Options,
    stamp::{self, Meaning, Stamp, Unit},
};
use crate::store::error::StoreError;

/// Rows a file may have.
const ROWS_MAX: i64 = 50_000_000;
const BATCH: usize = 16_384;
const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// A number of a column: whole numbers stay exact, since stamps are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

pub(super) fn parse(bytes: Vec<u8>, path: &Path, options: &Options) -> Result<Archive, StoreError> {
    guarded(path, || {
        let opened = Opened::new(bytes, options)?;
        let mut assembler = Assembler::new(options.timeframe, opened.columns.meaning);
        opened.each_row(|row, fields| assembler.push(row, fields))?;
        Ok(assembler.finish(opened.warnings, options.offset_minutes))
    })
}

/// Every row as it stands in the file, in the order of the file, whatever its values are. Stamps are brought to the bar's close.
pub(super) fn rows(bytes: Vec<u8>, path: &Path, options: &Options) -> Result<Rows, StoreError> {
    guarded(path, || {
        let opened = Opened::new(bytes, options)?;
        let shift_ms = match opened.columns.meaning {
            Meaning::Open => options.timeframe.ms(),
            Meaning::Close => 0,
        };
        let mut rows = Rows::default();
        opened.each_row(|row, fields| match fields {
            Ok((stamp, values)) => {
                let ts_ms = stamp.ms.saturating_add(shift_ms);
                rows.rows.push(RawRow { row, ts_ms, values });
            }
            Err(reason) => rows.refused.push(Refused { row, reason }),
        })?;
        Ok(rows)
    })
}

/// The reader is not written for hostile bytes; what it cannot take is bad data, not a bug of ours.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, String>) -> Result<T, StoreError> {
    let reason = match panic::catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(reason)) => reason,
        Err(_) => "the parquet reader gave up".to_owned(),
    };
    Err(StoreError::damaged(path, 0, reason))
}

/// A file whose columns are found.
struct Opened {
    reader: SerializedFileReader<Bytes>,
    columns: Columns,
    time: Time,
    warnings: Vec<String>,
}

impl Opened {
    fn new(bytes: Vec<u8>, options: &Options) -> Result<Self, String> {
        let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(text)?;
        let file = reader.metadata().file_metadata();
        if !(0..=ROWS_MAX).contains(&file.num_rows()) {
            return Err(format!("{} rows, more than {ROWS_MAX}", file.num_rows()));
        }
        let described = file.schema_descr().columns();
        let names: Vec<_> = described
            .iter()
            .map(|c| if c.path().parts().len() == 1 { c.name().to_owned() } else { String::new() })
            .collect();
        let columns = Columns::find(&names, options.meaning)?;
        let time = Time::of(&described[columns.time], options);
        let mut warnings = Vec::new();
        if columns.is_guess {
            let name = names[columns.time].escape_debug();
            warnings.push(format!("column `{name}` is taken as the bar's open"));
        }
        Ok(Self { reader, columns, time, warnings })
    }

    /// Hands over the rows in order, counted from 1: the fields of each, or why they cannot be read.
    fn each_row(
        &self,
        mut take: impl FnMut(u64, Result<(Stamp, [f64; 5]), String>),
    ) -> Result<(), String> {
        let described = self.reader.metadata().file_metadata().schema_descr().columns();
        let mut row = 0;
        for n in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(n).map_err(text)?;
            let at = self.columns.time;
            let stamps = read_column(&*group, at, &described[at])?;
            let mut values: [Vec<Option<Number>>; 5] = Default::default();
            for (into, at) in values.iter_mut().zip(self.columns.values) {
                *into = read_column(&*group, at, &described[at])?;
                if into.len() != stamps.len() {
                    return Err("the columns differ in length".to_owned());
                }
            }
            for (n, stamp) in stamps.into_iter().enumerate() {
                row += 1;
                let numbers = values.each_ref().map(|column| column[n]);
                take(row, fields(stamp, numbers, &self.time));
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands over the error")]
fn text(error: ParquetError) -> String {
    error.to_string()
}

/// What the stamps of a column mean.
struct Time {
    unit: Option<Unit>,
    is_naive: bool,
    offset_ms: i64,
}

impl Time {
    fn of(column: &ColumnDescriptor, options: &Options) -> Self {
        let (declared, is_naive) = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Timestamp(kind)), _) => {
                let unit = match kind.unit {
                    TimeUnit::MILLIS => Unit::Millis,
                    TimeUnit::MICROS => Unit::Micros,
                    TimeUnit::NANOS => Unit::Nanos,
                };
                (Some(unit), !kind.is_adjusted_to_u_t_c)
            }
            (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => (Some(Unit::Days), true),
            (_, ConvertedType::TIMESTAMP_MILLIS) => (Some(Unit::Millis), false),
            (_, ConvertedType::TIMESTAMP_MICROS) => (Some(Unit::Micros), false),
            _ => (options.unit, false),
        };
        Self { unit: declared, is_naive, offset_ms: options.offset_ms() }
    }

    fn stamp(&self, value: Number) -> Option<Stamp> {
        let stamp = match value {
            Number::Int(value) => stamp::from_int(value, self.unit),
            Number::Float(value) => stamp::from_float(value, self.unit),
        }?;
        let offset_ms = if self.is_naive { self.offset_ms } else { 0 };
        Some(Stamp { ms: stamp.ms.checked_sub(offset_ms)?, is_naive: self.is_naive })
    }
}

fn fields(
    stamp: Option<Number>,
    numbers: [Option<Number>; 5],
    time: &Time,
) -> Result<(Stamp, [f64; 5]), String> {
    let stamp = stamp.ok_or("the time is null")?;
    let stamp = time.stamp(stamp).ok_or_else(|| format!("`{}` is not a time", stamp.float()))?;
    let mut values = [0.0; 5];
    for ((value, number), name) in values.iter_mut().zip(numbers).zip(VALUES) {
        *value = number.ok_or_else(|| format!("{name} is null"))?.float();
    }
    Ok((stamp, values))
}

fn read_column(
    group: &dyn RowGroupReader,
    at: usize,
    column: &ColumnDescriptor,
) -> Result<Vec<Option<Number>>, String> {
    let name = column.name().escape_debug();
    if column.max_rep_level() > 0 {
        return Err(format!("column `{name}` is a list"));
    }
    let read = match column.physical_type() {
        Physical::INT32 => typed::<Int32Type>(group, at, column, |v| Number::Int(v.into())),
        Physical::INT64 => typed::<Int64Type>(group, at, column, Number::Int),
        Physical::FLOAT => typed::<FloatType>(group, at, column, |v| Number::Float(v.into())),
        Physical::DOUBLE => typed::<DoubleType>(group, at, column, Number::Float),
        other => return Err(format!("column `{name}` is of type {other}, expected numbers")),
    };
    read.map_err(|error| format!("column `{name}`: {error}"))
}

fn typed<T: DataType>(
    group: &dyn RowGroupReader,
    at: usize,
    column: &ColumnDescriptor,
    number: impl Fn(T::T) -> Number,
) -> Result<Vec<Option<Number>>, ParquetError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(at)?);
    let present = column.max_def_level();
    let (mut numbers, mut levels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        levels.clear();
        values.clear();
        let (records, _, _) = reader.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Ok(numbers);
        }
        let mut values = values.drain(..).map(&number);
        if present == 0 {
            numbers.extend(values.map(Some));
        } else {
            numbers.extend(levels.iter().map(
                |level| {
                    if *level == present { values.next() } else { None }
                },
            ));
        }
    }
}
