//! Sweeps over the thresholds of a model: the same as over params, with a walk forward, and an honest word about the days that its
//! training had.

use serde_json::Value;

use crate::{
    support::{market::csv, runner::Root},
    train::{
        fixture::{latest, training},
        noise::foreseeable,
    },
};

/// A model that was trained on the first eight of 48 days, and a sweep of the score that it trades from.
fn with_model() -> Root {
    let root = Root::new();
    let bars = foreseeable(5, 48);
    let (first, rest) = bars.split_at(8 * 288);
    let import = |bars| {
        root.write("bars.csv", &csv(bars));
        root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close")
            .ok();
    };
    import(first);
    training(&root, 5).arg("-p").arg("seed=5").arg("horizon-bars=12").run().ok();
    import(rest);
    let text = r#"manifest = 1
name = "thresholds"
kind = "sweep"
extends = ["../profiles/base.toml", "../strategies/model.toml"]

[strategy.model]
path = "data/models/direction/ID"

[sweep]
job = "backtest.toml"
min-trades = 5
hold-out = "0d"

[sweep.over]
"strategy.model.enter" = [100000, 200000, 400000]
fade = [-0.05, 0.0, 0.05]

[sweep.doubt]
null-sweeps = 0

[sweep.walk-forward]
train = "30d"
test = "6d"
"#;
    root.write("jobs/thresholds.toml", &text.replace("ID", &latest(&root)));
    root
}

#[test]
fn the_thresholds_of_a_model_are_searched_like_params_and_the_days_of_its_training_are_said() {
    let root = with_model();
    let ran = root.run("run jobs/thresholds.toml -p exchange=demo timeframe=5m").code(3);
    let ran = ran.prints(&["its training had 8 of these", "[strategy.model]\nenter = "]);
    let ids = root.list("data/sweeps");
    let id = ids.iter().find(|id| id.starts_with("thresholds")).expect("a sweep");
    let document = |name: &str| -> Value {
        serde_json::from_str(&root.read(&format!("data/sweeps/{id}/{name}"))).expect("a document")
    };
    let report = document("sweep.json");
    assert_eq!((&report["trials"], &report["model"]["seen_days"]), (&9.into(), &8.into()), "{ran}");
    let rows = root.read(&format!("data/sweeps/{id}/trials.csv"));
    let cells: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cells[0][2..5], ["fade", "strategy.model.enter", "trades"]);
    // A higher score is reached less often.
    let trades = |row: usize| cells[row][4].parse::<u32>().expect("a number");
    assert!(trades(4) > trades(5) && trades(5) > trades(6) && trades(6) > 5, "{rows}");
    // The walk forward chose in every window, and applied the choice to the days behind it.
    let walk = &report["walk_forward"];
    assert_eq!((&walk["windows"], &walk["flat"]), (&3.into(), &0.into()), "{report}");
    let step = document("walk/0000.json");
    assert_eq!(step["days"].as_array().map(Vec::len), Some(6));
    assert_eq!(step["test"][0].as_i64(), step["train"][1].as_i64().map(|last| last + 1));
    // Behind them it has seen nothing.
    let behind = "run jobs/thresholds.toml -p exchange=demo timeframe=5m --set sweep.from=2024-01-10 sweep.over.fade=[0.0] sweep.walk-forward.test=7d";
    root.run(behind).code(3).prints(&["its training had none of these days"]);
}
