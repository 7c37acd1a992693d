//! C16 when the records cannot be written for a while: nothing is lost, and it goes on afterwards.

use mjolnir::store::runs::RunState;
use rusqlite::Connection;

use super::fixture::{assert_unbroken, count, end, seen, serve, until, until_count, with};

#[test]
fn c16_a_database_that_somebody_else_holds_is_waited_for() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"\noverlap = \"allow\"");
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 1);
    let other = Connection::open(root.at("data/runs/runs.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let log = || root.read("data/state/scheduler.log");
    until("it is said", || log().contains("nothing is decided or started until this is over"));
    other.execute_batch("COMMIT").unwrap();
    until("it is over", || log().contains("the records can be written again"));
    let before = count(&root, "j", RunState::Succeeded);
    until_count(&root, "j", RunState::Succeeded, before + 2);
    end(service).code(0);
    assert!(assert_unbroken(&root, "j.1", 1_000) >= 4);
    assert_eq!(count(&root, "j", RunState::Failed), 0);
}

#[test]
fn c16_a_disk_that_takes_no_more_loses_no_slot() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"\ncatch-up = \"none\"");
    seen(&root, "j.1", "every 1s", 2_000);
    let program = env!("CARGO_BIN_EXE_runner");
    // No file may grow beyond this: the records do not fit.
    let line = format!(
        "trap '' XFSZ; ulimit -f 400; {program} --root . serve --no-listen 2> said & service=$!\n\
         for i in $(seq 1200); do grep -q 'nothing is decided or started' said && break; sleep 0.1; done\n\
         kill -9 $service; wait"
    );
    root.shell(&line);
    let said = root.read("said");
    assert!(said.contains("nothing is decided or started"), "{said}");
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 1);
    end(service).code(0);
    assert!(assert_unbroken(&root, "j.1", 1_000) >= 2_000);
}
