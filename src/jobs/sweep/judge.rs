//! From the rows of a sweep to its figures: the winner, luck, order, null markets, and what is left beside buying and holding. Pure.

use serde::{Deserialize, Serialize};

use super::{plan::SweepPlan, results::TrialRow};
use crate::sweep::{
    pbo::{Overfitting, overfitting},
    plateau::{BestTrial, Neighbours, best},
    searches::Searched,
    stats::{Sample, variance, yearly},
    sums::{BlockSum, DayBlocks, DaySums},
    verdict::{Nulls, SweepEvidence, Verdict, Winner},
};

/// What the trials say, before anything doubts it.
pub struct SearchOutcome {
    /// The winner and the highest; `None` when no trial can win.
    pub best: Option<BestTrial>,
    /// Trials with enough trades and a score.
    pub qualified: u64,
    /// Variance of all daily Sharpe ratios.
    pub variance: f64,
    /// The order of the trials.
    pub overfitting: Option<Overfitting>,
}

/// Reads the rows, which are all there.
pub fn find(plan: &SweepPlan, rows: &[TrialRow], neighbours: &Neighbours) -> SearchOutcome {
    let scores: Vec<Option<f64>> = rows.iter().map(|row| row.qualified(plan.min_trades)).collect();
    let ratios: Vec<f64> = rows.iter().filter_map(TrialRow::sharpe).collect();
    let blocks: Vec<&[BlockSum]> = rows
        .iter()
        .filter(|row| row.trades >= plan.min_trades)
        .map(|row| &row.sums.blocks[..])
        .collect();
    SearchOutcome {
        best: best(&scores, neighbours),
        qualified: scores.iter().flatten().count() as u64,
        variance: variance(&ratios),
        overfitting: overfitting(&blocks, plan.seed),
    }
}

/// What the verdict is made of.
pub fn evidence(
    plan: &SweepPlan,
    found: &SearchOutcome,
    row: Option<&TrialRow>,
    (searched, nulls, seen_days): (Searched, Nulls, u32),
) -> SweepEvidence {
    SweepEvidence {
        days: plan.search.days().len(),
        qualified: found.qualified,
        trades_min: plan.min_trades,
        winner: row.map(|row| Winner { active: row.sums.active, sample: row.sums.sample() }),
        luck: searched.luck,
        seen_days,
        nulls,
    }
}

/// The spread of a search, as the ledger of searches keeps it.
pub fn spread(plan: &SweepPlan, found: &SearchOutcome) -> f64 {
    found.variance * (f64::from(plan.search.days().len()) - 1.0)
}

/// The returns of days, from the equities at their ends.
pub fn returns(cash: f64, equities: &[f64]) -> Vec<f64> {
    let mut before = cash;
    let one = |equity: &f64| {
        let r = if before > 0.0 { (equity - before) / before } else { 0.0 };
        before = *equity;
        r
    };
    equities.iter().map(one).collect()
}

/// Days, folded.
pub fn folded(days: &[f64], cut: DayBlocks) -> DaySums {
    let mut sums = DaySums::new(cut);
    for r in days {
        sums.take(*r);
    }
    sums
}

/// A yearly Sharpe ratio of days.
pub fn yearly_sharpe(days: &[f64]) -> Option<f64> {
    folded(days, DayBlocks::new(0, 0)).sample().map(|sample| yearly(sample.sharpe))
}

/// The winner beside buying and holding: the beta of its days to those of the market, and the yearly Sharpe ratio of what is left.
pub fn beside(winner: &[f64], market: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = winner.len() as f64;
    if winner.len() < 2 || winner.len() != market.len() {
        return None;
    }
    let mean = |days: &[f64]| days.iter().sum::<f64>() / n;
    let (w, m) = (mean(winner), mean(market));
    let (mut both, mut own) = (0.0, 0.0);
    for (a, b) in winner.iter().zip(market) {
        both += (a - w) * (b - m);
        own += (b - m) * (b - m);
    }
    if own <= 0.0 {
        return None;
    }
    let beta = both / own;
    let left: Vec<f64> = winner.iter().zip(market).map(|(a, b)| a - beta * b).collect();
    Some((beta, yearly_sharpe(&left)))
}

/// What a test window of the walk forward gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkStep {
    /// First and last day that were searched, days since 1970.
    pub train: [i64; 2],
    /// First and last day that the choice was applied to.
    pub test: [i64; 2],
    /// The trial that was chosen; none when no trial qualified: then it was flat.
    pub choice: Option<u32>,
    /// Its yearly Sharpe ratio in the train window.
    pub train_sharpe: Option<f64>,
    /// The returns of the test days.
    pub days: Vec<f64>,
}

