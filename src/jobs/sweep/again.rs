//! The winner again as an ordinary backtest with ledgers, and its neighbours as ordinary backtests without: a sweep that plays otherwise
//! than a backtest does not get a verdict.

use super::{
    folder::SweepFolder,
    job::PreparedSweep,
    play::{TrialStage, window},
    results::TrialRow,
};
use crate::{
    domain::{
        bar::TimedBar,
        time::{DAY_MS, Window},
    },
    engine::step::Core,
    exit::Exit,
    jobs::{
        backtest::{
            job::{backtest_place, write_origin},
            ledgers::write_backtest,
        },
        context::{Context, Failure},
        engine_setup::EngineSetup,
    },
    manifest::{OnExisting, SweepJob},
    session::replay::{AtEnd, Batch, ReplayRequest, replay},
    sweep::trial::PlayedTrial,
};

/// The tag of the ledgers of winners.
const TAG: &str = "sweep";

/// What everything is played with.
pub type Parts<'s, 'f> = (&'s SweepFolder<'f>, &'s TrialStage<'s>);

/// Plays the winner as an ordinary backtest with ledgers, and compares every day. Returns the trial and where the ledger is.
pub fn again(
    context: &Context<'_>,
    job: &SweepJob,
    prepared: &PreparedSweep<'_>,
    ((folder, stage), row): (Parts<'_, '_>, &TrialRow),
) -> Result<(PlayedTrial, String), Failure> {
    let PreparedSweep { plan, engines, bars, .. } = prepared;
    let at = row.index as usize;
    let (search, series) = (plan.search.days(), &job.trading.series);
    let trial = as_trial(prepared, stage, row)?;
    let live = context.place(&TAG.parse().expect("the tag is good"), series);
    let runid = folder
        .id
        .parse()
        .map_err(|error: crate::domain::ids::NameError| bug(at, &error.to_string()))?;
    let place = backtest_place(context, &live.tag, &runid, &live)?;
    let _lock = context.lock(&context.layout.decisions_lock(&place.tag, series))?;
    let window = window(search, series.timeframe())?;
    let EngineSetup { core, card, .. } = engines.setup(at);
    let inputs = inputs((prepared, &core), window);
    let played = write_backtest(&place, &core, (&inputs, None), AtEnd::Close, OnExisting::Replace)?;
    let floor = bars.first().map_or(window.first(), |bar| bar.ts);
    write_origin(context, &place, (floor, window.first()), &card)?;
    if played.days != trial.days || played.trades != trial.events || played.state != trial.state {
        return Err(bug(at, "an ordinary backtest of it gives other days or trades"));
    }
    Ok((trial, context.shown(&context.layout.decisions(&place.tag, series))))
}

/// Plays a neighbour of the winner as an ordinary backtest without ledgers, and compares every day.
pub fn compared(
    prepared: &PreparedSweep<'_>,
    stage: &TrialStage<'_>,
    row: &TrialRow,
) -> Result<(), Failure> {
    let at = row.index as usize;
    let trial = as_trial(prepared, stage, row)?;
    let window = window(prepared.plan.search.days(), stage.timeframe)?;
    let (mut days, mut trades) = (Vec::new(), Vec::new());
    let core = prepared.engines.core(at);
    let state =
        replay(&core, &inputs((prepared, &core), window), AtEnd::Close, |batch: &Batch| {
            let ends = batch.decisions.iter().filter(|row| row.ts.ts_ms() % DAY_MS == 0);
            days.extend(ends.map(|row| row.equity.float()));
            trades.extend_from_slice(&batch.trades);
            Ok::<(), Failure>(())
        })?;
    if days != trial.days || trades != trial.events || state != trial.state {
        return Err(bug(at, "an ordinary backtest of it gives other days or trades"));
    }
    Ok(())
}

fn bug(at: usize, message: &str) -> Failure {
    Failure::new(Exit::Bug, format!("trial {at}: {message}"))
}

/// The trial with its days, which are those of the search.
fn as_trial(
    prepared: &PreparedSweep<'_>,
    stage: &TrialStage<'_>,
    row: &TrialRow,
) -> Result<PlayedTrial, Failure> {
    let (plan, at) = (&prepared.plan, row.index as usize);
    let trial = stage.kept(at, &prepared.bars, (plan.search.days(), plan.cut()))?;
    let trial = trial.ok_or_else(|| bug(at, "it was stopped"))?;
    if trial.sums != row.sums {
        return Err(bug(at, "a second play gives other days than the sweep"));
    }
    Ok(trial)
}

fn inputs((prepared, core): (&PreparedSweep<'_>, &Core), window: Window) -> ReplayRequest {
    let bars: Vec<TimedBar> = prepared.bars.clone();
    ReplayRequest {
        window,
        bars,
        degraded: std::collections::BTreeMap::new(),
        commands: Vec::new(),
        signals: prepared.engines.signals(core),
    }
}
