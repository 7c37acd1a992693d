//! Programs and steps: no shell, no leaking secret, the right exit code, and values that flow.

use crate::support::runner::Root;

const SECRET: &str = "kanari-\"7\\x";

fn exec(root: &Root, rest: &str) {
    root.write("jobs/e.toml", &format!("manifest = 1\nname = 'e'\nkind = 'exec'\n{rest}"));
}

fn pipeline(root: &Root, rest: &str) {
    root.write("jobs/p.toml", &format!("manifest = 1\nname = 'p'\nkind = 'pipeline'\n{rest}"));
}

#[test]
fn arguments_never_meet_a_shell() {
    let root = Root::new();
    let words = "'$(touch x)', '`touch y`', '; touch z', '*', '$HOME', 'a  b'";
    exec(&root, &format!("[exec]\nrun = ['printf', '[%s]', {words}]\n"));
    let literal = "[$(touch x)][`touch y`][; touch z][*][$HOME][a  b]";
    root.run("run e").ok().prints(&[literal]);
    pipeline(&root, &format!("[[step]]\nid = 'a'\nrun = ['printf', '[%s]', {words}]\n"));
    root.run("run p").ok().prints(&[literal]);
    let param = "[params.x]\n[exec]\nrun = ['printf', '[%s]', '${params.x}']\n";
    exec(&root, param);
    root.call("run e -p").arg("x=$(touch x) && touch y").run().ok().prints(&["[$(touch x) && "]);
    assert_eq!(root.list("."), ["data", "jobs", "profiles", "strategies"], "nothing was touched");
}

#[test]
fn programs_end_with_our_codes() {
    let root = Root::new();
    let table: &[(&str, &str, i32, &str)] = &[
        ("run = ['true']", "", 0, ""),
        ("run = ['false']", "", 1, "`false` ended with exit code 1, expected 0"),
        ("run = ['sh', '-c', 'exit 3']\nexpect-exit = 3", "", 0, ""),
        ("run = ['sh', '-c', 'kill -9 $$']", "", 1, "exit code 137, expected 0"),
        ("run = ['sh', '-c', 'kill -9 $$']\nexpect-exit = 137", "", 0, ""),
        ("run = ['no-such-program']", "", 1, "start `no-such-program`: No such file"),
        ("run = ['sleep', '30']", "--timeout 200ms", 124, "took longer than its timeout"),
    ];
    for (table, more, code, told) in table {
        exec(&root, &format!("[exec]\n{table}\n"));
        root.run(&format!("run e {more}")).code(*code).says(&[told]);
    }
    exec(&root, "[run]\ntimeout = '200ms'\ngrace = '100ms'\n[exec]\nrun = ['sleep', '30']\n");
    root.run("run e").code(124).says(&["took longer than its timeout"]);
    let history = root.run("history --json").ok().json();
    assert_eq!(history["runs"][0]["state"], "timed_out", "{history}");
    root.run("run e --run-id twice --timeout 10ms").code(124);
    let again = root.run("run e --run-id twice").code(2);
    again.says(&["there is a run with the id twice already: choose another --run-id"]);
}

#[test]
fn values_flow_from_step_to_step() {
    let root = Root::new();
    let steps = "[[step]]\nid = 'live'\njob = 'live.toml'\n[step.params]\ntag = 'flow'\nexchange = 'demo'\n\
        feed = 'synthetic'\nfrom = '2024-01-01T00:00:00Z'\nto = '2024-01-01T06:00:00Z'\n\
        [[step]]\nid = 'replay'\njob = 'backtest.toml'\nneeds = ['live']\n[step.params]\ntag = 'flow'\n\
        exchange = 'demo'\nrunid = 'r1'\nend-ts-ms = '${steps.live.out.last_ts_ms}'\n\
        [[step]]\nid = 'say'\nrun = ['echo', 'rows', '${steps.replay.out.rows}', '$${literal}']\nneeds = ['replay']\n";
    pipeline(&root, steps);
    let ran = root.run("run p").ok();
    let rows = root.rows("data/processed/decisions/flow_bt_r1/BTC_USD/5m/decisions.csv");
    assert!(rows > 50, "{ran}");
    ran.prints(&[&format!("rows {rows} ${{literal}}\n"), "step say              succeeded"]);
    let unknown = "[[step]]\nid = 'a'\nrun = ['echo', '${steps.nosuch.out.x}']\n";
    pipeline(&root, unknown);
    root.run("run p").code(78).says(&["nosuch"]);
}

