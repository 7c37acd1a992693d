//! Which ledgers there are.

use std::path::Path;

use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::SlotTs,
    },
    store::{disk::Disk, error::StoreError, layout::Layout, ledger::last_row},
};

/// What a run was started with: its manifest with all values in place; `None` where that is gone.
pub fn manifest_of<D: Disk>(disk: &D, layout: &Layout, run: &RunId) -> Option<toml::Table> {
    let bytes = disk.read(&layout.run_dir(run).join("manifest.toml")).ok().flatten()?;
    toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Whether the run that decided last, in any series of a tag, lived in recorded, made-up or simulated time: on bars of a file or a
/// seed, or faster than real time. Real time is what is believed where its manifest is gone.
pub fn in_recorded_time<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<bool, StoreError> {
    for series in series_of(disk, layout, tag)? {
        let row = newest_row(disk, &layout.timing(tag, &series))?;
        let run = row.and_then(|row| row.rsplit(',').next()?.parse::<RunId>().ok());
        let manifest = run.and_then(|run| manifest_of(disk, layout, &run));
        let live = manifest.as_ref().and_then(|table| table.get("live")?.as_table());
        let word = |key: &str| live.and_then(|live| live.get(key)?.as_str());
        let is_fast = word("speed").is_some_and(|speed| !["max", "1x"].contains(&speed));
        if word("feed").is_some_and(|feed| feed != "http") || is_fast {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every tag that has a folder of decisions. Replays, of which there may be thousands, are left out.
pub fn tags<D: Disk>(disk: &D, layout: &Layout) -> Result<Vec<Tag>, StoreError> {
    let names = disk.list(&layout.tags_dir())?;
    let own = names.iter().filter(|name| !name.contains("_bt_"));
    Ok(own.filter_map(|name| name.parse().ok()).collect())
}

/// Every series that has decisions under a tag. Folders that are none of ours are left alone.
pub fn series_of<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<Vec<Series>, StoreError> {
    let dir = layout.tag_dir(tag);
    let mut all = Vec::new();
    for symbol in disk.list(&dir)? {
        if !disk.is_dir(&dir.join(&symbol))? {
            continue;
        }
        for timeframe in disk.list(&dir.join(&symbol))? {
            let path = dir.join(&symbol).join(&timeframe).join("decisions.csv");
            let bytes = match disk.len(&path)? {
                Some(_) => disk.read_at(&path, 0, HEAD)?,
                None => Vec::new(),
            };
            let text = String::from_utf8_lossy(&bytes);
            let exchange = text.lines().nth(1).and_then(|row| row.split(',').next());
            let (Some(exchange), Ok(symbol), Ok(timeframe)) =
                (exchange.and_then(|name| name.parse().ok()), symbol.parse(), timeframe.parse())
            else {
                continue;
            };
            all.push(Series::new(exchange, symbol, timeframe));
        }
    }
    Ok(all)
}

/// The slot of the last whole row of a ledger. Only that row is looked at.
pub fn last_decided<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    series: &Series,
) -> Result<Option<SlotTs>, StoreError> {
    let path = layout.decisions(tag, series);
    let Some(text) = newest_row(disk, &path)? else { return Ok(None) };
    let slot = text.split(',').nth(3).and_then(|ts_ms| ts_ms.parse().ok());
    let slot = slot.and_then(|ts_ms| series.timeframe().slot(ts_ms).ok());
    match slot {
        Some(slot) => Ok(Some(slot)),
        None => {
            Err(StoreError::damaged(path, 0, "the last row has no slot in column 4".to_owned()))
        }
    }
}

/// Bytes at the beginning of a ledger that hold its header and its first row.
const HEAD: usize = 4 << 10;

/// The last whole row of a ledger, without reading the rows before it; `None` where there is none.
fn newest_row<D: Disk>(disk: &D, path: &Path) -> Result<Option<String>, StoreError> {
    let Some(len) = disk.len(path)? else { return Ok(None) };
    Ok(last_row(disk, path, len)?.map(|(_, row)| row))
}
