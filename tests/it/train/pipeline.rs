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

#[test]
fn made_up_bars_are_enough_to_try_a_training() {
    let root = Root::new();
    let none = root.run("run jobs/train.toml -p exchange=demo").code(4);
    none.says(&["does not have bars of demo BTC/USD 5m", "runner run jobs/made-up.toml"]);
    let made = root.run("run jobs/made-up.toml -p to=2024-01-21T00:00:00Z").ok();
    made.prints(&["bars made up from seed 7", "data/raw/demo/BTC_USD/5m (20 days)"]);
    root.run("run jobs/train.toml -p exchange=demo folds=2 epochs-max=2").ok();
    assert!(!latest(&root).is_empty());
    assert!(report(&root)["data"]["rows"].as_u64().unwrap() > 4_000);
    // The same seed shows the same market.
    let again = root.run("run jobs/made-up.toml -p to=2024-01-21T00:00:00Z").ok();
    again.prints(&["0 written, 0 replaced"]);
}

#[test]
fn one_command_makes_up_bars_trains_on_them_and_replays_the_model() {
    let root = Root::new();
    let days = "from=2024-01-01T00:00:00Z to=2024-01-31T00:00:00Z";
    let ran = root.run(&format!("run jobs/train-demo.toml -p folds=1 epochs-max=2 {days}")).ok();
    let id = root.read("data/reports/train/demo/latest").trim().to_owned();
    ran.prints(&["bars made up from seed 7", &format!("demo {id}"), "closed trades"]);
    let replayed: Vec<String> = root.list("data/processed/decisions");
    assert!(replayed.iter().any(|tag| tag.starts_with("train_bt_")), "{replayed:?}");
}

#[test]
fn made_up_bars_stay_apart_from_those_of_a_venue_and_have_a_window() {
    let root = Root::new();
    let kraken = root.run("run jobs/made-up.toml -p exchange=kraken").code(78);
    kraken.says(&["made-up bars do not belong among those of kraken", "such as demo"]);
    let turned = root.run("run jobs/made-up.toml -p to=2023-01-01T00:00:00Z").code(78);
    turned.says(&["it must be later than `import.from`"]);
    let ages = root.run("run jobs/made-up.toml -p timeframe=1m from=1990-01-01T00:00:00Z").code(78);
    ages.says(&["at most 6000000 are made up at once"]);
    let short = "from=2024-01-01T00:01:00Z to=2024-01-01T00:02:00Z";
    root.run(&format!("run jobs/made-up.toml -p {short}")).code(4).says(&["no bar of 5m closes"]);
    for (source, lacks) in [("synthetic", "`import.from` is missing"), ("file", "`import.path`")] {
        let bare =
            "manifest = 1\nname = \"bare\"\nkind = \"import\"\n[market]\nexchange = \"demo\"\n";
        let text = format!(
            "{bare}symbol = \"BTC/USD\"\ntimeframe = \"5m\"\n[import]\nsource = \"{source}\"\n"
        );
        root.write("bare.toml", &text);
        root.run("run bare.toml").code(78).says(&[lacks]);
    }
    assert_eq!(root.list("data/raw"), [""; 0], "nothing was stored");
}
