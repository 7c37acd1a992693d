//! A table of columns of several types as one Parquet file, for other programs. The same table is the same bytes.

use std::sync::Arc;

use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{Type, TypePtr},
};

/// The values of a column, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers; an absent one is null.
    Real(Vec<Option<f64>>),
    /// Texts.
    Text(Vec<String>),
    /// `true` or `false`.
    Truth(Vec<bool>),
    /// Lists of numbers.
    Reals(Vec<Vec<f64>>),
}

impl ColumnValues {
    fn schema(&self, name: &str) -> Result<Type, ParquetError> {
        let plain = |physical, repetition| {
            Type::primitive_type_builder(name, physical).with_repetition(repetition)
        };
        match self {
            Self::Whole(_) => plain(Physical::INT64, Repetition::REQUIRED).build(),
            Self::Real(_) => plain(Physical::DOUBLE, Repetition::OPTIONAL).build(),
            Self::Truth(_) => plain(Physical::BOOLEAN, Repetition::REQUIRED).build(),
            Self::Text(_) => plain(Physical::BYTE_ARRAY, Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::String))
                .build(),
            Self::Reals(_) => {
                let element = Type::primitive_type_builder("element", Physical::DOUBLE)
                    .with_repetition(Repetition::REQUIRED)
                    .build()?;
                let list = Type::group_type_builder("list")
                    .with_repetition(Repetition::REPEATED)
                    .with_fields(vec![Arc::new(element)])
                    .build()?;
                Type::group_type_builder(name)
                    .with_repetition(Repetition::REQUIRED)
                    .with_logical_type(Some(LogicalType::List))
                    .with_fields(vec![Arc::new(list)])
                    .build()
            }
        }
    }

    fn write(&self, group: &mut Group<'_>) -> Result<(), ParquetError> {
        match self {
            Self::Whole(values) => column::<Int64Type>(group, values, None, None),
            Self::Truth(values) => column::<BoolType>(group, values, None, None),
            Self::Text(values) => {
                let values: Vec<ByteArray> =
                    values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                column::<ByteArrayType>(group, &values, None, None)
            }
            Self::Real(values) => {
                let known: Vec<f64> = values.iter().flatten().copied().collect();
                let levels: Vec<i16> = values.iter().map(|x| i16::from(x.is_some())).collect();
                column::<DoubleType>(group, &known, Some(&levels), None)
            }
            Self::Reals(rows) => {
                let all: Vec<f64> = rows.iter().flatten().copied().collect();
                // An empty list has one place, at which nothing is.
                let places = |row: &Vec<f64>| row.len().max(1);
                let filled = |row: &Vec<f64>| vec![i16::from(!row.is_empty()); places(row)];
                let levels: Vec<i16> = rows.iter().flat_map(filled).collect();
                let goes_on = |row: &Vec<f64>| (0..places(row)).map(|at| i16::from(at > 0));
                let repeats: Vec<i16> = rows.iter().flat_map(goes_on).collect();
                column::<DoubleType>(group, &all, Some(&levels), Some(&repeats))
            }
        }
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
    repeats: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let next = group.next_column()?;
    let mut column =
        next.ok_or_else(|| ParquetError::EOF("the schema has fewer columns".into()))?;
    column.typed::<T>().write_batch(values, levels, repeats)?;
    column.close()
}

/// The file of these columns, which are equally long and have different names.
pub fn packed_columns(columns: &[(String, ColumnValues)]) -> Result<Vec<u8>, ParquetError> {
    let fields: Result<Vec<TypePtr>, ParquetError> =
        columns.iter().map(|(name, values)| Ok(Arc::new(values.schema(name)?))).collect();
    let schema = Type::group_type_builder("rows").with_fields(fields?).build()?;
    let packed = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(packed).build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (_, values) in columns {
        values.write(&mut group)?;
    }
    group.close()?;
    file.into_inner()
}
