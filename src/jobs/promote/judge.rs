//! Whether a candidate may take the place: its tests against the baselines of the same folds, and against the model in use.

use crate::{
    jobs::train::report::{FoldReport, Judged, Report},
    manifest::PromoteMetric,
};

/// AUC of chance.
const CHANCE: f64 = 0.5;

/// What is demanded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    /// What is measured.
    pub(super) metric: PromoteMetric,
    /// By how much it must be better over all folds.
    pub(super) by: f64,
    /// In how many folds it must be better by whatever little.
    pub(super) min_folds: u32,
}

/// The numbers of a promotion, higher is better: losses are turned round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// Of the candidate.
    pub(super) candidate: f64,
    /// Of the best baseline on the same folds: one for all of them, since nobody knows beforehand which fold suits whom.
    pub(super) baseline: f64,
    /// Of the model in use, where it was tested on the same folds.
    pub(super) in_use: Option<f64>,
    /// Folds in which the candidate is better than the baseline.
    pub(super) folds_better: u32,
    /// All folds.
    pub(super) folds: u32,
    /// Every reason against it.
    pub(super) against: Vec<String>,
}

/// Judges a candidate. The report in use counts only if it was made on the same series, question and test windows.
pub(super) fn judge(demand: Demand, candidate: &Report, in_use: Option<&Report>) -> Verdict {
    let metric = demand.metric;
    let of_model = |report: &Report| over(metric, report, |fold| value(metric, &fold.network));
    let ours = of_model(candidate);
    let rivals = rivals(metric, candidate);
    let baseline =
        rivals.iter().map(|of| over(metric, candidate, of)).fold(f64::NEG_INFINITY, f64::max);
    let comparable = in_use.filter(|report| same_test(report, candidate));
    let theirs = comparable.map(of_model);
    let better =
        |fold: &&FoldReport| rivals.iter().all(|of| value(metric, &fold.network) > of(fold));
    let folds_better = candidate.folds.iter().filter(better).count() as u32;
    let mut against = Vec::new();
    let by = demand.by;
    // Not a number is never good enough.
    if !(ours - baseline > 0.0 && ours - baseline >= by) {
        against.push(format!(
            "its {} beats the baseline by {:.6}, {by} is demanded, and more than nothing",
            metric.name(),
            ours - baseline
        ));
    }
    if folds_better < demand.min_folds {
        let (wanted, all) = (demand.min_folds, candidate.folds.len());
        against
            .push(format!("it is better in {folds_better} of {all} folds, {wanted} are demanded"));
    }
    if let Some(theirs) = theirs.filter(|_| in_use.is_some_and(|r| r.model != candidate.model))
        && !(ours - theirs > 0.0 && ours - theirs >= by)
    {
        against.push(format!(
            "its {} beats the model in use by {:.6} on the same folds, {by} is demanded, and more than nothing",
            metric.name(),
            ours - theirs
        ));
    }
    let folds = candidate.folds.len() as u32;
    Verdict { candidate: ours, baseline, in_use: theirs, folds_better, folds, against }
}

/// Whether two reports are about the same test: then their numbers can be compared.
fn same_test(a: &Report, b: &Report) -> bool {
    let question = |report: &Report| report.asked.get("label").cloned();
    let windows = |report: &Report| -> Vec<[i64; 2]> {
        report.folds.iter().map(|fold| fold.test.window).collect()
    };
    a.series == b.series && question(a) == question(b) && windows(a) == windows(b)
}

/// Over all folds: money is summed up, everything else is a mean.
fn over(metric: PromoteMetric, report: &Report, of: impl Fn(&FoldReport) -> f64) -> f64 {
    let sum: f64 = report.folds.iter().map(of).sum();
    match metric {
        PromoteMetric::Pnl => sum,
        PromoteMetric::LogLoss | PromoteMetric::Auc => sum / report.folds.len() as f64,
    }
}

/// A number of a model, turned so that higher is better. A fold without ups or downs counts as chance.
fn value(metric: PromoteMetric, judged: &Judged) -> f64 {
    match metric {
        PromoteMetric::LogLoss => -judged.log_loss,
        PromoteMetric::Auc => judged.auc.unwrap_or(CHANCE),
        PromoteMetric::Pnl => judged.trading.net,
    }
}

/// A number of one fold.
type OfFold = fn(&FoldReport) -> f64;

