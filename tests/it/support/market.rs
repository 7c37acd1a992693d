//! Made-up bars, and files of them.

use std::sync::Arc;

use mjolnir::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe, Window},
    },
    exchange::feed,
};
use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel},
    data_type::{DoubleType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

/// Made-up bars between two times, both bar closes.
pub fn market(timeframe: Timeframe, first_ms: i64, last_ms: i64) -> Vec<TimedBar> {
    let slot = |ts_ms| -> SlotTs { timeframe.slot(ts_ms).unwrap() };
    feed::seeded_bars(7, Window::new(slot(first_ms), slot(last_ms)).unwrap())
}

/// Bars as a file of others would hold them.
pub fn csv(bars: &[TimedBar]) -> String {
    let row = |TimedBar { ts, bar }: &TimedBar| {
        let values = [bar.open(), bar.high(), bar.low(), bar.close(), bar.volume()];
        format!("{},{}\n", ts.ts_ms(), values.map(|value| value.to_string()).join(","))
    };
    "ts_ms,open,high,low,close,volume\n".to_owned() + &bars.iter().map(row).collect::<String>()
}

/// Dice with a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        for shift in [13_u32, 7, 17] {
            self.0 ^= if shift == 7 { self.0 >> shift } else { self.0 << shift };
        }
        (self.0 >> 16) % most
    }
}

/// Which seeds to try: those that a variable asks for as `N` or `A..=B`, else 1 to `usual`.
#[expect(clippy::disallowed_methods, reason = "a longer search is asked for from outside")]
pub fn seeds(variable: &str, usual: u64) -> std::ops::RangeInclusive<u64> {
    let wanted = std::env::var(variable).unwrap_or_default();
    let number =
        |text: &str| -> u64 { text.parse().unwrap_or_else(|_| panic!("{variable} is N or A..=B")) };
    match wanted.split_once("..=") {
        Some((first, last)) => number(first)..=number(last),
        None if wanted.is_empty() => 1..=usual,
        None => 1..=number(&wanted),
    }
}

/// The folder with real market files. Without one it says that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "the bars are too large to be part of the project")]
pub fn recorded_market() -> Option<String> {
    let dir = std::env::var("MJOLNIR_MARKET").ok();
    if dir.is_none() {
        super::skip::skip("market", "MJOLNIR_MARKET does not name a folder with real bars");
    }
    dir
}

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
