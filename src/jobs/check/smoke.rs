//! A trial run: live on made-up bars, its replay, and the comparison of both, in a folder of its own that is empty afterwards.

use std::path::Path;

use crate::{
    checklist::{CheckItem, Drawing, Level},
    domain::{
        series::Series,
        time::{TimeError, UtcMs},
    },
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome, Resume},
        engine_setup::engine_setup,
        equivalence, live,
        models::{ModelSource, resolve},
    },
    manifest::{
        Backtest, CheckPart, EqflatJob, Inputs, Live, LiveJob, OnExisting, OnFail, StopFill,
        Trading,
    },
    store::{
        disk::{Disk, DiskResult, RealDisk, parent},
        layout::Layout,
    },
};

/// Decided slots.
const SLOTS: i64 = 300;
/// When made-up time starts: 2024-01-01.
const FROM_MS: i64 = 1_704_067_200_000;

/// Runs it with the strategy and the rules of the manifest.
pub fn smoke(context: &Context<'_>, trading: &Trading) -> Result<Vec<CheckItem>, Failure> {
    let lock = context.layout.smoke_lock();
    context.disk.create_dir_all(parent(&lock))?;
    let _lock = match context.lock(&lock) {
        Err(failure) if failure.exit == Exit::Busy => {
            return Ok(vec![check(Level::Warn, failure.message)]);
        }
        taken => taken?,
    };
    let root = context.layout.smoke_root();
    let layout = Layout::new(&root);
    let disk = RealDisk::new(layout.data());
    clear(&disk, layout.data())?;
    let inside = Context {
        root: &root,
        disk: &disk,
        layout: &layout,
        run_id: context.run_id.clone(),
        job: context.job.clone(),
        call: context.call.clone(),
        mask: context.mask,
        build: context.build,
        started: context.started,
        stop: context.stop.clone(),
        grace: context.grace,
        child_results: context.child_results,
        drawing: Drawing::default(),
        progress: context.progress,
        resume: Resume::default(),
    };
    let ran = from_there(context, trading).and_then(|trading| live_and_proof(&inside, &trading));
    clear(&disk, layout.data())?;
    Ok(vec![match ran {
        Ok(outcome) if outcome.exit == Exit::Ok => check(Level::Ok, outcome.summary),
        Ok(outcome) => check(Level::Fail, format!("{}\n{}", outcome.summary, outcome.text)),
        Err(failure) => check(Level::Fail, failure.message),
    }])
}

/// The same, with the model by a path that holds in any folder.
fn from_there(context: &Context<'_>, trading: &Trading) -> Result<Trading, Failure> {
    let mut trading = trading.clone();
    if let Some(table) = &mut trading.model {
        let dir = resolve(context.disk, context.layout, &context.path(&table.path))?;
        let dir = std::path::absolute(&dir)
            .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", dir.display())))?;
        table.path = dir.display().to_string();
    }
    Ok(trading)
}

fn check(level: Level, value: String) -> CheckItem {
    CheckItem::new("live-equals-replay", level, value).part(CheckPart::Smoke.name())
}

/// LIVE over the window, then its replay and the verdict.
fn live_and_proof(context: &Context<'_>, trading: &Trading) -> Result<Outcome, Failure> {
    let timeframe = trading.series.timeframe();
    let exchange = "smoke".parse().expect("a plain word is a name");
    let series = Series::new(exchange, trading.series.symbol().clone(), timeframe);
    let trading = Trading { series, ..trading.clone() };
    let stop_fill = StopFill::ThroughOpen;
    let blocks =
        engine_setup(context, &trading, stop_fill, ModelSource::Named)?.core.blocks(timeframe);
    let bug = |error: TimeError| Failure::new(Exit::Bug, error.to_string());
    let from = UtcMs::new(FROM_MS).map_err(bug)?;
    let to = from.plus_ms(SLOTS * timeframe.ms());
    // As far back as features reach, so that decisions start with the first slot.
    let horizon_bars = 2 * blocks.block_ms() / timeframe.ms();
    let live: Live = toml::from_str(&format!(
        "tag = 'smoke'\nfeed = 'synthetic'\nfrom = '{from}'\nto = '{to}'\nstop-fill = '{}'\nhorizon-bars = {horizon_bars}\n",
        stop_fill.name()
    ))
    .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    live::job::run(context, &LiveJob { trading: trading.clone(), live })?;
    let backtest = Backtest {
        stop_fill,
        inputs: Inputs::Auto,
        close_at_end: false,
        on_existing: OnExisting::Replace,
        features: false,
    };
    let job = EqflatJob {
        trading,
        backtest,
        tag: "smoke".parse().expect("a plain word is a tag"),
        runid: Some("replay".parse().expect("a plain word is a run id")),
        min_overlap_bars: 12,
        context_rows: 3,
        on_fail: OnFail::None,
        keep: 1,
    };
    equivalence::job::eqflat(context, &job)
}

/// Removes the files of a trial run; its folders stay. A link is refused, never followed.
fn clear<D: Disk>(disk: &D, dir: &Path) -> DiskResult<()> {
    if !disk.is_dir(dir)? {
        return Ok(());
    }
    disk.make_dir(dir)?;
    for name in disk.list(dir)? {
        let path = dir.join(name);
        if disk.is_dir(&path)? {
            clear(disk, &path)?;
        } else {
            disk.remove(&path)?;
        }
    }
    Ok(())
}
