//! Long runs of bars without volume: a quiet market, or a venue that repeats itself while it is down.

use super::finding::{Example, Finding};
use crate::{domain::bar::TimedBar, manifest::QualityCheck};

/// Runs of adjacent bars without volume, longer than `bars_max`; their bars are counted.
pub fn finding(bars: &[TimedBar], bars_max: u32, most: usize) -> Finding {
    let runs: Vec<&[TimedBar]> = bars
        .chunk_by(|a, b| a.bar.volume() == 0.0 && b.bar.volume() == 0.0 && a.ts.next() == b.ts)
        .filter(|run| run[0].bar.volume() == 0.0 && run.len() > bars_max as usize)
        .collect();
    let count = runs.iter().map(|run| run.len() as u64).sum();
    let examples = runs
        .iter()
        .take(most)
        .map(|run| Example::at(run[0].ts, format!("{} bars without volume", run.len())));
    Finding::new(QualityCheck::ZeroVolume, "bars", count, examples)
}