/// The same number of everybody it must beat. A model without hidden layers is no rival of itself.
fn rivals(metric: PromoteMetric, report: &Report) -> Vec<OfFold> {
    let (simple, logistic): (&[OfFold], OfFold) = match metric {
        PromoteMetric::LogLoss => {
            (&[|fold| -fold.prior_log_loss], |fold| value(PromoteMetric::LogLoss, &fold.logistic))
        }
        PromoteMetric::Auc => (&[|_| CHANCE], |fold| value(PromoteMetric::Auc, &fold.logistic)),
        PromoteMetric::Pnl => {
            (&[|_| 0.0, |fold| fold.buy_and_hold], |fold| value(PromoteMetric::Pnl, &fold.logistic))
        }
    };
    let mut rivals = simple.to_vec();
    if report.folds.iter().any(|fold| fold.logistic != fold.network) {
        rivals.push(logistic);
    }
    rivals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::train::report::sample;

    const BY_LOSS: Demand = Demand { metric: PromoteMetric::LogLoss, by: 0.001, min_folds: 2 };

    fn report(model: &str, losses: [f64; 3]) -> Report {
        let folds = losses.map(|loss| (loss, 0.55, 10.0));
        sample::report(model, &folds)
    }

    #[test]
    fn a_candidate_that_beats_the_baseline_is_let_in() {
        // The baselines of the sample lose 1.0 (class frequencies) and 0.99 (logistic regression).
        let verdict = judge(BY_LOSS, &report("a", [0.98, 0.97, 0.985]), None);
        assert_eq!(verdict.against, [""; 0]);
        assert_eq!((verdict.folds_better, verdict.folds), (3, 3));
        assert!(
            (verdict.candidate + 0.978_333).abs() < 1e-6 && (verdict.baseline + 0.99).abs() < 1e-9
        );
    }

    #[test]
    fn every_reason_against_it_is_told() {
        let says = |demand: Demand, ours: &Report, theirs: Option<&Report>| {
            judge(demand, ours, theirs).against.join("; ")
        };
        let close = report("a", [0.9899, 0.9899, 0.9899]);
        assert!(says(BY_LOSS, &close, None).contains("beats the baseline by 0.000100, 0.001 is"));
        let uneven = report("a", [0.90, 0.995, 0.995]);
        assert!(says(BY_LOSS, &uneven, None).contains("better in 1 of 3 folds, 2 are demanded"));
        let equal = Demand { by: 0.0, min_folds: 0, ..BY_LOSS };
        assert!(says(equal, &report("a", [0.99; 3]), None).contains("more than nothing"));
        assert!(says(equal, &report("a", [f64::NAN; 3]), None).contains("more than nothing"));
        let (good, better) = (report("a", [0.98; 3]), report("b", [0.97; 3]));
        assert!(
            says(BY_LOSS, &good, Some(&better)).contains("beats the model in use by -0.010000")
        );
        assert_eq!(says(BY_LOSS, &better, Some(&good)), "");
        assert_eq!(says(BY_LOSS, &good, Some(&good)), "", "the model in use stays in use");
    }

    #[test]
    fn a_model_in_use_that_had_another_test_is_no_measure() {
        let good = report("a", [0.98; 3]);
        let mut other = report("b", [0.5; 3]);
        other.folds[0].test.window[0] += 1;
        let verdict = judge(BY_LOSS, &good, Some(&other));
        assert_eq!((verdict.in_use, verdict.against.len()), (None, 0));
    }

    #[test]
    fn the_baseline_is_one_for_all_folds_and_a_fold_is_won_against_every_one() {
        let mut report = sample::report("a", &[(0.5, 0.5, 30.0); 2]);
        (report.folds[0].buy_and_hold, report.folds[1].buy_and_hold) = (40.0, -90.0);
        let demand = Demand { metric: PromoteMetric::Pnl, by: 0.0, min_folds: 2 };
        let verdict = judge(demand, &report, None);
        // Buying and holding lost 50, the logistic regression earned 2: it is the one to beat.
        assert_eq!((verdict.candidate, verdict.baseline), (60.0, 2.0));
        assert_eq!(verdict.folds_better, 1, "the first fold was better held");
    }

    #[test]
    fn each_metric_has_its_baseline() {
        let of = |metric, auc, net| {
            let report = sample::report("a", &[(0.98, auc, net); 3]);
            judge(Demand { metric, by: 0.0, min_folds: 0 }, &report, None)
        };
        let auc = of(PromoteMetric::Auc, 0.55, 0.0);
        assert!((auc.baseline - 0.52).abs() < 1e-9 && auc.against.is_empty(), "{auc:?}");
        let pnl = of(PromoteMetric::Pnl, 0.5, 9.0);
        assert_eq!((pnl.candidate, pnl.baseline), (27.0, 15.0), "buying and holding earned most");
        assert!(!of(PromoteMetric::Pnl, 0.5, 4.0).against.is_empty());
    }
}
