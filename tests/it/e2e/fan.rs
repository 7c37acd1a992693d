//! Items of a step, jobs of a matrix, retries of a part, and steps that need not run.

use serde_json::Value;

use crate::{serve::fixture::empty, support::runner::Root};

fn pipeline(rest: &str) -> Root {
    let root = empty();
    write(&root, rest);
    root
}

fn write(root: &Root, rest: &str) {
    root.write("jobs/p.toml", &format!("manifest = 1\nname = 'p'\nkind = 'pipeline'\n{rest}"));
}

fn step(id: &str, script: &str, more: &str) -> String {
    format!("[[step]]\nid = '{id}'\nrun = ['sh', '-c', '''{script}''', 'sh', 'x']\n{more}\n")
}

/// The newest run of a job, and its steps.
fn newest(root: &Root, job: &str) -> (String, Value) {
    let history = root.run(&format!("history {job} --json -n 1")).json();
    let run = history["runs"][0]["run_id"].as_str().expect("there is one").to_owned();
    let shown = root.run(&format!("show {run} --json")).ok().json();
    (run, shown)
}

/// Each step and item with its state.
fn states(shown: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for step in shown["steps"]["steps"].as_array().expect("a pipeline") {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        all.push(format!("{} {}", text(&step["id"]), text(&step["state"])));
        for task in
            step["tasks"].as_array().expect("a list").iter().filter(|t| t["item"].is_string())
        {
            all.push(format!("  {} {}", text(&task["item"]), text(&task["state"])));
        }
    }
    all
}

#[test]
fn one_item_that_fails_stops_no_other_and_fails_its_step() {
    // The first one fails before the others start.
    let fan = "each = ['ETH/USD', 'BTC/USD', 'SOL/USD']\nmax-parallel = 1";
    let script = "echo \"item $1\" >> seen; [ \"$1\" != ETH/USD ]";
    let fan = step("fan", script, fan).replace("'x'", "'${each}'");
    let root = pipeline(&format!(
        "[pipeline]\nmax-parallel = 2\n{fan}{}{}",
        step("after", "true", "needs = ['fan']"),
        step("tell", "echo told", "needs = ['fan']\nwhen = 'failure'"),
    ));
    root.run("run p").code(1).says(&["step failed"]).prints(&[
        "step fan              failed\n",
        "  item ETH/USD        failed  exit 1\n",
        "step tell             succeeded",
    ]);
    let mut seen: Vec<String> = root.read("seen").lines().map(str::to_owned).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["item BTC/USD", "item ETH/USD", "item SOL/USD"], "the values, not the names");
    let (_, shown) = newest(&root, "p");
    assert_eq!(shown["run"]["state"], "failed");
    assert_eq!(
        shown["run"]["summary"],
        "1 of 3 steps succeeded; fan: 1 of 3 items failed: ETH/USD"
    );
    let expected = [
        "fan failed",
        "  ETH/USD failed",
        "  BTC/USD succeeded",
        "  SOL/USD succeeded",
        "after skipped",
        "tell succeeded",
    ];
    assert_eq!(states(&shown), expected);
}

