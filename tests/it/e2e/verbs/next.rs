//! `runner next`.

use super::super::fixture::{NOON, ledger};
use crate::support::runner::Root;

fn job(root: &Root, name: &str, schedules: &str) {
    let head = format!("manifest = 1\nname = '{name}'\nkind = 'exec'\n[exec]\nrun = ['true']\n");
    root.write(&format!("jobs/{name}.toml"), &format!("{head}{schedules}"));
}

const BERLIN: &str =
    "[[schedule]]\nid = 'night'\ncron = '30 2 * * *'\ntimezone = 'Europe/Berlin'\njitter = '30s'\n";

fn slots(root: &Root, args: &str) -> Vec<(String, String, String)> {
    let json = root.run(&format!("next {args} --json")).ok().json();
    let all = json["schedules"].as_array().unwrap().iter();
    all.flat_map(|schedule| schedule["slots"].as_array().unwrap().clone())
        .map(|slot| {
            let text = |key: &str| slot[key].as_str().unwrap_or("-").to_owned();
            (text("utc"), text("local"), text("clock_change"))
        })
        .collect()
}

fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    rows.iter().map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect()
}

#[test]
fn slots_are_shown_on_the_clocks_of_their_zone_over_both_changes() {
    let root = Root::new();
    job(&root, "night", BERLIN);
    assert_eq!(
        slots(&root, "night --count 2 --from 2026-03-28T12:00:00Z"),
        expected(&[
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00 +02:00", "shifted"),
            ("2026-03-30T00:30:00Z", "2026-03-30 02:30 +02:00", "-"),
        ])
    );
    assert_eq!(
        slots(&root, "night --count 2 --from 2026-10-24T12:00:00Z"),
        expected(&[
            ("2026-10-25T00:30:00Z", "2026-10-25 02:30 +02:00", "first_pass"),
            ("2026-10-26T01:30:00Z", "2026-10-26 02:30 +01:00", "-"),
        ])
    );
    job(&root, "often", "[[schedule]]\ncron = '*/30 * * * *'\ntimezone = 'Europe/Berlin'\n");
    let often = slots(&root, "often --count 4 --from 2026-10-25T00:00:00Z");
    let changes: Vec<&str> = often.iter().map(|(_, _, change)| change.as_str()).collect();
    assert_eq!(changes, ["first_pass", "second_pass", "second_pass", "-"]);
    let ran = root.run("next night --count 1 --from 2026-03-28T21:48:00Z").ok();
    ran.prints(&[
        "2026-03-29T01:00:00Z  night.night  in 3h 12m  2026-03-29 03:00 +02:00 Europe/Berlin  shifted: its time does not exist that day",
        "; up to 30s later\n",
    ]);
}

/// Without the shipped jobs that have schedules.
fn unscheduled() -> Root {
    let root = Root::new();
    for name in ["drift", "eqflat", "healthcheck", "heartbeat", "report"] {
        root.remove(&format!("jobs/{name}.toml"));
    }
    root
}

#[test]
fn every_job_is_shown_with_the_values_its_schedules_give() {
    let root = unscheduled();
    job(&root, "a", "[[schedule]]\nevery = '10m'\n[[schedule]]\nid = 'up'\non = 'boot'\n");
    let params = "[params.minute]\ndefault = '5'\n\
                  [[schedule]]\ncron = '${params.minute} * * * *'\n[schedule.params]\nminute = '17'\n";
    job(&root, "b", params);
    root.run("pause b --reason moving --who eva").ok();
    let ran = root.run("next --from 2026-03-01T00:01:00Z").ok();
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 4, "{ran}");
    assert!(rows[1].starts_with("2026-03-01T00:10:00Z  a.1       in 9m"), "{ran}");
    assert!(rows[2].starts_with("2026-03-01T00:17:00Z  b.1       in 16m"), "{ran}");
    assert!(rows[2].contains("paused since ") && rows[2].ends_with("by eva: moving"), "{ran}");
    assert!(
        rows[3].starts_with("-                     a.up      when the machine starts"),
        "{ran}"
    );
    let json = root.run("next b --json").ok().json();
    assert_eq!(json["schedules"][0]["paused"]["who"], "eva");
    assert_eq!(json["schedules"][0]["slots"].as_array().map(Vec::len), Some(5));
    // One bad manifest does not hide the others.
    root.write("jobs/bad.toml", "manifest = 1\nname = 'bad'\n");
    let ran = root.run("next").code(78).says(&["`kind` is missing"]);
    assert_eq!(ran.stdout.lines().count(), 4, "{ran}");
    assert_eq!(root.run("next --json").code(78).json()["invalid"][0], "bad");
}

