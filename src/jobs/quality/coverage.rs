//! Coverage: which share of its slots each UTC day has.

use std::collections::BTreeMap;

use super::finding::{Example, Finding};
use crate::{
    domain::time::{DAY_MS, SlotTs, UtcMs, Window},
    manifest::QualityCheck,
};

/// Days of the window with a smaller share than `share_min`; of the first and the last day only the slots inside it count.
pub fn finding(present: &[SlotTs], window: Window, share_min: f64, most: usize) -> Finding {
    let mut by_day = BTreeMap::new();
    for ts in present {
        *by_day.entry(ts.open_day()).or_insert(0_i64) += 1;
    }
    let (first, last) = (window.first().open_day(), window.last().open_day());
    let per_day = DAY_MS / window.first().timeframe().ms();
    let mut count = 0;
    let mut examples = Vec::new();
    for day in first..=last {
        let bars = by_day.get(&day).copied().unwrap_or(0);
        let start = window.first().open_ms().max(day * DAY_MS);
        let end = window.last().ts_ms().min((day + 1) * DAY_MS);
        let slots = (end - start) * per_day / DAY_MS;
        if (bars as f64) >= share_min * slots as f64 {
            continue;
        }
        count += 1;
        if examples.len() < most {
            let date = UtcMs::EPOCH.plus_ms(day * DAY_MS).format("%Y-%m-%d");
            let ts_ms = Some(start + window.first().timeframe().ms());
            let what = format!("{date}: {bars} of {slots} slots");
            examples.push(Example { ts_ms, file: None, row: None, what });
        }
    }
    Finding::new(QualityCheck::Coverage, "days", count, examples)
}
