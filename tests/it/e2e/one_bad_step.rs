//! A pipeline outlives one bad step: the others go on, `when` is followed, nothing is orphaned, and `check` names what can never be.

use crate::{
    serve::fixture::{empty, is_alive, until_file},
    support::runner::Root,
};

fn pipeline(root: &Root, steps: &str) {
    let text = format!(
        "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[pipeline]\nmax-parallel = 2\nfail-fast = false\n{steps}"
    );
    root.write("jobs/p.toml", &text);
}

/// A job that leaves what it says, and one that a check cannot know before it runs.
fn import(root: &Root) {
    let text = "manifest = 1\nname = 'made'\nkind = 'import'\n[market]\nexchange = 'demo'\nsymbol = 'BTC/USD'\n\
        timeframe = '5m'\n[import]\nsource = 'synthetic'\nfrom = '2024-01-01T00:00:00Z'\nto = '2024-01-01T01:00:00Z'\n";
    root.write("jobs/made.toml", text);
}

#[test]
fn a_reference_that_cannot_be_filled_fails_its_step_alone() {
    let root = empty();
    import(&root);
    let steps = "[[step]]\nid = 'slow'\nrun = ['sh', '-c', 'echo $$ > slow.pid; until [ -e go ]; do sleep 0.05; done; touch slow.done']\n\
        [[step]]\nid = 'c'\njob = 'made.toml'\n\
        [[step]]\nid = 'f'\nrun = ['touch', '${steps.c.out.nosuch}']\nneeds = ['c']\n\
        [[step]]\nid = 'g'\njob = 'made.toml'\nparams = { x = '${steps.c.out.nosuch}' }\nneeds = ['c']\n\
        [[step]]\nid = 'cleanup'\nrun = ['touch', 'go']\nneeds = ['c', 'f', 'g']\nwhen = 'always'\n\
        [[step]]\nid = 'answer'\nrun = ['touch', 'answered']\nneeds = ['cleanup']\nwhen = 'failure'\n";
    pipeline(&root, steps);
    root.run("check").ok();
    let ran = root.run("run p").code(1);
    ran.prints(&[
        "step slow             succeeded  exit 0\n",
        "step c                succeeded  exit 0\n",
        "step f                failed  step f: `${steps.c.out.nosuch}` has no value",
        "step g                failed  step g: `${steps.c.out.nosuch}` has no value",
        "step cleanup          succeeded  exit 0\n",
        "step answer           succeeded  exit 0\n",
    ])
    .says(&["`${steps.c.out.nosuch}` has no value"]);
    assert!(root.at("slow.done").exists() && root.at("answered").exists());
    assert!(!is_alive(&root, "slow.pid"));
}

#[test]
fn a_result_that_cannot_be_read_fails_its_step_alone() {
    let root = empty();
    // The first step makes a folder in the place of its own result.
    let first = "own=$(ls -d data/runs/p_*).a; mkdir -p $own/result.json";
    let steps = format!(
        "[[step]]\nid = 'a'\nrun = ['sh', '-c', '{first}']\n\
         [[step]]\nid = 'b'\nrun = ['touch', 'b']\n\
         [[step]]\nid = 'c'\nrun = ['touch', 'c']\nneeds = ['a', 'b']\nwhen = 'always'\n"
    );
    pipeline(&root, &steps);
    let ran = root.run("run p").code(1);
    ran.prints(&[
        "step a                failed  exit 0\n",
        "step b                succeeded  exit 0\n",
        "step c                succeeded  exit 0\n",
    ]);
}

#[test]
fn a_program_that_is_not_there_fails_its_step_alone() {
    let root = empty();
    let steps = "[[step]]\nid = 'a'\nrun = ['/no/such/program']\n\
        [[step]]\nid = 'b'\nrun = ['touch', 'b']\n\
        [[step]]\nid = 'c'\nrun = ['touch', 'c']\nneeds = ['a']\nwhen = 'always'\n";
    pipeline(&root, steps);
    root.run("run p").code(1).says(&["step a: start `/no/such/program`: No such file"]).prints(&[
        "step a                failed  start `/no/such/program`",
        "step c                succeeded  exit 0\n",
    ]);
    assert!(root.at("b").exists() && root.at("c").exists());
}

#[test]
fn check_names_references_that_can_never_be_filled() {
    let root = empty();
    root.write("jobs/e.toml", "manifest = 1\nname = 'e'\nkind = 'exec'\n[exec]\nrun = ['true']\n");
    root.write(
        "jobs/q.toml",
        "manifest = 1\nname = 'q'\nkind = 'pipeline'\n[[step]]\nid = 'x'\nrun = ['true']\n",
    );
    for (first, key, told) in [
        ("run = ['true']", "rows", "can never be filled: step `a` does not put out `rows`"),
        ("job = 'e.toml'", "rows", "it puts out exit"),
        ("job = 'e.toml'", "exot", "did you mean `exit`?"),
        ("job = 'q.toml'", "exit", "can never be filled"),
    ] {
        for place in [
            "run = ['echo', '${steps.a.out.KEY}']",
            "job = 'e.toml'\nparams = { x = 'at ${steps.a.out.KEY}' }",
        ] {
            let place = place.replace("KEY", key);
            pipeline(
                &root,
                &format!(
                    "[[step]]\nid = 'a'\n{first}\n[[step]]\nid = 'b'\n{place}\nneeds = ['a']\n"
                ),
            );
            root.run("check").code(78).says(&[told, "jobs/p.toml:"]);
            root.run("run p").code(78).says(&[told]);
        }
    }
    pipeline(
        &root,
        "[[step]]\nid = 'a'\njob = 'e.toml'\n[[step]]\nid = 'b'\nrun = ['echo', 'got ${steps.a.out.exit}']\nneeds = ['a']\n",
    );
    root.run("check").ok();
    root.run("run p").ok().prints(&["got 0\n"]);
    pipeline(&root, "[[step]]\nid = 'a'\nrun = ['true']\nwhen = 'failure'\n");
    root.run("check").code(78).says(&["it can never run"]);
}

#[test]
fn a_step_that_is_told_to_stop_by_its_pipeline_takes_along_what_left_its_group() {
    let root = empty();
    let script = "setsid sh -c 'echo $$ > far; while :; do sleep 0.05; done' & until [ -s far ]; do sleep 0.05; done; while :; do sleep 0.05; done";
    pipeline(
        &root,
        &format!("[run]\ngrace = '5s'\n[[step]]\nid = 'a'\nrun = ['sh', '-c', '''{script}''']\n"),
    );
    let run = root.call("run p").start();
    until_file(&root, "far");
    run.signal("TERM");
    run.end().code(143);
    assert!(!is_alive(&root, "far"));
}
