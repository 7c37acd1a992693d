//! What a service says that it watches, what it refuses to guess, and how it is asked to look at its jobs again.

use mjolnir::store::runs::RunState;
use rusqlite::Connection;

use super::fixture::{
    assert_unbroken, count, empty, end, job, seen, serve, until, until_count, until_up, with,
};
use crate::{
    e2e::fixture::{NOON, live},
    support::runner::Root,
};

#[test]
fn each_schedule_is_said_with_its_tag_and_its_market() {
    let root = Root::new();
    let service = serve(&root, "").env("DATA_TAG", "paper").env("TIMEFRAME", "1m").start();
    until_up(&root, &service);
    let ran = end(service).code(0);
    for name in
        ["eqflat.1 (17 * * * *)", "healthcheck.1 (*/10 * * * *)", "heartbeat.1 (*/10 * * * *)"]
    {
        let line = format!("schedule {name}: tag paper, kraken BTC/USD 1m");
        assert!(ran.stderr.lines().any(|said| said == line), "{line}: {ran}");
    }
}

#[test]
fn a_tag_that_nothing_names_and_that_is_not_here_is_not_guessed() {
    let root = Root::new();
    live(&root, "paper", NOON).run().ok();
    let refused = serve(&root, "").run().code(78);
    refused.says(&[
        "eqflat.1 would watch tag paper_local_check, which is only the default and has no ledger here",
        "tags with one: paper",
        "write DATA_TAG=TAG into the file .env of the box",
    ]);
    // The tag is right, and the market is not.
    root.write(".env", "DATA_TAG=paper\n");
    let refused = serve(&root, "").run().code(78);
    refused.says(&[
        "healthcheck.1 would watch kraken BTC/USD 5m",
        "markets with one: demo BTC/USD 5m",
    ]);
    root.write(".env", "DATA_TAG=paper\nCCXT_EXCHANGE=demo\n");
    let service = serve(&root, "").start();
    until_up(&root, &service);
    end(service).code(0).says(&["tag paper, demo BTC/USD 5m"]);
    // A tag that is named is meant, whatever there is.
    let service = serve(&root, "").env("DATA_TAG", "new").start();
    until_up(&root, &service);
    end(service).code(0).says(&["tag new, demo BTC/USD 5m"]);
}

#[test]
fn a_service_without_anything_to_do_does_not_start() {
    let root = empty();
    serve(&root, "").run().code(78).says(&["no job of 0 in jobs/ has a [[schedule]] that is on"]);
    root.write("jobs/j.toml", &job("j", "true", ""));
    serve(&root, "").run().code(78).says(&["no job of 1 in jobs/"]);
    let needs = "[params.x]\nhelp = 'x'\n[run]\nlock = '${params.x}'\n[[schedule]]\nevery = '1h'\nneeds = ['x']";
    root.write("jobs/j.toml", &job("j", "true", needs));
    serve(&root, "").run().code(78).says(&["off: j.1: param `x` has no value"]);
}

#[test]
fn a_running_service_is_asked_to_read_its_jobs_again_and_says_what_came_of_it() {
    let root = with("true", "[[schedule]]\nevery = '1h'");
    root.run("reload").code(4).says(&["no service works in this box", "runner serve"]);
    // The file of a service that is gone names a process that may be another one now.
    let stale = format!(
        "pid {}, run scheduler, job runner serve, since 2024-01-01T00:00:00Z\n",
        std::process::id()
    );
    root.write("data/state/scheduler.lock", &stale);
    root.run("reload").code(4).says(&["no service works in this box"]);
    let service = serve(&root, "").start();
    until_up(&root, &service);
    root.write("jobs/k.toml", &job("k", "true", "[[schedule]]\nevery = '2h'"));
    root.run("reload").ok().prints(&["has read the manifests again: 2 schedules of 2 jobs"]);
    let json = root.run("reload --json").ok().json();
    assert_eq!(json["pid"], service.pid());
    root.write("jobs/k.toml", &job("k", "true", "[[schedule]]\nevery = '1ms'"));
    root.run("reload").code(78).says(&["jobs/k.toml"]);
    assert!(root.read("data/state/scheduler.json").contains("k.1"), "nothing changed");
    // A lock that is held and names a process that does not hold it: nobody gets a signal.
    root.write("data/state/scheduler.lock", &stale);
    root.remove("jobs/k.toml");
    root.run("reload")
        .code(75)
        .says(&["is not the one that holds", "docker compose exec scheduler runner reload"]);
    end(service).code(0);
}

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
