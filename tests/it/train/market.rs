//! Real bars, when the folder with them is named by `MJOLNIR_MARKET`: honest numbers, whatever they are.

use super::fixture::{latest, report};
use crate::support::{market::recorded_market, runner::Root};

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
