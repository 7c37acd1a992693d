//! The report as a table for people.

use std::fmt::Write as _;

use super::report::{FoldReport, Judged, Means, TrainReport};
use crate::domain::time::UtcMs;

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
