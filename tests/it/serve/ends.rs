//! How runs end that do not end well, and what they leave behind.

use mjolnir::store::runs::{RunRecord, RunState};

use super::fixture::{end, is_alive, runs, serve, until, until_count, until_file, with};

const ON_START: &str = "[[schedule]]\non = \"start\"";

fn only(root: &crate::support::runner::Root) -> RunRecord {
    let [run] = runs(root).try_into().unwrap_or_else(|all| panic!("not one: {all:?}"));
    run
}

#[test]
fn a_job_that_ignores_term_is_timed_out_and_killed_with_all_it_started() {
    let script = "trap '' TERM; echo $$ > pid; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 0.1; done'";
    let root = with(script, &format!("[run]\ntimeout = \"5s\"\ngrace = \"1s\"\n{ON_START}"));
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::TimedOut, 1);
    until("nothing is left", || !is_alive(&root, "pid") && !is_alive(&root, "child"));
    until("it is said", || root.read("data/state/scheduler.log").contains("end j_1_"));
    end(service).code(0);
    assert_eq!(only(&root).exit_code, Some(124));
}

#[test]
fn what_a_run_writes_is_kept_within_its_bound_while_it_goes_on() {
    let script = "for i in $(seq 50); do head -c 2000000 /dev/zero | tr '\\0' x; echo; sleep 0.1; done; echo the end";
    let root = with(script, &format!("[logs]\nmax-size = \"1MiB\"\n{ON_START}"));
    let service = serve(&root, "").start();
    let size = |root: &crate::support::runner::Root| -> u64 {
        let dir = root.list("data/runs").into_iter().find(|name| name.starts_with("j_1_"));
        let dir = dir.unwrap_or_default();
        ["output.log", "output.log.1"]
            .iter()
            .filter_map(|name| root.at(&format!("data/runs/{dir}/{name}")).metadata().ok())
            .map(|found| found.len())
            .sum()
    };
    let mut most = 0;
    until("its end", || {
        most = most.max(size(&root));
        runs(&root).iter().any(|run| run.state == RunState::Succeeded)
    });
    until("it is said", || root.read("data/state/scheduler.log").contains("end j_1_"));
    end(service).code(0);
    assert!(most < 60_000_000, "100 MB were written, {most} bytes lay there");
    assert!(size(&root) <= 1 << 20, "{}", size(&root));
    let dir = format!("data/runs/{}", only(&root).run_id);
    let left = root.read(&format!("{dir}/output.log.1")) + &root.read(&format!("{dir}/output.log"));
    assert!(left.contains("the end\n"), "the end is kept");
}

#[test]
fn a_daemon_that_a_run_leaves_behind_is_ended_and_said() {
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > daemon; while :; do sleep 0.1; done' & until [ -s daemon ]; do sleep 0.05; done";
    let root = with(script, &format!("[run]\ngrace = \"1s\"\n{ON_START}"));
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 1);
    until("the daemon is gone", || !is_alive(&root, "daemon"));
    until("it is said", || root.read("data/state/scheduler.log").contains("end j_1_"));
    let said = end(service).code(0).stderr;
    assert!(said.contains("leak j_1_") && said.contains("processes behind"), "{said}");
}

#[test]
fn a_run_that_is_killed_is_recorded_as_killed() {
    let root = with("echo x > started; until [ -e go ]; do sleep 0.05; done", ON_START);
    let service = serve(&root, "").start();
    until_file(&root, "started");
    let run = only(&root);
    root.shell(&format!("kill -9 {}", run.pid.unwrap())).code(0);
    until("its end", || only(&root).state.is_over());
    until("it is said", || root.read("data/state/scheduler.log").contains("end j_1_"));
    end(service).code(0);
    let run = only(&root);
    // Whoever looks at the records first may call it lost; the service knows more.
    assert!(matches!(run.state, RunState::Failed), "{run:?}");
    assert_eq!(run.summary, "killed by signal 9 (out of memory?)");
    assert_eq!(run.exit_code, Some(137));
}

#[test]
fn a_failed_attempt_is_tried_again_and_the_run_is_flaky() {
    let script = "echo x >> tries; [ $(wc -l < tries) -gt 2 ]";
    let retry = "[run.retry]\nattempts = 3\non = [\"failed\"]\ndelay = \"100ms\"";
    let root = with(script, &format!("{retry}\n{ON_START}"));
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Flaky, 1);
    end(service).code(0).says(&["retry j_1_", "attempt 3 in 200ms"]);
    assert_eq!((only(&root).attempt, root.read("tries").lines().count()), (3, 3));
}

#[test]
fn a_run_whose_lock_is_held_is_tried_again_when_busy_counts() {
    let run = "[run]\nlock = \"one\"\n[run.retry]\nattempts = 100\non = [\"busy\"]\ndelay = \"100ms\"\nbackoff = \"fixed\"";
    let root = with("true", &format!("{run}\n{ON_START}"));
    root.write(
        "jobs/holder.toml",
        &super::fixture::job(
            "holder",
            "echo x > held; until [ -e go ]; do sleep 0.05; done",
            "[run]\nlock = \"one\"",
        ),
    );
    let holder = root.call("run holder").start();
    until_file(&root, "held");
    let service = serve(&root, "").start();
    until("a second attempt", || runs(&root).iter().any(|run| run.job == "j" && run.attempt > 1));
    root.write("go", "x");
    holder.end().code(0);
    until_count(&root, "j", RunState::Flaky, 1);
    end(service).code(0);
}

#[test]
fn a_program_and_a_pipeline_that_fail_are_tried_again_without_being_told_on_what() {
    let retry = "[run.retry]\nattempts = 3\ndelay = \"100ms\"";
    let root = with("echo x >> tries; exit 1", &format!("{retry}\n{ON_START}"));
    let steps =
        "[[step]]\nid = 'a'\nrun = ['sh', '-c', 'echo x >> steps; [ $(wc -l < steps) -gt 1 ]']\n";
    root.write(
        "jobs/p.toml",
        &format!("manifest = 1\nname = \"p\"\nkind = \"pipeline\"\n{steps}{retry}\n{ON_START}\n"),
    );
    // One that is not there is tried again too: it may come with the next deploy.
    let absent =
        "manifest = 1\nname = \"n\"\nkind = \"exec\"\n[exec]\nrun = [\"/no/such/program\"]\n";
    root.write("jobs/n.toml", &format!("{absent}{retry}\n{ON_START}\n"));
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Failed, 1);
    until_count(&root, "n", RunState::Failed, 1);
    until_count(&root, "p", RunState::Flaky, 1);
    until("all attempts", || {
        runs(&root)
            .iter()
            .all(|run| run.job == "p" || (run.attempt, run.state) == (3, RunState::Failed))
    });
    end(service).code(0);
    assert_eq!((root.read("tries").lines().count(), root.read("steps").lines().count()), (3, 2));
}
