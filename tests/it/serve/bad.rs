//! What the service is given that it must refuse, each with its exit code and its reason.

use super::fixture::{empty, end, job, serve, until_count, until_up, with};
use crate::support::runner::Root;
use mjolnir::store::runs::RunState;

#[test]
fn there_is_one_service_for_a_root() {
    let root = with("true", "[[schedule]]\nevery = \"1h\"");
    let service = serve(&root, "").start();
    until_up(&root, &service);
    let said = serve(&root, "").run().code(75);
    assert!(said.stderr.contains(&format!("pid {}", service.pid())), "{said}");
    assert!(said.stderr.contains("job runner serve"), "{said}");
    end(service).code(0);
    let service = serve(&root, "").start();
    until_up(&root, &service);
    end(service).code(0);
}

#[test]
fn jobs_that_could_not_run_are_refused_at_the_start() {
    let cases = [
        ("[[schedule]]\ncron = \"0 0 * * *\"\ntimezone = \"Mars/Olympus\"", "is not a time zone"),
        ("[[schedule]]\ncron = \"0 0 30 2 *\"", "never fires"),
        ("[[schedule]]\nevery = \"1h\"\nprofile = [\"nobody\"]", "nobody"),
        (
            "[params.x]\nrequired = true\n[run]\nlock = \"${params.x}\"\n[[schedule]]\nevery = \"1h\"",
            "param `x` is required",
        ),
    ];
    for (tables, expected) in cases {
        let said = serve(&with("true", tables), "").run().code(78);
        assert!(said.stderr.contains(expected), "{expected}: {said}");
    }
    let given = "[params.x]\nrequired = true\n[run]\nlock = \"${params.x}\"\n[[schedule]]\nevery = \"1s\"\nparams = { x = \"a\" }";
    let root = with("true", given);
    let service = serve(&root, "").start();
    until_count(&root, "j", RunState::Succeeded, 1);
    end(service).code(0);
}

#[test]
fn two_jobs_of_one_name_are_refused() {
    let root = with("true", "");
    root.write("jobs/k.toml", &job("j", "true", ""));
    let said = serve(&root, "").run().code(78);
    assert!(said.stderr.contains("jobs/j.toml and jobs/k.toml both have the name `j`"), "{said}");
}

#[test]
fn only_this_machine_may_ask_unless_told_otherwise() {
    let root = empty();
    let said = root.run("serve --listen 0.0.0.0:9464").code(2);
    assert!(said.stderr.contains("--allow-remote"), "{said}");
    root.run("serve --listen nowhere").code(2);
    root.run("serve --no-listen --max-running 0").code(2);
}

#[test]
fn damaged_records_end_the_service_untouched() {
    let root = with("true", "[[schedule]]\nevery = \"1s\"");
    root.write_bytes("data/runs/runs.sqlite", &[b'x'; 4096]);
    serve(&root, "").run().code(65).says(&["runs.sqlite"]);
    assert_eq!(root.read("data/runs/runs.sqlite"), "x".repeat(4096));
}

/// As it comes: nobody has set anything up, and what needs that is off instead of in the way.
#[test]
fn the_shipped_jobs_are_taken_before_anybody_has_set_anything_up() {
    let root = Root::new();
    let service = serve(&root, "").start();
    until_up(&root, &service);
    assert!(root.read("data/state/scheduler.json").contains("eqflat"));
    let said = end(service).code(0).to_string();
    assert!(said.contains("off: drift.1: param `path` has no value"), "{said}");
    let next = root.run("next drift").code(0);
    next.prints(&["drift.1", "off", "param `path` has no value"]);
    let shown = root.run("next drift --json").code(0).json();
    assert_eq!(shown["schedules"][0]["lacks"][0], "path");
    assert_eq!(shown["schedules"][0]["slots"].as_array().unwrap().len(), 0);
    let set = root.call("next drift --json").env("MJ_DEPLOY_PATH", "/srv/x").run().code(0).json();
    assert_eq!(set["schedules"][0]["slots"].as_array().unwrap().len(), 5);
}
