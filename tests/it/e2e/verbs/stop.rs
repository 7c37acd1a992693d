//! `runner stop`.

use std::{process::Command, time::Duration};

use mjolnir::{clock::nap, store::runs::RunState};

use super::fixture::{alive, await_state, record, recorded, sleeper, state_of};
use crate::support::runner::Root;

fn is_dead(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A process that nobody has waited for is dead too.
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[test]
fn a_run_is_asked_to_stop_and_waited_for() {
    let root = Root::new();
    sleeper(&root, "slow");
    let run = root.call("run slow --run-id s1").start();
    await_state(&root, "slow", RunState::Running);
    let ran = root.call("stop slow --reason").arg("making  room\nfor x").run().code(0);
    let ran = ran.says(&["run s1 is asked to stop; it has 1m for that"]);
    ran.prints(&["run s1 is cancelled, exit code ", "stopped (making room for x): "]);
    run.end().says(&["sleep"]);
    assert_eq!(root.read("data/runs/s1/stop"), "making room for x\n");
    root.run("stop slow").code(4).says(&["nothing of `slow` runs or waits", "s1 is over since"]);
    root.run("stop s1").code(4).says(&["cancelled"]);
}

#[test]
fn a_run_that_waits_is_taken_out_of_the_queue() {
    let root = Root::new();
    recorded(&root, &[record("q1", "slow", RunState::Queued, 5)]);
    let json = root.run("stop q1 --reason no --json").ok().json();
    assert_eq!([&json["run_id"], &json["state"]], ["q1", "cancelled"]);
    assert_eq!(json["summary"], "stopped (no): it had not started");
    assert_eq!(state_of(&root, "q1"), RunState::Cancelled);
    assert!(!root.at("data/runs/q1").exists());
}

#[test]
fn a_word_that_means_several_runs_stops_none() {
    let root = Root::new();
    let _one = alive(&root, "a1", "slow", 7);
    recorded(&root, &[record("a2", "slow", RunState::Queued, 5)]);
    root.run("stop slow").code(2).says(&["`slow` has 2 runs: a1, a2", "whole id"]);
    assert!(!root.at("data/runs/a1/stop").exists());
    assert_eq!(state_of(&root, "a2"), RunState::Queued);
    root.run("stop nosuch").code(4).says(&["`nosuch` is neither a run nor a job"]);
    root.run("stop ../x").code(2).says(&["run id `../x`"]);
    root.run("stop live").code(4).says(&["no run of job `live` is recorded"]);
}

#[test]
fn a_run_that_hangs_is_killed_with_what_it_started_but_only_when_told_to() {
    let root = Root::new();
    let job = "manifest = 1\nname = 'slow'\nkind = 'exec'\n[exec]\n\
               run = ['sh', '-c', 'echo $$ > pid; exec sleep 60']\n[run]\ngrace = '1s'\n";
    root.write("jobs/slow.toml", job);
    let run = root.call("run slow --run-id s1").start();
    root.await_lines("pid", 1);
    run.signal("STOP");
    root.run("stop s1").code(75).says(&["run s1 does not end", "--kill"]);
    assert_eq!(state_of(&root, "s1"), RunState::Running);
    let json = root.run("stop s1 --kill --reason stuck --json").code(0).json();
    assert_eq!((&json["state"], &json["killed"]), (&"cancelled".into(), &true.into()));
    assert_eq!(json["exit_code"], 137);
    run.end().code(137);
    let pid = root.read("pid");
    for _ in 0..6_000 {
        if is_dead(pid.trim()) {
            return;
        }
        nap(Duration::from_millis(10));
    }
    panic!("the program of the run lives on");
}

#[test]
fn a_process_that_does_not_hold_the_lock_is_never_killed() {
    let root = Root::new();
    #[expect(clippy::disallowed_methods, reason = "a bystander whose id stands in the lock")]
    let mut bystander = Command::new("sleep").arg("60").spawn().unwrap();
    let _lock = alive(&root, "r1", "slow", bystander.id());
    let ran = root.run("stop r1 --kill").code(75);
    ran.says(&["run r1 does not end and is not killed", "is not the one that holds"]);
    assert!(bystander.try_wait().unwrap().is_none(), "the bystander lives");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}
