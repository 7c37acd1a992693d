//! What a training found out, as `report.json`: the same numbers that the table, the picture and a promotion are made of.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::time::UtcMs;

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.train/1";

/// Why a file is not the report of a training.
#[derive(Debug, Error)]
pub enum ReportError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("schema `{0}`, expected `{expected}`", expected = SCHEMA)]
    Schema(String),
}

/// Everything a training found out: `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Name and version of the document.
    pub schema: String,
    /// Name of the models it belongs to.
    pub name: String,
    /// The published model.
    pub model: String,
    /// The run that trained it.
    pub run: String,
    /// The build that trained it.
    pub build: String,
    /// Where it was computed.
    pub device: String,
    pub series: String,
    /// Everything that was asked for, key by key.
    pub asked: serde_json::Value,
    /// What it was trained on.
    pub data: TrainData,
    /// What was checked before it was trained.
    pub checks: Checks,
    /// Every setting that its trades depend on, by its manifest key, but the model and the score it trades from; empty in a report of
    /// a build that did not write them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Every test, oldest first.
    pub folds: Vec<FoldReport>,
    /// Over all folds.
    pub overall: Overall,
    /// The published model: fitted on everything but the last validation part, which no test has seen.
    pub published: Published,
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainData {
    /// Bars loaded.
    pub bars: usize,
    /// Close of the first and of the last bar, milliseconds UTC.
    pub window: [i64; 2],
    /// Rows: slots with ready features and a whole label window.
    pub rows: usize,
    /// Rows that went down, stayed, went up.
    pub classes: [usize; 3],
    /// sha256 of the rows.
    pub sha256: String,
}

/// What was checked before anything was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Rows whose features and labels were computed anew without the future; all were the same.
    pub rows_without_future: usize,
    /// What a logistic regression makes of labels that were mixed up: 0.5 within four standard errors.
    pub mixed_labels_auc: f64,
    /// The standard error.
    pub mixed_labels_error: f64,
}

/// One part of a fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartNumbers {
    /// First and last slot, milliseconds UTC.
    pub window: [i64; 2],
    /// Rows after purging.
    pub rows: usize,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldReport {
    /// Counted from 1.
    pub fold: usize,
    /// What weights were fitted on.
    pub train: PartNumbers,
    /// What ended the fitting and chose the threshold.
    pub validation: PartNumbers,
    /// What nothing was chosen by.
    pub test: PartNumbers,
    /// The model.
    pub network: Judged,
    /// The same without a hidden layer; equal to the model when it has none.
    pub logistic: Judged,
    /// Loss on the test rows of the class frequencies of the training rows.
    pub prior_log_loss: f64,
    /// How often the most frequent class of the training rows is the right answer on the test rows.
    pub prior_accuracy: f64,
    /// Profit and loss of buying at the first open of the test window and selling at its last close, after fees, in the quote currency.
    pub buy_and_hold: f64,
    /// The same at closes in between, thinned out: milliseconds UTC and quote currency.
    pub hold_curve: Vec<(i64, f64)>,
}

/// What a model was worth on rows and bars it had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Mean loss, in nats.
    pub log_loss: f64,
    /// How well scores tell ups from downs; absent when one of them did not occur.
    pub auc: Option<f64>,
    /// Its standard error under chance, of as many independent rows as those come to whose labels overlap.
    pub auc_error: Option<f64>,
    /// How many independent ups and downs that is; absent in a report of a build that took all rows for independent.
    #[serde(default)]
    pub auc_rows: Option<f64>,
    /// How often the most probable class was right.
    pub accuracy: f64,
    /// Mean distance between the probability of an up and how often it went up.
    pub calibration_error: f64,
    /// Ten bins of the probability of an up: rows, mean of what was said, how often it happened.
    pub calibration: Vec<(u64, f64, f64)>,
    /// The score from which it traded, chosen on the validation rows, in units of 1e-6.
    pub threshold: i64,
    /// Every threshold that was tried on the validation bars, and its profit and loss there, in the quote currency.
    pub tried: Vec<(i64, f64)>,
    /// Its trades on the test bars.
    pub trading: TradingResult,
    /// The epoch whose weights were taken, from 1.
    pub best_epoch: u32,
    /// Training and validation loss of each epoch, in nats.
    pub losses: Vec<(f64, f64)>,
}

