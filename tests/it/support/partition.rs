//! Partitions with whatever in them, as a broken program would write them.

use std::sync::Arc;

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel},
    data_type::{DoubleType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

/// Close and values of a row.
pub type Row = (i64, [f64; 5]);

/// A file laid out as a partition must be, its rows unchecked.
pub fn file(rows: &[Row]) -> Vec<u8> {
    written(rows, Repetition::REQUIRED, "ts_ms")
}

/// The same with nullable columns, as pandas writes them.
pub fn foreign(rows: &[Row]) -> Vec<u8> {
    written(rows, Repetition::OPTIONAL, "ts_ms")
}

fn written(rows: &[Row], repetition: Repetition, time: &str) -> Vec<u8> {
    let column = |name: &str| {
        let (physical, logical) = if name == time {
            (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS)))
        } else {
            (Physical::DOUBLE, None)
        };
        let built = Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical);
        Arc::new(built.build().unwrap())
    };
    let names = [time, "open", "high", "low", "close", "volume"];
    let fields = names.map(column).to_vec();
    let schema = Arc::new(Type::group_type_builder("bars").with_fields(fields).build().unwrap());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let levels = vec![1; rows.len()];
    let levels = (repetition == Repetition::OPTIONAL).then_some(levels.as_slice());
    let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let mut times_column = group.next_column().unwrap().unwrap();
    times_column.typed::<Int64Type>().write_batch(&times, levels, None).unwrap();
    times_column.close().unwrap();
    for n in 0..5 {
        let values: Vec<f64> = rows.iter().map(|row| row.1[n]).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&values, levels, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}
