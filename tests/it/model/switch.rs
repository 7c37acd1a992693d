//! Another model in the place of the one before: a command that LIVE gives to itself, which every replay obeys at the same slot.

use std::time::Duration;

use mjolnir::clock::nap;

use super::fixture::{
    EVENING, NIGHT, NOON, commands, eqflat, live, make_current, plant, plant_seeing, root,
};
use crate::{
    e2e::fixture::{cell, decisions, trades},
    support::{market::Dice, runner::Root},
};

/// Long enough for many lives.
const LATE: &str = "2024-01-08T00:00:00Z";

#[test]
fn a_switch_stands_in_the_commands_ledger_and_a_replay_repeats_it() {
    let ((root, a), (twin, _)) = (root(3), root(3));
    live(&root, NOON).run().ok();
    live(&twin, EVENING).run().ok();
    let last = root.read(&decisions("paper"));
    let last: i64 = cell(&last, last.lines().count(), 3).parse().unwrap();
    let b = plant(&root, 4);
    make_current(&root, b);
    live(&root, EVENING).run().ok();
    let rows = commands(&root);
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0].starts_with(&format!("{},model:{b},it takes the place of {a}: ", last + 1)),
        "{rows:?}"
    );
    assert!(rows[0].ends_with(",live"), "{rows:?}");
    // Up to the switch the rows are those of an undisturbed loop; from the next one on the other model speaks.
    let (text, undisturbed) = (root.read(&decisions("paper")), twin.read(&decisions("paper")));
    let mut other = 0;
    for (ours, theirs) in text.lines().zip(undisturbed.lines()).skip(1) {
        let at = |row: &str| row.split(',').nth(3).unwrap().parse::<i64>().unwrap();
        let score = |row: &str| row.split(',').nth(7).unwrap().to_owned();
        if at(ours) <= last {
            assert_eq!(ours, theirs);
        } else {
            other += usize::from(score(ours) != score(theirs));
        }
    }
    assert!(other > 60, "{other} rows have another score");
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
    // Starting again switches nothing, and going back is another switch.
    live(&root, EVENING).run().ok();
    assert_eq!(commands(&root), rows);
    make_current(&root, a);
    live(&root, NIGHT).run().ok();
    assert_eq!(commands(&root).len(), 2);
    eqflat(&root, "e2").run().ok().prints(&["Result: PASS"]);
    // What is in use now means nothing to a replay of a ledger.
    make_current(&root, plant(&root, 5));
    root.run("run backtest-model -p tag=paper exchange=demo runid=again").ok();
    assert_eq!(root.read(&decisions("paper_bt_again")), root.read(&decisions("paper")));
    assert_eq!(root.read(&trades("paper_bt_again")), root.read(&trades("paper")));
    assert_eq!(commands(&root).len(), 2);
}

#[test]
fn a_model_of_the_ledger_that_is_gone_is_named() {
    let (root, a) = root(3);
    live(&root, NOON).run().ok();
    let b = plant(&root, 4);
    make_current(&root, b);
    live(&root, EVENING).run().ok();
    root.rename(&format!("data/models/m/{a}"), "gone");
    let says = [format!("the model {a} is not in"), format!("data/models/*/{a}")];
    let says = says.each_ref().map(String::as_str);
    eqflat(&root, "e1").run().code(65).says(&says);
    live(&root, NIGHT).run().code(65).says(&says);
    // Under another name it is found again.
    root.write("data/models/rescued/.keep", "");
    root.rename("gone", &format!("data/models/rescued/{a}"));
    eqflat(&root, "e2").run().ok().prints(&["Result: PASS"]);
}

#[test]
fn a_model_that_sees_something_else_is_refused_before_anything_is_written() {
    let (root, a) = root(3);
    live(&root, NOON).run().ok();
    let before = root.read(&decisions("paper"));
    let other = plant_seeing(&root, 3, 4);
    make_current(&root, other);
    live(&root, EVENING).run().code(78).says(&["must see the same features", "another DATA_TAG"]);
    assert!(root.read(&decisions("paper")) == before, "nothing was decided");
    assert!(commands(&root).is_empty());
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
    make_current(&root, a);
    live(&root, EVENING).run().ok();
    assert!(commands(&root).is_empty());
}

#[test]
fn a_dry_run_follows_the_new_model_and_writes_no_command() {
    let (root, _) = root(3);
    live(&root, NOON).run().ok();
    let before = root.read(&decisions("paper"));
    make_current(&root, plant(&root, 4));
    let dry = live(&root, EVENING).env("DRY_RUN", "1").run();
    dry.warns(&["dry run: decisions are logged here"]).prints(&["dry run: no row was written"]);
    assert!(commands(&root).is_empty());
    assert!(root.read(&decisions("paper")) == before, "nothing was decided");
}

#[test]
fn a_loop_that_learns_of_a_switch_it_has_not_loaded_stops_and_goes_on_when_started_again() {
    let (root, a) = root(3);
    live(&root, NOON).run().ok();
    let b = plant(&root, 4);
    // To an end that is far away: it must not be over before it has read the command.
    let run = live(&root, LATE).arg("-p").arg("speed=15000x").start();
    root.await_rows(&decisions("paper"), root.rows(&decisions("paper")) + 3);
    let header = "ts_ms,command,reason,who\n";
    // In one step: the loop reads it whenever it likes.
    root.write("commands", &format!("{header}1704326400000,model:{b},by hand,eva\n"));
    root.rename("commands", "data/processed/commands/paper.csv");
    run.end().code(75).says(&[&format!("has `model:{b}` from "), "start it again"]);
    live(&root, EVENING).run().ok();
    let rows = commands(&root);
    assert_eq!(rows.len(), 2, "the manifest still names {a}: {rows:?}");
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
}

#[test]
fn c7_killed_at_any_moment_between_switches_the_ledger_is_proved_by_its_replay() {
    let root = Root::on_disk();
    let models = [plant(&root, 3), plant(&root, 4), plant(&root, 5)];
    let mut dice = Dice::new(17);
    for n in 0..24 {
        make_current(&root, models[n % 3]);
        let mut run = live(&root, LATE).start();
        let wanted = root.rows(&decisions("paper")) + dice.below(25) as usize;
        if dice.below(3) == 0 {
            // Many of these die between the command and the first row after it.
            nap(Duration::from_millis(dice.below(60)));
        } else {
            while root.rows(&decisions("paper")) < wanted && !run.is_over() {
                nap(Duration::from_millis(1));
            }
        }
        run.signal("KILL");
        assert_eq!(run.end().code, 137, "the window was too short: dice 17, life {n}");
    }
    let healed = live(&root, LATE).run().code(0);
    assert!(!healed.stderr.contains("ERROR"), "{healed}");
    let switches = commands(&root).len();
    assert!(switches > 10, "{switches} switches: dice 17");
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
}
