//! The numbers of a report against one another: means over folds, rows after purging, money, and the places where people read them.

use mjolnir::domain::{bar::TimedBar, time::Timeframe};
use serde_json::Value as Json;

use super::fixture::{MIDNIGHT_MS, latest, model, report, root, train, training};
use crate::support::{market::csv, runner::Root, sim::truth};

const DAYS: i64 = 8;
const BAR_MS: i64 = 300_000;
/// Of the fixture: a forward return over six bars knows the open of the seventh.
const REACH: i64 = 7;
const EMBARGO: i64 = 24;
/// Of the shipped market file.
const CASH: f64 = 10_000.0;
const NOTIONAL: f64 = 1_000.0;
const FEE: f64 = 0.001;

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[track_caller]
fn same(found: &Json, expected: f64, what: &str) {
    let found = number(found);
    assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{what}: {found} {expected}");
}

/// A root with a bar of every slot of some days.
fn whole(days: i64) -> Root {
    let bar = |n: i64| truth(Timeframe::M5.slot(MIDNIGHT_MS + n * BAR_MS).unwrap());
    let bars: Vec<TimedBar> = (1..=days * 288).map(bar).collect();
    let root = Root::new();
    root.write("bars.csv", &csv(&bars));
    root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close").ok();
    root
}

/// Slots of a part, and rows that were left of it.
fn slots_and_rows(part: &Json) -> (i64, i64) {
    let end = |n: usize| part["window"][n].as_i64().unwrap();
    ((end(1) - end(0)) / BAR_MS + 1, part["rows"].as_i64().unwrap())
}

#[test]
fn over_all_folds_there_are_means_and_sums_of_what_the_folds_say() {
    let root = root(DAYS);
    train(&root).arg("-p").arg("folds=3").arg("--run-id").arg("r1").run().ok();
    let report = report(&root);
    let (folds, overall) = (report["folds"].as_array().unwrap(), &report["overall"]);
    assert_eq!(folds.len(), 3);
    let values = |of: &dyn Fn(&Json) -> f64| -> Vec<f64> { folds.iter().map(of).collect() };
    let sum = |of: &dyn Fn(&Json) -> f64| values(of).iter().sum::<f64>();
    let mean = |of: &dyn Fn(&Json) -> f64| sum(of) / 3.0;
    for who in ["network", "logistic"] {
        for what in ["log_loss", "auc", "accuracy", "calibration_error"] {
            same(&overall[who][what], mean(&|fold| number(&fold[who][what])), what);
        }
        for what in ["net", "trades"] {
            same(&overall[who][what], sum(&|fold| number(&fold[who]["trading"][what])), what);
        }
    }
    for what in ["prior_log_loss", "prior_accuracy"] {
        same(&overall[what], mean(&|fold| number(&fold[what])), what);
    }
    same(&overall["buy_and_hold"], sum(&|fold| number(&fold["buy_and_hold"])), "buy_and_hold");
    // What the run hands on, and what stands in the card of the model, are the same numbers.
    let result: Json = serde_json::from_str(&root.read("data/runs/r1/result.json")).unwrap();
    let out = &result["out"];
    let handed = |key: &str| -> Json { out[key].as_str().unwrap().parse::<f64>().unwrap().into() };
    for (key, value) in [
        ("log_loss", &overall["network"]["log_loss"]),
        ("auc", &overall["network"]["auc"]),
        ("net", &overall["network"]["net"]),
        ("prior_log_loss", &overall["prior_log_loss"]),
        ("threshold", &report["published"]["threshold"]),
    ] {
        same(&handed(key), number(value), key);
    }
    let shown = format!("show model data/models/direction/{} --json", latest(&root));
    let card = &root.run(&shown).ok().json()["card"]["metrics"];
    for what in ["log_loss", "auc", "accuracy", "calibration_error", "net", "trades"] {
        same(&card[dashed(what).as_str()], number(&overall["network"][what]), what);
    }
    same(&card["prior-log-loss"], number(&overall["prior_log_loss"]), "prior-log-loss");
    same(&card["threshold"], number(&report["published"]["threshold"]), "threshold");
}

fn dashed(key: &str) -> String {
    key.replace('_', "-")
}

