//! A root with made-up bars, and what a training leaves in it.

use mjolnir::domain::time::Timeframe;

use crate::support::{
    market::{csv, market, recorded_market},
    ran::Ran,
    runner::{Call, Root},
};

/// 2024-01-01 00:00 UTC.
pub const MIDNIGHT_MS: i64 = 1_704_067_200_000;
const DAY_MS: i64 = 86_400_000;

/// A root in which some days of five-minute bars are stored.
pub fn root(days: i64) -> Root {
    let root = Root::new();
    let bars = market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + days * DAY_MS);
    root.write("bars.csv", &csv(&bars));
    root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close").ok();
    root
}

/// A short training.
pub fn train(root: &Root) -> Call<'_> {
    training(root, 3)
}

/// A training of some epochs.
pub fn training(root: &Root, epochs: u32) -> Call<'_> {
    root.call("run jobs/train.toml -p exchange=demo folds=2 horizon-bars=6")
        .arg("-p")
        .arg(&format!("epochs-max={epochs}"))
        .arg("--set")
        .arg("train.folds.embargo-bars=24")
        .arg("--set")
        .arg("train.fit.batch=256")
}

/// The id of the model that was trained last.
pub fn latest(root: &Root) -> String {
    root.read("data/reports/train/direction/latest").trim().to_owned()
}

/// Every file of the model that was trained last, and of the state of trainings.
pub fn model(root: &Root) -> Vec<(String, String)> {
    let files = root.files(&format!("data/models/direction/{}", latest(root)));
    assert!(!files.is_empty(), "there is a model");
    files
}

/// The report of the model that was trained last.
pub fn report(root: &Root) -> serde_json::Value {
    let path = format!("data/reports/train/direction/{}/report.json", latest(root));
    serde_json::from_str(&root.read(&path)).unwrap()
}

/// Lets the report of the model that was trained last say of it what a test wants to be said, and that it earned money.
pub fn plant(root: &Root, log_loss: f64) {
    plant_with(root, log_loss, true);
}

/// The same, with the money that it really earned, or with some.
pub fn plant_with(root: &Root, log_loss: f64, earns: bool) {
    let mut report = report(root);
    for fold in report["folds"].as_array_mut().unwrap() {
        fold["network"]["log_loss"] = log_loss.into();
        if earns {
            fold["network"]["trading"]["net"] = 50.0.into();
            fold["buy_and_hold"] = 10.0.into();
        }
    }
    if earns {
        for tried in report["published"]["tried"].as_array_mut().unwrap() {
            tried[1] = 5.0.into();
        }
    }
    let path = format!("data/reports/train/direction/{}/report.json", latest(root));
    root.write(&path, &report.to_string());
}

/// `runner run jobs/promote.toml` with parameters.
pub fn promote(root: &Root, params: &str) -> Ran {
    root.run(&format!("run jobs/promote.toml -p {params}"))
}

/// Time and score of every decision of a tag.
pub fn scored(root: &Root, tag: &str) -> Vec<(i64, Option<i64>)> {
    let ledger = root.read(&format!("data/processed/decisions/{tag}/BTC_USD/5m/decisions.csv"));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[3].parse().unwrap(), fields[7].parse().ok())
    };
    ledger.lines().skip(1).map(row).collect()
}

#[test]
fn a_training_on_real_bars_is_better_than_class_frequencies_and_not_too_good() {
    let Some(dir) = recorded_market() else { return };
    let root = Root::new();
    let path = format!("path={dir}/binance/BTC_USDT/5m.parquet");
    let series = "exchange=binance symbol=BTC/USDT timeframe=5m";
    let import = root.call(&format!("run jobs/import.toml -p {series}")).arg("-p").arg(&path);
    assert_eq!(import.run().code, 0);
    let ran = root.run(&format!("run jobs/train.toml -p {series} folds=3 epochs-max=3")).ok();
    assert!(!latest(&root).is_empty(), "{ran}");
    let report = report(&root);
    assert!(report["data"]["rows"].as_u64().unwrap() > 140_000);
    for fold in report["folds"].as_array().unwrap() {
        let loss = fold["network"]["log_loss"].as_f64().unwrap();
        assert!(loss < fold["prior_log_loss"].as_f64().unwrap(), "volatility is foreseeable");
        let auc = fold["network"]["auc"].as_f64().unwrap();
        assert!((0.45..0.65).contains(&auc), "direction hardly is: {auc}");
    }
}
