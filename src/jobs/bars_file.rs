//! Bars recorded in a file or a folder of files, as a source to replay.

use super::context::{Context, Failure};
use crate::{
    domain::{bar::TimedBar, series::Series},
    store::{archive, disk::Disk},
};

/// The bars of a file, or of the partitions of a folder, sorted, each stamp once. What was refused or guessed is warned about.
pub fn recorded(
    context: &Context<'_>,
    written: &str,
    series: &Series,
) -> Result<Vec<TimedBar>, Failure> {
    let path = context.path(written);
    let is_folder = context.disk.is_dir(&path)?;
    let plain =
        archive::ReadOptions { is_ours: true, ..archive::ReadOptions::new(series.timeframe()) };
    // A folder holds what was imported: old bars, too, and days of thin markets with two bars that are far apart.
    let options = if is_folder {
        archive::ReadOptions { is_sparse: true, earliest_ms: 0, ..plain }
    } else {
        plain
    };
    let files = if is_folder {
        let names = context.disk.list(&path)?;
        names.iter().filter(|name| name.ends_with(".parquet")).map(|name| path.join(name)).collect()
    } else {
        vec![path.clone()]
    };
    let mut bars = Vec::new();
    for file in files {
        let read = archive::read(context.disk, &file, &options)?;
        for warning in &read.warnings {
            tracing::warn!("{written}: {warning}");
        }
        if let Some(first) = read.refused.first() {
            let (many, row, reason) = (read.refused.len(), first.row, &first.reason);
            tracing::warn!("{}: {many} rows refused; row {row}: {reason}", file.display());
        }
        bars.extend(read.bars);
    }
    bars.sort_by_key(|bar: &TimedBar| bar.ts);
    bars.dedup_by_key(|bar| bar.ts);
    Ok(bars)
}
