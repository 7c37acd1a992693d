//! What verbs over manifests say about schedules and names.

use mjolnir::store::runs::RunState;

use super::fixture::{record, recorded};
use crate::support::runner::Root;

fn job(name: &str, rest: &str) -> String {
    format!("manifest = 1\nname = '{name}'\nkind = 'exec'\n[exec]\nrun = ['true']\n{rest}")
}

#[test]
fn two_jobs_of_one_name_are_an_error_of_the_second_file() {
    let root = Root::new();
    root.write("jobs/a.toml", &job("same", ""));
    root.write("jobs/b.toml", &job("same", ""));
    let ran = root.run("check").code(78);
    ran.says(&["jobs/b.toml:2", "the job of jobs/a.toml is called `same` too", "another name"]);
    let json = root.run("check --json").code(78).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{json}");
    assert_eq!((&problems[0]["file"], &problems[0]["line"]), (&"jobs/b.toml".into(), &2.into()));
    root.run("check jobs/b.toml").ok();
    root.remove("jobs/a.toml");
    root.run("check").ok();
}

#[test]
fn the_list_has_the_schedules_in_short() {
    let root = Root::new();
    let schedules = "[[schedule]]\ncron = '17 3 * * *'\ntimezone = 'Europe/Berlin'\n[[schedule]]\nid = 'b'\nevery = '10m'\n\
                     [[schedule]]\nid = 'c'\non = 'boot'\n";
    root.write("jobs/a.toml", &job("a", schedules));
    root.write("jobs/bad.toml", "manifest = 1\n");
    let ran = root.run("list").ok();
    let row = |name: &str| ran.stdout.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("jobs/a.toml ").contains("  17 3 * * *, every 10m, on boot"), "{ran}");
    assert!(row("jobs/bad.toml ").contains("  invalid: `runner check`"), "{ran}");
    assert!(row("jobs/live.toml ").contains("  -  "), "{ran}");
    let json = root.run("list --json").ok().json();
    assert_eq!(json["jobs"][0]["schedules"][1], "every 10m");
}

#[test]
fn hidden_files_are_not_manifests_whatever_an_editor_leaves() {
    let root = Root::new();
    for name in root.list("jobs").into_iter().filter(|name| name != "live.toml") {
        root.remove(&format!("jobs/{name}"));
    }
    root.write("jobs/t.toml", &job("t", "[[schedule]]\nevery = '1h'\n"));
    // A lock of Emacs, which is a link to nowhere; a swap file; a copy of a synchroniser; a backup.
    root.shell("ln -s someone@host.1:2 'jobs/.#t.toml'").code(0);
    root.write("jobs/.t.toml", "half a li");
    root.write("jobs/.t.toml.swp", "\0");
    root.write("jobs/.syncthing.t.toml", &job("t", ""));
    root.write("jobs/t.toml~", &job("t", ""));
    root.shell("ln -s nowhere profiles/.#base.toml").code(0);
    root.run("check jobs").ok().prints(&["2 manifests are valid"]);
    root.shell("ln -s nowhere strategies/.#golden.toml").code(0);
    root.run("check").ok().prints(&["8 manifests are valid"]);
    let listed = root.run("list").ok();
    assert_eq!(listed.stdout.lines().count(), 2, "{listed}");
    root.run("next").ok().prints(&["t.1"]);
    let service = root.call("serve --no-listen").start();
    crate::serve::fixture::until_up(&root, &service);
    service.signal("HUP");
    let log = || root.read("data/state/scheduler.log");
    crate::serve::fixture::until("it reads them again", || {
        log().contains("reload: 1 schedules of 2 jobs")
    });
    crate::serve::fixture::end(service).code(0);
    // Who asks for one by its name means it.
    root.run("check jobs/.t.toml").code(78);
}

#[test]
fn a_retry_that_never_happens_is_told_and_programs_are_tried_again() {
    let root = Root::new();
    let retry = "[run.retry]\nattempts = 3\n";
    let on = |job: &str| {
        let shown = root.run(&format!("explain {job}")).code(0).stdout;
        let line = shown.lines().find(|line| line.starts_with("run.retry.on")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{shown}"))
    };
    root.write("jobs/a.toml", &job("a", retry));
    root.run("check jobs/a.toml")
        .code(0)
        .says(&["`run.retry.attempts` does nothing", "no [[schedule]]"]);
    assert!(on("a").contains("failed"), "{}", on("a"));
    root.write("jobs/a.toml", &job("a", &format!("{retry}[[schedule]]\non = 'start'\n")));
    root.run("check jobs/a.toml").ok();
    root.write("jobs/a.toml", &job("a", &format!("{retry}on = []\n[[schedule]]\non = 'start'\n")));
    root.run("check jobs/a.toml").code(0).says(&["`run.retry.on` names no failure"]);
    root.write(
        "jobs/a.toml",
        &job("a", &format!("{retry}on = ['io']\n[[schedule]]\non = 'start'\n")),
    );
    assert!(!on("a").contains("failed"), "what is written counts");
    assert!(!on("eqflat").contains("failed"), "a verdict stays what it is");
    root.write(
        "jobs/p.toml",
        &format!("manifest = 1\nname = 'p'\nkind = 'pipeline'\n{retry}[[step]]\nid = 'a'\nrun = ['true']\n[[schedule]]\non = 'start'\n"),
    );
    assert!(on("p").contains("failed"));
}

const VERBS: [&str; 5] = ["history", "logs", "stop x", "retry x", "logs x -f"];

#[test]
fn where_nothing_ever_ran_there_is_nothing_to_show() {
    let root = Root::new();
    for verb in VERBS {
        root.run(verb).code(4).says(&["no run is recorded here"]);
        assert_eq!(root.run(&format!("{verb} --json")).code(4).json()["schema"], "mjolnir.error/1");
    }
    assert!(!root.at("data").exists(), "looking leaves nothing behind");
}

#[test]
fn a_damaged_database_is_bad_data_and_the_message_says_what_to_do() {
    let root = Root::new();
    root.write("data/runs/runs.sqlite", &"x".repeat(4096));
    for verb in VERBS.into_iter().chain(["status", "pause live --reason x", "resume live"]) {
        root.run(verb).code(65).says(&["runs.sqlite", "move it away together with its -wal"]);
    }
}

#[test]
fn verbs_that_look_work_beside_a_writer_and_those_that_write_give_up_in_time() {
    let root = Root::new();
    recorded(
        &root,
        &[record("r1", "live", RunState::Failed, 5), record("q1", "live", RunState::Queued, 6)],
    );
    let other = rusqlite::Connection::open(root.at("data/runs/runs.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    root.run("history").ok().prints(&["r1"]);
    root.run("status").ok().prints(&["q1"]);
    let busy =
        ["another process has kept it locked for more than 5 s", "look for a runner that hangs"];
    root.run("pause live --reason x").code(75).says(&busy);
    root.run("stop q1").code(75).says(&busy);
    other.execute_batch("ROLLBACK").unwrap();
    root.run("stop q1").ok();
}
