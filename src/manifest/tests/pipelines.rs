//! Steps: ids, needs, circles, and texts that wait.

use std::collections::BTreeMap;

use super::{
    super::{Job, Work},
    Case,
};

fn pipeline(steps: &str) -> Case {
    Case::new(&format!("manifest = 1\nname = 'p'\nkind = 'pipeline'\n{steps}"))
}

#[test]
fn steps_wait_for_the_outputs_of_the_steps_they_need() {
    let case = pipeline(
        "[params.tag]\ndefault = 'a${run.id}'\n[params.n]\ntype = 'integer'\n[[step]]\nid = 'p'\nrun = ['x', '$${y}', '${params.n}']\n\
         [[step]]\nid = 'a'\njob = 'unseen.toml'\n[[step]]\nid = 'b'\njob = '../other/j.toml'\nneeds = ['a']\n\
         params = { from = 'at ${steps.a.out.ts}', tag = '${params.tag}', n = 3, gone = '${params.n}', b = true, v = '${env.V}' }\n",
    )
    .env("V", "${steps.a.out.ts}");
    let Job::Pipeline(pipeline) = case.good().manifest.job else { panic!("no pipeline") };
    let outs = BTreeMap::from([("steps.a.out.ts".to_owned(), "7".to_owned())]);
    let Work::Program(argv) = &pipeline.steps[0].work else { panic!("no program") };
    let argv: Vec<_> = argv.iter().map(|t| t.fill(&outs).unwrap()).collect();
    assert_eq!(argv, ["x", "${y}"]);
    let Work::Job { path, params, .. } = &pipeline.steps[2].work else { panic!("no job") };
    assert_eq!(path, "other/j.toml");
    let filled: Vec<_> =
        params.iter().map(|(k, t)| format!("{k}={}", t.fill(&outs).unwrap())).collect();
    assert_eq!(filled, ["b=true", "from=at 7", "n=3", "tag=arun_1", "v=${steps.a.out.ts}"]);
    assert!(params["from"].fill(&BTreeMap::new()).is_err());
}

#[test]
fn what_steps_get_wrong() {
    for (steps, want) in [
        (
            "[[step]]\nid = 'a'\nrun = ['x']\nneeds = ['b']\n[[step]]\nid = 'b'\nrun = ['x']\nneeds = ['c']\n[[step]]\nid = 'c'\nrun = ['x']\nneeds = ['a']\n",
            "jobs/t.toml:15:10: steps need each other in a circle: a -> b -> c -> a (take one of the needs out)",
        ),
        (
            "[[step]]\nid = 'a'\nrun = ['x']\nneeds = ['a']\n",
            "jobs/t.toml:7:10: steps need each other in a circle: a -> a (take one of the needs out)",
        ),
        (
            "[[step]]\nid = 'fetch'\nrun = ['x']\n[[step]]\nid = 'b'\nrun = ['x']\nneeds = ['fetsh']\n",
            "jobs/t.toml:10:10: unknown step `fetsh` (did you mean `fetch`?)",
        ),
        (
            "[[step]]\nid = 'a'\nrun = ['x']\n[[step]]\nid = 'a'\nrun = ['x']\n",
            "jobs/t.toml:8:6: two steps are called `a` (rename one)",
        ),
        (
            "[[step]]\nid = 'a'\n",
            "jobs/t.toml:4:1: step `a` has nothing to run (write `job = \"other.toml\"` or `run = [\"program\", \"argument\"]`)",
        ),
        (
            "[[step]]\nid = 'a'\njob = 'j.toml'\nrun = ['x']\n",
            "jobs/t.toml:7:1: step `a` has both `job` and `run` (keep one of them; two steps do two things)",
        ),
        (
            "[[step]]\nid = 'a'\njob = '/j.toml'\n",
            "jobs/t.toml:6:7: the job of step `a`: the path must be relative, with forward slashes (write a path relative to this file)",
        ),
        (
            "[[step]]\nid = 'a'\nrun = ['x']\n[[step]]\nid = 'b'\nrun = ['${steps.a.out.k}']\n",
            "jobs/t.toml:9:9: this step does not need `a`, so its outputs may not be there (add \"a\" to `needs`)",
        ),
        (
            "[[step]]\nid = 'a'\nrun = ['${steps.z.out.k}']\n",
            "jobs/t.toml:6:9: unknown step `z` (did you mean `a`?)",
        ),
        (
            "[[step]]\nid = 'a'\nrun = ['x']\nneed = ['x']\n",
            "jobs/t.toml:7:1: unknown key `need` in [step[0]] (did you mean `needs`?)",
        ),
        (
            "",
            "jobs/t.toml:3:8: kind \"pipeline\" needs [[step]] (write [[step]], or extend a file that has it)",
        ),
    ] {
        assert_eq!(pipeline(steps).says(), want);
    }
}
