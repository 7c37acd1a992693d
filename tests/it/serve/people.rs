//! What waits for people: approvals that outlive the service, pauses with an end, pools, and runs that are slow or late.

use mjolnir::store::runs::{RunRecord, RunState};
use serde_json::Value;

use super::fixture::{
    assert_unbroken, count, empty, end, job, runs, seen, serve, store, until, until_count,
    until_file, until_up,
};
use crate::support::runner::Root;

/// A pipeline that asks before its second step, due when the service starts.
fn asking(tables: &str) -> Root {
    let root = empty();
    root.write(
        "jobs/p.toml",
        &format!(
            "manifest = 1\nname = 'p'\nkind = 'pipeline'\n{tables}\n\
             [[step]]\nid = 'a'\nrun = ['sh', '-c', 'echo a >> ran']\n\
             [[step]]\nid = 'go'\nneeds = ['a']\napprove = 'send it to the box?'\nrun = ['sh', '-c', 'echo go >> ran']\n\
             [[step]]\nid = 'last'\nneeds = ['go']\nrun = ['sh', '-c', 'echo last >> ran']\n"
        ),
    );
    root
}

const ONCE: &str = "[[schedule]]\ncron = '0 0 * * *'\noverlap = 'forbid'";

fn waiting(root: &Root) -> String {
    until_count(root, "p", RunState::Waiting, 1);
    let run = runs(root).into_iter().find(|run| run.state == RunState::Waiting).unwrap();
    run.run_id.to_string()
}

#[test]
fn c16_a_pipeline_that_waits_for_an_approval_outlives_services_that_are_killed() {
    let root = asking(ONCE);
    seen(&root, "p.1", "0 0 * * * UTC Shift", 86_399);
    let first = serve(&root, "").start();
    let run = waiting(&root);
    assert_eq!(root.read("ran"), "a\n");
    until("the service knows", || root.read("data/state/scheduler.log").contains("wait p_1_"));
    first.signal("KILL");
    first.end();
    let status = root.run("status").ok();
    status.prints(&[
        "waiting",
        "approvals",
        "send it to the box?",
        &format!("`runner approve {run} go --reason ...`"),
    ]);
    root.run(&format!("approve {run} last --reason x"))
        .code(4)
        .says(&["does not wait for an approval, it is waiting; those that wait are go"]);
    root.run(&format!("approve {run} nix --reason x")).code(4).says(&["has no step `nix`"]);
    // Another service, which is told to end, and a third one: the run waits through all of it.
    let second = serve(&root, "").start();
    until_up(&root, &second);
    until("it is adopted", || root.read("data/state/scheduler.log").contains("adopt p_1_"));
    end(second).code(0);
    assert_eq!(count(&root, "p", RunState::Waiting), 1);
    root.run(&format!("approve {run} go --reason tested --who ann"))
        .ok()
        .prints(&["is approved by ann: tested", "it goes on when `runner serve` is started"]);
    root.run(&format!("approve {run} go --reason y --who bob"))
        .code(75)
        .says(&["is approved already, by ann: tested"]);
    let third = serve(&root, "").start();
    until_count(&root, "p", RunState::Succeeded, 1);
    end(third).code(0);
    assert_eq!(root.read("ran"), "a\ngo\nlast\n", "nothing ran twice");
    let shown = root.run(&format!("show {run}")).ok();
    shown.prints(&["approved by ann", "tested", "step last  succeeded"]);
    let record = runs(&root).into_iter().find(|one| one.run_id.as_str() == run).unwrap();
    assert_eq!((record.state, record.attempt, record.exit_code), (RunState::Succeeded, 1, Some(0)));
    assert!(root.read("data/state/scheduler.log").contains("approved p_1_"));
    assert_unbroken(&root, "p.1", 86_400_000);
}

#[test]
fn c19_a_pipeline_that_waits_and_is_stopped_is_cancelled_and_does_none_of_it() {
    let root = asking(ONCE);
    seen(&root, "p.1", "0 0 * * * UTC Shift", 86_399);
    let service = serve(&root, "").start();
    let run = waiting(&root);
    root.run(&format!("stop {run} --reason no"))
        .ok()
        .prints(&["is cancelled", "it waited for an approval"]);
    root.run(&format!("approve {run} go --reason x")).code(4).says(&["is over, it is cancelled"]);
    until("the service lets go", || {
        let text = root.read("data/state/scheduler.log");
        text.contains(&format!("end {run}: cancelled"))
    });
    end(service).code(0);
    assert_eq!(root.read("ran"), "a\n");
}

