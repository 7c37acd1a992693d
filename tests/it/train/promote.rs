//! Which model is in use: only one that beats the baseline, and one command leads back.

use super::fixture::{latest, plant, promote, root, train};
use crate::support::runner::Root;

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
    promote(&root, "rollback=true").code(1).prints(&["there is no model to go back to"]);
    promote(&root, &format!("model={good} min-folds=2")).ok();
    promote(&root, "rollback=true").code(1).prints(&["there is no model to go back to"]);
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
    gone.says(&["there is no model in", &good]);
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
