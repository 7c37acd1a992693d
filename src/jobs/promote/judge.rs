//! Whether a candidate may take the place: its tests against the baselines of the same folds, and against the model in use; and
//! whether LIVE would trade with it as it was judged, and earn more than by doing nothing or by holding.

use std::collections::BTreeMap;

use crate::{
    jobs::train::report::{FoldReport, Judged, TrainReport},
    manifest::PromoteMetric,
};

/// AUC of chance.
const CHANCE: f64 = 0.5;
/// Standard errors that an AUC must be better than chance by. Two are reached by luck once in forty trainings, and many are tried:
/// Harvey, Liu and Zhu (Review of Financial Studies 29, 2016) ask three of a new signal.
const ERRORS_MIN: f64 = 3.0;

/// What is demanded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PromoteRule {
    /// What is measured.
    pub(super) metric: PromoteMetric,
    /// By how much it must be better over all folds.
    pub(super) by: f64,
    /// In how many folds it must be better by whatever little.
    pub(super) min_folds: u32,
}

/// How LIVE will trade with the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiveSettings {
    /// The score that the market's settings name for all models; `None` when each has its own.
    pub(super) enter: Option<i64>,
    /// Every other setting that its trades depend on.
    pub(super) settings: BTreeMap<String, String>,
}

/// The numbers of a promotion, higher is better: losses are turned round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PromoteVerdict {
    pub(super) candidate: f64,
    /// Of the best baseline on the same folds: one for all of them, since nobody knows beforehand which fold suits whom.
    pub(super) baseline: f64,
    /// Of the model in use, where it was tested on the same folds.
    pub(super) in_use: Option<f64>,
    /// Folds in which the candidate is better than the baseline.
    pub(super) folds_better: u32,
    pub(super) folds: u32,
    /// What its trades on the test bars came to, each fold from the score chosen for it, in the quote currency.
    pub(super) net: f64,
    /// What buying and holding came to there.
    pub(super) held: f64,
    /// Every reason against it.
    pub(super) against: Vec<String>,
}

/// Judges a candidate. The report in use counts only if it was made on the same series, question and test windows.
pub(super) fn judge(
    demand: PromoteRule,
    candidate: &TrainReport,
    in_use: Option<&TrainReport>,
    live: &LiveSettings,
) -> PromoteVerdict {
    let metric = demand.metric;
    let of_model = |report: &TrainReport| over(metric, report, |fold| value(metric, &fold.network));
    let ours = of_model(candidate);
    let rivals = rivals(metric, candidate);
    let baseline =
        rivals.iter().map(|of| over(metric, candidate, of)).fold(f64::NEG_INFINITY, f64::max);
    let comparable = in_use.filter(|report| same_test(report, candidate));
    let theirs = comparable.map(of_model);
    let better =
        |fold: &&FoldReport| rivals.iter().all(|of| value(metric, &fold.network) > of(fold));
    let folds_better = candidate.folds.iter().filter(better).count() as u32;
    let mut against = judged_otherwise(candidate, live);
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
    let net = candidate.folds.iter().map(|fold| fold.network.trading.net).sum();
    let held = candidate.folds.iter().map(|fold| fold.buy_and_hold).sum();
    match metric {
        PromoteMetric::Auc => against.extend(luck(candidate, ours)),
        PromoteMetric::LogLoss | PromoteMetric::Pnl => {}
    }
    against.extend(poor(candidate, net, held));
    PromoteVerdict {
        candidate: ours,
        baseline,
        in_use: theirs,
        folds_better,
        folds,
        net,
        held,
        against,
    }
}

/// Where LIVE would not trade as the candidate was judged.
fn judged_otherwise(candidate: &TrainReport, live: &LiveSettings) -> Vec<String> {
    if candidate.settings.is_empty() {
        let why = "its report is of a build that did not write how it was judged: train it again";
        return vec![why.to_owned()];
    }
    let mut against = Vec::new();
    let chosen = candidate.published.threshold;
    if let Some(enter) = live.enter.filter(|enter| *enter != chosen) {
        against.push(format!(
            "it was judged trading from a score of {chosen}, LIVE would trade from {enter} (strategy.model.enter): leave that key out, and each model trades from its own"
        ));
    }
    let (theirs, ours) = (&candidate.settings, &live.settings);
    let keys: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let of = |settings: &BTreeMap<String, String>, key: &String| {
        settings.get(key).cloned().unwrap_or_else(|| "-".to_owned())
    };
    against.extend(keys.into_iter().filter(|key| theirs.get(*key) != ours.get(*key)).map(|key| {
        format!(
            "it was judged with {key} = {}, LIVE would trade with {}: train it again",
            of(theirs, key),
            of(ours, key)
        )
    }));
    against
}

