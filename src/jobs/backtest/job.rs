//! The backtest job: a window of the raw store played under `<tag>_bt_<runid>`.

use std::collections::BTreeMap;

use super::{
    figures::{contested, figures, holes, odd},
    ledgers::{WriteError, plain, recorded, write_backtest},
    tape::StoredTape,
};
use crate::{
    domain::{
        bar::TimedBar,
        ids::{RunId, Tag},
        series::Series,
        time::{SlotTs, Window},
    },
    engine::{
        metrics::{tearsheet::Tearsheet, trades::TradeStats},
        step::Core,
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        engine_setup::{EngineSetup, engine_setup, still_all_known},
        features::play,
        models::ModelSource,
        sweep::{
            plan::{SettingsDigest, TrialKeys, series_words},
            searches::{SearchRow, begin},
        },
    },
    manifest::{self, BacktestJob},
    report::figures::{Basis, CLOSED_TRADES, FigureValues},
    session::{
        live::LedgerLocation,
        origin::{LedgerOrigin, StrategySettings, WarmupSeen},
        record::{RecordBytes, read_origin},
        replay::{AtEnd, ReadBars, ReplayOutcome, ReplayRequest},
        signals::leave_used,
    },
    store::{
        disk::{Disk, RealDisk},
        document::document,
        error::StoreError,
        raw::RawStore,
        table::{TableFile, TableForm},
    },
};

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Exists(_) => Self::new(Exit::Busy, error.to_string()),
            WriteError::Store(error) => error.into(),
        }
    }
}

/// Runs the job.
pub fn run(context: &Context<'_>, job: &BacktestJob) -> Result<Outcome, Failure> {
    let stop_fill = job.backtest.stop_fill;
    let whose = match job.backtest.inputs {
        manifest::Inputs::Auto => ModelSource::Ledger(&job.tag),
        manifest::Inputs::None => ModelSource::Named,
    };
    let EngineSetup { core, card, model } = engine_setup(context, &job.trading, stop_fill, whose)?;
    let outcome = run_core(context, job, &core, &card)?;
    Ok(EngineSetup::noted(model, outcome))
}

fn run_core(
    context: &Context<'_>,
    job: &BacktestJob,
    core: &Core,
    card: &StrategySettings,
) -> Result<Outcome, Failure> {
    let series = &job.trading.series;
    let live = context.place(&job.tag, series);
    let bytes = match job.backtest.inputs {
        manifest::Inputs::Auto => {
            RecordBytes::read(context.disk, context.layout, &job.tag, series)?
        }
        manifest::Inputs::None => None,
    };
    let record =
        bytes.as_ref().map(|bytes| bytes.parse(context.layout, &job.tag, series)).transpose()?;
    let window =
        window(context, job, record.as_ref().and_then(crate::session::record::Record::window))?;
    let signals = core.strategy.signals();
    context.progress.begin("backtest", 0);
    let has_origin = read_origin(context.disk, context.layout, &job.tag, series)?.is_some();
    let (mut inputs, floor) = match &record {
        Some(record) if has_origin || !record.decisions.is_empty() => {
            let (inputs, floor) = recorded(&live, record, window, signals)?;
            (inputs, Some(floor))
        }
        Some(_) | None => (plain(&live, window, signals)?, None),
    };
    still_all_known(core, &inputs.commands)?;
    let raw = RawStore::new(context.layout, context.disk, series);
    let mut tape = StoredTape::new(raw, core, window, floor)?;
    inputs.bars = tape.begin()?;
    if tape.inside() == 0 {
        let message = format!(
            "the window {window} does not have a bar of {series}: import or fetch it first"
        );
        return Err(Failure::new(Exit::Nothing, message));
    }
    let wants_table = job.backtest.features;
    if wants_table {
        // The table is made behind the ledgers, and looks at all of them once more.
        tape.upto(window.last(), &mut inputs.bars)?;
    }
    let at_end = if job.backtest.close_at_end { AtEnd::Close } else { AtEnd::Keep };
    let place = backtest_place(context, &job.tag, &job.runid, &live)?;
    let _lock = context.lock(&context.layout.decisions_lock(&place.tag, series))?;
    let mut read = |ts: SlotTs, bars: &mut Vec<TimedBar>| tape.upto(ts, bars);
    let more: Option<ReadBars<'_, StoreError>> = if wants_table { None } else { Some(&mut read) };
    let played = write_backtest(&place, core, (&inputs, more), at_end, job.backtest.on_existing)?;
    leave_used(context.disk, (context.layout, &place.tag, series), &inputs.signals, window)?;
    write_origin(context, &place, (tape.oldest(), window.first()), card)?;
    note_search(context, series, (core, card), &tape);
    let table = job.backtest.features.then(|| leave_features(context, &place, core, &inputs));
    let table = table.transpose()?;
    context.progress.end();
    let missing = window.slots().unsigned_abs().saturating_sub(tape.inside());
    Ok(outcome(context, (&place, table), (window, missing), &played))
}

