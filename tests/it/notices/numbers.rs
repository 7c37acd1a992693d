//! `/metrics` against ledgers of real runs, and against the records.

use std::collections::BTreeMap;

use mjolnir::{
    domain::time::UtcMs,
    serve::run_metrics::TurnMetrics,
    store::runs::{Pause, RunRecord, RunState},
};

use super::{
    fixture::{BUILD, LONG, at, manifest, notifier, observe, run, store},
    openmetrics::{Samples, read},
    pages::{pages, send},
};
use crate::{
    e2e::fixture::{EVENING, NOON, decisions, ledger, live},
    support::runner::Root,
};

const LOOP: &str = "exchange=\"demo\",symbol=\"BTC/USD\",tag=\"paper\",timeframe=\"5m\"";

fn samples(address: std::net::SocketAddr) -> Samples {
    let accept = "Accept: application/openmetrics-text";
    let answer =
        send(address, &format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n{accept}\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    read(body).unwrap_or_else(|why| panic!("{why}\n{body}"))
}

/// What an operator's awk counts.
fn counted(root: &Root, program: &str, file: &str) -> BTreeMap<String, f64> {
    let ran = root.shell(&format!("awk -F, '{program}' {file}")).code(0);
    let pair = |line: &str| {
        let (name, n) = line.split_once(' ').unwrap();
        (name.to_owned(), n.parse().unwrap())
    };
    ran.stdout.lines().map(pair).collect()
}

/// Samples of one metric by the value of one label.
fn by(samples: &Samples, metric: &str, label: &str) -> BTreeMap<String, f64> {
    let of = |name: &str| {
        let labels = name.strip_prefix(metric)?.strip_prefix('{')?;
        let (_, rest) = labels.split_once(&format!("{label}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    samples.iter().filter_map(|(name, value)| Some((of(name)?, *value))).collect()
}

fn agrees(root: &Root, samples: &Samples) {
    let file = decisions("paper");
    let all = counted(root, "NR>1 {n[$5]++} END {for (d in n) print d, n[d]}", &file);
    assert_eq!(by(samples, "mjolnir_loop_decisions_total", "decision"), all);
    let skips = "NR>1 && $5==\"skip\" {n[$6]++} END {for (r in n) print r, n[r]}";
    assert_eq!(by(samples, "mjolnir_loop_skips_total", "reason"), counted(root, skips, &file));
    let timing = file.replace("decisions.csv", "timing.csv");
    let late = counted(root, "NR>1 && $4>300000 {n++} END {print \"late\", n+0}", &timing);
    assert_eq!(samples[&format!("mjolnir_loop_late_decisions_total{{{LOOP}}}")], late["late"]);
    assert_eq!(samples[&format!("mjolnir_loop_bad_rows_total{{{LOOP}}}")], 0.0);
    let last = root.read(&file);
    let last: Vec<&str> = last.lines().last().unwrap().split(',').collect();
    let ts_ms: f64 = last[3].parse().unwrap();
    let of = |name: &str| samples[&format!("mjolnir_loop_{name}{{{LOOP}}}")];
    assert_eq!(of("last_slot_timestamp_seconds"), ts_ms / 1000.0);
    assert!(of("last_decision_age_seconds") > 1e7, "{}", of("last_decision_age_seconds"));
    assert_eq!(of("equity"), last[12].parse::<f64>().unwrap());
    let side = BTreeMap::from([("flat", 0.0), ("long", 1.0), ("short", -1.0)]);
    assert_eq!(of("position"), side[last[8]]);
    let risk = by(samples, "mjolnir_loop_risk_state", "state");
    let expected = ["ACTIVE", "HALTED", "REDUCING"]
        .map(|state| (state.to_owned(), f64::from(u8::from(state == last[13]))));
    assert_eq!(risk, BTreeMap::from(expected));
}

#[test]
fn loops_are_counted_as_their_ledgers_grow() {
    let root = ledger(NOON);
    let (server, _) = pages(&root);
    agrees(&root, &samples(server.address()));
    let rows =
        |s: &Samples| by(s, "mjolnir_loop_decisions_total", "decision").values().sum::<f64>();
    let noon = rows(&samples(server.address()));
    assert!(noon > 100.0);
    live(&root, "paper", EVENING).run().ok();
    let evening = samples(server.address());
    agrees(&root, &evening);
    assert!(rows(&evening) > noon);

    // Rows that were read are not read again: what is broken in place stays as it was counted.
    let file = decisions("paper");
    let whole = root.read(&file);
    root.write(&file, &whole.replace(",hold,", ",HOLD,"));
    assert_eq!(
        by(&samples(server.address()), "mjolnir_loop_decisions_total", "decision"),
        by(&evening, "mjolnir_loop_decisions_total", "decision")
    );

    // Half a row is none yet.
    let row = whole.lines().last().unwrap();
    root.write(&file, &format!("{whole}{}", &row[..20]));
    assert_eq!(rows(&samples(server.address())), rows(&evening));
    root.write(&file, &format!("{whole}{row}\n"));
    assert_eq!(rows(&samples(server.address())), rows(&evening) + 1.0);

    // A line that is no row is counted as that, and a ledger in its place is another one.
    root.write(&file, &format!("{whole}{row}\n,,,\"\u{1b}[31m\n"));
    let bad = samples(server.address());
    assert_eq!(bad[&format!("mjolnir_loop_bad_rows_total{{{LOOP}}}")], 1.0);
    let short = whole.lines().take(11).collect::<Vec<_>>().join("\n") + "\n";
    root.write(&file, &short);
    assert_eq!(rows(&samples(server.address())), 10.0);
    root.remove(&file);
    assert!(by(&samples(server.address()), "mjolnir_loop_equity", "tag").is_empty());
}

#[test]
fn the_service_and_its_runs_are_shown() {
    let root = Root::new();
    let (server, board) = pages(&root);
    let before = samples(server.address());
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(before["mjolnir_incidents_open"], 0.0);
    let now = UtcMs::new(1_700_000_000_000).unwrap();
    let schedules = vec![("fetch.1".to_owned(), now), ("od\\d\".\n1".to_owned(), now)];
    board.turned(TurnMetrics {
        jobs: Some(2),
        running: 1,
        queued: 4,
        rebuilds: 5,
        schedules,
        furthest: None,
    });
    let records = store(&root);
    let notifier = notifier(&root, &manifest(""));
    for (minute, state) in [
        (1, RunState::Succeeded),
        (2, RunState::Succeeded),
        (3, RunState::Failed),
        (4, RunState::Missed),
        (5, RunState::SkippedOverlap),
    ] {
        let run = RunRecord { started: at(minute).plus_ms(1_500), ..run(minute, state) };
        observe(&root, &notifier, &run, &manifest(""));
        board.observe(&run);
    }
    notifier.end(LONG);
    let pause = Pause { reason: "x".into(), who: "y".into(), since: now, until: None };
    records.pause("fetch", &pause).unwrap();
    let found = samples(server.address());
    for (name, value) in [
        (format!("mjolnir_build_info{{build=\"{BUILD}\",version=\"0.1.0\"}}"), 1.0),
        ("mjolnir_scheduler_rebuilds_total".to_owned(), 5.0),
        ("mjolnir_jobs_loaded".to_owned(), 2.0),
        ("mjolnir_runs_running".to_owned(), 1.0),
        ("mjolnir_runs_queued".to_owned(), 4.0),
        ("mjolnir_jobs_paused".to_owned(), 1.0),
        ("mjolnir_incidents_open".to_owned(), 2.0),
        ("mjolnir_run_records{job=\"fetch\",state=\"succeeded\"}".to_owned(), 2.0),
        ("mjolnir_run_records{job=\"fetch\",state=\"missed\"}".to_owned(), 1.0),
        ("mjolnir_runs_ended_total{job=\"fetch\",state=\"succeeded\"}".to_owned(), 2.0),
        ("mjolnir_runs_ended_total{job=\"fetch\",state=\"skipped_overlap\"}".to_owned(), 1.0),
        // Three ran, each for four seconds, one and a half seconds after its slot.
        ("mjolnir_run_duration_seconds_count{job=\"fetch\"}".to_owned(), 3.0),
        ("mjolnir_run_duration_seconds_sum{job=\"fetch\"}".to_owned(), 12.0),
        ("mjolnir_run_start_lateness_seconds_sum{job=\"fetch\"}".to_owned(), 4.5),
        ("mjolnir_run_start_lateness_seconds_bucket{job=\"fetch\",le=\"1.0\"}".to_owned(), 0.0),
        ("mjolnir_run_start_lateness_seconds_bucket{job=\"fetch\",le=\"2.0\"}".to_owned(), 3.0),
    ] {
        assert_eq!(found.get(&name), Some(&value), "{name} in {found:#?}");
    }
    let ages = by(&found, "mjolnir_schedule_watermark_age_seconds", "schedule");
    assert!(ages.len() == 2 && ages["fetch.1"] > 1e7, "{ages:?}");
    assert!(found["mjolnir_scheduler_tick_age_seconds"] < 600.0);
}
