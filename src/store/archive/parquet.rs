//! A Parquet file of others: numeric columns by name, stamps with or without a logical type, nulls allowed and refused row by row.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use bytes::Bytes;
use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical},
    column::reader::get_typed_column_reader,
    data_type::{
        BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
        Int64Type,
    },
    errors::ParquetError,
    file::reader::{FileReader, RowGroupReader, SerializedFileReader},
    schema::types::ColumnDescriptor,
};

use super::{
    assemble::{Archive, ArchiveRows, Assembler, RawRow, RefusedRow},
    claim::Claim,
    columns::ArchiveColumns,
    read::ReadOptions,
    row::{Cell, Dates, RowFields, RowReader, SAMPLE, has_open_dates},
    stamp::{ArchiveStamp, StampKind, StampMeaning, StampUnit},
};
use crate::store::error::StoreError;

/// Rows a file may have.
const ROWS_MAX: i64 = 50_000_000;
const BATCH: usize = 16_384;

pub(super) fn parse(
    bytes: Vec<u8>,
    path: &Path,
    options: &ReadOptions,
) -> Result<Archive, StoreError> {
    guarded(path, || {
        let opened = Opened::new(bytes, options)?;
        let mut rows = opened.rows(options)?;
        let mut assembler = Assembler::new(options, rows.meaning());
        opened.each_row(&mut rows, |row, fields| assembler.push(row, fields))?;
        let names = rows.columns.names.clone();
        let labels = std::mem::take(&mut rows.labels);
        assembler.finish(rows.finish()?, &labels, &names)
    })
}

