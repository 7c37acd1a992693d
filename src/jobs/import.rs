//! The import job: bars from a file of others into the raw store, every refused row named; or made-up ones, to try things out.

use std::fmt::Write as _;

use super::context::{Context, Failure, Outcome};
use crate::{
    domain::{
        bar::{ClosedBar, TimedBar},
        series::Series,
        time::Window,
    },
    engine::slot::first_at_or_after,
    exchange::{feed, made_up::walk_bars, venue::registry::Venue},
    exit::Exit,
    manifest::{Import, ImportJob, ImportSource, ImportTime, ImportUnit, MadeUpMarket},
    store::{
        archive::{
            self, Archive, ColumnNames, Conflict, ReadOptions, RowOrder, StampMeaning, StampUnit,
        },
        raw::{PutReport, RawStore},
    },
};

/// Refused rows and gaps shown one by one; the rest is counted, and all of them are in the log.
const SHOWN_MAX: usize = 20;

/// Most bars that are made up at once: ten years of one-minute bars, and some more.
const MADE_UP_MAX: i64 = 6_000_000;

/// The drift of a market with an edge, in standard deviations of a bar.
const PLANTED_DRIFT: f64 = 0.4;

pub fn run(context: &Context<'_>, job: &ImportJob) -> Result<Outcome, Failure> {
    match job.import.source {
        ImportSource::File => from_file(context, job),
        ImportSource::Synthetic => made_up(context, job),
    }
}

fn from_file(context: &Context<'_>, job: &ImportJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.import);
    let written = table.path.as_deref().expect("the manifest demands a path of a file");
    let options = options(context, job)?;
    let path = context.path(written);
    let read = archive::read(context.disk, &path, &options)?;
    for refused in &read.refused {
        tracing::info!(row = refused.row, reason = refused.reason, "row refused");
    }
    for warning in &read.warnings {
        tracing::info!("{warning}");
    }
    for Conflict { ts, kept, lost } in &read.conflicts {
        tracing::info!(ts_ms = ts.ts_ms(), kept = kept.0, lost = lost.0, "rows differ");
    }
    let refused = read.refused.len() as u64;
    if table.max_refused.is_some_and(|most| refused > most) {
        let shown = refused_lines(&read);
        let message = format!("{written}: {refused} rows refused, nothing was imported\n{shown}");
        return Err(Failure::new(Exit::Data, message));
    }
    if read.bars.is_empty() {
        let rows = read.read;
        let message = format!("{written}: no bar in {rows} rows\n{}", refused_lines(&read));
        return Err(Failure::new(if refused > 0 { Exit::Data } else { Exit::Nothing }, message));
    }
    let put = put(context, series, &read.bars)?;
    Ok(outcome(context, job, &read, &put))
}

fn options(context: &Context<'_>, job: &ImportJob) -> Result<ReadOptions, Failure> {
    let (series, table) = (&job.series, &job.import);
    let (plain, columns) = (ReadOptions::new(series.timeframe()), &table.columns);
    let select = table.select.as_deref().map(|select| select.split(',').map(chosen).collect());
    Ok(ReadOptions {
        symbol: Some(series.symbol().clone()),
        exchange: Some(series.exchange().clone()),
        meaning: match table.time {
            ImportTime::Auto => None,
            ImportTime::Open => Some(StampMeaning::Open),
            ImportTime::Close => Some(StampMeaning::Close),
        },
        unit: match table.unit {
            ImportUnit::Auto => None,
            ImportUnit::Seconds => Some(StampUnit::Seconds),
            ImportUnit::Millis => Some(StampUnit::Millis),
            ImportUnit::Micros => Some(StampUnit::Micros),
            ImportUnit::Nanos => Some(StampUnit::Nanos),
            ImportUnit::Rfc3339 => Some(StampUnit::Dates),
        },
        offset_minutes: table.offset.as_ref().map(|offset| i64::from(offset.get().minutes())),
        columns: ColumnNames {
            time: columns.time.clone(),
            open: columns.open.clone(),
            high: columns.high.clone(),
            low: columns.low.clone(),
            close: columns.close.clone(),
            volume: columns.volume.clone(),
        },
        select: select.unwrap_or_else(|| Ok(Vec::new()))?,
        is_sparse: table.sparse,
        earliest_ms: table.earliest.map_or(plain.earliest_ms, |earliest| earliest.get().get()),
        now_ms: Some(context.started.get()),
        ..plain
    })
}

/// One `COLUMN=VALUE`.
fn chosen(text: &str) -> Result<(String, String), Failure> {
    let part = |part: &str| part.trim().to_owned();
    let (column, value) = text.split_once('=').ok_or_else(|| {
        let message =
            format!("`import.select`: `{text}` is not COLUMN=VALUE, such as symbol=BTC/USD");
        Failure::new(Exit::Manifest, message)
    })?;
    Ok((part(column), part(value)))
}

fn put(context: &Context<'_>, series: &Series, bars: &[TimedBar]) -> Result<PutReport, Failure> {
    let _lock = context.lock(&context.layout.raw_lock(series))?;
    let raw = RawStore::new(context.layout, context.disk, series);
    raw.prepare()?;
    let bars: Vec<ClosedBar> = bars.iter().map(|bar| ClosedBar::archived(*bar)).collect();
    Ok(raw.put(&bars, context.started)?)
}