/// A package or `make build` puts a new program in the place of one that is at work.
#[test]
fn a_pipeline_goes_on_when_its_program_is_replaced() {
    let root = Root::new();
    pipeline(
        &root,
        "[[step]]\nid = 'upgrade'\nrun = ['sh', '-c', 'cp own new && mv new own']\n\
         [[step]]\nid = 'after'\njob = 'check.toml'\nneeds = ['upgrade']\n",
    );
    let program = env!("CARGO_BIN_EXE_runner");
    let ran = root.shell(&format!("cp '{program}' own && ./own run p")).code(0);
    ran.prints(&["step after            succeeded"]);
}

#[test]
fn a_failed_step_is_answered_by_failure_and_always() {
    let root = Root::new();
    let step = |id: &str, run: &str, more: &str| {
        format!("[[step]]\nid = '{id}'\nrun = ['{run}']\n{more}\n")
    };
    let steps = [
        step("a", "false", ""),
        step("b", "true", "needs = ['a']"),
        step("repair", "true", "needs = ['a']\nwhen = 'failure'"),
        step("report", "true", "needs = ['b']\nwhen = 'always'"),
    ];
    pipeline(&root, &steps.concat());
    let ran = root.run("run p").code(1).says(&["step failed", "code=1", "expected=0"]);
    ran.prints(&[
        "step a                failed  exit 1\n",
        "step b                skipped\n",
        "step repair           succeeded  exit 0\n",
        "step report           succeeded  exit 0\n",
    ]);
    // The same failure, expected.
    pipeline(&root, &[step("a", "false", "expect-exit = 1"), steps[1].clone()].concat());
    root.run("run p").ok().prints(&["step b                succeeded"]);
    pipeline(
        &root,
        &step("a", "sleep", "")
            .replace("'sleep'", "'sleep', '30'")
            .replace("\n\n", "\ntimeout = '200ms'\n"),
    );
    root.run("run p").code(1).says(&["step took longer than its timeout"]);
}

#[test]
fn a_job_that_is_told_to_stop_takes_its_children_along_and_says_so() {
    let root = Root::new();
    exec(&root, "[exec]\nrun = ['sh', '-c', 'echo up; echo $$ > pid.txt; exec sleep 300']\n");
    pipeline(
        &root,
        "[[step]]\nid = 'a'\njob = 'e.toml'\n[[step]]\nid = 'b'\nrun = ['true']\nneeds = ['a']\n",
    );
    for job in ["e", "p"] {
        let run = root.call(&format!("run {job}")).start();
        root.await_lines("pid.txt", 1);
        let pid = root.read("pid.txt");
        run.signal("TERM");
        run.end().code(143);
        root.shell(&format!("kill -0 {pid}")).code(1);
        root.remove("pid.txt");
    }
    let history = root.run("history --json").ok().json();
    for run in history["runs"].as_array().expect("a list") {
        assert_eq!((&run["state"], &run["exit_code"]), (&"cancelled".into(), &143.into()), "{run}");
    }
    assert_eq!(
        history["runs"][1]["summary"],
        "stopped (signal 15): 0 of 2 steps succeeded: asked to stop"
    );
}

#[test]
fn a_secret_is_in_no_file_and_on_no_page() {
    let root = Root::new();
    let rest = "[secrets.API]\nfrom = 'env'\nname = 'API_KEY'\n[params.note]\ndefault = 'none'\n\
        [exec]\nrun = ['sh', '-c', 'test \"$TOKEN\" = \"Bearer $WANTED\" || exit 5', '${params.note}']\n\
        [exec.env]\nTOKEN = 'Bearer ${secrets.API}'\n";
    exec(&root, rest);
    // The worst case: somebody gives it once more where it can be seen.
    let note = format!("note=see {SECRET}");
    for (words, code) in
        [("run e -p", 0), ("show e -p", 0), ("explain e -p", 0), ("show e --json -p", 0)]
    {
        let call = root.call(words).arg(&note).env("API_KEY", SECRET).env("WANTED", SECRET);
        let ran = call.run().code(code);
        clean(&ran.stdout, words);
        clean(&ran.stderr, words);
        assert!(words.starts_with("run") || ran.stdout.contains("***"), "{ran}");
    }
    let wrong = root.call("run e -p").arg(&note).env("API_KEY", SECRET).env("WANTED", "other");
    let wrong = wrong.run().code(1).says(&["exit code 5"]);
    clean(&(wrong.stdout + &wrong.stderr), "a failed run");
    let files = root.files("data");
    assert!(
        files.iter().any(|(path, text)| path.ends_with("manifest.toml") && text.contains("***"))
    );
    for (path, text) in files {
        clean(&text, &path);
    }
    let missing = root.run("run e").code(78);
    missing.says(&["secret `API`: the variable API_KEY is not set", "required = false"]);
}

fn clean(text: &str, place: &str) {
    assert!(!text.contains("kanari"), "{place}: {text}");
}