/// Trades on bars a model had not seen, after fees, through the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TradingResult {
    /// Profit and loss, in the quote currency.
    pub net: f64,
    /// Fees paid, in the quote currency.
    pub fees: f64,
    /// Closed trades.
    pub trades: u64,
    /// Part of them that won; absent without trades.
    pub win_rate: Option<f64>,
    /// Annualised; absent for windows under 30 days.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a part of it; 0 when there was none.
    pub drawdown: f64,
    /// Equity, thinned out: milliseconds UTC and quote currency.
    pub curve: Vec<(i64, f64)>,
}

/// Over all folds: means of the folds, and sums of money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overall {
    /// Of the model.
    pub network: Means,
    /// Of the logistic regression.
    pub logistic: Means,
    /// Mean loss of the class frequencies.
    pub prior_log_loss: f64,
    /// Mean accuracy of the most frequent class.
    pub prior_accuracy: f64,
    /// Summed up.
    pub buy_and_hold: f64,
}

/// Means over folds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// In nats.
    pub log_loss: f64,
    /// Folds without an area do not count.
    pub auc: Option<f64>,
    /// Part of all rows.
    pub accuracy: f64,
    /// Part of one.
    pub calibration_error: f64,
    /// Profit and loss, summed up, in the quote currency.
    pub net: f64,
    /// Closed trades, summed up.
    pub trades: u64,
}

/// The published model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// What its weights were fitted on.
    pub train: PartNumbers,
    /// What ended the fitting and chose its threshold.
    pub validation: PartNumbers,
    /// The score from which it trades, in units of 1e-6.
    pub threshold: i64,
    /// Every threshold that was tried on the validation bars, and its profit and loss there, in the quote currency.
    pub tried: Vec<(i64, f64)>,
    /// The epoch whose weights were taken, from 1.
    pub best_epoch: u32,
    /// Its loss on the validation rows, in nats.
    pub validation_log_loss: f64,
    /// Training and validation loss of each epoch, in nats.
    pub losses: Vec<(f64, f64)>,
}

impl TrainReport {
    /// Reads `report.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReportError> {
        let report: Self = serde_json::from_slice(bytes)?;
        if report.schema == SCHEMA { Ok(report) } else { Err(ReportError::Schema(report.schema)) }
    }
}

impl Overall {
    /// Of some folds, at least one.
    pub fn of(folds: &[FoldReport]) -> Self {
        let mean = |of: &dyn Fn(&FoldReport) -> f64| {
            folds.iter().map(of).sum::<f64>() / folds.len() as f64
        };
        Self {
            network: Means::of(&folds.iter().map(|fold| &fold.network).collect::<Vec<_>>()),
            logistic: Means::of(&folds.iter().map(|fold| &fold.logistic).collect::<Vec<_>>()),
            prior_log_loss: mean(&|fold| fold.prior_log_loss),
            prior_accuracy: mean(&|fold| fold.prior_accuracy),
            buy_and_hold: folds.iter().map(|fold| fold.buy_and_hold).sum(),
        }
    }
}

impl Means {
    fn of(judged: &[&Judged]) -> Self {
        let mean = |values: Vec<f64>| {
            let many = values.len() as f64;
            (!values.is_empty()).then(|| values.into_iter().sum::<f64>() / many)
        };
        let all = |of: fn(&Judged) -> f64| {
            mean(judged.iter().map(|judged| of(judged)).collect()).unwrap_or(f64::NAN)
        };
        Self {
            log_loss: all(|judged| judged.log_loss),
            auc: mean(judged.iter().filter_map(|judged| judged.auc).collect()),
            accuracy: all(|judged| judged.accuracy),
            calibration_error: all(|judged| judged.calibration_error),
            net: judged.iter().map(|judged| judged.trading.net).sum(),
            trades: judged.iter().map(|judged| judged.trading.trades).sum(),
        }
    }
}

