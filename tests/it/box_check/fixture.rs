//! A box with a short LIVE ledger, and what the job says about it.

use serde_json::Value as Json;

use crate::{
    e2e::fixture::{EVENING, ledger},
    support::{ran::Ran, runner::Root},
};

/// A box that has been live on made-up bars for some hours.
pub fn sound() -> Root {
    ledger(EVENING)
}

/// The results of some parts, and how the job ended.
pub fn check(root: &Root, parts: &str) -> (Json, Ran) {
    let parts: Vec<String> = parts.split_whitespace().map(|part| format!("\"{part}\"")).collect();
    let only = format!("check.only=[{}]", parts.join(","));
    let call = root.call("run check --json -p tag=paper exchange=demo --set").arg(&only);
    let ran = call.run();
    (ran.json()["report"].clone(), ran)
}

/// One check by its name.
pub fn one<'a>(report: &'a Json, name: &str) -> &'a Json {
    let all = report["checks"].as_array().unwrap_or_else(|| panic!("no checks: {report}"));
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {report}"))
}

/// Its level and its value.
pub fn said<'a>(report: &'a Json, name: &str) -> (&'a str, &'a str) {
    let one = one(report, name);
    (one["level"].as_str().unwrap(), one["value"].as_str().unwrap())
}