#[test]
fn a_job_means_its_newest_run_that_fits() {
    let root = asking("");
    let running = root.call("run p --run-id by_hand").start();
    until("it asks", || root.read("data/runs/by_hand/steps.json").contains("asking"));
    let now = mjolnir::clock::Clock::now(&mjolnir::clock::SystemClock);
    let skipped = RunRecord::first(
        "p_1_later".parse().unwrap(),
        ("p", "pipeline"),
        RunState::SkippedOverlap,
        now,
        "",
    );
    store(&root).start(&skipped).unwrap();
    root.run("history").ok().prints(&["p_1_later"]);
    root.run("logs p").ok().prints(&["by_hand"]);
    root.run("approve p go --reason fine").ok().prints(&["by_hand"]);
    running.end().code(0);
    root.run("retry p --only last").ok();
    assert_eq!(root.read("ran"), "a\ngo\nlast\nlast\n");
}

#[test]
fn a_run_by_hand_waits_where_it_runs() {
    let root = asking("");
    let running = root.call("run p --run-id by_hand").start();
    until("it asks", || root.read("data/runs/by_hand/steps.json").contains("asking"));
    root.run("status").ok().prints(&["`runner approve by_hand go --reason ...`"]);
    root.run("approve by_hand go --reason fine --who eva")
        .ok()
        .prints(&["it starts within seconds"]);
    running.end().code(0).warns(&["waits for approval: send it to the box?"]);
    assert_eq!(root.read("ran"), "a\ngo\nlast\n");
}

#[test]
fn c16_a_service_that_is_killed_in_the_middle_of_a_fan_out_leaves_one_record_for_each_item() {
    let root = empty();
    root.write(
        "jobs/one.toml",
        &job("one", "echo $$ >> pids; until [ -e go ]; do sleep 0.05; done", ""),
    );
    root.write(
        "jobs/p.toml",
        "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[pipeline]\nmax-parallel = 2\n\
         [[step]]\nid = 's'\njob = 'one.toml'\neach = ['a', 'b', 'c']\n\
         [[schedule]]\ncron = '0 0 * * *'\n",
    );
    seen(&root, "p.1", "0 0 * * * UTC Shift", 86_399);
    let first = serve(&root, "").start();
    until("two items are at work", || root.read("pids").lines().count() == 2);
    first.signal("KILL");
    first.end();
    let second = serve(&root, "").start();
    until_up(&root, &second);
    root.write("go", "");
    until_count(&root, "p", RunState::Succeeded, 1);
    end(second).code(0);
    assert_eq!(root.read("pids").lines().count(), 3, "each item ran once");
    let parent = runs(&root)
        .into_iter()
        .find(|run| run.job == "p" && run.state == RunState::Succeeded)
        .unwrap();
    let of_it = runs(&root).into_iter().filter(|run| run.parent.as_ref() == Some(&parent.run_id));
    assert_eq!(of_it.filter(|run| run.state == RunState::Succeeded).count(), 3);
}

#[test]
fn c16_a_pause_ends_by_itself_and_the_slots_in_it_are_not_run() {
    let root = empty();
    root.write(
        "jobs/j.toml",
        &job("j", "echo x >> ran", "[[schedule]]\nevery = \"1s\"\noverlap = \"queue\""),
    );
    // Known since before the pause, however long it takes until the service is up.
    seen(&root, "j.1", "every 1s", 2);
    root.run("pause j --for 0s --reason x").code(2);
    root.run("pause j --for 4s --reason venue --who ann").ok().prints(&[
        "is paused",
        "until 20",
        "or until `runner resume j`",
    ]);
    root.run("pause j --for 4s --reason more").ok().prints(&["was paused already", "venue"]);
    root.run("next j").ok().prints(&["paused since", "until", "by ann: venue"]);
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 2);
    end(service).code(0);
    assert!(
        count(&root, "j", RunState::SkippedPrecondition) >= 1,
        "slots in the pause have records"
    );
    let text = root.read("data/state/scheduler.log");
    assert!(text.contains("resume j: its pause is over, by ann: venue"), "{text}");
    assert_unbroken(&root, "j.1", 1_000);
    let all = runs(&root);
    let first_run = all.iter().position(|run| run.state == RunState::Succeeded).unwrap();
    let paused_after =
        all.iter().skip(first_run).filter(|r| r.summary.starts_with("paused")).count();
    assert_eq!(paused_after, 0, "no slot behind the end of the pause is paused");
}