/// One line.
pub(super) fn summary(report: &TrainReport) -> String {
    let (network, prior) = (&report.overall.network, report.overall.prior_log_loss);
    format!(
        "{} {}: {} folds, log loss {:.5} (class frequencies {prior:.5}), AUC {}, {} trades, net {:.2}",
        report.name,
        report.model,
        report.folds.len(),
        network.log_loss,
        area(network.auc),
        network.trades,
        network.net,
    )
}

/// The table, and what must be known to read it.
pub(super) fn table(report: &TrainReport) -> String {
    let mut text = String::new();
    let data = &report.data;
    let [down, flat, up] = data.classes.map(|n| 100.0 * n as f64 / data.rows.max(1) as f64);
    let _ = writeln!(text, "{}: {}\n", report.series, summary(report));
    let _ = writeln!(
        text,
        "{} rows of {} bars, {} to {}: {down:.1}% down, {flat:.1}% flat, {up:.1}% up",
        data.rows,
        data.bars,
        day(data.window[0]),
        day(data.window[1]),
    );
    let checks = &report.checks;
    let _ = writeln!(
        text,
        "look-ahead: {} rows the same without their future; labels mixed up: AUC {:.4} (chance {:.4} either way)\n",
        checks.rows_without_future, checks.mixed_labels_auc, checks.mixed_labels_error,
    );
    let _ = writeln!(
        text,
        "{:<6} {:<23} {:<11} {:>7} {:>8} {:>7} {:>6} {:>7} {:>10} {:>7} {:>10} {:>6}",
        "fold",
        "test",
        "who",
        "rows",
        "loss",
        "AUC",
        "acc %",
        "calib",
        "threshold",
        "trades",
        "net",
        "epoch",
    );
    for fold in &report.folds {
        text.push_str(&lines(fold));
    }
    text.push_str(&overall(report));
    let published = &report.published;
    let _ = writeln!(
        text,
        "\npublished, and not itself tested, since it has seen the test bars above: fitted on {} rows up to {}, stopped by {} rows up to {} \
         (loss {:.5}), trades from a score of {:.2}",
        published.train.rows,
        day(published.train.window[1]),
        published.validation.rows,
        day(published.validation.window[1]),
        published.validation_log_loss,
        published.threshold as f64 / 1e6,
    );
    text.push_str(&tried(&published.tried));
    text
}

/// What the thresholds were chosen by.
fn tried(tried: &[(i64, f64)]) -> String {
    let of = |(threshold, net): &(i64, f64)| format!("{:.2}: {net:.2}", *threshold as f64 / 1e6);
    let all = tried.iter().map(of).collect::<Vec<_>>().join(", ");
    format!("its net on the validation bars by the score it trades from: {all}\n")
}

fn lines(fold: &FoldReport) -> String {
    let window = format!("{} {}", day(fold.test.window[0]), day(fold.test.window[1]));
    let mut text = String::new();
    let rows = fold.test.rows;
    let mut line = |head: [&str; 2], who: &str, judged: &Judged| {
        let _ = writeln!(
            text,
            "{:<6} {:<23} {who:<11} {rows:>7} {:>8.5} {:>7} {:>6.2} {:>7.4} {:>10.2} {:>7} {:>10.2} {:>6}",
            head[0],
            head[1],
            judged.log_loss,
            area(judged.auc),
            100.0 * judged.accuracy,
            judged.calibration_error,
            judged.threshold as f64 / 1e6,
            judged.trading.trades,
            judged.trading.net,
            judged.best_epoch,
        );
    };
    line([&fold.fold.to_string(), &window], "model", &fold.network);
    line(["", ""], "logistic", &fold.logistic);
    let (loss, accuracy) = (fold.prior_log_loss, 100.0 * fold.prior_accuracy);
    let _ = writeln!(
        text,
        "{:<30} {:<11} {rows:>7} {loss:>8.5} {:>7} {accuracy:>6.2} {:>7} {:>10} {:>7} {:>10.2}",
        "", "frequencies", "0.5000", "-", "-", 0, 0.0,
    );
    let _ = writeln!(text, "{:<30} {:<11} {:>68.2}", "", "buy and hold", fold.buy_and_hold);
    text
}