/// Counts the backtest among the searches of its days: a rule that was tried by hand was tried. One that cannot be counted is said.
fn note_search(
    context: &Context<'_>,
    series: &Series,
    (core, card): (&Core, &StrategySettings),
    tape: &StoredTape<'_, RealDisk>,
) {
    let days = tape.days();
    let hashes = BTreeMap::from([tape.hash()]);
    let mut keys = TrialKeys { series, days, build: context.build, hashes, bars: &[] };
    let key = keys.key(&core.blocks(series.timeframe()), &SettingsDigest::of(card));
    let row = SearchRow::by_hand(context, series_words(series), days, (key, card.strategy_hash()));
    if let Err(failure) = begin(context, &row) {
        tracing::warn!("this backtest is not counted among the searches: {}", failure.message);
    }
}

/// Writes the table of what the rules saw beside the ledger; returns where it is.
fn leave_features(
    context: &Context<'_>,
    place: &LedgerLocation<'_, RealDisk>,
    core: &Core,
    inputs: &ReplayRequest,
) -> Result<String, Failure> {
    let path = context.layout.features(&place.tag, &place.series);
    let mut file = TableFile::begin(context.disk, &path, TableForm::Parquet)?;
    match play(core, inputs, inputs.window.first(), &mut |piece| Ok(file.add(piece)?)) {
        Ok(()) => file.finish()?,
        Err(failure) => {
            file.abandon();
            return Err(failure);
        }
    }
    Ok(context.shown(&path))
}

/// Where a backtest of a tag writes.
pub fn backtest_place<'a>(
    context: &Context<'a>,
    tag: &Tag,
    runid: &RunId,
    live: &LedgerLocation<'a, RealDisk>,
) -> Result<LedgerLocation<'a, RealDisk>, Failure> {
    let tag =
        tag.backtest(runid).map_err(|error| Failure::new(Exit::Manifest, error.to_string()))?;
    Ok(context.place(&tag, &live.series))
}

/// Writes what the backtest was made with beside its ledger, so that it can be compared later: from the oldest bar it used, and its
/// first slot.
pub fn write_origin(
    context: &Context<'_>,
    place: &LedgerLocation<'_, RealDisk>,
    (floor, first): (SlotTs, SlotTs),
    card: &StrategySettings,
) -> Result<(), Failure> {
    let born = WarmupSeen { at: context.started, revisions: None };
    let origin = LedgerOrigin::new(
        (floor.ts_ms(), first.ts_ms()),
        born,
        card.clone(),
        context.build.to_owned(),
    );
    let path = context.layout.origin(&place.tag, &place.series);
    Ok(context.disk.replace(&path, document(&origin).as_bytes())?)
}

/// The window asked for; what is not asked for is LIVE's window, or everything there is.
/// The oldest and the newest stored bar of a series.
pub fn oldest_and_newest(
    context: &Context<'_>,
    series: &Series,
) -> Result<(TimedBar, TimedBar), Failure> {
    let raw = RawStore::new(context.layout, context.disk, series);
    if let (Some(oldest), Some(newest)) = (raw.oldest()?, raw.newest()?) {
        return Ok((oldest, newest));
    }
    let message = format!(
        "bars of {series} are not in {}: import or fetch them first",
        context.shown(&context.layout.raw_dir(series))
    );
    Err(Failure::new(Exit::Nothing, message))
}

