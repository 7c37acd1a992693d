//! The walk forward: the same search in each train window, and its choice in the test window behind it.

use super::{
    folder::SweepFolder,
    job::Steps,
    judge::{WalkStep, returns},
    nulls::WholeSearch,
    plan::{SweepPlan, score},
    play::TrialStage,
};
use crate::{
    domain::bar::TimedBar,
    jobs::context::{Context, Failure},
    manifest::SweepScore,
    sweep::{
        plateau::{Neighbours, best},
        stats::yearly,
        sums::DayBlocks,
        windows::WalkWindows,
    },
};

/// All steps, those that are there already read; `None` when it was asked to stop.
pub fn steps(
    context: &Context<'_>,
    (folder, plan): (&SweepFolder<'_>, &SweepPlan),
    stage: &TrialStage<'_>,
    whole: WholeSearch<'_>,
) -> Result<Option<Steps>, Failure> {
    let many = windows(plan).len();
    if many == 0 {
        return Ok(Some(Vec::new()));
    }
    let is_shown = !missing(folder, plan)?.is_empty();
    if is_shown {
        context.progress.begin("walk forward", many as u64);
    }
    let mut steps = Vec::new();
    for n in 0..many {
        let Some(step) = step(folder, plan, stage, (whole, n))? else {
            context.progress.end();
            return Ok(None);
        };
        steps.push(step);
        if is_shown {
            context.progress.advance("");
        }
    }
    context.progress.end();
    Ok(Some(steps))
}

/// The windows of a plan.
pub fn windows(plan: &SweepPlan) -> Vec<WalkWindows> {
    plan.walk_forward.map_or_else(Vec::new, |walk| walk.walk().steps(plan.search.days()))
}

/// The steps that are not there.
pub fn missing(folder: &SweepFolder<'_>, plan: &SweepPlan) -> Result<Vec<u32>, Failure> {
    let mut missing = Vec::new();
    for (n, _) in (0..).zip(windows(plan)) {
        if folder.json::<WalkStep>(&folder.step(n as usize))?.is_none() {
            missing.push(n);
        }
    }
    Ok(missing)
}

/// Step `n`, which is kept.
pub fn step(
    folder: &SweepFolder<'_>,
    plan: &SweepPlan,
    stage: &TrialStage<'_>,
    (whole, n): (WholeSearch<'_>, usize),
) -> Result<Option<WalkStep>, Failure> {
    let path = folder.step(n);
    if let Some(known) = folder.json::<WalkStep>(&path)? {
        return Ok(Some(known));
    }
    let WholeSearch { bars, neighbours, by } = whole;
    let (Some(walk), Some(window)) = (plan.walk_forward, windows(plan).get(n).copied()) else {
        return Ok(None);
    };
    let trades_min = walk.walk().trades_min(plan.min_trades, plan.search.days().len());
    let Some(step) = one(stage, (bars, neighbours, by), (window, trades_min))? else {
        return Ok(None);
    };
    folder.create_json(&path, &step)?;
    Ok(Some(step))
}

fn one(
    stage: &TrialStage<'_>,
    (bars, neighbours, by): (&[TimedBar], &Neighbours, SweepScore),
    (WalkWindows { train, test }, trades_min): (WalkWindows, u32),
) -> Result<Option<WalkStep>, Failure> {
    let Some(trials) = stage.all(bars, train)? else { return Ok(None) };
    let scores: Vec<Option<f64>> = trials
        .iter()
        .map(|trial| trial.score(score(by)).filter(|_| trial.trades >= trades_min))
        .collect();
    let choice = best(&scores, neighbours).map(|best| best.trial);
    let days = match choice {
        None => vec![0.0; test.len() as usize],
        Some(choice) => {
            let Some(played) = stage.kept(choice, bars, (test, DayBlocks::new(0, 0)))? else {
                return Ok(None);
            };
            returns(stage.engines.core(choice).rules.cash.float(), &played.days)
        }
    };
    let sample = choice.and_then(|choice| trials[choice].sums.sample());
    Ok(Some(WalkStep {
        train: [train.first, train.last],
        test: [test.first, test.last],
        choice: choice.map(|choice| choice as u32),
        train_sharpe: sample.map(|sample| yearly(sample.sharpe)),
        days,
    }))
}
