//! Whether the files are sound, whole, ours, and have room to grow.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::{
    checklist::{CheckItem, Level},
    jobs::context::{Context, Failure},
    manifest::{CheckJob, CheckPart, Parsed},
    os::filesystem::{not_ours, room as room_left},
    store::{
        disk::{Disk as _, TEMP_SUFFIX},
        raw::RawStore,
    },
};

/// Free space below which somebody should make room: months of bars and ledgers.
const FREE_WARN: u64 = 1 << 30;
/// Free space below which the next write may fail.
const FREE_FAIL: u64 = 64 << 20;
/// Files named one by one.
const NAMED_MAX: usize = 3;

pub fn storage(context: &Context<'_>, job: &CheckJob) -> Result<Vec<CheckItem>, Failure> {
    Ok(vec![
        partitions(context, job)?,
        revisions(context, job),
        unfinished(context, job)?,
        quarantine(context)?,
        room(context),
        owners(context, job)?,
    ])
}

fn check(name: &'static str, level: Level, value: impl Into<String>) -> CheckItem {
    CheckItem::new(name, level, value).part(CheckPart::Storage.name())
}

fn series_words(job: &CheckJob) -> String {
    let series = &job.trading.series;
    let (venue, symbol) = (series.exchange(), series.symbol());
    format!("exchange={venue} symbol={symbol} timeframe={}", series.timeframe())
}

/// Every partition as every other job reads it: schema, order, grid, day, and each bar.
fn partitions(context: &Context<'_>, job: &CheckJob) -> Result<CheckItem, Failure> {
    let raw = RawStore::new(context.layout, context.disk, &job.trading.series);
    let days = raw.days()?;
    context.progress.begin("partitions", days.len() as u64);
    let read: Vec<Result<usize, String>> = days
        .par_iter()
        .map(|day| {
            context.progress.advance("");
            raw.load_day(*day).map(|bars| bars.len()).map_err(|error| error.to_string())
        })
        .collect();
    context.progress.end();
    let bars: usize = read.iter().flatten().sum();
    let broken: Vec<&String> = read.iter().filter_map(|day| day.as_ref().err()).collect();
    let text = format!("{bars} bars in {} days", days.len());
    let words = series_words(job);
    Ok(match broken.first() {
        Some(first) => {
            let text = format!("{} of {} days are damaged: {first}", broken.len(), days.len());
            let next = format!("runner run jobs/data-quality.toml -p {words}");
            check("partitions", Level::Fail, text).next(next)
        }
        None if days.is_empty() => {
            let next = format!("runner run jobs/import.toml -p path=FILE {words}");
            check("partitions", Level::Warn, "there are no bars").next(next)
        }
        None => check("partitions", Level::Ok, text),
    })
}

fn revisions(context: &Context<'_>, job: &CheckJob) -> CheckItem {
    match RawStore::new(context.layout, context.disk, &job.trading.series).revisions() {
        Ok(revisions) => check("revisions", Level::Ok, format!("{} entries", revisions.len())),
        Err(error) => check("revisions", Level::Fail, error.to_string()),
    }
}

/// The folders that a writer of this series and tag fills.
fn folders(context: &Context<'_>, job: &CheckJob) -> Vec<PathBuf> {
    let (layout, series) = (context.layout, &job.trading.series);
    let mut folders = vec![layout.raw_dir(series)];
    if let Some(tag) = job.check.tag.as_ref().map(Parsed::get) {
        folders.extend([layout.decisions_dir(tag, series), layout.trades_dir(tag, series)]);
    }
    folders
}

/// Temporary files are of a writer at work, or of one that died; the next writer removes those.
fn unfinished(context: &Context<'_>, job: &CheckJob) -> Result<CheckItem, Failure> {
    let mut found = Vec::new();
    for dir in folders(context, job) {
        let names = context.disk.list(&dir)?;
        let temps = names.iter().filter(|name| name.ends_with(TEMP_SUFFIX));
        found.extend(temps.map(|name| context.shown(&dir.join(name))));
    }
    if found.is_empty() {
        return Ok(check("unfinished", Level::Ok, "no temporary file"));
    }
    let text = format!("{}; the next writer removes what no writer is at work on", named(&found));
    Ok(check("unfinished", Level::Warn, text))
}

fn quarantine(context: &Context<'_>) -> Result<CheckItem, Failure> {
    let dir = context.layout.quarantine_dir();
    let kept = context.disk.list(&dir)?;
    if kept.is_empty() {
        return Ok(check("quarantine", Level::Ok, "nothing was cut"));
    }
    let next = format!("ls -l {}", context.shown(&dir));
    Ok(check("quarantine", Level::Warn, format!("{} pieces: {}", kept.len(), named(&kept)))
        .next(next))
}

fn room(context: &Context<'_>) -> CheckItem {
    match room_left(context.layout.data()) {
        Ok(room) => {
            let level = match room.bytes {
                0..FREE_FAIL => Level::Fail,
                FREE_FAIL..FREE_WARN => Level::Warn,
                FREE_WARN.. => Level::Ok,
            };
            let next = format!("du -sh {}/*", context.shown(context.layout.data()));
            check("free-space", level, format!("{} MiB", room.bytes >> 20)).next(next)
        }
        Err(error) => check("free-space", Level::Fail, error.to_string()),
    }
}

/// A writer must be able to replace and append to everything here.
fn owners(context: &Context<'_>, job: &CheckJob) -> Result<CheckItem, Failure> {
    let mut foreign = Vec::new();
    let mut seen = 0;
    for dir in folders(context, job) {
        if !context.disk.is_dir(&dir)? {
            continue;
        }
        let names = context.disk.list(&dir)?;
        let files = names.iter().map(|name| dir.join(name));
        for path in [dir.clone()].into_iter().chain(files) {
            seen += 1;
            match not_ours(&path) {
                Ok(None) => {}
                Ok(Some(why)) => foreign.push(format!("{} {why}", context.shown(&path))),
                // A file that is gone by now was a temporary one.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => foreign.push(format!("{}: {error}", context.shown(&path))),
            }
        }
    }
    if foreign.is_empty() {
        return Ok(check("owners", Level::Ok, format!("{seen} files and folders are ours")));
    }
    let next = format!("chown -R \"$(id -u)\" {}", context.shown(context.layout.data()));
    let text = format!("{} of {seen}: {}", foreign.len(), named(&foreign));
    Ok(check("owners", Level::Fail, text).next(next))
}

/// The first few of many.
fn named(all: &[String]) -> String {
    let shown = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let more = all.len().saturating_sub(NAMED_MAX);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
