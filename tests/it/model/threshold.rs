//! The score a model trades from is its own: it comes with the folder, changes with a switch, and a replay has it too.

use super::fixture::{EVENING, NIGHT, NOON, eqflat, live, make_current, plant_from};
use crate::{
    e2e::fixture::{cell, decisions},
    support::runner::Root,
};

/// Entries up to the end of a ledger, and the smallest score that led to one.
fn entries(root: &Root, from_line: usize) -> Vec<i64> {
    let text = root.read(&decisions("paper"));
    (from_line..=text.lines().count())
        .filter(|line| cell(&text, *line, 4).starts_with("enter"))
        .map(|line| cell(&text, line, 7).parse::<i64>().unwrap().abs())
        .collect()
}

#[test]
fn each_model_trades_from_the_score_that_was_chosen_for_it() {
    let root = Root::new();
    make_current(&root, plant_from(&root, 3, 250_000));
    live(&root, NOON).run().ok();
    let near = entries(&root, 2);
    assert!(near.len() > 4 && near.iter().all(|score| *score >= 250_000), "{near:?}");
    assert!(near.iter().any(|score| *score < 400_000), "{near:?}");
    // The same weights, and another score: it is another model, which is switched to.
    let far = plant_from(&root, 3, 900_000_000);
    make_current(&root, far);
    let line = root.rows(&decisions("paper")) + 2;
    live(&root, EVENING).run().ok();
    assert_eq!(entries(&root, line), [0_i64; 0], "no score is that large");
    make_current(&root, plant_from(&root, 3, 250_000));
    let line = root.rows(&decisions("paper")) + 2;
    live(&root, NIGHT).run().ok();
    assert!(!entries(&root, line).is_empty());
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
    // The market's settings beat it, in a ledger that begins with them.
    let pinned = live(&root, NOON).arg("-p").arg("tag=pinned");
    pinned.arg("--set").arg("strategy.model.enter=900000000").run().ok();
    let text = root.read(&decisions("pinned"));
    assert!(!text.contains(",enter_"), "no score is that large");
    let other = live(&root, EVENING).arg("--set").arg("strategy.model.enter=300000");
    other.run().code(78).says(&["strategy.model.enter is 300000, was not there"]);
}
