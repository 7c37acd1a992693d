//! `runner history`.

use mjolnir::store::runs::RunState;

use super::fixture::{alive, record, recorded};
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

/// By the figures that the runs themselves printed.
#[test]
fn runs_are_sorted_by_a_figure_they_found_out() {
    let root = Root::new();
    let live = "run live --json --run-id l -p tag=paper exchange=demo feed=synthetic from=2024-01-01T00:00:00Z to=2024-01-04T00:00:00Z";
    let out = root.run(live).ok().json()["out"].clone();
    let market = "exchange=demo symbol=BTC/USD timeframe=5m";
    let mut nets = vec![(out["net"].as_str().unwrap().parse::<f64>().unwrap(), "l".to_owned())];
    for (n, fee) in [0, 50, 5].into_iter().enumerate() {
        let call = format!(
            "run backtest --json --run-id b{n} -p tag=paper runid=r{n} {market} --set backtest.inputs=none fill.fee-bps={fee}"
        );
        let out = root.run(&call).ok().json()["out"].clone();
        nets.push((out["net"].as_str().unwrap().parse::<f64>().unwrap(), format!("b{n}")));
        assert!(out["closed_trades"].as_str().unwrap().parse::<u32>().unwrap() > 0, "{out}");
        assert!(out["fees"].is_string() && out["max_drawdown"].is_string(), "{out}");
    }
    nets.sort_by(|a, b| b.0.total_cmp(&a.0));
    let sorted: Vec<&str> = nets.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids(&root, "--sort net"), sorted);
    assert_eq!(sorted[3], "b1", "fees cost");
    let rising: Vec<&str> = sorted.iter().rev().copied().collect();
    assert_eq!(ids(&root, "--sort net --reverse"), rising);
    let best = sorted.iter().find(|id| **id != "l").unwrap();
    assert_eq!(ids(&root, "backtest --sort net -n 1"), [*best]);
    let json = root.run("history --json --sort net").ok().json();
    assert_eq!(json["runs"][0]["figures"]["net"].as_f64(), Some(nets[0].0));
    root.run("history --sort fame").code(2).says(&["--sort: `fame` is not a figure", "sharpe"]);
    root.run("history --sort sharpe").code(4);
    // A loop that ends knows the same figures as a report of its ledger.
    let made = root.run("run report --json -p tag=paper").ok().json()["out"].clone();
    let report = root.read(made["json"].as_str().unwrap());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let mut known = 0;
    for (key, value) in report["figures"].as_object().unwrap() {
        let key = if key == "trades" { "closed_trades" } else { key };
        let found = out.get(key).and_then(|text| text.as_str()).map(|text| text.parse().unwrap());
        assert_eq!(found, value.as_f64(), "{key}");
        known += usize::from(found.is_some());
    }
    assert!(known > 10, "{out}");
    assert!(out["trades"].as_str().unwrap().ends_with("trades.csv"), "{out}");
}
