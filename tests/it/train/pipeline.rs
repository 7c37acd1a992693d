//! The pipeline against a simulated venue: from its bars to a model in use, or to none.

use super::{
    fixture::{latest, report, scored},
    noise::foreseeable,
};
use crate::support::{market::csv, ran::Ran, runner::Root, sim::Sim};

/// A month of the venue's bars through the pipeline.
fn pipeline(root: &Root, params: &str) -> Ran {
    root.write("market.csv", &csv(&foreseeable(5, 32)));
    let market = "-p protocol=binance source=market.csv from=2024-01-31T00:10:00Z speed=1x";
    let sim = Sim::start(root, market);
    let series = "exchange=binance symbol=BTC/USD";
    let window = "from=2024-01-01T00:05:00Z to=2024-01-31T00:00:00Z";
    let url = format!("base-url=http://{}", sim.address);
    let small = "folds=1 epochs-max=3";
    let ran = root
        .run(&format!("run jobs/train-pipeline.toml -p {series} {window} {url} {small} {params}"));
    sim.stop();
    ran
}

#[test]
fn bars_become_a_model_in_use_if_it_deserves_it() {
    let root = Root::new();
    let ran = pipeline(&root, "metric=log-loss min-folds=1 epochs-max=10").code(0);
    let id = latest(&root);
    assert_eq!(root.read("data/models/current"), format!("direction/{id}\n"), "{ran}");
    let report = report(&root);
    let bars = report["data"]["bars"].as_u64().unwrap();
    assert_eq!(bars, 30 * 288, "a month of the venue");
    // The folder itself was replayed, on the bars behind those its weights were fitted on.
    let tag = root.list("data/processed/decisions").pop().unwrap();
    let rows = scored(&root, &tag);
    let first = report["published"]["validation"]["window"][0].as_i64().unwrap();
    assert_eq!((rows[0].0, rows.len()), (first, report_rows(&report)), "{tag}");
    assert!(rows.iter().all(|(_, score)| score.is_some()), "{tag}");
}

#[test]
fn a_model_that_does_not_deserve_it_ends_the_pipeline_with_its_numbers() {
    let root = Root::new();
    let ran = pipeline(&root, "metric=pnl by=100000 min-folds=0").code(1);
    assert!(ran.stdout.contains("refused: direction/"), "{ran}");
    assert_eq!(root.read("data/models/current"), "", "nothing is in use");
    assert!(!latest(&root).is_empty(), "the model is there to be looked at");
}

#[test]
fn after_a_step_that_failed_nothing_comes_into_use() {
    let deserving = "metric=log-loss min-folds=1 epochs-max=10";
    // A training that has too little for its folds.
    let root = Root::new();
    let ran = pipeline(&root, &format!("{deserving} folds=100")).code(1);
    let ended = |ran: &Ran, wanted: [(&str, &str); 3]| {
        for (step, state) in wanted {
            let of = |line: &&str| line.split_whitespace().nth(1) == Some(step);
            let line = ran.stdout.lines().filter(|line| line.starts_with("step ")).find(of);
            assert!(line.is_some_and(|line| line.contains(state)), "{step} is not {state}: {ran}");
        }
    };
    ended(&ran, [("train", "failed"), ("backtest", "skipped"), ("promote", "skipped")]);
    assert_eq!(root.read("data/models/current"), "", "nothing is in use");
    // A replay that has no room for its ledger: the model is there, and would deserve it.
    let root = Root::new();
    root.write("data/processed/decisions", "in the way");
    let ran = pipeline(&root, deserving).code(1);
    ended(&ran, [("train", "succeeded"), ("backtest", "failed"), ("promote", "skipped")]);
    assert!(!latest(&root).is_empty(), "the model is there to be looked at");
    assert_eq!(root.read("data/models/current"), "", "nothing is in use");
}

/// Slots of the published model's validation window.
fn report_rows(report: &serde_json::Value) -> usize {
    let end = |n: usize| report["published"]["validation"]["window"][n].as_i64().unwrap();
    ((end(1) - end(0)) / 300_000 + 1) as usize
}