#[test]
fn items_of_a_job_are_runs_of_their_own() {
    let root = empty();
    let job = "manifest = 1\nname = 'one'\nkind = 'exec'\n[params.x]\nrequired = true\n[exec]\nrun = ['echo', 'x is ${params.x}']\n";
    root.write("jobs/one.toml", job);
    write(
        &root,
        "[[step]]\nid = 's'\njob = 'one.toml'\neach = ['a/b', 'c']\n[step.params]\nx = '<${each}>'\n",
    );
    root.run("run p --run-id r").ok().prints(&["x is <a/b>\n", "x is <c>\n"]);
    let history = root.run("history one --json").json();
    let ids: Vec<&str> =
        history["runs"].as_array().unwrap().iter().map(|r| r["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["r.s.c", "r.s.a_b"], "newest first, each with a record");
    assert!(history["runs"][0]["parent"] == "r", "{history}");
}

#[test]
fn a_retry_from_a_step_keeps_what_succeeded_and_says_so() {
    let a = step("a", "echo a >> ran", "");
    let b = step("b", "echo b >> ran; [ -e ok ]", "needs = ['a']");
    let c = step("c", "echo c >> ran", "needs = ['b']");
    let free = step("free", "echo free >> ran", "");
    let root = pipeline(&[a, b, c, free].concat());
    root.run("run p --run-id r1").code(1).says(&["step failed"]);
    assert_eq!(root.read("ran"), "a\nb\n");
    root.run("retry r1 --from nix").code(4).says(&["no step `nix`; its steps are a, b, c, free"]);
    root.run("retry r1 --from c").code(2).says(&[
        "step `b`, which `c` needs, did not succeed in run r1 (failed): `runner retry r1 --from b`",
    ]);
    root.write("ok", "");
    root.remove("ran");
    root.run("retry r1 --from b").ok();
    assert_eq!(root.read("ran"), "b\nc\nfree\n", "what did not succeed runs, a does not");
    let (run, shown) = newest(&root, "p");
    assert_eq!(states(&shown), ["a kept", "b succeeded", "c succeeded", "free succeeded"]);
    assert_eq!(shown["run"]["retry_of"], "r1");
    assert_eq!(shown["steps"]["retry"]["part"], "from");
    assert_eq!(shown["steps"]["steps"][0]["tasks"][0]["of_run"], "r1");
    assert_eq!(shown["run"]["summary"], "4 of 4 steps succeeded (from b, 1 kept of r1)");
    // One step alone is not a whole pipeline, unless the others are done.
    root.remove("ran");
    root.run(&format!("retry {run} --only c")).ok();
    assert_eq!(root.read("ran"), "c\n");
    root.run("retry r1 --only b").code(1);
    let (_, shown) = newest(&root, "p");
    assert_eq!(states(&shown), ["a kept", "b succeeded", "c left", "free left"]);
    let said = shown["run"]["summary"].as_str().unwrap();
    assert!(
        said.contains("2 of 4 steps succeeded")
            && said.contains("not done: c, free: `runner retry"),
        "{said}"
    );
    root.run("run p --run-id whole").ok();
    root.remove("jobs/p.toml");
    root.write("jobs/p.toml", "manifest = 1\nname = 'p'\nkind = 'exec'\n[exec]\nrun = ['true']\n");
    root.run("run p --run-id e").ok();
    root.run("retry e --from a").code(2).says(&["run e is of kind exec, which has no steps"]);
}

#[test]
fn a_retry_of_a_step_with_items_runs_those_that_failed_with_the_results_of_the_others() {
    let fan = step("fan", "echo $1 >> ran; [ $1 != b ] || [ -e ok ]", "each = ['a', 'b', 'c']")
        .replace("'x'", "'${each}'");
    let root = pipeline(&[fan, step("after", "true", "needs = ['fan']")].concat());
    root.run("run p --run-id r1").code(1).says(&["step failed"]);
    root.write("ok", "");
    root.remove("ran");
    root.run("retry r1 --from fan").ok();
    assert_eq!(root.read("ran"), "b\n");
    let (_, shown) = newest(&root, "p");
    assert_eq!(
        states(&shown),
        ["fan succeeded", "  a kept", "  b succeeded", "  c kept", "after succeeded"]
    );
}

#[test]
fn what_a_kept_step_put_out_flows_on() {
    let root = Root::new();
    let steps = "[[step]]\nid = 'live'\njob = 'live.toml'\n[step.params]\ntag = 'flow'\nexchange = 'demo'\n\
        feed = 'synthetic'\nfrom = '2024-01-01T00:00:00Z'\nto = '2024-01-01T06:00:00Z'\n\
        [[step]]\nid = 'say'\nrun = ['sh', '-c', 'echo rows $1; [ -e ok ]', 'sh', '${steps.live.out.rows}']\nneeds = ['live']\n";
    write(&root, steps);
    root.run("run p --run-id r1").code(1).says(&["step failed"]);
    root.write("ok", "");
    let rows = root.rows("data/processed/decisions/flow/BTC_USD/5m/decisions.csv");
    let again = root.run("retry r1 --from say").ok();
    again.prints(&[&format!("rows {rows}\n")]);
}

#[test]
fn a_step_is_up_to_date_until_anything_it_is_made_of_changes() {
    let made = step(
        "make",
        "echo x >> ran; cat in.txt in.d/* > out.txt",
        "inputs = ['in.txt', 'in.d']\noutputs = ['out.txt']",
    );
    let root = pipeline(&made);
    root.run("run p").code(1).says(&["the input `in.txt` does not exist"]);
    root.write("in.txt", "1");
    root.write("in.d/a", "2");
    let ran = |root: &Root| root.read("ran").lines().count();
    root.run("run p --run-id r1").ok();
    root.run("run p").ok().prints(&["step make             up_to_date", "of run r1", "hash "]);
    let (_, shown) = newest(&root, "p");
    assert_eq!(states(&shown), ["make up_to_date"]);
    assert_eq!(shown["run"]["summary"], "1 of 1 steps succeeded (1 up to date)");
    assert_eq!(shown["run"]["state"], "succeeded");
    assert_eq!(shown["steps"]["steps"][0]["tasks"][0]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(ran(&root), 1);
    // An input, a file more in a folder, an output that was edited or is gone, the command.
    for (n, change) in (2..).zip([
        "printf 5 > in.txt",
        "printf 6 > in.d/b",
        "mv in.d/b in.d/c",
        "printf edited > out.txt",
        "rm out.txt",
        "sed -i s/ran/.\\\\/ran/ jobs/p.toml",
    ]) {
        root.shell(change).code(0);
        root.run("run p").ok();
        assert_eq!(ran(&root), n, "{change}");
        root.run("run p").ok().prints(&["up_to_date"]);
        assert_eq!(ran(&root), n, "{change}");
    }
    // What cannot be read is made again.
    root.write("data/state/steps/p/make.json", "{\"schema\": \"mjolnir.step/1\"");
    root.run("run p").ok();
    assert_eq!(ran(&root), 8);
    write(&root, &step("make", "true", "inputs = ['in.txt']\noutputs = ['never.txt']"));
    root.run("run p").code(1).says(&["it did not leave its output `never.txt`"]);
    root.shell("ln -s /etc out").code(0);
    write(&root, &step("make", "true", "inputs = ['out/passwd']\noutputs = ['o']"));
    root.run("run p").code(1).says(&["leads out of the root"]);
}

#[test]
fn a_step_of_a_job_is_up_to_date_until_a_value_of_the_job_changes() {
    let root = empty();
    root.write(
        "jobs/one.toml",
        "manifest = 1\nname = 'one'\nkind = 'exec'\n[params.x]\ndefault = '1'\nenv = 'X_OF_ONE'\n\
         [exec]\nrun = ['sh', '-c', 'echo ran; cat in > out', '${params.x}']\n",
    );
    write(&root, "[[step]]\nid = 's'\njob = 'one.toml'\ninputs = ['in']\noutputs = ['out']\n");
    root.write("in", "1");
    root.run("run p").ok().prints(&["ran\n"]);
    root.run("run p").ok().prints(&["up_to_date"]);
    root.call("run p").env("X_OF_ONE", "2").run().ok().prints(&["ran\n"]);
    root.run("run p").ok().prints(&["ran\n"]);
}

#[test]
fn every_job_of_a_matrix_has_a_record_and_one_that_fails_stops_no_other() {
    let root = empty();
    let job = |matrix: &str, more: &str| {
        format!(
            "manifest = 1\nname = 'm'\nkind = 'exec'\n[matrix]\n{matrix}\n[params.symbol]\ndefault = 'X'\nenv = 'SYMBOL'\n\
             [params.n]\ntype = 'integer'\ndefault = 0\n\
             [exec]\nrun = ['sh', '-c', 'echo $0 $1; [ $0 != ETH/USD ]', '${{params.symbol}}', 'n=${{params.n}}']\n{more}"
        )
    };
    root.write("jobs/m.toml", &job("symbol = ['ETH/USD', 'BTC/USD']", ""));
    let ran = root.call("run m").env("SYMBOL", "other").run().code(1);
    ran.says(&["ended with exit code 1"]).prints(&[
        "ETH/USD n=0\n",
        "BTC/USD n=0\n",
        "job m.ETH_USD  exit 1\njob m.BTC_USD  exit 0\n1 of 2 jobs succeeded\n",
    ]);
    let history = root.run("history m --json").json();
    let jobs: Vec<String> = history["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| format!("{} {}", run["job"].as_str().unwrap(), run["state"].as_str().unwrap()))
        .collect();
    assert_eq!(jobs, ["m.BTC_USD succeeded", "m.ETH_USD failed"]);
    root.run("run m.BTC_USD").ok().prints(&["BTC/USD n=0\n"]);
    root.run("retry m.BTC_USD").ok().prints(&["BTC/USD n=0\n"]);
    root.run("run m.XRP").code(4).says(&["has no `XRP`; its jobs are m.ETH_USD, m.BTC_USD"]);
    root.run("run m --run-id x").code(2).says(&["--run-id names one run"]);
    root.run("run m.BTC_USD -p symbol=Z").code(78).says(&["the matrix gives `symbol` its value"]);
    root.run("explain m")
        .code(78)
        .says(&["job `m` has a matrix of 2 jobs: which one?", "m.ETH_USD, m.BTC_USD"]);
    root.run("explain m.BTC_USD").ok().prints(&["jobs/m.toml:5"]);
    root.run("list").ok().prints(&["m.BTC_USD", "m.ETH_USD"]);
    let two = "symbol = ['BTC/USD', 'ETH/USD']\nn = [1, 2]";
    root.write("jobs/m.toml", &job(two, ""));
    root.run("run m.2-BTC_USD").ok().prints(&["BTC/USD n=2\n"]);
    root.run("check").ok();
}

#[test]
fn loops_of_a_matrix_run_at_the_same_time_and_stop_together() {
    let root = Root::new();
    root.write(
        "jobs/sims.toml",
        "manifest = 1\nname = 'sims'\nkind = 'exchange-sim'\nextends = ['exchange-sim.toml']\n[matrix]\nseed = [1, 2]\n",
    );
    let running = root.call("run sims -p protocol=binance from=2024-01-01T00:00:00Z").start();
    crate::serve::fixture::until("both run", || {
        let going = root.run("history --state running --json");
        going.code == 0 && going.json()["runs"].as_array().is_some_and(|runs| runs.len() == 2)
    });
    running.signal("TERM");
    running.end().code(143);
    let history = root.run("history sims --json").json();
    let ended: Vec<&str> =
        history["runs"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(ended.len(), 2, "{history}");
    assert!(ended.iter().all(|state| *state != "running"), "{history}");
}

#[test]
fn nonsense_is_refused_with_its_place_and_advice() {
    let root = empty();
    let one = |more: &str| step("a", "true", more);
    for (steps, says) in [
        (one("each = []"), "`each` of step `a` has no item"),
        (one("each = ['x', 'x']"), "item \"x\" is there twice"),
        (one("each = ['a/b', 'a_b']"), "would both be called `a_b`"),
        (one("each = ['a b']"), "cannot be the name of a file"),
        (one("each = ['../x']"), "cannot be the name of a file"),
        (one("").replace("'x'", "'${each}'"), "`${each}` may not stand here"),
        (one("each = ['x']\nmax-parallel = 3"), "write [pipeline] max-parallel = 3"),
        (one("max-parallel = 1"), "has no meaning in step `a`, which has no items"),
        (one("approve = ' '"), "is not one line of text"),
        (one("approve = 'x'\nwhen = 'always'"), "runs in any case and waits for an approval"),
        (one("inputs = ['x']"), "has `inputs` and no `outputs`"),
        (one("inputs = []\noutputs = ['o']"), "`inputs` of step `a` is empty"),
        (one("inputs = ['../x']\noutputs = ['o']"), "it is not a path below the root"),
        (one("inputs = ['d/*.csv']\noutputs = ['o']"), "a pattern is not a path"),
        (one("inputs = ['d']\noutputs = ['d/o']"), "is part of its input `d`"),
        (
            format!(
                "{}{}",
                one("each = ['x']"),
                step("b", "echo ${steps.a.out.k}", "needs = ['a']")
            ),
            "step `a` has items",
        ),
    ] {
        write(&root, &steps);
        root.run("check").code(78).says(&["jobs/p.toml", says]);
    }
    let exec = |more: &str| {
        format!(
            "manifest = 1\nname = 'p'\nkind = 'exec'\n[exec]\nrun = ['true']\n[params.s]\ndefault = 'x'\n{more}"
        )
    };
    for (more, says) in [
        ("[matrix]\n", "[matrix] names no param"),
        ("[matrix]\nt = ['x']", "gives the unknown param `t`"),
        ("[matrix]\ns = 'x'", "must be a list"),
        ("[matrix]\ns = []", "`s` of [matrix] has no item"),
        ("[matrix]\ns = ['x', 'x']", "is there twice"),
        ("[matrix]\ns = ['a/b', 'a_b']", "would both be called"),
        (
            "[matrix]\ns = ['x']\n[[schedule]]\nevery = '5m'\nparams = { s = 'y' }",
            "a schedule and [matrix] both give `s`",
        ),
        ("[run]\npool = 'heavy'", "unknown pool `heavy`"),
        ("[run]\npool = 'hevy'\n[pools]\nheavy = 1", "did you mean `heavy`?"),
        ("[pools]\nheavy = 0", "the pool `heavy` has the size 0"),
    ] {
        root.write("jobs/p.toml", &exec(more));
        root.run("check").code(78).says(&["jobs/p.toml", says]);
    }
    // As many as fit a file: one message, and no flood.
    let many = |most: usize| (0..most).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    write(&root, &one(&format!("each = [{}]", many(8_000))));
    let ran = root.run("check").code(78).says(&["step `a` has 8000 items, most are 256"]);
    assert!(ran.stderr.len() < 5_000, "{} bytes", ran.stderr.len());
    let two = format!("[matrix]\ns = [{}]\nt = [{0}]\n[params.t]\ndefault = 'x'", many(100));
    root.write("jobs/p.toml", &exec(&two));
    let ran = root.run("check").code(78).says(&["[matrix] makes too many jobs, most are 64"]);
    assert!(!ran.stderr.contains("0 jobs") && ran.stderr.len() < 5_000, "{ran}");
    write(&root, &one(&format!("each = [{}]", many(20_000))));
    root.run("check").code(78).says(&["jobs/p.toml: it is longer than 65536 bytes"]);
    root.write("profiles/m.toml", "manifest = 1\n[matrix]\ns = ['x']\n");
    root.write(
        "jobs/p.toml",
        &exec("").replace("[exec]", "extends = ['../profiles/m.toml']\n[exec]"),
    );
    root.run("check").code(78).says(&["[matrix] is in another file"]);
}
