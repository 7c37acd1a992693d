//! What becomes of slots: overlap, catch-up, pauses, stops, many at once.

use mjolnir::{
    domain::time::UtcMs,
    store::runs::{Pause, PauseEnd, RunRecord, RunState},
};

use super::fixture::{
    assert_unbroken, count, empty, end, job, runs, seen, serve, store, until, until_count, with,
};

#[test]
fn every_rule_for_a_slot_that_comes_too_early_is_kept() {
    let root = empty();
    for rule in ["forbid", "queue", "replace", "allow"] {
        let script = if rule == "replace" { "sleep 30" } else { "sleep 2.5" };
        let schedule =
            format!("[run]\ngrace = \"2s\"\n[[schedule]]\nevery = \"1s\"\noverlap = \"{rule}\"");
        root.write(&format!("jobs/{rule}.toml"), &job(rule, script, &schedule));
    }
    let service = serve(&root, "--max-running 50 --drain-wait 0s").start();
    until_count(&root, "forbid", RunState::SkippedOverlap, 2);
    until_count(&root, "forbid", RunState::Succeeded, 2);
    until_count(&root, "queue", RunState::Superseded, 1);
    until_count(&root, "queue", RunState::Succeeded, 2);
    until_count(&root, "replace", RunState::Cancelled, 1);
    until_count(&root, "allow", RunState::Succeeded, 3);
    end(service).code(0);
    for rule in ["forbid", "queue", "replace", "allow"] {
        assert!(assert_unbroken(&root, &format!("{rule}.1"), 1_000) >= 4);
    }
    for rule in ["forbid", "queue", "replace"] {
        // On a slow machine a run may be replaced before it works at all.
        assert!(most_at_once(&root, rule) <= 1, "{rule}");
    }
    assert!(most_at_once(&root, "allow") > 1);
    assert_eq!(count(&root, "allow", RunState::SkippedOverlap), 0);
}

/// The most runs of a job that went on at the same time.
fn most_at_once(root: &crate::support::runner::Root, job: &str) -> usize {
    let ran = |run: &RunRecord| run.job == job && run.pid.is_some() && run.ended.is_some();
    let mut changes: Vec<(i64, i32)> = runs(root)
        .iter()
        .filter(|run| ran(run))
        .flat_map(|run| [(run.started.get(), 1), (run.ended.unwrap().get(), -1)])
        .collect();
    changes.sort_unstable();
    let mut now = 0;
    let counts = changes.iter().map(|(_, change)| {
        now += change;
        now
    });
    usize::try_from(counts.max().unwrap_or_default()).unwrap()
}

#[test]
fn c16_a_thousand_slots_that_are_due_at_once_are_all_recorded_and_run_a_few_at_a_time() {
    let schedule =
        "[[schedule]]\nevery = \"1s\"\noverlap = \"allow\"\ncatch-up = \"all\"\ncatch-up-max = 20";
    let root = with("true", schedule);
    let upto = seen(&root, "j.1", "every 1s", 1_000);
    let service = serve(&root, "--max-running 3").start();
    until_count(&root, "j", RunState::Succeeded, 21);
    end(service).code(0);
    assert!(assert_unbroken(&root, "j.1", 1_000) >= 1_000);
    let first = runs(&root).iter().filter_map(|run| Some(run.due.clone()?.1)).min().unwrap();
    assert!(first.get() - upto.get() <= 1_000, "the first one too");
    assert!(count(&root, "j", RunState::Missed) >= 900);
    assert!(most_at_once(&root, "j") <= 3);
}

#[test]
fn of_what_was_missed_the_newest_is_run_or_none() {
    let root = empty();
    for policy in ["none", "latest"] {
        let schedule = format!("[[schedule]]\ncron = \"0 * * * *\"\ncatch-up = \"{policy}\"");
        root.write(&format!("jobs/{policy}.toml"), &job(policy, "true", &schedule));
        seen(&root, &format!("{policy}.1"), "0 * * * * UTC Shift", 5 * 3_600 + 1_800);
    }
    let service = serve(&root, "").start();
    until_count(&root, "latest", RunState::Succeeded, 1);
    until_count(&root, "none", RunState::Missed, 4);
    end(service).code(0).says(&["missed none.1: "]);
    assert!(assert_unbroken(&root, "latest.1", 3_600_000) >= 5);
    assert!(assert_unbroken(&root, "none.1", 3_600_000) >= 5);
}

#[test]
fn a_paused_job_is_not_started_and_its_slots_say_why() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"");
    let pause =
        Pause { reason: "venue down".into(), who: "ann".into(), since: UtcMs::EPOCH, until: None };
    store(&root).pause("j", &pause).unwrap();
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::SkippedPrecondition, 2);
    assert_eq!(count(&root, "j", RunState::Succeeded), 0);
    assert!(runs(&root).iter().all(|run| run.summary == "paused by ann: venue down"));
    let over = PauseEnd { at: UtcMs::EPOCH, who: Some("ann".into()), reason: "up".into() };
    store(&root).unpause("j", &over).unwrap();
    until_count(&root, "j", RunState::Succeeded, 1);
    end(service).code(0);
    assert_unbroken(&root, "j.1", 1_000);
}

#[test]
fn a_run_that_waits_can_be_stopped() {
    let schedule = "[[schedule]]\nevery = \"1s\"\noverlap = \"allow\"";
    let root = with("until [ -e go ]; do sleep 0.05; done", schedule);
    let service = serve(&root, "--max-running 1 --drain-wait 1s").start();
    until_count(&root, "j", RunState::Queued, 2);
    let waiting = runs(&root).into_iter().rfind(|run| run.state == RunState::Queued).unwrap();
    root.write(&format!("data/runs/{}/stop", waiting.run_id), "not needed\n");
    until("it is cancelled", || {
        store(&root).get(&waiting.run_id).unwrap().unwrap().state == RunState::Cancelled
    });
    let run = store(&root).get(&waiting.run_id).unwrap().unwrap();
    assert_eq!(run.summary, "stopped (not needed) while it waited");
    root.write("go", "x");
    end(service).code(0);
}
