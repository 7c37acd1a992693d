//! The service dies or is told to end, and what it started is not lost, not doubled, not left behind.

use mjolnir::store::runs::RunState;

use super::fixture::{
    count, end, is_alive, runs, serve, until, until_count, until_file, until_up, with,
};

const ON_START: &str = "[[schedule]]\non = \"start\"";
/// Waits for a file, and says which process it is.
const PATIENT: &str = "echo $$ > pid; until [ -e go ]; do sleep 0.05; done";

#[test]
fn c16_a_run_outlives_its_service_and_the_next_one_adopts_it() {
    let root = with(PATIENT, ON_START);
    let first = serve(&root, "").start();
    until_file(&root, "pid");
    first.signal("KILL");
    assert_eq!(first.end().code, 137);
    assert!(is_alive(&root, "pid"), "the run goes on");
    let second = serve(&root, "").start();
    until_count(&root, "j", RunState::SkippedOverlap, 1);
    root.write("go", "x");
    until_count(&root, "j", RunState::Succeeded, 1);
    until("the end is said", || root.read("data/state/scheduler.log").contains("end j_1_"));
    let said = end(second).code(0).stderr;
    assert!(said.contains("adopt j_1_"), "{said}");
    assert!(said.contains("is still running since"), "{said}");
    assert_eq!(runs(&root).len(), 2, "one record for each start");
}

#[test]
fn a_lost_run_of_an_idempotent_job_is_run_again_once() {
    let every =
        "[run]\nidempotent = true\n[[schedule]]\ncron = \"* * * * *\"\ncatch-up = \"latest\"";
    let root = with("echo $$ >> pids; until [ -e go ]; do sleep 0.05; done", every);
    super::fixture::seen(&root, "j.1", "* * * * * UTC Shift", 60);
    let first = serve(&root, "").start();
    until_file(&root, "pids");
    let lost = runs(&root).iter().find(|run| run.state == RunState::Running).unwrap().clone();
    first.signal("KILL");
    first.end();
    // As after a power cut: nobody is left.
    root.shell(&format!("kill -9 {} $(cat pids)", lost.pid.unwrap())).code(0);
    until_count(&root, "j", RunState::Lost, 1);
    root.write("go", "x");
    let again = format!("{}-again", lost.run_id);
    for _ in 0..2 {
        let service = serve(&root, "").start();
        until_up(&root, &service);
        until("it is run again", || {
            let found = runs(&root).into_iter().find(|run| run.run_id.as_str() == again);
            found.is_some_and(|run| run.state == RunState::Succeeded)
        });
        end(service).code(0);
    }
    let repeats = runs(&root).into_iter().filter(|run| run.retry_of.is_some()).count();
    assert_eq!(repeats, 1, "once");
}

#[test]
fn term_lets_short_runs_end_and_stops_long_ones() {
    let root = with(PATIENT, ON_START);
    root.write(
        "jobs/short.toml",
        &super::fixture::job("short", "echo x > started; sleep 1", ON_START),
    );
    let service = serve(&root, "--drain-wait 60s").start();
    until_file(&root, "pid");
    until_file(&root, "started");
    service.signal("TERM");
    until_count(&root, "short", RunState::Succeeded, 1);
    root.write("go", "x");
    assert_eq!(service.end().code(0).stderr.matches("serve: the end").count(), 1);
    assert_eq!(count(&root, "j", RunState::Succeeded), 1);

    root.remove("go");
    root.remove("pid");
    let service = serve(&root, "--drain-wait 100ms").start();
    until_file(&root, "pid");
    let said = end(service).code(0).stderr;
    assert!(said.contains("the service ends"), "{said}");
    assert_eq!(count(&root, "j", RunState::Cancelled), 1, "{said}");
    assert!(!is_alive(&root, "pid"), "nothing is left");
}

#[test]
fn loops_that_are_always_up_are_asked_at_once() {
    let root = with(PATIENT, &format!("[run.retry]\nattempts = 0\n{ON_START}"));
    let service = serve(&root, "--drain-wait 1h").start();
    until_file(&root, "pid");
    end(service).code(0);
    assert_eq!(count(&root, "j", RunState::Cancelled), 1);
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    let root = with(PATIENT, ON_START);
    let service = serve(&root, "--drain-wait 1h").start();
    until_file(&root, "pid");
    service.signal("TERM");
    until("it drains", || root.read("data/state/scheduler.log").contains("draining: "));
    service.signal("TERM");
    assert_eq!(service.end().code, 143);
    assert!(is_alive(&root, "pid"), "the run goes on, for the next service");
    root.write("go", "x");
    until_count(&root, "j", RunState::Succeeded, 1);
}

#[test]
fn hup_takes_good_manifests_and_refuses_bad_ones() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"");
    let mut service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 1);
    root.write(
        "jobs/k.toml",
        "manifest = 1\nname = \"k\"\nkind = \"exec\"\n[[schedule]]\nevery = \"x\"\n",
    );
    service.signal("HUP");
    let log = || root.read("data/state/scheduler.log");
    until("the refusal", || log().contains("reload refused, nothing changed"));
    assert!(log().contains("jobs/k.toml"), "{}", log());
    let before = count(&root, "j", RunState::Succeeded);
    until_count(&root, "j", RunState::Succeeded, before + 2);
    root.write("jobs/k.toml", &super::fixture::job("k", "true", "[[schedule]]\nevery = \"1s\""));
    service.signal("HUP");
    until_count(&root, "k", RunState::Succeeded, 1);
    assert!(!service.is_over());
    end(service).code(0).says(&["reload: 2 schedules of 2 jobs"]);
}
