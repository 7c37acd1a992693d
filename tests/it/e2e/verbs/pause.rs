//! `runner pause` and `runner resume`.

use super::super::fixture::{NOON, ledger};
use crate::support::runner::Root;

#[test]
fn a_job_is_paused_until_it_is_resumed_and_the_first_reason_stays() {
    let root = Root::new();
    let ran = root.call("pause jobs/fetch.toml --who eva --reason").arg("venue down").run().ok();
    ran.prints(&["job fetch is paused, since ", " by eva: venue down"]);
    let again = root.run("pause fetch --who max --reason later --json").ok().json();
    assert_eq!([&again["job"], &again["reason"], &again["who"]], ["fetch", "venue down", "eva"]);
    assert_eq!((&again["paused"], &again["changed"]), (&true.into(), &false.into()));
    root.run("resume live").code(4).says(&["`live` is not paused; jobs that are: fetch"]);
    let ran = root.run("resume fetch --json").ok().json();
    assert_eq!((&ran["job"], &ran["paused"]), (&"fetch".into(), &false.into()));
    root.run("resume fetch").code(4).says(&["not paused; jobs that are: none"]);
}

#[test]
fn pauses_that_mean_nothing_are_refused() {
    let root = Root::new();
    root.run("pause nosuch --reason x").code(4).says(&["job `nosuch` does not exist"]);
    root.run("pause fetch").code(2).says(&["--reason"]);
    root.call("pause fetch --reason").arg(" ").run().code(2).says(&["--reason is empty"]);
    root.run("resume fetch").code(4).says(&["job `fetch` is not paused"]);
    assert!(!root.at("data").exists(), "nothing was recorded");
}

#[test]
fn resume_is_for_a_job_or_for_a_loop() {
    let root = ledger(NOON);
    root.run("resume fetch --tag paper --reason x").code(2).says(&["not both"]);
    root.run("resume --reason x").code(2).says(&["resume what?", "give --tag, or set DATA_TAG"]);
    root.run("resume --tag paper").code(2).says(&["--reason is missing"]);
    root.run("resume fetch --at now").code(2).says(&["--at has no meaning for a job"]);
    root.run("resume --tag paper --reason x --at next").ok().prints(&["resume for tag paper"]);
    root.run("pause fetch --reason x").ok();
    // A job that is named beats the variable.
    root.call("resume fetch").env("DATA_TAG", "paper").run().ok().prints(&["job fetch is resumed"]);
    let told = root.call("resume --reason x --at next --json").env("DATA_TAG", "paper").run();
    let told = told.ok().json();
    assert_eq!(told["tag"], "paper");
}