fn made_up(context: &Context<'_>, job: &ImportJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.import);
    if let Some(venue) = Venue::of(series.exchange()) {
        let message = format!(
            "{series}: made-up bars do not belong among those of {}: give them an exchange that is not a venue, such as demo",
            venue.name()
        );
        return Err(Failure::new(Exit::Manifest, message));
    }
    let window = window(series, table)?;
    let bars = match table.market {
        MadeUpMarket::Waves => feed::seeded_bars(table.seed, window),
        MadeUpMarket::Walk => walk_bars(table.seed, window, 0.0),
        MadeUpMarket::Edge => walk_bars(table.seed, window, PLANTED_DRIFT),
    };
    let put = put(context, series, &bars)?;
    let summary = format!(
        "{} bars made up from seed {}, {} written, {} replaced, {} unchanged",
        bars.len(),
        table.seed,
        put.written,
        put.replaced,
        put.unchanged
    );
    let dir = context.shown(&context.layout.raw_dir(series));
    let text = format!("{summary}\n{dir} ({} days)\n", put.days);
    let out = [
        ("written", put.written.to_string()),
        ("first_ts_ms", window.first().ts_ms().to_string()),
        ("last_ts_ms", window.last().ts_ms().to_string()),
    ];
    let out = out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Outcome { exit: Exit::Ok, summary, text, out })
}

/// The slots that close between `from` and `to`, both included.
fn window(series: &Series, table: &Import) -> Result<Window, Failure> {
    let known = "the manifest demands both ends of made-up bars";
    let [from, to] = [&table.from, &table.to].map(|end| end.as_ref().expect(known).get());
    let timeframe = series.timeframe();
    let window = first_at_or_after(timeframe, from.get())
        .zip(timeframe.last_closed(to))
        .and_then(|(first, last)| Window::new(first, last).ok())
        .ok_or_else(|| {
            let message = format!("no bar of {timeframe} closes between {from} and {to}");
            Failure::new(Exit::Nothing, message)
        })?;
    let slots = window.last().since(window.first()) + 1;
    if slots > MADE_UP_MAX {
        let message = format!(
            "{slots} bars of {timeframe} lie between {from} and {to}, at most {MADE_UP_MAX} are made up at once: take a shorter window"
        );
        return Err(Failure::new(Exit::Manifest, message));
    }
    Ok(window)
}

fn outcome(context: &Context<'_>, job: &ImportJob, read: &Archive, put: &PutReport) -> Outcome {
    let conflicts = match read.conflicts.len() {
        0 => String::new(),
        conflicts => format!(" ({conflicts} with other values)"),
    };
    let missing: i64 = read.gaps.iter().map(|gap| gap.slots).sum();
    let summary = format!(
        "{} rows read, {} bars written, {} replaced, {} unchanged, {} duplicates{conflicts}, {} refused, {} gaps ({missing} slots)",
        read.read,
        put.written,
        put.replaced,
        put.unchanged,
        read.duplicates,
        read.refused.len(),
        read.gaps.len(),
    );
    let order = match read.order {
        RowOrder::Ascending => "oldest first",
        RowOrder::Descending => "newest first",
        RowOrder::Mixed => "in no order",
    };
    let mut text = format!("{summary}\nthe file is {order}\n");
    for warning in &read.warnings {
        let _ = writeln!(text, "note: {warning}");
    }
    text.push_str(&conflict_lines(read));
    text.push_str(&refused_lines(read));
    for gap in read.gaps.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "gap: {} slots from {} on", gap.slots, gap.first);
    }
    if read.gaps.len() > SHOWN_MAX {
        let _ = writeln!(text, "... and {} more gaps", read.gaps.len() - SHOWN_MAX);
    }
    let dir = context.shown(&context.layout.raw_dir(&job.series));
    let _ = writeln!(text, "{dir} ({} days)", put.days);
    let ends = read.bars.first().zip(read.bars.last());
    let (first, last) = ends.map_or((0, 0), |(first, last)| (first.ts.ts_ms(), last.ts.ts_ms()));
    let out = [
        ("read", read.read.to_string()),
        ("written", put.written.to_string()),
        ("replaced", put.replaced.to_string()),
        ("refused", read.refused.len().to_string()),
        ("first_ts_ms", first.to_string()),
        ("last_ts_ms", last.to_string()),
    ];
    let out = out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let exit = if read.refused.is_empty() { Exit::Ok } else { Exit::Inconclusive };
    Outcome { exit, summary, text, out }
}

/// Rows with one stamp and different values, and which of them was taken.
fn conflict_lines(read: &Archive) -> String {
    let mut text = String::new();
    for Conflict { ts, kept, lost } in read.conflicts.iter().take(SHOWN_MAX) {
        let [(kept, taken), (lost, left)] = [kept, lost].map(|(row, bar)| (row, bar.values()));
        let _ = writeln!(
            text,
            "conflict: {ts}: row {kept} {taken:?} is taken, row {lost} {left:?} is not"
        );
    }
    if read.conflicts.len() > SHOWN_MAX {
        let more = read.conflicts.len() - SHOWN_MAX;
        let _ = writeln!(text, "... and {more} more conflicts, all of them in the log");
    }
    text
}

fn refused_lines(read: &Archive) -> String {
    let mut text = String::new();
    for refused in read.refused.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "refused: row {}: {}", refused.row, refused.reason);
    }
    if read.refused.len() > SHOWN_MAX {
        let _ = writeln!(
            text,
            "... and {} more refused rows, all of them in the log",
            read.refused.len() - SHOWN_MAX
        );
    }
    text
}
