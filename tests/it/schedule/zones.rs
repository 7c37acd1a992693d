//! Cron lines against Python's zoneinfo, which knows the same clocks and none of our code: what is due over three years.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

use mjolnir::{
    domain::{
        cadence::{Cadence, ClockGap},
        time::UtcMs,
    },
    store::digest::sha256_hex,
};
use serde_json::{Value, json};

const ORACLE: &str = include_str!("zones.py");
/// Zones of every kind of change: an hour, half an hour, two hours, backwards in summer, at midnight, in a month of fasting, at the date line,
/// by law on one day, and never.
const ZONES: [&str; 16] = [
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Almaty",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
];
const LINES: [&str; 8] = [
    "30 2 * * *",
    "0 2,14 * * *",
    "0,30 0,1,2,3 * * *",
    "15,45 */2 * * *",
    "*/20 1-3 * * *",
    "17 * * * *",
    "0 0 * * *",
    "5,35 2,23 * * 0",
];
/// Three years of which the laws are known by now.
const FROM: &str = "2022-12-31T12:00:00Z";
const TO: &str = "2025-12-31T12:00:00Z";

/// What the oracle says, line by line; `None` where there is no Python that knows zones.
#[expect(clippy::disallowed_methods, reason = "the oracle is another program")]
fn ask(question: &Value) -> Option<Vec<String>> {
    let python = std::env::var_os("MJOLNIR_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    command.args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (text, mut stdin) = (question.to_string(), child.stdin.take().unwrap());
    let writer = thread::spawn(move || stdin.write_all(text.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().map(str::to_owned).collect())
}

fn slots(zone: &str, line: &str, gap: &str) -> Vec<String> {
    let gap = if gap == "skip" { ClockGap::Skip } else { ClockGap::Shift };
    let cadence = Cadence::Cron { cron: line.parse().unwrap(), zone: zone.parse().unwrap(), gap };
    let (from, to): (UtcMs, UtcMs) = (FROM.parse().unwrap(), TO.parse().unwrap());
    cadence.between(from, to).map(|at| at.get().to_string()).collect()
}

fn question(cases: &[Value], whole: bool) -> Value {
    let ms = |text: &str| text.parse::<UtcMs>().unwrap().get();
    json!({ "from": ms(FROM), "to": ms(TO), "cases": cases, "whole": whole })
}

/// `MJOLNIR_ZONES=all` takes every zone that both sides know.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "a test says why it is skipped, and which zones it leaves out"
)]
fn every_line_in_every_zone_is_due_when_zoneinfo_says() {
    let Some(names) = ask(&json!({ "names": true })).filter(|names| names.len() > 300) else {
        eprintln!("skipped: python3 with zoneinfo and its zones is not there");
        return;
    };
    let all = std::env::var_os("MJOLNIR_ZONES").is_some();
    let is_known = |name: &&str| names.iter().any(|known| known == name);
    let ours = |name: &&str| name.parse::<mjolnir::domain::zone::Zone>().is_ok();
    let zones: Vec<&str> = if all {
        let (ours, others): (Vec<&str>, _) = names.iter().map(String::as_str).partition(ours);
        eprintln!("{} zones; not known here: {others:?}", ours.len());
        ours
    } else {
        ZONES.into_iter().filter(is_known).collect()
    };
    let cases: Vec<Value> = zones
        .iter()
        .flat_map(|zone| LINES.map(|line| (zone, line)))
        .flat_map(|(zone, line)| ["shift", "skip"].map(|gap| json!([zone, line, gap])))
        .collect();
    let answers = ask(&question(&cases, false)).unwrap();
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let [zone, line, gap] = [0, 1, 2].map(|n| case[n].as_str().unwrap());
        let slots = slots(zone, line, gap);
        let ours = json!([zone, line, gap, slots.len(), sha256_hex(slots.join("\n").as_bytes())]);
        if serde_json::from_str::<Value>(answer).unwrap() != ours {
            wrong.push((case, slots));
        }
    }
    let told: Vec<String> =
        wrong.iter().take(10).map(|(case, slots)| first_difference(case, slots)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), told.join("\n"));
}

fn first_difference(case: &Value, ours: &[String]) -> String {
    let answer = ask(&question(std::slice::from_ref(case), true)).unwrap();
    let answer: Value = serde_json::from_str(&answer[0]).unwrap();
    let theirs: Vec<&str> = answer[4].as_str().unwrap().lines().collect();
    let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    let at = at.unwrap_or(ours.len().min(theirs.len()));
    let shown = |text: Option<&str>| {
        let ms = text.and_then(|text| text.parse::<i64>().ok());
        ms.map_or("none".to_owned(), |ms| UtcMs::new(ms).unwrap().to_string())
    };
    let (ours, theirs) = (shown(ours.get(at).map(String::as_str)), shown(theirs.get(at).copied()));
    format!("{case}: here {ours}, zoneinfo {theirs}")
}