#[test]
fn a_pool_runs_no_more_than_its_size_and_says_who_waits() {
    let root = empty();
    root.write("profiles/shared.toml", "manifest = 1\n[pools]\nheavy = 1\n");
    for name in ["a", "b"] {
        let text = job(
            name,
            &format!("echo {name} >> ran; until [ -e go ]; do sleep 0.05; done"),
            "[run]\npool = 'heavy'\n[[schedule]]\non = 'start'",
        );
        root.write(
            &format!("jobs/{name}.toml"),
            &text.replacen("kind", "extends = ['../profiles/shared.toml']\nkind", 1),
        );
    }
    root.write("jobs/free.toml", &job("free", "echo free >> free", "[[schedule]]\non = 'start'"));
    let service = serve(&root, "").start();
    until_file(&root, "ran");
    until_count(&root, "free", RunState::Succeeded, 1);
    until("it is in the document", || {
        let tick: Value =
            serde_json::from_str(&root.read("data/state/scheduler.json")).unwrap_or_default();
        tick["pools"][0]["waiting"].as_array().is_some_and(|waiting| waiting.len() == 1)
    });
    assert_eq!(root.read("ran").lines().count(), 1, "one of the two");
    root.run("status").ok().prints(&["pools", "heavy", "1 of 1 taken", "waiting: "]);
    root.write("go", "");
    until_count(&root, "a", RunState::Succeeded, 1);
    until_count(&root, "b", RunState::Succeeded, 1);
    end(service).code(0);
    let text =
        root.read("jobs/b.toml").replace("'../profiles/shared.toml'", "'../profiles/other.toml'");
    root.write("profiles/other.toml", "manifest = 1\n[pools]\nheavy = 2\n");
    root.write("jobs/b.toml", &text);
    serve(&root, "")
        .run()
        .code(78)
        .says(&["the pool `heavy` has the size 1 in jobs/a.toml and 2 in jobs/b.toml"]);
}

#[test]
fn a_run_that_is_slow_or_began_late_is_told_while_it_goes_on_and_its_end_too() {
    let root = empty();
    let tables = "[run]\nslow-after = '300ms'\nlate-start = '5s'\n[notify]\n\
        command = ['sh', '-c', 'echo $MJOLNIR_EVENT >> told']\n\
        [[schedule]]\ncron = '0 0 * * *'\ncatch-up = 'latest'\n";
    root.write("jobs/j.toml", &job("j", "until [ -e go ]; do sleep 0.05; done", tables));
    // The slot of this day is caught up: unless it is midnight, it begins late.
    seen(&root, "j.1", "0 0 * * * UTC Shift", 86_399);
    let service = serve(&root, "").start();
    until("slow is told", || root.read("told").contains("slow"));
    assert_eq!(count(&root, "j", RunState::Running), 1, "while it goes on");
    root.write("go", "");
    until("its end is told", || root.read("told").contains("recovered"));
    end(service).code(0);
    let told = root.read("told");
    assert_eq!(told.matches("slow").count(), 1, "{told}");
}

#[test]
fn every_job_of_a_matrix_has_slots_incidents_and_pauses_of_its_own() {
    let root = empty();
    root.write(
        "jobs/m.toml",
        "manifest = 1\nname = 'm'\nkind = 'exec'\n[matrix]\ns = ['a', 'b']\n[params.s]\ndefault = 'x'\n\
         [exec]\nrun = ['sh', '-c', '[ $0 = a ]', '${params.s}']\n[[schedule]]\nevery = '1s'\noverlap = 'queue'\n",
    );
    let service = serve(&root, "").start();
    until_count(&root, "m.a", RunState::Succeeded, 2);
    until_count(&root, "m.b", RunState::Failed, 2);
    root.run("pause m.b --reason broken").ok();
    until_count(&root, "m.b", RunState::SkippedPrecondition, 1);
    let before = count(&root, "m.a", RunState::Succeeded);
    until_count(&root, "m.a", RunState::Succeeded, before + 2);
    root.run("resume m").ok().prints(&["job m.b is resumed"]);
    root.run("pause m --reason all").ok().prints(&["job m.a is paused", "job m.b is paused"]);
    end(service).code(0);
    for schedule in ["m.a.1", "m.b.1"] {
        assert!(assert_unbroken(&root, schedule, 1_000) > 1, "{schedule}");
    }
}