/// Every row as it is in the file, in the order of the file, whatever its values are. Stamps are brought to the bar's close.
pub(super) fn rows(
    bytes: Vec<u8>,
    path: &Path,
    options: &ReadOptions,
) -> Result<ArchiveRows, StoreError> {
    guarded(path, || {
        let opened = Opened::new(bytes, options)?;
        let mut reader = opened.rows(options)?;
        let shift_ms = match reader.meaning() {
            StampMeaning::Open => options.timeframe.ms(),
            StampMeaning::Close => 0,
        };
        let mut rows = ArchiveRows::default();
        opened.each_row(&mut reader, |row, RowFields { stamp, values, label: _ }| {
            match stamp.and_then(|stamp| Ok((stamp, values?))) {
                Ok((stamp, values)) => {
                    let ts_ms = stamp.ms.saturating_add(shift_ms);
                    rows.rows.push(RawRow { row, ts_ms, values });
                }
                Err(reason) => rows.refused.push(RefusedRow { row, reason }),
            }
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

/// A file with the columns that are known by name.
struct Opened {
    reader: SerializedFileReader<Bytes>,
    columns: ArchiveColumns,
}

/// The columns of a row group that are looked at; the others are left out.
type Group = Vec<Option<Column>>;

impl Opened {
    fn new(bytes: Vec<u8>, options: &ReadOptions) -> Result<Self, String> {
        let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(text)?;
        let file = reader.metadata().file_metadata();
        if !(0..=ROWS_MAX).contains(&file.num_rows()) {
            return Err(format!("{} rows, more than {ROWS_MAX}", file.num_rows()));
        }
        let described = file.schema_descr().columns();
        let names: Vec<_> = described
            .iter()
            .map(|c| if c.path().parts().len() == 1 { c.name() } else { "(nested)" }.to_owned())
            .collect();
        let mut columns = ArchiveColumns::find(&names, options)?;
        // Of the others only those with words, or with a name that says what they are, can say something.
        let is_word = |at: usize| {
            let is_text = described[at].physical_type() == Physical::BYTE_ARRAY;
            is_text || Claim::of(&columns.normal_name(at), &[]).is_some()
        };
        let free = columns.free.iter().copied().filter(|at| is_word(*at)).collect();
        columns.free = free;
        Ok(Self { reader, columns })
    }

    /// What is what, decided from the first rows.
    fn rows<'a>(&self, options: &'a ReadOptions) -> Result<RowReader<'a>, String> {
        let first = match self.reader.num_row_groups() {
            0 => Vec::new(),
            _ => self.group(0)?,
        };
        let count = length(&first).min(SAMPLE);
        let cells = |n: usize| first.iter().map(|column| cell(column.as_ref(), n)).collect();
        let sample: Vec<Vec<Cell<'_>>> = (0..count).map(cells).collect();
        let mut columns = self.columns.clone();
        if has_open_dates(&columns, &sample) {
            let mut dates = Dates::new(&columns);
            self.each(|group, n| dates.see(|at| cell(group[at].as_ref(), n)))?;
            dates.settle(&mut columns);
        }
        RowReader::new(columns, options, &sample)
    }

    /// Visits the rows in order.
    fn each(&self, mut visit: impl FnMut(&Group, usize)) -> Result<(), String> {
        for n in 0..self.reader.num_row_groups() {
            let group = self.group(n)?;
            (0..length(&group)).for_each(|n| visit(&group, n));
        }
        Ok(())
    }

    /// Hands over the rows in order, counted from 1.
    fn each_row(
        &self,
        rows: &mut RowReader<'_>,
        mut take: impl FnMut(u64, RowFields),
    ) -> Result<(), String> {
        let mut row = 0;
        self.each(|group, n| {
            row += 1;
            if let Some(fields) = rows.read(|at| cell(group[at].as_ref(), n)) {
                take(row, fields);
            }
        })
    }

    fn group(&self, n: usize) -> Result<Group, String> {
        let described = self.reader.metadata().file_metadata().schema_descr().columns();
        let group = self.reader.get_row_group(n).map_err(text)?;
        let mut columns: Group = described.iter().map(|_| None).collect();
        for at in self.columns.used() {
            if columns[at].is_some() {
                continue;
            }
            let column = read_column(&*group, at, &described[at]);
            let is_needed = self.columns.is_needed(at);
            columns[at] = match column {
                Err(_) if !is_needed => None,
                column => Some(column?),
            };
        }
        let lengths = || columns.iter().flatten().map(Column::len);
        if lengths().min() != lengths().max() {
            return Err("the columns differ in length".to_owned());
        }
        Ok(columns)
    }
}

fn length(group: &Group) -> usize {
    group.iter().flatten().map(Column::len).next().unwrap_or(0)
}

fn cell(column: Option<&Column>, n: usize) -> Cell<'_> {
    column.map_or(Cell::Null, |column| column.cell(n))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands over the error")]
fn text(error: ParquetError) -> String {
    error.to_string()
}

/// A column of a row group as what its type says it holds.
enum Column {
    Ints(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    Stamps(Vec<Option<ArchiveStamp>>),
}

impl Column {
    const fn len(&self) -> usize {
        match self {
            Self::Ints(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Stamps(values) => values.len(),
        }
    }

    fn cell(&self, n: usize) -> Cell<'_> {
        match self {
            Self::Ints(values) => values[n].map_or(Cell::Null, Cell::Int),
            Self::Floats(values) => values[n].map_or(Cell::Null, Cell::Float),
            Self::Texts(values) => values[n].as_deref().map_or(Cell::Null, Cell::Text),
            Self::Stamps(values) => values[n].map_or(Cell::Null, Cell::Stamp),
        }
    }
}

/// What the type of a column says beyond how its values are kept.
enum Logical {
    Plain,
    Unsigned,
    Stamp {
        unit: StampUnit,
        kind: StampKind,
    },
    Decimal {
        scale: i32,
    },
    Text,
    /// One that is not read, and its name.
    Other(String),
}

impl Logical {
    fn of(column: &ColumnDescriptor) -> Self {
        if let Some(logical) = column.logical_type_ref() {
            return match logical {
                LogicalType::Timestamp(of) => {
                    let unit = match of.unit {
                        TimeUnit::MILLIS => StampUnit::Millis,
                        TimeUnit::MICROS => StampUnit::Micros,
                        TimeUnit::NANOS => StampUnit::Nanos,
                    };
                    let kind =
                        if of.is_adjusted_to_u_t_c { StampKind::Exact } else { StampKind::Naive };
                    Self::Stamp { unit, kind }
                }
                LogicalType::Date => Self::Stamp { unit: StampUnit::Days, kind: StampKind::Day },
                LogicalType::Decimal(of) => Self::Decimal { scale: of.scale },
                LogicalType::Integer(of) if !of.is_signed => Self::Unsigned,
                LogicalType::Integer(_) => Self::Plain,
                LogicalType::String | LogicalType::Enum | LogicalType::Json => Self::Text,
                other => Self::Other(format!("{other:?}")),
            };
        }
        match column.converted_type() {
            ConvertedType::TIMESTAMP_MILLIS => {
                Self::Stamp { unit: StampUnit::Millis, kind: StampKind::Exact }
            }
            ConvertedType::TIMESTAMP_MICROS => {
                Self::Stamp { unit: StampUnit::Micros, kind: StampKind::Exact }
            }
            ConvertedType::DATE => Self::Stamp { unit: StampUnit::Days, kind: StampKind::Day },
            ConvertedType::DECIMAL => Self::Decimal { scale: column.type_scale() },
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Self::Unsigned,
            ConvertedType::UTF8 | ConvertedType::ENUM => Self::Text,
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Self::Plain,
            other => Self::Other(other.to_string()),
        }
    }
}

fn read_column(
    group: &dyn RowGroupReader,
    at: usize,
    column: &ColumnDescriptor,
) -> Result<Column, String> {
    let name = column.name().escape_debug();
    if column.max_rep_level() > 0 {
        return Err(format!("column `{name}` is a list"));
    }
    let (physical, logical) = (column.physical_type(), Logical::of(column));
    let read = match (physical, &logical) {
        (Physical::INT32, Logical::Plain | Logical::Stamp { .. } | Logical::Decimal { .. }) => {
            typed::<Int32Type, _>(group, at, column, |v| i64::from(*v)).map(Column::Ints)
        }
        (Physical::INT32, Logical::Unsigned) => {
            typed::<Int32Type, _>(group, at, column, |v| i64::from(v.cast_unsigned()))
                .map(Column::Ints)
        }
        (Physical::INT64, Logical::Plain | Logical::Stamp { .. } | Logical::Decimal { .. }) => {
            typed::<Int64Type, _>(group, at, column, |v| *v).map(Column::Ints)
        }
        (Physical::INT64, Logical::Unsigned) => {
            let number = |v: &i64| i64::try_from(v.cast_unsigned()).unwrap_or(i64::MAX);
            typed::<Int64Type, _>(group, at, column, number).map(Column::Ints)
        }
        (Physical::FLOAT, Logical::Plain) => {
            typed::<FloatType, _>(group, at, column, |v| f64::from(*v)).map(Column::Floats)
        }
        (Physical::DOUBLE, Logical::Plain) => {
            typed::<DoubleType, _>(group, at, column, |v| *v).map(Column::Floats)
        }
        (Physical::BOOLEAN, Logical::Plain) => {
            typed::<BoolType, _>(group, at, column, |v| i64::from(*v)).map(Column::Ints)
        }
        (Physical::BYTE_ARRAY, Logical::Text | Logical::Plain) => {
            let word =
                |v: &parquet::data_type::ByteArray| String::from_utf8_lossy(v.data()).into_owned();
            typed::<ByteArrayType, _>(group, at, column, word).map(Column::Texts)
        }
        (Physical::BYTE_ARRAY, Logical::Decimal { scale }) => {
            typed::<ByteArrayType, _>(group, at, column, |v| wide(v.data(), *scale))
                .map(Column::Floats)
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, Logical::Decimal { scale }) => {
            typed::<FixedLenByteArrayType, _>(group, at, column, |v| wide(v.data(), *scale))
                .map(Column::Floats)
        }
        (_, Logical::Other(logical)) => {
            return Err(format!(
                "column `{name}` is of type {logical}, which is not read: write it as DOUBLE or as TIMESTAMP"
            ));
        }
        (other, _) => return Err(format!("column `{name}` is of type {other}, expected numbers")),
    };
    let read = read.map_err(|error| format!("column `{name}`: {error}"))?;
    Ok(match (read, logical) {
        (Column::Ints(values), Logical::Decimal { scale }) => {
            Column::Floats(values.into_iter().map(|v| v.map(|v| scaled(v.into(), scale))).collect())
        }
        (Column::Ints(values), Logical::Stamp { unit, kind }) => {
            let stamp = |v: i64| unit.to_ms(v).map(|ms| ArchiveStamp { ms, kind });
            Column::Stamps(values.into_iter().map(|v| v.and_then(stamp)).collect())
        }
        (read, _) => read,
    })
}

/// The number nearest to a decimal that is kept as its digits without the point.
fn scaled(digits: i128, scale: i32) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    if digits.unsigned_abs() <= EXACT_MAX && (0..=22).contains(&scale) {
        // Both operands are exact, so one correctly rounded division gives the nearest float.
        return digits as f64 / 10_f64.powi(scale);
    }
    format!("{digits}e{}", -scale).parse().unwrap_or(f64::NAN)
}

/// A decimal that is kept as bytes, the highest first; a NaN if it has more digits than a price can have.
fn wide(bytes: &[u8], scale: i32) -> f64 {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(16));
    if high.iter().any(|byte| *byte != fill) || bytes.is_empty() {
        return f64::NAN;
    }
    let mut whole = [fill; 16];
    whole[16 - low.len()..].copy_from_slice(low);
    let digits = i128::from_be_bytes(whole);
    // The sign must not be lost with the bytes before.
    if (digits < 0) == negative { scaled(digits, scale) } else { f64::NAN }
}

fn typed<T: DataType, V>(
    group: &dyn RowGroupReader,
    at: usize,
    column: &ColumnDescriptor,
    value: impl Fn(&T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(at)?);
    let present = column.max_def_level();
    let (mut read, mut levels, mut values) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        levels.clear();
        values.clear();
        let (records, _, _) = reader.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Ok(read);
        }
        let mut values = values.drain(..).map(|v| value(&v));
        if present == 0 {
            read.extend(values.map(Some));
        } else {
            read.extend(levels.iter().map(
                |level| {
                    if *level == present { values.next() } else { None }
                },
            ));
        }
    }
}
