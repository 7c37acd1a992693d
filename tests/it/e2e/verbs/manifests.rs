//! What verbs over manifests say about schedules and names.

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
