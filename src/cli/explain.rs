//! `runner explain`: every value of a job and where it comes from, and what its rules come to.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    args::JobArgs,
    load::{facts, load},
    output::{print, print_json},
    refuse::refuse,
    why::trading_of,
};
use crate::{
    domain::time::DAY_MS,
    engine::anchor::Blocks,
    exit::Exit,
    jobs::venue::{FirstStart, Late},
    language::{self, Derivation},
    manifest::{ExplainRow, Job},
    os::mask::Mask,
};

pub fn explain(root: &Path, args: &JobArgs, json: bool) -> Exit {
    let loaded = match load(root, args, &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, json),
    };
    let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
    let mut rows = loaded.resolved.explain();
    for row in &mut rows {
        row.value = mask.apply(&row.value);
    }
    if json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "path": row.path, "value": row.value, "origin": row.origin }))
            .collect();
        print_json(&json!({ "schema": "mjolnir.explain/1", "values": rows }));
        return Exit::Ok;
    }
    let width = |text: fn(&ExplainRow) -> &str| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0).min(48)
    };
    let rules = explained_rules(&loaded.resolved.manifest.job);
    let (path_width, value_width) = (width(|row| &row.path), width(|row| &row.value));
    let mut text = String::new();
    for row in &rows {
        let _ =
            writeln!(text, "{:path_width$}  {:value_width$}  {}", row.path, row.value, row.origin);
    }
    text.push_str(&rules);
    print(&text);
    Exit::Ok
}

/// What the rules of a job come to: how large they are, and how many bars they look back and why; nothing without rules.
fn explained_rules(job: &Job) -> String {
    let Ok((trading, _)) = trading_of(job) else { return String::new() };
    let timeframe = trading.series.timeframe();
    let values = language::Values::new();
    let Ok(rules) = language::CheckedStrategy::new(&trading.rules, &values, timeframe, &[]) else {
        return String::new();
    };
    let bars = rules.warm_up_bars();
    let told = match job {
        Job::Live(job) => job.live.horizon_bars,
        _ => None,
    };
    let start = FirstStart::new(&trading.series, bars, told);
    let blocks = Blocks::new(timeframe, bars, trading.cadence_bars);
    let block_days = blocks.block_ms() / DAY_MS;
    let names = rules.features().names().join("; ");
    let model = if trading.model.is_some() { ", beside those of the model" } else { "" };
    let mut text = format!(
        "\nrules: {}, {} operations\nfeatures{model}: {names}\n\
         warm-up: {}{model}\n",
        rules.rules().len(),
        rules.operations(),
        start.needs(),
    );
    derived(rules.warm_up(), 1, &mut text);
    let _ = writeln!(
        text,
        "a slot is answered by indicators that began one to two blocks of {block_days} days before: a start loads up to {} days of bars",
        2 * block_days
    );
    if let Some(gives) = start.gives() {
        let _ = writeln!(text, "{gives}");
    }
    if let Some(Late { message, command }) = start.late() {
        let _ = writeln!(text, "{message}; bring in older bars first:\n  {command}");
    }
    text
}

fn derived(of: &Derivation, depth: usize, text: &mut String) {
    let how = if of.how.is_empty() { String::new() } else { format!(", {} of its own", of.how) };
    let _ = writeln!(text, "{}{} looks back {} bars{how}", "  ".repeat(depth), of.text, of.lag);
    for part in &of.parts {
        derived(part, depth + 1, text);
    }
}
