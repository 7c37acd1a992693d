//! Files of others, brought in by the real program: what is stored is what they say, and what is in doubt is refused.

mod cases;
mod layouts;
mod siblings;

use std::{collections::BTreeMap, path::Path};

use mjolnir::{
    domain::{bar::Bar, time::Timeframe},
    store::archive::{self, ReadOptions},
};

use crate::support::{ran::Ran, runner::Root};

/// Bars by their close.
type Bars = BTreeMap<i64, [f64; 5]>;

/// Brings in a file of the root.
fn import(root: &Root, file: &str, words: &str) -> Ran {
    root.run(&format!("run import -p path={file} {words}"))
}

/// All that is stored of a venue.
fn stored(root: &Root, exchange: &str, timeframe: Timeframe) -> Bars {
    let mut bars = Bars::new();
    for symbol in root.list(&format!("data/raw/{exchange}")) {
        let dir = format!("data/raw/{exchange}/{symbol}/{timeframe}");
        for name in root.list(&dir).iter().filter(|name| name.ends_with(".parquet")) {
            let bytes = std::fs::read(root.at(&format!("{dir}/{name}"))).unwrap();
            let options =
                ReadOptions { is_sparse: true, earliest_ms: 0, ..ReadOptions::new(timeframe) };
            let read = archive::parse(bytes, Path::new(name), &options).unwrap();
            let values = |bar: &Bar| bar.values();
            bars.extend(read.bars.iter().map(|bar| (bar.ts.ts_ms(), values(&bar.bar))));
        }
    }
    bars
}
