//! Which model is in use: only one that beats the baseline, and one command leads back.

use super::fixture::{latest, plant, plant_with, promote, report, root, scored, train};
use crate::{e2e::fixture::cell, support::runner::Root};

fn current(root: &Root) -> String {
    root.read("data/models/current").trim().to_owned()
}

/// A root with trained models, and reports that say of them what a test wants to be said.
struct Trained {
    root: Root,
    good: String,
    better: String,
    poor: String,
}

fn trained() -> Trained {
    let root = root(8);
    let [good, better, poor] = [(7, 0.1), (8, 0.05), (9, 3.0)].map(|(seed, loss)| {
        train(&root).arg("-p").arg(&format!("seed={seed}")).run().ok();
        plant(&root, loss);
        latest(&root)
    });
    Trained { root, good, better, poor }
}

#[test]
fn a_model_comes_into_use_only_if_it_beats_the_baseline_and_the_one_in_use() {
    let Trained { root, good, better, poor } = trained();
    let refused = promote(&root, &format!("model={poor} min-folds=1")).code(1);
    let refused =
        refused.prints(&[&format!("refused: direction/{poor}"), "beats the baseline by -"]);
    refused.prints(&["it is better in 0 of 2 folds, 1 are demanded"]);
    assert_eq!(current(&root), "", "nothing is in use");

    let in_use = format!("direction/{good} is in use now");
    promote(&root, &format!("model={good} min-folds=2")).ok().prints(&[&in_use]);
    assert_eq!(current(&root), format!("direction/{good}"));
    let again = promote(&root, &format!("model={good} min-folds=2")).ok();
    again.prints(&["is in use already"]);
    let by = promote(&root, &format!("model={better} min-folds=2 by=0.1")).code(1);
    by.prints(&["beats the model in use by"]);
    promote(&root, &format!("model={better} min-folds=2")).ok();
    assert_eq!(current(&root), format!("direction/{better}"));
    let worse = promote(&root, &format!("model={good} min-folds=2")).code(1);
    worse.prints(&["beats the model in use by -0.05"]);
    assert_eq!(current(&root), format!("direction/{better}"));

    let history = root.read("data/models/history.csv");
    let rows: Vec<&str> = history.lines().collect();
    assert_eq!(rows.len(), 3, "{history}");
    assert!(rows[1].contains(&format!(",promote,direction/{good},log-loss,-0.1,")), "{history}");
    assert!(rows[2].contains(&format!(",promote,direction/{better},log-loss,-0.05,")), "{history}");
}

#[test]
fn one_command_leads_back_to_the_model_before() {
    let Trained { root, good, better, .. } = trained();
    promote(&root, "rollback=true").code(1).prints(&["none to go back to"]);
    promote(&root, &format!("model={good} min-folds=2")).ok();
    promote(&root, "rollback=true").code(1).prints(&["none to go back to"]);
    promote(&root, &format!("model={better} min-folds=2")).ok();
    let back = promote(&root, "rollback=true").ok();
    back.prints(&[&format!("direction/{good} is in use again, direction/{better} is not")]);
    assert_eq!(current(&root), format!("direction/{good}"));
    let history = root.read("data/models/history.csv");
    assert!(history.contains(&format!(",rollback,direction/{good},,,,")), "{history}");
}

#[test]
fn a_crash_between_history_and_pointer_is_mended_and_a_damaged_history_is_not_touched() {
    let Trained { root, good, better, poor } = trained();
    promote(&root, &format!("model={good} min-folds=2")).ok();
    root.remove("data/models/current");
    promote(&root, &format!("model={poor}")).code(1);
    assert_eq!(current(&root), format!("direction/{good}"), "the history says what is in use");
    let history = root.read("data/models/history.csv");
    root.write("data/models/history.csv", &history[..history.len() - 3]);
    let torn = promote(&root, &format!("model={better} min-folds=2")).code(65);
    torn.says(&["history.csv", "restore"]);
    assert_eq!(current(&root), format!("direction/{good}"));
}

#[test]
fn a_model_that_cannot_be_read_neither_comes_into_use_nor_back() {
    let Trained { root, good, better, .. } = trained();
    let golden = format!("data/models/direction/{better}/golden.csv");
    let text = root.read(&golden);
    let whole: Vec<&str> = text.lines().collect();
    root.write(&golden, &(whole[..16].join("\n") + "\n"));
    let damaged = promote(&root, &format!("model={better} min-folds=2")).code(65);
    damaged.says(&["golden.csv", "has 15 rows"]);
    assert_eq!(current(&root), "");
    root.write(&golden, &text);
    promote(&root, &format!("model={good} min-folds=2")).ok();
    promote(&root, &format!("model={better} min-folds=2")).ok();
    root.rename(&format!("data/models/direction/{good}"), "data/elsewhere");
    let gone = promote(&root, "rollback=true").code(65);
    gone.says(&["does not hold a model", &good]);
    assert_eq!(current(&root), format!("direction/{better}"));
    // Its report is left, and the numbers of the candidate stand.
    promote(&root, &format!("model={better} min-folds=2")).ok().prints(&["is in use already"]);
}

