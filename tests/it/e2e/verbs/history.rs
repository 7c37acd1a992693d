//! `runner history`.

use mjolnir::store::runs::RunState;

use super::fixture::{record, recorded};
use crate::support::runner::Root;

const DAY: i64 = 86_400_000;
const START: i64 = 1_772_323_200_000;

fn some() -> Root {
    let root = Root::new();
    let mut live = record("live_1", "live", RunState::Cancelled, START + 2 * DAY);
    live.kind = "live".into();
    recorded(
        &root,
        &[
            record("fetch_1", "fetch", RunState::Succeeded, START),
            record("fetch_2", "fetch", RunState::TimedOut, START + DAY),
            live,
            record("other_1", "other", RunState::Missed, START + 3 * DAY),
        ],
    );
    root
}

fn ids(root: &Root, args: &str) -> Vec<String> {
    let ran = root.run(&format!("history {args}")).ok();
    let listed: Vec<String> = ran
        .stdout
        .lines()
        .skip(1)
        .step_by(2)
        .map(|line| line.split_whitespace().nth(4).unwrap_or_default().to_owned())
        .collect();
    let json = root.run(&format!("history --json {args}")).ok().json();
    let runs = json["runs"].as_array().unwrap();
    let told: Vec<&str> = runs.iter().filter_map(|run| run["run_id"].as_str()).collect();
    assert_eq!(listed, told);
    listed
}

#[test]
fn runs_are_selected_by_job_state_kind_time_and_number() {
    let root = some();
    assert_eq!(ids(&root, ""), ["other_1", "live_1", "fetch_2", "fetch_1"]);
    assert_eq!(ids(&root, "fetch"), ["fetch_2", "fetch_1"]);
    assert_eq!(ids(&root, "jobs/fetch.toml"), ["fetch_2", "fetch_1"]);
    assert_eq!(ids(&root, "--state timed_out"), ["fetch_2"]);
    assert_eq!(ids(&root, "--kind live"), ["live_1"]);
    assert_eq!(ids(&root, "--since 2026-03-03T00:00:00Z"), ["other_1", "live_1"]);
    assert_eq!(ids(&root, "-n 1"), ["other_1"]);
    assert_eq!(ids(&root, "fetch --last 1 --since 36500d"), ["fetch_2"]);
    let json = root.run("history fetch --json -n 1").ok().json();
    let run = &json["runs"][0];
    assert_eq!((&run["state"], &run["attempt"]), (&"timed_out".into(), &1.into()));
    assert_eq!(run["ended_ms"], START + DAY + 1500);
}

#[test]
fn columns_stay_where_awk_looks_for_them() {
    let root = some();
    let ran = root.shell(&format!(
        "{} history | awk '/^[0-9]/{{print $2 \",\" $3 \",\" $4 \",\" $5}}'",
        env!("CARGO_BIN_EXE_runner")
    ));
    let ran = ran.ok();
    let first = "missed,0,1.5s,other_1";
    assert_eq!(ran.stdout.lines().next(), Some(first), "{ran}");
    assert!(ran.stdout.lines().any(|line| line == "timed_out,0,1.5s,fetch_2"), "{ran}");
    let text = root.run("history").ok().stdout;
    let lines: Vec<&str> = text.lines().take(3).collect();
    assert!(lines[0].starts_with("START                 STATE      EXIT  TOOK  RUN"), "{text}");
    assert!(lines[2].starts_with("  other: summary"), "{text}");
}

#[test]
fn bad_words_are_refused_with_what_is_known() {
    let root = some();
    root.run("history --state late").code(2).says(&["--state: `late` is not a state", "missed"]);
    root.run("history --kind late").code(2).says(&["`late` is not a kind", "pipeline"]);
    root.run("history --since 24").code(2).says(&["`24` has no unit", "24h"]);
    root.run("history --since yesterday").code(2).says(&["`yesterday` is not a time"]);
    root.run("history -n 0").code(2).says(&["0 is not in"]);
    root.run("history nosuch").code(4).says(&["no run of a job `nosuch` is recorded"]);
    root.run("history --state lost").code(4).says(&["no run that is recorded here matches"]);
    let none = root.run("history --state lost --json").code(4).json();
    assert_eq!(none["runs"].as_array().map(Vec::len), Some(0));
    assert_eq!(root.run("history --state late --json").code(2).json()["exit"], 2);
}