/// The walk forward as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkFigures {
    /// Test windows.
    pub windows: usize,
    /// Of these, windows in which no trial qualified.
    pub flat: usize,
    /// Windows that earned something.
    pub positive: usize,
    /// Yearly Sharpe ratio of all test days.
    pub out_sharpe: Option<f64>,
    /// Mean yearly Sharpe ratio of the choices in their train windows.
    pub in_sharpe: Option<f64>,
    /// The one by the other.
    pub efficiency: Option<f64>,
    /// Money at the end by money at the beginning, the test windows joined.
    pub growth: f64,
}

/// Joins the steps; `None` without any.
pub fn walked(steps: &[WalkStep]) -> Option<WalkFigures> {
    if steps.is_empty() {
        return None;
    }
    let growth = |days: &[f64]| days.iter().fold(1.0, |growth, r| growth * (1.0 + r));
    let days: Vec<f64> = steps.iter().flat_map(|step| step.days.iter().copied()).collect();
    let inside: Vec<f64> = steps.iter().filter_map(|step| step.train_sharpe).collect();
    let in_sharpe = (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64);
    let out_sharpe = yearly_sharpe(&days);
    let efficiency = out_sharpe.zip(in_sharpe.filter(|ratio| *ratio > 0.0)).map(|(a, b)| a / b);
    Some(WalkFigures {
        windows: steps.len(),
        flat: steps.iter().filter(|step| step.choice.is_none()).count(),
        positive: steps.iter().filter(|step| growth(&step.days) > 1.0).count(),
        out_sharpe,
        in_sharpe,
        efficiency,
        growth: growth(&days),
    })
}

/// A verdict as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictDoc {
    /// `TOO SHORT`, `EDGE LIKELY` or `NO EDGE SHOWN`.
    pub verdict: String,
    /// Why.
    pub reasons: Vec<String>,
}

impl From<Verdict> for VerdictDoc {
    fn from(verdict: Verdict) -> Self {
        Self { verdict: verdict.word.name().to_owned(), reasons: verdict.reasons }
    }
}

/// Figures of the moments of days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayMoments {
    /// Days.
    pub days: u32,
    /// Daily Sharpe ratio.
    pub sharpe_daily: f64,
    /// The same as a yearly one.
    pub sharpe_yearly: f64,
    /// Third moment.
    pub skew: f64,
    /// Fourth moment.
    pub kurtosis: f64,
    /// The chance that the true ratio is above zero.
    pub psr: Option<f64>,
    /// Days after which that would be certain to 95 %.
    pub days_min: Option<f64>,
}

impl DayMoments {
    /// Of a sample.
    pub fn of(sample: Sample) -> Self {
        Self {
            days: sample.days,
            sharpe_daily: sample.sharpe,
            sharpe_yearly: yearly(sample.sharpe),
            skew: sample.skew,
            kurtosis: sample.kurtosis,
            psr: sample.chance_above(0.0),
            days_min: sample.days_min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_beside_the_market() {
        let market = [0.01, -0.02, 0.03, -0.01, 0.02, 0.0];
        // Half of the market and 0.001 a day.
        let winner: Vec<f64> = market.iter().map(|r| 0.5 * r + 0.001).collect();
        let (beta, left) = beside(&winner, &market).unwrap();
        assert!((beta - 0.5).abs() < 1e-12);
        assert_eq!(left, None, "what is left has no spread");
        assert_eq!(beside(&[0.1], &[0.1]), None);
        assert_eq!(beside(&[0.1, 0.2], &[0.1, 0.1]), None, "a market that rests");
    }

    #[test]
    fn returns_chain_and_stop_when_all_is_lost() {
        assert_eq!(returns(100.0, &[110.0, 55.0, 0.0, -5.0]), [0.1, -0.5, -1.0, 0.0]);
    }

    #[test]
    fn a_walk_joins_its_test_windows() {
        let step = |choice, train_sharpe, days: &[f64]| WalkStep {
            train: [0, 9],
            test: [10, 11],
            choice,
            train_sharpe,
            days: days.to_vec(),
        };
        let steps = [
            step(Some(1), Some(2.0), &[0.1, 0.0]),
            step(None, None, &[0.0, 0.0]),
            step(Some(4), Some(4.0), &[-0.05, 0.01]),
        ];
        let walk = walked(&steps).unwrap();
        assert_eq!((walk.windows, walk.flat, walk.positive), (3, 1, 1));
        assert_eq!(walk.in_sharpe, Some(3.0));
        assert!((walk.growth - 1.1 * 0.95 * 1.01).abs() < 1e-12);
        assert!((walk.efficiency.unwrap() - walk.out_sharpe.unwrap() / 3.0).abs() < 1e-12);
        assert_eq!(walked(&[]), None);
    }
}
