//! Limits of one run: its lock, its share of the machine, being asked to stop, and a queued attempt that is taken over once.

use mjolnir::{
    domain::time::UtcMs,
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{RunRecord, RunState, RunStore},
    },
};

use crate::support::runner::Root;

fn exec(root: &Root, run: &str, program: &str) {
    let text =
        format!("manifest = 1\nname = 'e'\nkind = 'exec'\n[run]\n{run}\n[exec]\nrun = {program}\n");
    root.write("jobs/e.toml", &text);
}

fn latest(root: &Root) -> (String, String) {
    let history = root.run("history --json").ok().json();
    let text = |key: &str| history["runs"][0][key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("summary"))
}

#[test]
fn a_name_is_held_by_one_run_and_the_other_is_told_by_whom() {
    let root = Root::new();
    exec(&root, "lock = 'box'", "['sh', '-c', 'echo up > up.txt; exec sleep 300']");
    let first = root.call("run e --run-id one").start();
    root.await_lines("up.txt", 1);
    let second = root.run("run e").code(75);
    second.says(&["data/state/locks/box.lock is held by pid", "run one, job e"]);
    assert_eq!(latest(&root).0, "skipped_precondition");
    exec(&root, "lock = 'box'\nlock-wait = '5m'", "['true']");
    let waiting = root.call("run e").start();
    first.signal("TERM");
    first.end().code(143);
    waiting.end().ok();
    assert_eq!(latest(&root).0, "succeeded");
}

#[test]
fn a_run_stands_back_and_gets_no_more_memory_than_it_may() {
    let root = Root::new();
    exec(&root, "nice = 7", "['sh', '-c', 'cut -d\" \" -f19 /proc/self/stat']");
    // Whoever runs the tests may stand back already.
    let own: i32 =
        root.shell("cut -d' ' -f19 /proc/self/stat").code(0).stdout.trim().parse().unwrap();
    root.run("run e").ok().prints(&[&format!("{}\n", (own + 7).min(19))]);
    exec(&root, "memory-max = '1MiB'", "['true']");
    root.run("run e").code(78).says(&["run.memory-max is 1048576 bytes", "or more"]);
    exec(&root, "memory-max = '3GiB'", "['sh', '-c', 'ulimit -v']");
    root.run("run e").ok().prints(&["3145728"]);
}

/// A job whose threads find no room for their stacks is told what to do, and that is no bug of the program.
#[test]
fn a_job_that_runs_into_its_memory_is_no_bug_of_the_program() {
    let root = super::fixture::ledger(super::fixture::NOON);
    let words = "run data-quality -p exchange=demo symbol=BTC/USD --set run.memory-max=200MiB";
    // A thousand mebibytes of stacks.
    let call = root.call(words).env("POLARS_MAX_THREADS", "500").env("RUST_BACKTRACE", "0");
    let ran = call.run().code(78);
    ran.says(&["the job ran out of memory: run.memory-max is too small for it"]);
    let (state, summary) = latest(&root);
    assert_eq!(state, "failed");
    assert!(summary.contains("run.memory-max is too small"), "{summary}");
}

/// One whose own work gets no memory aborts, and is told and recorded all the same.
#[test]
fn a_job_that_aborts_for_want_of_memory_is_told_and_recorded() {
    let root = Root::new();
    let bar = |i: u64| format!("{},100,101,99,100.5,1\n", 1_577_836_800_000 + i * 300_000);
    let bars: String = (0..600_000).map(bar).collect();
    root.write("big.csv", &format!("timestamp,open,high,low,close,volume\n{bars}"));
    let words = "run import -p path=big.csv exchange=own symbol=BTC/USD timeframe=5m";
    let ran = root.run(&format!("{words} --set run.memory-max=200MiB")).code(78);
    ran.says(&["memory allocation of", "the job ran out of memory: run.memory-max is too small"]);
    let (state, summary) = latest(&root);
    assert_eq!(state, "failed");
    assert!(summary.contains("run.memory-max is too small"), "{summary}");
    // Nothing was left half-written.
    root.run(words).ok().prints(&["600000"]);
}

#[test]
fn a_run_is_asked_to_stop_by_a_file_that_says_why() {
    let root = Root::new();
    exec(&root, "grace = '1m'", "['sh', '-c', 'echo up > up.txt; exec sleep 300']");
    let run = root.call("run e --run-id r1").start();
    root.await_lines("up.txt", 1);
    root.write("data/runs/r1/stop", "ann: venue looks odd\n");
    run.end().code(143);
    let (state, summary) = latest(&root);
    assert_eq!(state, "cancelled");
    assert!(summary.starts_with("stopped (ann: venue looks odd): "), "{summary}");
}

#[test]
fn c16_a_queued_attempt_is_taken_over_by_one_process() {
    let root = Root::new();
    exec(&root, "", "['sh', '-c', 'echo ran >> ran.txt']");
    let layout = Layout::new(root.path());
    let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
    let slot = UtcMs::new(1_700_000_000_000).unwrap();
    let queued = RunRecord {
        due: Some(("e.1".into(), slot)),
        attempt: 2,
        ..RunRecord::first("e_1_x".parse().unwrap(), ("e", "exec"), RunState::Queued, slot, "")
    };
    store.start(&queued).unwrap();
    let line = "run e --run-id e_1_x --attempt";
    let late = root.run(&format!("{line} 1")).code(75);
    late.says(&["attempt 1 of run e_1_x is not queued", "nothing was done"]);
    root.run(&format!("{line} 2")).ok();
    root.run(&format!("{line} 2")).code(75);
    assert_eq!(root.read("ran.txt"), "ran\n");
    let done = store.get(&queued.run_id).unwrap().unwrap();
    assert_eq!((done.state, done.due), (RunState::Flaky, queued.due));
}
