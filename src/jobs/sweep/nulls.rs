//! Null sweeps: the whole search again on markets without direction, one after the other, until enough of them did as well.

use serde::{Deserialize, Serialize};

use super::{
    folder::SweepFolder,
    plan::{SweepPlan, score},
    play::TrialStage,
};
use crate::{
    domain::bar::TimedBar,
    jobs::context::{Context, Failure},
    manifest::SweepScore,
    sweep::{
        market::NullMarket,
        plateau::{Neighbours, best},
        stats::p_can_pass,
        verdict::Nulls,
    },
};

/// `nulls/<k>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NullResult {
    /// Which market.
    k: u32,
    /// The score of its winner; none when no trial could win.
    best: Option<f64>,
}

/// A search of all trials: on what, and how the best is chosen.
#[derive(Clone, Copy)]
pub struct WholeSearch<'a> {
    /// The real bars.
    pub bars: &'a [TimedBar],
    /// Who is next to whom.
    pub neighbours: &'a Neighbours,
    /// What trials are ranked by.
    pub by: SweepScore,
}

/// Searches null markets, one after the other; `None` when it was asked to stop.
pub fn search(
    context: &Context<'_>,
    (folder, plan): (&SweepFolder<'_>, &SweepPlan),
    stage: &TrialStage<'_>,
    (whole, real): (WholeSearch<'_>, f64),
) -> Result<Option<Nulls>, Failure> {
    let wanted = plan.null_sweeps;
    let mut nulls = Nulls { searched: 0, wanted, at_least: 0 };
    let market = NullMarket::new(whole.bars);
    let is_shown = !missing(folder, plan, real)?.is_empty();
    if is_shown {
        context.progress.begin("null markets", u64::from(wanted));
    }
    for k in 1..=wanted {
        if !p_can_pass(nulls.at_least, wanted) {
            break;
        }
        let Some(best) = one(folder, plan, stage, (&market, whole, k))? else {
            context.progress.end();
            return Ok(None);
        };
        nulls.searched += 1;
        nulls.at_least += u32::from(best.is_some_and(|best| best >= real));
        if is_shown {
            context.progress.advance("");
        }
    }
    context.progress.end();
    Ok(Some(nulls))
}

/// The markets whose results are needed and not there: none behind one that makes 0.05 impossible.
pub fn missing(folder: &SweepFolder<'_>, plan: &SweepPlan, real: f64) -> Result<Vec<u32>, Failure> {
    let mut missing = Vec::new();
    let mut at_least = 0;
    for k in 1..=plan.null_sweeps {
        // What comes later does not count, once all before it are known.
        if missing.is_empty() && !p_can_pass(at_least, plan.null_sweeps) {
            break;
        }
        let known: Option<NullResult> = folder.json(&folder.null(k))?;
        match known {
            None => missing.push(k),
            Some(known) => at_least += u32::from(known.best.is_some_and(|best| best >= real)),
        }
    }
    Ok(missing)
}

/// The score of the winner of market `k`, which is kept.
#[expect(clippy::option_option, reason = "stopped, or a search in which no trial could win")]
pub fn one(
    folder: &SweepFolder<'_>,
    plan: &SweepPlan,
    stage: &TrialStage<'_>,
    (market, whole, k): (&NullMarket, WholeSearch<'_>, u32),
) -> Result<Option<Option<f64>>, Failure> {
    let path = folder.null(k);
    if let Some(known) = folder.json::<NullResult>(&path)? {
        return Ok(Some(known.best));
    }
    let Some(trials) = stage.all(&market.null(plan.seed, k), plan.search.days())? else {
        return Ok(None);
    };
    let scores: Vec<Option<f64>> = trials
        .iter()
        .map(|trial| trial.score(score(whole.by)).filter(|_| trial.trades >= plan.min_trades))
        .collect();
    let found = best(&scores, whole.neighbours).map(|best| best.score);
    folder.create_json(&path, &NullResult { k, best: found })?;
    Ok(Some(found))
}
