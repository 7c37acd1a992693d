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

/// Searches null markets; `None` when it was asked to stop.
pub fn search(
    context: &Context<'_>,
    (folder, plan): (&SweepFolder<'_>, &SweepPlan),
    stage: &TrialStage<'_>,
    (bars, neighbours, real, by): (&[TimedBar], &Neighbours, f64, SweepScore),
) -> Result<Option<Nulls>, Failure> {
    let wanted = plan.null_sweeps;
    let mut nulls = Nulls { searched: 0, wanted, at_least: 0 };
    let market = NullMarket::new(bars);
    context.progress.begin("null markets", u64::from(wanted));
    for k in 1..=wanted {
        if !p_can_pass(nulls.at_least, wanted) {
            break;
        }
        let path = folder.null(k);
        let known: Option<NullResult> = folder.json(&path)?;
        let result = if let Some(known) = known {
            known
        } else {
            let Some(found) = one(plan, stage, (&market.null(plan.seed, k), neighbours, by))?
            else {
                context.progress.end();
                return Ok(None);
            };
            let result = NullResult { k, best: found };
            folder.create_json(&path, &result)?;
            result
        };
        nulls.searched += 1;
        nulls.at_least += u32::from(result.best.is_some_and(|best| best >= real));
        context.progress.advance("");
    }
    context.progress.end();
    Ok(Some(nulls))
}

/// The score of the winner of one market.
#[expect(clippy::option_option, reason = "stopped, or a search in which no trial could win")]
fn one(
    plan: &SweepPlan,
    stage: &TrialStage<'_>,
    (bars, neighbours, by): (&[TimedBar], &Neighbours, SweepScore),
) -> Result<Option<Option<f64>>, Failure> {
    let Some(trials) = stage.all(bars, plan.search.days())? else { return Ok(None) };
    let scores: Vec<Option<f64>> = trials
        .iter()
        .map(|trial| trial.score(score(by)).filter(|_| trial.trades >= plan.min_trades))
        .collect();
    Ok(Some(best(&scores, neighbours).map(|best| best.score)))
}