#[test]
fn the_model_trained_last_asks_by_itself_and_unknown_ones_are_refused() {
    let Trained { root, good, poor, .. } = trained();
    let asked = promote(&root, "metric=auc");
    assert!(asked.stdout.contains(&format!("direction/{poor} by auc")), "{asked}");
    promote(&root, "model=unknown").code(4).says(&["direction/unknown has no report"]);
    promote(&root, "model=../x").code(78).says(&["`promote.model`"]);
    promote(&root, "name=other").code(4).says(&["no model named other was trained here"]);
    root.write(&format!("data/reports/train/direction/{good}/report.json"), "{}");
    promote(&root, &format!("model={good}")).code(65).says(&["report.json"]);
}

#[test]
fn a_model_that_foresees_and_loses_money_is_refused_with_its_numbers() {
    let root = root(8);
    train(&root).run().ok();
    // By its loss it beats every baseline; its trades are those it made.
    plant_with(&root, 0.1, false);
    let net: f64 = report(&root)["folds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fold| fold["network"]["trading"]["net"].as_f64().unwrap())
        .sum();
    assert!(net <= 0.0, "nothing is earned with three epochs on made-up bars: {net}");
    let refused = promote(&root, "min-folds=2").code(1);
    refused.prints(&[
        "better in 2 of 2 folds",
        &format!(
            "its trades on the test bars came to {net:.2} after fees, no more than staying flat"
        ),
        "through the engine of LIVE: ",
    ]);
    assert_eq!(current(&root), "", "nothing is in use");
}

#[test]
fn the_threshold_chosen_on_validation_travels_with_the_model_or_it_is_refused() {
    let root = root(8);
    train(&root).run().ok();
    plant(&root, 0.1);
    let chosen = report(&root)["published"]["threshold"].as_i64().unwrap();
    let pinned = chosen / 8;
    let other = format!("run jobs/promote.toml -p min-folds=2 --set strategy.model.enter={pinned}");
    root.run(&other).code(1).prints(&[&format!(
        "it was judged trading from a score of {chosen}, LIVE would trade from {pinned} (strategy.model.enter)"
    )]);
    let fees = "run jobs/promote.toml -p min-folds=2 --set fill.fee-bps=25";
    let told = "it was judged with fill.fee-bps = 10, LIVE would trade with 25: train it again";
    root.run(fees).code(1).prints(&[told]);
    let bare = root.read("jobs/promote.toml").replace(", \"../strategies/model.toml\"", "");
    root.write("jobs/bare.toml", &bare.replace("name = \"promote\"", "name = \"bare\""));
    root.run("run jobs/bare.toml")
        .code(78)
        .says(&["extend profiles/market.toml and strategies/model.toml"]);
    assert_eq!(current(&root), "", "nothing is in use");
    promote(&root, "min-folds=2").ok();
    // LIVE follows it, and enters at the score chosen for it, never nearer.
    let live = "run live-model -p tag=judged exchange=demo feed=synthetic seed=9";
    root.run(&format!("{live} from=2024-02-01T00:00:00Z to=2024-02-03T00:00:00Z")).ok();
    let text = root.read("data/processed/decisions/judged/BTC_USD/5m/decisions.csv");
    let mut quiet = 0;
    for (line, (_, score)) in (2..).zip(scored(&root, "judged")) {
        let Some(score) = score else { continue };
        let [decision, reason] = [4, 5].map(|column| cell(&text, line, column));
        let is_beyond = score.abs() >= chosen;
        assert!(!decision.starts_with("enter") || is_beyond, "{score} at line {line}");
        assert!(reason != "no_signal" || !is_beyond, "{score} at line {line}");
        quiet += usize::from(!is_beyond && score.abs() >= pinned);
    }
    assert!(quiet > 0, "no score lies between {pinned} and {chosen}");
}

#[test]
fn where_the_market_names_a_score_the_model_is_judged_with_that_one_alone() {
    let root = root(8);
    train(&root).arg("--set").arg("strategy.model.enter=300000").run().ok();
    let report = report(&root);
    assert_eq!(report["published"]["threshold"], 300_000);
    for fold in report["folds"].as_array().unwrap() {
        assert_eq!(fold["network"]["threshold"], 300_000);
        assert_eq!(fold["network"]["tried"].as_array().unwrap().len(), 1);
    }
}