/// Whether its AUC may be luck.
fn luck(candidate: &TrainReport, auc: f64) -> Option<String> {
    let error = |fold: &FoldReport| match fold.network.auc {
        Some(_) => fold.network.auc_error.filter(|_| fold.network.auc_rows.is_some()),
        // It counts as chance, which has no error.
        None => Some(0.0),
    };
    let errors: Option<Vec<f64>> = candidate.folds.iter().map(error).collect();
    let Some(errors) = errors else {
        return Some(
            "its report is of a build that took overlapping labels for independent: train it again"
                .to_owned(),
        );
    };
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let error = squares.sqrt() / errors.len() as f64;
    (!is_more(auc - CHANCE, ERRORS_MIN * error)).then(|| {
        format!(
            "its auc is better than chance by {:.6}, which may be luck: {ERRORS_MIN} standard errors are {:.6}",
            auc - CHANCE,
            ERRORS_MIN * error
        )
    })
}

/// Not a number is more than nothing, and nothing is more than it.
fn is_more(a: f64, b: f64) -> bool {
    a > b
}

/// Whether its trades earned less than those of somebody without a model. Not a number is never good enough.
fn poor(candidate: &TrainReport, net: f64, held: f64) -> Vec<String> {
    let mut against = Vec::new();
    if !is_more(net, 0.0) {
        against.push(format!(
            "its trades on the test bars came to {net:.2} after fees, no more than staying flat"
        ));
    }
    if !is_more(net, held) {
        against.push(format!(
            "its trades on the test bars came to {net:.2} after fees, buying and holding to {held:.2}"
        ));
    }
    let published = &candidate.published;
    let at_chosen = |(threshold, _): &&(i64, f64)| *threshold == published.threshold;
    let chosen = published.tried.iter().find(at_chosen).map_or(f64::NAN, |(_, net)| *net);
    if !is_more(chosen, 0.0) {
        against.push(format!(
            "from the score chosen for it, {}, its own trades on the validation bars came to {chosen:.2}",
            published.threshold
        ));
    }
    against
}

/// Whether two reports are about the same test: then their numbers can be compared.
fn same_test(a: &TrainReport, b: &TrainReport) -> bool {
    let question = |report: &TrainReport| report.asked.get("label").cloned();
    let windows = |report: &TrainReport| -> Vec<[i64; 2]> {
        report.folds.iter().map(|fold| fold.test.window).collect()
    };
    a.series == b.series && question(a) == question(b) && windows(a) == windows(b)
}

