//! Coverage: which share of its slots each UTC day has.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, IntoLazy as _, PolarsResult, col, len};

use super::finding::{Example, Finding};
use crate::{
    domain::time::{DAY_MS, SlotTs, UtcMs, Window},
    manifest::QualityCheck,
};

/// Days of the window with a smaller share than `share_min`; of the first and the last day only the slots inside it count.
pub fn finding(
    present: &[SlotTs],
    window: Window,
    share_min: f64,
    most: usize,
) -> PolarsResult<Finding> {
    let by_day = by_day(present)?;
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
    Ok(Finding::new(QualityCheck::Coverage, "days", count, examples))
}

/// How many bars open on each day.
fn by_day(present: &[SlotTs]) -> PolarsResult<BTreeMap<i64, i64>> {
    let days: Vec<i64> = present.iter().map(|ts| ts.open_day()).collect();
    let frame = DataFrame::new_infer_height(vec![Column::new("day".into(), days)])?;
    let grouped = frame.lazy().group_by([col("day")]).agg([len().alias("bars")]).collect()?;
    let (days, bars) = (grouped.column("day")?.i64()?, grouped.column("bars")?.u32()?);
    Ok(days.iter().zip(bars.iter()).filter_map(|(day, n)| Some((day?, n?.into()))).collect())
}
