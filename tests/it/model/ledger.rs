//! A ledger that follows a model: each row has its score, a replay is the same byte for byte, and other strategies have none.

use mjolnir::domain::time::Timeframe;

use super::fixture::{EVENING, NOON, eqflat, live, root};
use crate::{
    e2e::fixture::{cell, decisions, trades},
    support::{
        market::{csv, market},
        runner::Root,
    },
};

const MIDNIGHT_MS: i64 = 1_704_067_200_000;
const DAYS: i64 = 40;
/// As the shipped jobs have it, in units of 1e-6.
const ENTER: i64 = 200_000;

/// Stores made-up bars.
fn import(root: &Root) {
    let bars = market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + DAYS * 86_400_000);
    root.write("bars.csv", &csv(&bars));
    root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close").ok();
}

/// Every score stands in its row, and the rule that fired is the one that it fires.
fn assert_scores_explain_rows(text: &str) {
    let mut fired = std::collections::BTreeSet::new();
    for line in 2..=text.lines().count() {
        let [decision, reason, score] = [4, 5, 7].map(|column| cell(text, line, column));
        if decision == "skip" {
            assert_eq!(score, "", "line {line}: {reason}");
            continue;
        }
        let score: i64 = score.parse().unwrap_or_else(|_| panic!("line {line} has no score"));
        let holds = match reason {
            "score_above_enter" => score >= ENTER,
            "score_below_enter" => score <= -ENTER,
            "score_faded" | "no_signal" => score.abs() < ENTER,
            other => panic!("line {line}: {other}"),
        };
        assert!(holds, "line {line}: {reason} at {score}");
        fired.insert(reason.to_owned());
    }
    assert!(fired.len() == 4, "every rule fired: {fired:?}");
}

#[test]
fn c12_a_backtest_that_follows_a_model_is_the_same_with_any_number_of_threads() {
    let (root, id) = root(3);
    import(&root);
    let run = |runid: &str, threads: &str| {
        let words = format!("run backtest-model -p tag=paper exchange=demo runid={runid}");
        root.call(&words).env("RAYON_NUM_THREADS", threads).run().ok();
        let tag = format!("paper_bt_{runid}");
        [root.read(&decisions(&tag)), root.read(&trades(&tag))]
    };
    let (one, four) = (run("one", "1"), run("four", "4"));
    assert!(one == four, "the ledgers differ");
    assert!(one[1].lines().count() > 100, "there are trades");
    assert_scores_explain_rows(&one[0]);
    let origin = "data/processed/decisions/paper_bt_one/BTC_USD/5m/origin.json";
    assert!(root.read(origin).contains(&format!("\"strategy.model.id\": \"{id}\"")));
    // Another model decides otherwise on the same bars.
    let other = super::fixture::plant(&root, 4);
    super::fixture::make_current(&root, other);
    assert_ne!(run("other", "2")[0], one[0]);
}

#[test]
fn c13_live_that_follows_a_model_is_proved_by_its_replay() {
    let (root, id) = root(3);
    live(&root, NOON).run().ok();
    live(&root, EVENING).run().ok();
    let text = root.read(&decisions("paper"));
    let rows = text.lines().count();
    let scored = (2..=rows).filter(|line| !cell(&text, *line, 7).is_empty()).count();
    assert!(scored > 300, "{scored} of {rows} rows have a score");
    let ran = eqflat(&root, "e1").run().ok();
    ran.prints(&["Result: PASS"]);
    let origin = root.read("data/processed/decisions/paper/BTC_USD/5m/origin.json");
    assert!(origin.contains(&format!("\"strategy.model.id\": \"{id}\"")), "{origin}");
    assert!(!origin.contains("strategy.model.path"), "where it lies changes nothing: {origin}");
    assert!(super::fixture::commands(&root).is_empty(), "nothing was switched");
    // A score that somebody edited is found.
    let line = (2..=rows).rfind(|line| !cell(&text, *line, 7).is_empty()).unwrap();
    let edited = crate::e2e::fixture::with_cell(&text, line, 7, "123");
    root.write(&decisions("paper"), &edited);
    eqflat(&root, "e2").run().code(1);
    live(&root, super::fixture::NIGHT).run().code(65).says(&["column score is recorded as `123`"]);
}

#[test]
fn a_box_with_a_model_passes_its_own_check() {
    let (root, _) = root(3);
    live(&root, NOON).run().ok();
    let words = "run check -P model -p tag=paper exchange=demo --set";
    let only = r#"check.only=["sanity", "state", "features", "smoke"]"#;
    let ran = root.call(words).arg(only).run().code(0);
    ran.prints(&[
        "722 rows and",
        "slots are the same without the bars",
        "live-equals-replay  PASS",
    ]);
}
