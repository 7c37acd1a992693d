//! Which ledgers there are, how they stand, and which one a job or a run is about.

use std::path::Path;

use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::SlotTs,
    },
    manifest::{Job, Parsed},
    store::{
        disk::Disk, error::StoreError, layout::Layout, ledger::last_row, rows::decisions::Column,
    },
};

/// What a run was started with: its manifest with all values in place; `None` where that is gone.
pub fn manifest_of<D: Disk>(disk: &D, layout: &Layout, run: &RunId) -> Option<toml::Table> {
    let bytes = disk.read(&layout.run_dir(run).join("manifest.toml")).ok().flatten()?;
    toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()
}

/// The ledger that a job or a run is about, as far as it is about one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobSubject {
    pub tag: Option<String>,
    /// Exchange, symbol and timeframe.
    pub market: Option<String>,
}

impl JobSubject {
    /// Of a job with all values in place.
    pub fn of_job(job: &Job) -> Self {
        let of = |tag: Option<&Tag>, series: Option<&Series>| Self {
            tag: tag.map(ToString::to_string),
            market: series.map(ToString::to_string),
        };
        match job {
            Job::Live(job) => of(Some(job.live.tag.get()), Some(&job.trading.series)),
            Job::Backtest(job) => of(Some(&job.tag), Some(&job.trading.series)),
            Job::Eqflat(job) => of(Some(&job.tag), Some(&job.trading.series)),
            Job::Equivalence(job) => of(Some(job.equivalence.tag.get()), None),
            Job::Report(job) => of(Some(job.report.tag.get()), None),
            Job::Check(job) => {
                of(job.check.tag.as_ref().map(Parsed::get), Some(&job.trading.series))
            }
            Job::Healthcheck(job) | Job::Heartbeat(job) => {
                of(Some(job.health.tag.get()), Some(&job.series))
            }
            Job::Sweep(job) => of(None, Some(&job.trading.series)),
            Job::Train(job) => of(None, Some(&job.trading.series)),
            Job::Fetch(job) => of(None, Some(&job.series)),
            Job::Import(job) => of(None, Some(&job.series)),
            Job::DataQuality(job) => of(None, Some(&job.series)),
            Job::ExchangeSim(_)
            | Job::DeployCheck(_)
            | Job::Deploy(_)
            | Job::Drift(_)
            | Job::Preflight(_)
            | Job::Promote(_)
            | Job::Pipeline(_)
            | Job::Exec(_) => Self::default(),
        }
    }

    /// Of a run, by the manifest that it left; of nothing where that is gone, or was never written.
    pub fn of_run<D: Disk>(disk: &D, layout: &Layout, run: &RunId) -> Self {
        let Some(table) = manifest_of(disk, layout, run) else { return Self::default() };
        let text = |of: &str, key: &str| table.get(of)?.get(key)?.as_str().map(str::to_owned);
        let kind = table.get("kind").and_then(toml::Value::as_str).unwrap_or_default();
        let of = if kind == "heartbeat" { "healthcheck" } else { kind };
        let parts = ["exchange", "symbol", "timeframe"].map(|key| text("market", key));
        let parts: Option<Vec<String>> = parts.into_iter().collect();
        Self { tag: text(of, "tag"), market: parts.map(|parts| parts.join(" ")) }
    }

    /// In words: `tag paper, kraken BTC/USD 5m`; empty where there is neither.
    pub fn words(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!("tag {tag}"));
        tag.into_iter().chain(self.market.clone()).collect::<Vec<_>>().join(", ")
    }
}

/// How a ledger stands behind its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerStanding {
    pub slot: SlotTs,
    /// `long`, `short` or `flat`.
    pub position: String,
    pub equity: String,
    /// The risk state.
    pub risk: String,
}

/// How a ledger stands. Only its last whole row is looked at.
pub fn standing<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    series: &Series,
) -> Result<Option<LedgerStanding>, StoreError> {
    let path = layout.decisions(tag, series);
    let Some(slot) = last_decided(disk, layout, tag, series)? else { return Ok(None) };
    let row = newest_row(disk, &path)?.unwrap_or_default();
    let cells: Vec<&str> = row.split(',').collect();
    let cell = |column: Column| cells.get(column as usize).map_or("", |cell| cell).to_owned();
    let (equity, risk) = (cell(Column::Equity), cell(Column::RiskState));
    Ok(Some(LedgerStanding { slot, position: cell(Column::Position), equity, risk }))
}

/// The table [live] of the run that decided last in a ledger, as far as its manifest is kept.
pub fn last_live<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    series: &Series,
) -> Result<Option<toml::Table>, StoreError> {
    let row = newest_row(disk, &layout.timing(tag, series))?;
    let run = row.and_then(|row| row.rsplit(',').next()?.parse::<RunId>().ok());
    let manifest = run.and_then(|run| manifest_of(disk, layout, &run));
    Ok(manifest.and_then(|manifest| manifest.get("live")?.as_table().cloned()))
}

/// Whether the run that decided last, in any series of a tag, lived in recorded, made-up or simulated time: on bars of a file or a
/// seed, or faster than real time. Real time is what is believed where its manifest is gone.
pub fn in_recorded_time<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<bool, StoreError> {
    for series in series_of(disk, layout, tag)? {
        let live = last_live(disk, layout, tag, &series)?;
        let word = |key: &str| live.as_ref().and_then(|live| live.get(key)?.as_str());
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