/// Over all folds: money is summed up, everything else is a mean.
fn over(metric: PromoteMetric, report: &TrainReport, of: impl Fn(&FoldReport) -> f64) -> f64 {
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
fn rivals(metric: PromoteMetric, report: &TrainReport) -> Vec<OfFold> {
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

    fn live() -> LiveSettings {
        LiveSettings { enter: None, settings: sample::settings() }
    }

    /// How it would trade is not what these tests are about.
    fn judge(
        demand: PromoteRule,
        candidate: &TrainReport,
        in_use: Option<&TrainReport>,
    ) -> PromoteVerdict {
        super::judge(demand, candidate, in_use, &live())
    }

    const BY_LOSS: PromoteRule =
        PromoteRule { metric: PromoteMetric::LogLoss, by: 0.001, min_folds: 2 };

    fn report(model: &str, losses: [f64; 3]) -> TrainReport {
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
        let says = |demand: PromoteRule, ours: &TrainReport, theirs: Option<&TrainReport>| {
            judge(demand, ours, theirs).against.join("; ")
        };
        let close = report("a", [0.9899, 0.9899, 0.9899]);
        assert!(says(BY_LOSS, &close, None).contains("beats the baseline by 0.000100, 0.001 is"));
        let uneven = report("a", [0.90, 0.995, 0.995]);
        assert!(says(BY_LOSS, &uneven, None).contains("better in 1 of 3 folds, 2 are demanded"));
        let equal = PromoteRule { by: 0.0, min_folds: 0, ..BY_LOSS };
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
        let demand = PromoteRule { metric: PromoteMetric::Pnl, by: 0.0, min_folds: 2 };
        let verdict = judge(demand, &report, None);
        // Buying and holding lost 50, the logistic regression earned 2: it is the one to beat.
        assert_eq!((verdict.candidate, verdict.baseline), (60.0, 2.0));
        assert_eq!(verdict.folds_better, 1, "the first fold was better held");
    }

    #[test]
    fn each_metric_has_its_baseline() {
        let of = |metric, auc, net| {
            let report = sample::report("a", &[(0.98, auc, net); 3]);
            judge(PromoteRule { metric, by: 0.0, min_folds: 0 }, &report, None)
        };
        let auc = of(PromoteMetric::Auc, 0.55, 6.0);
        assert!((auc.baseline - 0.52).abs() < 1e-9 && auc.against.is_empty(), "{auc:?}");
        let pnl = of(PromoteMetric::Pnl, 0.5, 9.0);
        assert_eq!((pnl.candidate, pnl.baseline), (27.0, 15.0), "buying and holding earned most");
        assert!(!of(PromoteMetric::Pnl, 0.5, 4.0).against.is_empty());
    }

    #[test]
    fn a_model_that_loses_money_is_refused_whatever_else_it_is_measured_by() {
        for metric in [PromoteMetric::LogLoss, PromoteMetric::Auc, PromoteMetric::Pnl] {
            let demand = PromoteRule { metric, by: 0.0, min_folds: 0 };
            let says = |net: f64, held: f64| {
                let mut report = sample::report("a", &[(0.5, 0.9, net); 3]);
                report.folds.iter_mut().for_each(|fold| fold.buy_and_hold = held / 3.0);
                judge(demand, &report, None).against.join("; ")
            };
            let lost = says(-1_629.0, -9_000.0);
            assert!(
                lost.contains("came to -4887.00 after fees, no more than staying flat"),
                "{lost}"
            );
            assert!(says(0.0, -1.0).contains("no more than staying flat"), "it never traded");
            assert!(
                says(5.0, 15.01).contains("came to 15.00 after fees, buying and holding to 15.01")
            );
            assert!(says(f64::NAN, 0.0).contains("NaN"));
        }
        let mut report = report("a", [0.5; 3]);
        report.published.tried = vec![(50_000, -3.0), (60_000, 9.0)];
        let against = judge(BY_LOSS, &report, None).against;
        assert_eq!(against.len(), 1, "{against:?}");
        assert!(
            against[0].contains("from the score chosen for it, 50000, its own trades"),
            "{against:?}"
        );
    }

    #[test]
    fn a_model_is_refused_where_live_would_trade_otherwise_than_it_was_judged() {
        let good = report("a", [0.5; 3]);
        let says = |live: &LiveSettings| super::judge(BY_LOSS, &good, None, live).against;
        assert_eq!(says(&LiveSettings { enter: Some(50_000), ..live() }), [""; 0]);
        let pinned = says(&LiveSettings { enter: Some(200_000), ..live() });
        assert!(
            pinned[0].contains("from a score of 50000, LIVE would trade from 200000"),
            "{pinned:?}"
        );
        let mut settings = sample::settings();
        settings.insert("fill.fee-bps".to_owned(), "25".to_owned());
        settings.insert("risk.cooldown-bars".to_owned(), "3".to_owned());
        let other = says(&LiveSettings { enter: None, settings });
        assert_eq!(other.len(), 2, "{other:?}");
        assert!(other[0].contains("fill.fee-bps = 10, LIVE would trade with 25: train it again"));
        assert!(other[1].contains("risk.cooldown-bars = -, LIVE would trade with 3"));
        let old = TrainReport { settings: BTreeMap::new(), ..good.clone() };
        assert!(judge(BY_LOSS, &old, None).against[0].contains("train it again"));
    }

    #[test]
    fn an_area_that_may_be_luck_is_refused() {
        // Three folds with an error of 0.01 each: of their mean it is 0.01 / sqrt(3) = 0.005774, three times that 0.017321.
        let demand = PromoteRule { metric: PromoteMetric::Auc, by: 0.0, min_folds: 0 };
        let says = |auc: f64, change: &dyn Fn(&mut TrainReport)| {
            let mut report = sample::report("a", &[(0.5, auc, 10.0); 3]);
            report.folds.iter_mut().for_each(|fold| fold.logistic.auc = Some(0.5));
            change(&mut report);
            judge(demand, &report, None).against.join("; ")
        };
        assert_eq!(says(0.5174, &|_| {}), "");
        let luck = says(0.5173, &|_| {});
        assert!(
            luck.contains(
                "better than chance by 0.017300, which may be luck: 3 standard errors are 0.017321"
            ),
            "{luck}"
        );
        let older = says(0.6, &|report| report.folds[1].network.auc_rows = None);
        assert!(older.contains("took overlapping labels for independent"), "{older}");
    }
}
