//! One shard of a sweep, played by a node of a cluster: the plan, the bars and nothing else of the box.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    dispatch::Shard,
    engines::Engines,
    folder::SweepFolder,
    nulls::{self, WholeSearch},
    plan::{SweepPlan, TrialKeys, hash_of, points},
    play::TrialStage,
    probe::probe,
    walk,
};
use crate::{
    domain::bar::TimedBar,
    engine::anchor::Blocks,
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::SweepJob,
    os::{machine, signals::Stop},
    store::{disk::Disk as _, raw::decode_any},
    sweep::{
        market::NullMarket,
        space::{AxisValue, Points},
    },
};

/// Blocks of bars between two looks whether the sweep was cancelled: a look may go over a network.
const LOOK_EVERY: u32 = 64;

/// Whether a process that plays trials is to end.
pub struct PlayEnd<'a> {
    stop: Stop,
    folder: &'a SweepFolder<'a>,
    calls: AtomicU32,
}

impl<'a> PlayEnd<'a> {
    /// Of a process that was not asked yet.
    pub fn new(stop: Stop, folder: &'a SweepFolder<'a>) -> Self {
        Self { stop, folder, calls: AtomicU32::new(0) }
    }

    /// Whether it was asked by a signal, or its sweep was cancelled.
    pub fn asked(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.stop.asked() || call.is_multiple_of(LOOK_EVERY) && self.folder.is_cancelled()
    }
}

/// Does something on so many threads.
pub fn on_threads<T: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::new(Exit::Io, format!("start threads: {error}")))?;
    pool.install(work)
}

/// Plays shard `index` of submission `n`. What is there already is not played again.
pub fn play(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    (n, index): (u32, u32),
) -> Result<(), Failure> {
    let (plan, shard) = asked_for(context, folder, (n, index))?;
    let stopped = || {
        Failure::new(
            context.stop.signal().map_or(Exit::Signal(2), Exit::Signal),
            "stopped: what was played is kept",
        )
    };
    if folder.is_cancelled() {
        return Err(stopped());
    }
    if is_done(folder, &plan, &shard)? {
        return Ok(());
    }
    if probe() != plan.probe {
        let (processor, _) = machine::processor();
        let message = format!(
            "the built-in probe gives other bits on this machine ({processor}) than where the sweep was planned: nothing is played here"
        );
        return Err(Failure::new(Exit::Bug, message));
    }
    let damaged = |message: String| Failure::new(Exit::Data, format!("the plan: {message}"));
    let job = plan.carried().map_err(damaged)?;
    let bars = bars(context, folder, &plan, &job)?;
    let end = PlayEnd::new(context.stop.clone(), folder);
    let is_over = match &shard {
        Shard::Trials(trials) => trials_of(context, folder, (&plan, &job, &bars), (trials, &end))?,
        Shard::Nulls(_) | Shard::Steps(_) => {
            whole(context, folder, (&plan, &job, &bars), (&shard, &end))?
        }
    };
    if is_over { Ok(()) } else { Err(stopped()) }
}

/// The plan and the shard, checked against each other and this program.
fn asked_for(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    (n, index): (u32, u32),
) -> Result<(SweepPlan, Shard), Failure> {
    let bad = |message: String| Failure::new(Exit::Data, message);
    let path = context.layout.sweep_plan(&folder.id);
    let plan = folder.plan()?.ok_or_else(|| bad(format!("{} is not there", path.display())))?;
    if plan.build != context.build {
        let message =
            format!("the sweep is of build {}, and this is {}", plan.build, context.build);
        return Err(Failure::new(Exit::Manifest, message));
    }
    let submit = folder.submit(n)?.filter(|submit| submit.plan == plan.hash());
    let submit = submit.ok_or_else(|| bad(format!("submission {n} is not one of this plan")))?;
    let shard = submit.shards.get(index as usize).cloned();
    let shard = shard.ok_or_else(|| bad(format!("submission {n} has no shard {index}")))?;
    Ok((plan, shard))
}