#[test]
fn people_read_the_numbers_of_the_report_each_in_its_column() {
    let root = root(DAYS);
    let ran = train(&root).run().ok();
    let report = report(&root);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = ran.stdout.lines().map(words).collect();
    for fold in report["folds"].as_array().unwrap() {
        let rows = fold["test"]["rows"].to_string();
        for (who, name) in [("network", "model"), ("logistic", "logistic")] {
            let judged = &fold[who];
            let of = |key: &str| number(&judged[key]);
            let trading = &judged["trading"];
            let wanted = [
                name.to_owned(),
                rows.clone(),
                format!("{:.5}", of("log_loss")),
                format!("{:.4}", of("auc")),
                format!("{:.2}", 100.0 * of("accuracy")),
                format!("{:.4}", of("calibration_error")),
                format!("{:.2}", of("threshold") / 1e6),
                trading["trades"].to_string(),
                format!("{:.2}", number(&trading["net"])),
                judged["best_epoch"].to_string(),
            ];
            let told = lines.iter().any(|line| line.ends_with(&wanted));
            assert!(told, "{wanted:?} is in no line of {ran}");
        }
        let prior = [
            "frequencies".to_owned(),
            rows,
            format!("{:.5}", number(&fold["prior_log_loss"])),
            "0.5000".to_owned(),
            format!("{:.2}", 100.0 * number(&fold["prior_accuracy"])),
        ];
        assert!(lines.iter().any(|line| line.starts_with(&prior)), "{prior:?} is not in {ran}");
        let hold = format!("{:.2}", number(&fold["buy_and_hold"]));
        let held = ["buy", "and", "hold", &hold].map(str::to_owned);
        assert!(lines.contains(&held.to_vec()), "{held:?} is not in {ran}");
    }
    for (who, name) in [("network", "model"), ("logistic", "logistic")] {
        let means = &report["overall"][who];
        let of = |key: &str| number(&means[key]);
        let wanted = format!(
            "{name:<14} loss {:.5}  AUC {:.4}  accuracy {:.2}%  calibration {:.4}  trades {}  net {:.2}\n",
            of("log_loss"),
            of("auc"),
            100.0 * of("accuracy"),
            of("calibration_error"),
            means["trades"],
            of("net"),
        );
        assert!(ran.stdout.contains(&wanted), "{wanted} is not in {ran}");
    }
}

#[test]
fn money_adds_up_and_labels_that_were_mixed_up_were_looked_at() {
    let root = root(DAYS);
    train(&root).arg("--set").arg("train.thresholds=[1]").run().ok();
    let report = report(&root);
    for fold in report["folds"].as_array().unwrap() {
        for who in ["network", "logistic"] {
            let trading = &fold[who]["trading"];
            let (net, fees) = (number(&trading["net"]), number(&trading["fees"]));
            let last = trading["curve"].as_array().unwrap().last().unwrap();
            same(&last[1], CASH + net, "the end of the curve");
            let trades = number(&trading["trades"]);
            assert!(trades >= 1.0, "{who} trades: {trading}");
            // Of each amount that is bought or sold, which is about the notional.
            let expected = trades * 2.0 * NOTIONAL * FEE;
            assert!((fees - expected).abs() < 0.05 * expected, "{who} {fees} {expected}");
            let wins = number(&trading["win_rate"]) * trades;
            assert!((wins - wins.round()).abs() < 1e-6, "{who} wins {wins} of {trades}");
            let fall = number(&trading["drawdown"]);
            assert!((0.0..1.0).contains(&fall) && fall * CASH * 1.5 >= -net, "{who} {fall} {net}");
        }
    }
    let checks = &report["checks"];
    let (auc, error) = (number(&checks["mixed_labels_auc"]), number(&checks["mixed_labels_error"]));
    assert!((0.001..0.1).contains(&error), "{checks}");
    assert!(auc != 0.5 && (auc - 0.5).abs() <= 4.0 * error, "{checks}");
}