fn overall(report: &TrainReport) -> String {
    let overall = &report.overall;
    let mut text = String::from("\nover all folds (means; trades and net are sums)\n");
    let mut line = |who: &str, means: &Means| {
        let _ = writeln!(
            text,
            "{who:<14} loss {:.5}  AUC {}  accuracy {:.2}%  calibration {:.4}  trades {}  net {:.2}",
            means.log_loss,
            area(means.auc),
            100.0 * means.accuracy,
            means.calibration_error,
            means.trades,
            means.net,
        );
    };
    line("model", &overall.network);
    line("logistic", &overall.logistic);
    let (loss, accuracy) = (overall.prior_log_loss, 100.0 * overall.prior_accuracy);
    let _ =
        writeln!(text, "{:<14} loss {loss:.5}  AUC 0.5000  accuracy {accuracy:.2}%", "frequencies");
    let _ = writeln!(
        text,
        "{:<14} net {:.2}; no trades: net 0.00",
        "buy and hold", overall.buy_and_hold
    );
    text
}

fn area(auc: Option<f64>) -> String {
    auc.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}"))
}

fn day(ts_ms: i64) -> String {
    UtcMs::new(ts_ms).map_or_else(|_| ts_ms.to_string(), |at| at.format("%Y-%m-%d"))
}

#[cfg(test)]
pub(in crate::jobs) mod sample {
    use super::*;

    /// What the reports here were judged with.
    pub fn settings() -> BTreeMap<String, String> {
        [("fill.fee-bps", "10"), ("strategy.model.exit", "0")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// Folds of `(log loss, AUC, net)` of the model, with baselines that are always the same.
    pub fn report(model: &str, folds: &[(f64, f64, f64)]) -> TrainReport {
        let part = PartNumbers { window: [300_000, 600_000], rows: 100 };
        let judged = |(log_loss, auc, net): (f64, f64, f64)| Judged {
            log_loss,
            auc: Some(auc),
            auc_error: Some(0.01),
            auc_rows: Some(833.3),
            accuracy: 0.5,
            calibration_error: 0.01,
            calibration: vec![(100, 0.3, 0.25); 10],
            threshold: 50_000,
            tried: vec![(50_000, 1.0)],
            trading: TradingResult {
                net,
                fees: 1.0,
                trades: 3,
                win_rate: Some(0.5),
                sharpe: None,
                drawdown: 0.01,
                curve: vec![(300_000, 10_000.0), (600_000, 10_000.0 + net)],
            },
            best_epoch: 2,
            losses: vec![(1.0, 1.0), (0.9, 0.95)],
        };
        let fold = |(fold, numbers): (usize, &(f64, f64, f64))| FoldReport {
            fold,
            train: part.clone(),
            validation: part.clone(),
            test: part.clone(),
            network: judged(*numbers),
            logistic: judged((0.99, 0.52, 1.0)),
            prior_log_loss: 1.0,
            prior_accuracy: 0.4,
            buy_and_hold: 5.0,
            hold_curve: vec![(600_000, 5.0)],
        };
        let folds: Vec<FoldReport> = (1..).zip(folds).map(fold).collect();
        TrainReport {
            schema: SCHEMA.to_owned(),
            name: "m".to_owned(),
            model: model.to_owned(),
            run: "r1".to_owned(),
            build: "b".to_owned(),
            device: "cpu".to_owned(),
            series: "demo BTC/USD 5m".to_owned(),
            asked: serde_json::json!({ "label": { "kind": "forward_return" } }),
            data: TrainData {
                bars: 10,
                window: [300_000, 600_000],
                rows: 9,
                classes: [3, 3, 3],
                sha256: "0".to_owned(),
            },
            checks: Checks {
                rows_without_future: 9,
                mixed_labels_auc: 0.5,
                mixed_labels_error: 0.01,
            },
            overall: Overall::of(&folds),
            folds,
            settings: settings(),
            published: Published {
                train: part.clone(),
                validation: part,
                threshold: 50_000,
                tried: vec![(50_000, 1.0)],
                best_epoch: 2,
                validation_log_loss: 0.95,
                losses: vec![(1.0, 1.0), (0.9, 0.95)],
            },
        }
    }
}
