//! Three whole days of made-up bars in a store that can be broken, and what the job says about them.

use mjolnir::domain::time::{DAY_MS, Timeframe, UtcMs};
use serde_json::Value as Json;

use crate::support::{
    market::{Row, file, market},
    ran::Ran,
    runner::Root,
};

/// 2024-01-01, as days since 1970.
pub const DAY: i64 = 19_723;
/// Slots of a day of five-minute bars.
pub const SLOTS: usize = 288;
/// The folder of the series.
pub const DIR: &str = "data/raw/demo/BTC_USD/5m";

/// The partition of the nth day.
pub fn partition(n: usize) -> String {
    format!("{DIR}/2024-01-0{}.parquet", n + 1)
}

/// Rows without a fault; where the made-up market has no bar, the close before goes on.
pub fn sound(timeframe: Timeframe, days: i64) -> Vec<Row> {
    let tf = timeframe.ms();
    let bars = market(timeframe, DAY * DAY_MS, (DAY + days) * DAY_MS);
    let mut last = bars[0].bar;
    (1..=days * DAY_MS / tf)
        .map(|n| {
            let ts = DAY * DAY_MS + n * tf;
            if let Ok(at) = bars.binary_search_by_key(&ts, |bar| bar.ts.ts_ms()) {
                last = bars[at].bar;
            } else {
                last = last.flat();
            }
            (ts, last.values())
        })
        .collect()
}

/// A store whose three days can be broken before they are written.
pub struct Store {
    pub root: Root,
    pub days: [Vec<Row>; 3],
}

impl Store {
    pub fn new() -> Self {
        let rows = sound(Timeframe::M5, 3);
        let day = |n: usize| rows[n * SLOTS..(n + 1) * SLOTS].to_vec();
        Self { root: Root::new(), days: [day(0), day(1), day(2)] }
    }

    /// With the rows changed.
    pub fn broken(change: impl FnOnce(&mut [Vec<Row>; 3])) -> Self {
        let mut store = Self::new();
        change(&mut store.days);
        store.write();
        store
    }

    pub fn write(&self) {
        for (n, rows) in self.days.iter().enumerate() {
            self.root.write_bytes(&partition(n), &file(rows));
        }
    }

    /// The report, and how the job ended.
    pub fn look(&self, words: &str) -> (Json, Ran) {
        let ran = self.root.run(&format!("run data-quality --json -p exchange=demo {words}"));
        (ran.json()["report"].clone(), ran)
    }
}

/// The finding of a check.
pub fn finding<'a>(report: &'a Json, check: &str) -> &'a Json {
    let found = report["findings"].as_array().unwrap().iter().find(|one| one["check"] == check);
    found.unwrap_or_else(|| panic!("no check {check}: {report}"))
}

/// The checks that found something, with their counts.
pub fn found(report: &Json) -> Vec<(String, u64)> {
    let all = report["findings"].as_array().unwrap_or_else(|| panic!("no findings: {report}"));
    let some = all.iter().filter(|one| one["count"] != 0);
    some.map(|one| (one["check"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap()))
        .collect()
}

/// Close of a slot of a day, both from 0.
pub fn close(day: usize, slot: usize) -> i64 {
    (DAY + day as i64) * DAY_MS + (slot as i64 + 1) * 300_000
}

/// A time as it is shown.
pub fn shown(ts_ms: i64) -> String {
    UtcMs::new(ts_ms).unwrap().to_string()
}