#[test]
fn between_two_parts_lie_the_reach_of_a_label_and_the_embargo() {
    let root = whole(DAYS);
    train(&root).run().ok();
    let report = report(&root);
    let gap = REACH + EMBARGO;
    for fold in report["folds"].as_array().unwrap() {
        for part in ["train", "validation"] {
            let (slots, rows) = slots_and_rows(&fold[part]);
            assert_eq!(rows, slots - gap, "{part}: every slot has a row, but for the last ones");
        }
        let (slots, rows) = slots_and_rows(&fold["test"]);
        assert_eq!(rows, slots, "nothing comes behind a test");
    }
    let (slots, rows) = slots_and_rows(&report["published"]["train"]);
    assert_eq!(rows, slots - gap);
    // Without a word about it, it is a day.
    let root = whole(20);
    let words = "run jobs/train.toml -p exchange=demo folds=1 horizon-bars=6 epochs-max=1";
    root.run(words).ok();
    let report = self::report(&root);
    for part in ["train", "validation"] {
        let (slots, rows) = slots_and_rows(&report["folds"][0][part]);
        assert_eq!(rows, slots - REACH - 288, "{part}");
    }
}

#[test]
fn how_a_network_is_to_learn_is_what_it_learns_by() {
    let weights = |set: &str| {
        let root = root(DAYS);
        let call = training(&root, 2).arg("--set").arg("train.folds.count=1");
        call.arg("--set").arg(set).run().ok();
        let mut files = model(&root).into_iter();
        files.find(|(path, _)| path.ends_with("model.safetensors")).unwrap().1
    };
    let plain = weights(r#"train.fit.class-weights="none""#);
    for set in [
        r#"train.fit.class-weights="balanced""#,
        r#"train.fit.activation="tanh""#,
        "train.fit.hidden=[8]",
        "train.fit.batch=100",
        "train.fit.learning-rate=0.002",
        "train.fit.weight-decay=0.5",
        "train.label.threshold-bps=10",
        "train.label.horizon-bars=5",
    ] {
        assert!(weights(set) != plain, "{set} changes nothing");
    }
}

#[test]
fn the_baseline_is_what_the_model_would_be_without_its_hidden_layers() {
    let folds = |hidden: &str| {
        let root = root(DAYS);
        train(&root).arg("--set").arg(&format!("train.fit.hidden={hidden}")).run().ok();
        report(&root)["folds"].as_array().unwrap().clone()
    };
    let (simple, deep) = (folds("[]"), folds("[8]"));
    assert_eq!((simple.len(), deep.len()), (2, 2));
    for (simple, deep) in simple.iter().zip(&deep) {
        assert_eq!(simple["network"], simple["logistic"]);
        assert_eq!(deep["logistic"], simple["network"]);
        assert_ne!(deep["network"]["losses"], deep["logistic"]["losses"]);
        assert_ne!(deep["network"]["log_loss"], deep["logistic"]["log_loss"]);
    }
}

#[test]
fn a_fit_that_stops_early_says_so_and_publishes_its_best_epoch() {
    let root = root(DAYS);
    let long = training(&root, 30).arg("--set").arg("train.fit.patience=2");
    long.arg("--set").arg("train.fit.learning-rate=0.02").run().ok();
    let report: Json = report(&root);
    let published = &report["published"];
    let losses = published["losses"].as_array().unwrap();
    let best = published["best_epoch"].as_u64().unwrap() as usize;
    assert_eq!(losses.len(), best + 2, "it stopped two epochs after its best one: {published}");
    // The scorer on the very network that is published: what the best epoch had, and not the last.
    let said = number(&published["validation_log_loss"]);
    let of = |epoch: usize| number(&losses[epoch - 1][1]);
    assert!((said - of(best)).abs() < 1e-5, "{said} {}", of(best));
    assert!((said - of(best + 2)).abs() > 1e-4, "the last epoch was worse: {losses:?}");
    assert!(!latest(&root).is_empty());
}

#[test]
fn a_window_of_bars_is_what_is_learned_from() {
    let root = whole(DAYS);
    let first = MIDNIGHT_MS + 86_400_000;
    train(&root).arg("-p").arg(&format!("start-ts-ms={first}")).run().ok();
    let data = &report(&root)["data"];
    assert_eq!(data["window"][0].as_i64(), Some(first), "{data}");
    assert_eq!(data["bars"].as_i64(), Some((DAYS - 1) * 288 + 1), "{data}");
}