fn window(
    context: &Context<'_>,
    job: &BacktestJob,
    live: Option<Window>,
) -> Result<Window, Failure> {
    let series = &job.trading.series;
    let slot = |name: &str, ts_ms: Option<i64>| -> Result<Option<SlotTs>, Failure> {
        let refused = |error: crate::domain::time::TimeError| {
            Failure::new(Exit::Manifest, format!("{name}: {error}"))
        };
        ts_ms.map(|ts_ms| series.timeframe().slot(ts_ms).map_err(refused)).transpose()
    };
    let (start, end) = (slot("start-ts-ms", job.start_ts_ms)?, slot("end-ts-ms", job.end_ts_ms)?);
    let stored = || -> Result<Window, Failure> {
        let (oldest, newest) = oldest_and_newest(context, series)?;
        Window::new(oldest.ts, newest.ts)
            .map_err(|error| Failure::new(Exit::Bug, error.to_string()))
    };
    let (first, last) = match (start, end) {
        (Some(start), Some(end)) => (start, end),
        (start, end) => {
            let known = live.map_or_else(stored, Ok)?;
            (start.unwrap_or(known.first()), end.unwrap_or(known.last()))
        }
    };
    Window::new(first, last).map_err(|error| Failure::new(Exit::Manifest, error.to_string()))
}

fn outcome(
    context: &Context<'_>,
    (place, table): (&LedgerLocation<'_, RealDisk>, Option<String>),
    (window, missing): (Window, u64),
    played: &ReplayOutcome,
) -> Outcome {
    let decisions = context.shown(&context.layout.decisions(&place.tag, &place.series));
    let trades = context.shown(&context.layout.trades(&place.tag, &place.series));
    let equity = played.state.equity();
    let trades_stats = TradeStats::of(&played.trades, |_| None);
    let sheet = Tearsheet { start: played.start, curve: played.curve, trades: trades_stats };
    let closed = sheet.trades.trades;
    let tripped =
        played.tripped.map(|(_, since)| format!("; {} since {since}", played.state.risk_shown()));
    let summary = format!(
        "{} rows, {closed} closed trades, equity {equity} over {}{}",
        played.rows,
        window,
        tripped.unwrap_or_default()
    );
    let out = [
        ("decisions", decisions.clone()),
        ("trades", trades.clone()),
        ("rows", played.rows.to_string()),
        ("equity", equity.to_string()),
        ("missing_slots", missing.to_string()),
        ("risk_state", played.state.risk_state().name().to_owned()),
        ("first_ts_ms", window.first().ts_ms().to_string()),
        ("last_ts_ms", window.last().ts_ms().to_string()),
    ];
    let out = out.into_iter().chain(table.clone().map(|table| ("features", table)));
    let mut out: BTreeMap<String, String> =
        out.map(|(key, value)| (key.to_owned(), value)).collect();
    out.extend(figures_out(&sheet));
    let table = table.map_or_else(String::new, |table| table + "\n");
    let text = format!(
        "{summary}\n{}{}{}{}{decisions}\n{trades}\n{table}",
        holes(missing, window),
        odd(played),
        contested(&played.contested),
        figures(&sheet)
    );
    Outcome { exit: Exit::Ok, summary, text, out }
}

/// The figures as values; `trades` is the name of a file here.
fn figures_out(sheet: &Tearsheet) -> impl Iterator<Item = (String, String)> {
    let values = FigureValues::of(&Basis {
        curve: &sheet.curve,
        stats: &sheet.trades,
        confidence: None,
        holding_return: None,
        trades: &[],
    });
    values.figures.into_iter().filter_map(|(key, value)| {
        let key = if key == "trades" { CLOSED_TRADES } else { key };
        Some((key.to_owned(), value?.to_string()))
    })
}