#[test]
fn what_has_no_slots_is_refused() {
    let root = unscheduled();
    root.run("next").code(4).says(&["no job in jobs/ has a [[schedule]]"]);
    root.run("next live").code(4).says(&["job `live` has no [[schedule]]"]);
    root.run("next nosuch").code(4).says(&["job `nosuch` does not exist"]);
    job(&root, "night", BERLIN);
    root.run("next night --from tomorrow").code(2).says(&["--from: `tomorrow` is not a time"]);
    root.run("next night --count 0").code(2).says(&["0 is not in"]);
    assert!(!root.at("data").exists(), "looking leaves nothing behind");
}

#[test]
fn a_job_is_paused_until_it_is_resumed_and_the_first_reason_stays() {
    let root = Root::new();
    let ran = root.call("pause jobs/fetch.toml --who eva --reason").arg("venue down").run().ok();
    ran.prints(&["job fetch is paused, since ", " by eva: venue down"]);
    let again = root.run("pause fetch --who max --reason later --json").ok().json();
    assert_eq!([&again["job"], &again["reason"], &again["who"]], ["fetch", "venue down", "eva"]);
    assert_eq!((&again["paused"], &again["changed"]), (&true.into(), &false.into()));
    root.run("resume live").code(4).says(&["`live` is not paused; jobs that are: fetch"]);
    let ran = root.run("resume fetch --json").ok().json();
    assert_eq!((&ran["job"], &ran["paused"]), (&"fetch".into(), &false.into()));
    root.run("resume fetch").code(4).says(&["not paused; jobs that are: none"]);
}

/// When a job was paused, by whom and why, and the same of its end, is in its history.
#[test]
fn pauses_that_are_over_are_in_the_history_of_their_job() {
    let root = Root::new();
    root.call("pause fetch --who eva --reason").arg("venue down").run().ok();
    let resumed = root.call("resume fetch --who max --reason").arg("it is up").run().ok();
    resumed.prints(&["job fetch is resumed by max: it is up\n"]);
    root.run("pause fetch --who eva --reason again").ok();
    root.run("resume fetch --who max").ok().prints(&["job fetch is resumed by max\n"]);
    let listed = root.run("history fetch").code(4).says(&["no run that is recorded"]);
    listed.prints(&[
        "fetch was paused 20",
        " by eva: again; resumed by max\n",
        " by eva: venue down; resumed by max: it is up\n",
    ]);
    let json = root.run("history fetch --json").code(4).json();
    let all = json["pauses"].as_array().unwrap();
    assert_eq!(
        (all.len(), &all[1]["ended_why"], &all[1]["ended_by"]),
        (2, &"it is up".into(), &"max".into())
    );
    assert_eq!(
        root.run("history --json").code(4).json()["pauses"].as_array().map(Vec::len),
        Some(0)
    );
    root.run("history live").code(4).says(&["no run of a job `live` is recorded"]);
}

#[test]
fn pauses_that_mean_nothing_are_refused() {
    let root = Root::new();
    root.run("pause nosuch --reason x").code(4).says(&["job `nosuch` does not exist"]);
    root.run("pause fetch").code(2).says(&["--reason"]);
    root.call("pause fetch --reason").arg(" ").run().code(2).says(&["--reason is empty"]);
    root.run("resume fetch").code(4).says(&["job `fetch` is not paused"]);
    assert!(!root.at("data").exists(), "nothing was recorded");
}

#[test]
fn resume_is_for_a_job_or_for_a_loop() {
    let root = ledger(NOON);
    root.run("resume fetch --tag paper --reason x").code(2).says(&["not both"]);
    root.run("resume --reason x").code(2).says(&["resume what?", "give --tag, or set DATA_TAG"]);
    root.run("resume --tag paper").code(2).says(&["--reason is missing"]);
    root.run("resume fetch --at now").code(2).says(&["--at has no meaning for a job"]);
    root.run("resume --tag paper --reason x --at next").ok().prints(&["resume for tag paper"]);
    root.run("pause fetch --reason x").ok();
    // A job that is named beats the variable.
    root.call("resume fetch").env("DATA_TAG", "paper").run().ok().prints(&["job fetch is resumed"]);
    let told = root.call("resume --reason x --at next --json").env("DATA_TAG", "paper").run();
    let told = told.ok().json();
    assert_eq!(told["tag"], "paper");
}