fn is_done(folder: &SweepFolder<'_>, plan: &SweepPlan, shard: &Shard) -> Result<bool, Failure> {
    let is_there = |path: std::path::PathBuf| folder.has(&path);
    match shard {
        Shard::Trials(trials) => {
            let rows = folder.results(plan)?;
            Ok(trials.iter().all(|at| rows.get(*at as usize).is_some_and(Option::is_some)))
        }
        Shard::Nulls(nulls) => {
            nulls.iter().try_fold(true, |all, k| Ok(all && is_there(folder.null(*k))?))
        }
        Shard::Steps(steps) => {
            steps.iter().try_fold(true, |all, n| Ok(all && is_there(folder.step(*n as usize))?))
        }
    }
}

/// The bars of the plan, and no others.
fn bars(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    plan: &SweepPlan,
    job: &SweepJob,
) -> Result<Vec<TimedBar>, Failure> {
    let path = context.layout.sweep_bars(&folder.id);
    let bytes = folder.disk.read(&path)?.unwrap_or_default();
    let most = usize::try_from(plan.bars.bars).unwrap_or(usize::MAX);
    let bars = decode_any(bytes, &job.trading.series, (&path, most))?;
    if hash_of(&bars) != plan.bars.sha256 {
        let message = format!("{} does not have the bars of the plan", path.display());
        return Err(Failure::new(Exit::Data, message));
    }
    Ok(bars)
}

/// What the shard is played with: the job, its plan and its bars.
type Carried<'p> = (&'p SweepPlan, &'p SweepJob, &'p [TimedBar]);

fn trials_of(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    (plan, job, bars): Carried<'_>,
    (trials, end): (&[u32], &PlayEnd<'_>),
) -> Result<bool, Failure> {
    let (space, points) = points(job).map_err(|why| Failure::new(Exit::Data, why))?;
    let values: Option<Vec<Vec<AxisValue>>> =
        trials.iter().map(|at| points.values.get(*at as usize).cloned()).collect();
    let values = values.ok_or_else(|| Failure::new(Exit::Data, "the plan has fewer trials"))?;
    let mut keys = TrialKeys {
        series: &job.trading.series,
        days: plan.search.days(),
        build: context.build,
        hashes: BTreeMap::new(),
        bars,
    };
    let mut found = Vec::new();
    let each = |blocks: &Blocks, settings| found.push(keys.key(blocks, &settings));
    let engines = Engines::new(context, job, (&space, &values), each)?;
    for (key, at) in found.iter().zip(trials) {
        if plan.trials.get(*at as usize).is_none_or(|trial| trial.key != *key) {
            let message = format!(
                "trial {at} has other settings here than in the plan: a model or a signal changed"
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    let asked = || end.asked();
    let stage = TrialStage {
        trials: Some(trials),
        engines: &engines,
        timeframe: job.trading.series.timeframe(),
        stops: &asked,
    };
    stage.missing(context, (folder, plan), (bars, job.sweep.score, None))
}

/// Null markets and steps of the walk forward: all trials, on other bars or other days.
fn whole(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    (plan, job, bars): Carried<'_>,
    (shard, end): (&Shard, &PlayEnd<'_>),
) -> Result<bool, Failure> {
    let (space, points): (_, Points) = points(job).map_err(|why| Failure::new(Exit::Data, why))?;
    let engines = Engines::new(context, job, (&space, &points.values), |_, _| {})?;
    let neighbours = points.neighbours(plan.plateau);
    let asked = || end.asked();
    let stage = TrialStage {
        trials: None,
        engines: &engines,
        timeframe: job.trading.series.timeframe(),
        stops: &asked,
    };
    let whole = WholeSearch { bars, neighbours: &neighbours, by: job.sweep.score };
    match shard {
        Shard::Trials(_) => {}
        Shard::Nulls(nulls) => {
            let market = NullMarket::new(bars);
            for k in nulls {
                if nulls::one(folder, plan, &stage, (&market, whole, *k))?.is_none() {
                    return Ok(false);
                }
            }
        }
        Shard::Steps(steps) => {
            for n in steps {
                if walk::step(folder, plan, &stage, (whole, *n as usize))?.is_none() {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
