//! The walk forward: the same search in each train window, and its choice in the test window behind it.

use super::{
    folder::SweepFolder,
    job::Steps,
    judge::{WalkStep, returns},
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
        sums::Cut,
        windows::Step,
    },
};

/// All steps, those that are there already read; `None` when it was asked to stop.
pub fn steps(
    context: &Context<'_>,
    (folder, plan): (&SweepFolder<'_>, &SweepPlan),
    stage: &TrialStage<'_>,
    (bars, neighbours, by): (&[TimedBar], &Neighbours, SweepScore),
) -> Result<Option<Steps>, Failure> {
    let Some(walk) = plan.walk_forward.map(super::plan::PlannedWalk::walk) else {
        return Ok(Some(Vec::new()));
    };
    let windows = walk.steps(plan.search.days());
    let trades_min = walk.trades_min(plan.min_trades, plan.search.days().len());
    context.progress.begin("walk forward", windows.len() as u64);
    let mut steps = Vec::new();
    for (n, window) in windows.into_iter().enumerate() {
        let path = folder.step(n);
        let known: Option<WalkStep> = folder.json(&path)?;
        if let Some(known) = known {
            steps.push(known);
        } else {
            let Some(step) = one(stage, (bars, neighbours, by), (window, trades_min))? else {
                context.progress.end();
                return Ok(None);
            };
            folder.create_json(&path, &step)?;
            steps.push(step);
        }
        context.progress.advance("");
    }
    context.progress.end();
    Ok(Some(steps))
}

fn one(
    stage: &TrialStage<'_>,
    (bars, neighbours, by): (&[TimedBar], &Neighbours, SweepScore),
    (Step { train, test }, trades_min): (Step, u32),
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
            let Some(played) = stage.kept(choice, bars, (test, Cut::new(0, 0)))? else {
                return Ok(None);
            };
            returns(stage.cores[choice].rules.cash.float(), &played.days)
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
