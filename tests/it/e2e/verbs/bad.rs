//! Records that are absent, damaged, or in use by others.

use mjolnir::store::runs::RunState;

use super::fixture::{record, recorded};
use crate::support::runner::Root;

const VERBS: [&str; 5] = ["history", "logs", "stop x", "retry x", "logs x -f"];

#[test]
fn where_nothing_ever_ran_there_is_nothing_to_show() {
    let root = Root::new();
    for verb in VERBS {
        root.run(verb).code(4).says(&["no run is recorded here"]);
        assert_eq!(root.run(&format!("{verb} --json")).code(4).json()["schema"], "mjolnir.error/1");
    }
    assert!(!root.at("data").exists(), "looking leaves nothing behind");
}

#[test]
fn a_damaged_database_is_bad_data_and_the_message_says_what_to_do() {
    let root = Root::new();
    root.write("data/runs/runs.sqlite", &"x".repeat(4096));
    for verb in VERBS.into_iter().chain(["status", "pause live --reason x", "resume live"]) {
        root.run(verb).code(65).says(&["runs.sqlite", "move it away together with its -wal"]);
    }
}

#[test]
fn verbs_that_look_work_beside_a_writer_and_those_that_write_give_up_in_time() {
    let root = Root::new();
    recorded(
        &root,
        &[record("r1", "live", RunState::Failed, 5), record("q1", "live", RunState::Queued, 6)],
    );
    let other = rusqlite::Connection::open(root.at("data/runs/runs.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    root.run("history").ok().prints(&["r1"]);
    root.run("status").ok().prints(&["q1"]);
    let busy =
        ["another process has kept it locked for more than 5 s", "look for a runner that hangs"];
    root.run("pause live --reason x").code(75).says(&busy);
    root.run("stop q1").code(75).says(&busy);
    other.execute_batch("ROLLBACK").unwrap();
    root.run("stop q1").ok();
}
