//! `runner retry`.

use mjolnir::store::runs::RunState;

use super::fixture::{alive, record, recorded};
use crate::support::runner::Root;

const JOB: &str = "manifest = 1\nname = 'say'\nkind = 'exec'\n[params.word]\nrequired = true\n[params.expect]\ndefault = 0\ntype = 'integer'\n\
                   [secrets.token]\nfrom = 'env'\nname = 'TOKEN'\nrequired = false\n\
                   [exec]\nrun = ['echo', '${params.word}']\nexpect-exit = '${params.expect}'\n[exec.env]\nT = '${secrets.token}'\n";

#[test]
fn a_run_is_repeated_with_what_it_was_given_and_names_the_old_one() {
    let root = Root::new();
    root.write("jobs/say.toml", JOB);
    root.call("run say --run-id r1 --timeout 1h --set description=x -p").arg("word=a b").run().ok();
    root.run("retry r1").ok().prints(&["a b\n"]);
    let json = root.run("retry r1 --json").ok().json();
    assert_eq!(json["schema"], "mjolnir.run/1");
    let runs = root.run("history say --json").ok().json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(3));
    assert_eq!([&runs["runs"][0]["retry_of"], &runs["runs"][1]["retry_of"]], ["r1", "r1"]);
    let id = runs["runs"][0]["run_id"].as_str().unwrap();
    let info = root.read(&format!("data/runs/{id}/run.json"));
    assert!(info.contains("\"timeout\": \"1h\""), "{info}");
    // The new run ends as it ends.
    root.run("run say --run-id r2 -p word=x expect=3").code(1);
    root.run("retry r2").code(1).says(&["expected 3"]);
    assert_eq!(root.run("retry r2 --json").code(1).json()["exit"], 1);
}

#[test]
fn what_cannot_be_repeated_is_refused() {
    let root = Root::new();
    root.write("jobs/say.toml", JOB);
    root.call("run say --run-id r1 -p word=abc123").env("TOKEN", "abc123").run().ok();
    let ran = root.call("retry r1").env("TOKEN", "abc123").run().code(2);
    ran.says(&["-p word had a secret, which was not kept", "runner run say"]);
    recorded(&root, &[record("m1", "say", RunState::Missed, 5)]);
    root.run("retry m1").code(4).says(&["run m1 never started"]);
    root.run("retry nosuch").code(4).says(&["`nosuch` is neither a run nor a job"]);
    let _lock = alive(&root, "a1", "say", 7);
    root.run("retry a1").code(75).says(&["run a1 is not over, it is running"]);
    root.write("data/runs/m1/run.json", "{\"schema\": 1}");
    root.run("retry m1").code(65).says(&["run.json", "an older build made it"]);
    root.write("data/runs/m1/run.json", "{");
    assert_eq!(root.run("retry m1 --json").code(65).json()["exit"], 65);
}
