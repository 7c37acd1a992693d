//! `runner why`: every clause of every rule at a slot, with its value.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    args::{JobArgs, WhyArgs},
    flags,
    load::{facts, load},
    output::{print, print_json},
    records::Records,
    refuse::{refuse, tell},
    table::table,
    without_run::without_run,
};
use crate::{
    domain::{
        decision::{RiskState, Side},
        ids::Tag,
        time::UtcMs,
    },
    engine::{anchor::Readiness, step::SizeView},
    exit::Exit,
    jobs::{
        context::Failure,
        why::{SlotWhy, look},
    },
    language::{Clause, Kind, RuleWhy},
    manifest::{Job, Trading},
    os::mask::Mask,
};

/// Looks at a slot.
pub fn why(root: &Path, args: &WhyArgs, json: bool) -> Exit {
    let job = JobArgs { values: args.values.clone(), ..JobArgs::of(path_of(root, &args.job)) };
    let loaded = match load(root, &job, &facts()) {
        Ok(loaded) => loaded.resolved,
        Err(error) => return refuse(error, json),
    };
    let mask = Mask::new(loaded.secrets().map(str::to_owned));
    let looked = (|| {
        let (trading, own) = trading_of(&loaded.manifest.job)?;
        let tag = match flags::tag_if_given(args.tag.as_ref())? {
            Some(tag) => tag,
            None => {
                own.ok_or_else(|| usage("--tag is missing: this job has no ledger".to_owned()))?
            }
        };
        let at = flags::time("at", args.at.as_ref())?;
        without_run(root, "why", &mask, |context| look(context, trading, &tag, at))
    })();
    match looked {
        Ok(looked) if json => {
            print_json(&document(&looked));
            Exit::Ok
        }
        Ok(looked) => {
            print(&text(&looked));
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// A job, or the manifest that a run of one left.
fn path_of(root: &Path, job: &str) -> PathBuf {
    let run = Records::open(root).and_then(|records| Ok(records.find(job)?.run_id));
    let left = run.ok().map(|id| format!("data/runs/{id}/manifest.toml"));
    let is_job = root.join(format!("jobs/{job}.toml")).is_file() || root.join(job).is_file();
    match left {
        Some(left) if !is_job && root.join(&left).is_file() => PathBuf::from(left),
        Some(_) | None => PathBuf::from(job),
    }
}

/// What a job trades, and the tag of its ledger.
pub fn trading_of(job: &Job) -> Result<(&Trading, Option<Tag>), Failure> {
    let common = job.common();
    let trading = common.trading.ok_or_else(|| {
        usage("this job has no strategy: name one of kind live, backtest or eqflat".to_owned())
    })?;
    if let Job::Backtest(job) = job {
        let tag = job.tag.backtest(&job.runid).map_err(|error| usage(error.to_string()))?;
        return Ok((trading, Some(tag)));
    }
    Ok((trading, common.tag.cloned()))
}

/// A value as people read it.
pub fn shown(clause: &Clause) -> String {
    match (clause.value.is_nan(), clause.is_condition) {
        (true, _) => "unknown".to_owned(),
        (false, true) => (clause.value != 0.0).to_string(),
        (false, false) => clause.value.to_string(),
    }
}

/// Whether rules could be asked, in one word.
pub fn readiness(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Ready => "ready",
        Readiness::NotEnoughBars => "not_enough_bars",
        Readiness::CadenceFailed => "cadence_failed",
    }
}

/// Why no rule could be asked.
pub fn unready(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Ready => "something else was in the way",
        Readiness::NotEnoughBars => "there are not enough bars yet for what the rules look back at",
        Readiness::CadenceFailed => "a bar is missing among the last strategy.cadence-bars",
    }
}

fn text(looked: &SlotWhy) -> String {
    let cells: Vec<&str> = looked.row.split(',').collect();
    let cell = |n: usize| cells.get(n).copied().unwrap_or_default();
    let blocked =
        if cell(6).is_empty() { String::new() } else { format!(", blocked by {}", cell(6)) };
    let mut out = format!("{}: {} ({}){blocked}\n", looked.ts, cell(4), cell(5));
    if let Some(at) = looked.at.filter(|at| *at != looked.ts.close()) {
        let _ = writeln!(out, "{at} is not the close of a bar: this is the last slot before it");
    }
    if looked.risk != RiskState::Active.name() {
        let _ = writeln!(out, "risk: {}", looked.risk);
    }
    let Some(look) = &looked.look else {
        return out + "there was no bar, so no rule was asked\n";
    };
    let made_up = look.why.rules.iter().any(|rule| {
        rule.rule.kind == Kind::Exit && rule.rule.name == cell(5) && rule.clause.value != 1.0
    });
    if cell(4) == "exit" && made_up {
        let _ =
            writeln!(out, "made up for: the cross of this rule passed while nothing was decided");
    }
    let is_entry = cell(4).starts_with("enter") || !cell(6).is_empty();
    if let Some(SizeView { asked, allowed }) = look.size.filter(|_| is_entry) {
        let _ = writeln!(out, "size: {asked} asked, {allowed} allowed");
    }
    for event in &look.events {
        let (what, side, price, reason) =
            (event.event.name(), event.side.name(), event.price, event.event.reason());
        let _ = writeln!(out, "in this bar: {what} {side} at {price} ({reason})");
    }
    if look.readiness != Readiness::Ready {
        let _ = writeln!(out, "no rule was asked: {}", unready(look.readiness));
    }
    match look.ledger.held {
        None => out += "position: flat\n",
        Some(held) => {
            let (side, entry, bars) = (held.side.name(), held.entry_px, held.bars);
            let _ = writeln!(
                out,
                "position: {side} from {entry}, held for {bars} bars, best price {}",
                held.best_px
            );
        }
    }
    for rule in &look.why.rules {
        let _ = writeln!(out, "\n{}", heading(rule));
        let mut rows = Vec::new();
        lines(&rule.clause, 0, &mut rows);
        out += &table("  ", &rows);
    }
    if !look.why.lets.is_empty() {
        out += "\nnames\n";
        let mut rows = Vec::new();
        look.why.lets.iter().for_each(|clause| lines(clause, 0, &mut rows));
        out += &table("  ", &rows);
    }
    if !look.why.protect.is_empty() {
        out += "\ndistances\n";
        let row = |(side, name, clause): &(Side, &str, Clause)| {
            vec![shown(clause), format!("{} {name}", side.name()), clause.text.clone()]
        };
        out += &table("  ", &look.why.protect.iter().map(row).collect::<Vec<_>>());
    }
    out
}

fn heading(rule: &RuleWhy) -> String {
    let kind = match rule.rule.kind {
        Kind::Enter => "enter",
        Kind::Exit => "exit",
    };
    let asked = if rule.concerned { "" } else { ", not asked in this position" };
    format!("{kind} {}{asked}", rule.rule.name)
}

fn lines(clause: &Clause, depth: usize, rows: &mut Vec<Vec<String>>) {
    rows.push(vec![shown(clause), format!("{}{}", "  ".repeat(depth), clause.text)]);
    for part in &clause.parts {
        lines(part, depth + 1, rows);
    }
}

fn clause_json(clause: &Clause) -> Value {
    let value = match (clause.value.is_nan(), clause.is_condition) {
        (true, _) => Value::Null,
        (false, true) => (clause.value != 0.0).into(),
        (false, false) => clause.value.into(),
    };
    let parts: Vec<Value> = clause.parts.iter().map(clause_json).collect();
    json!({ "text": clause.text, "value": value, "parts": parts })
}

/// What was seen at a slot, as a document.
pub fn document(looked: &SlotWhy) -> Value {
    let rule = |rule: &RuleWhy| {
        json!({
            "rule": rule.rule.name.as_str(), "kind": match rule.rule.kind { Kind::Enter => "enter", Kind::Exit => "exit" },
            "asked": rule.concerned, "when": clause_json(&rule.clause),
        })
    };
    let look = looked.look.as_ref().map(|look| {
        let held = look.ledger.held.map(|held| {
            json!({
                "side": held.side.name(), "entry_px": held.entry_px.float(), "best_px": held.best_px,
                "bars_held": held.bars,
            })
        });
        let features: Vec<Value> = look
            .features
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": (!value.is_nan()).then_some(*value) }))
            .collect();
        let protect: Vec<Value> = look
            .why
            .protect
            .iter()
            .map(|(side, name, clause)| json!({ "side": side.name(), "key": name, "distance": clause_json(clause) }))
            .collect();
        let events: Vec<Value> = look
            .events
            .iter()
            .map(|event| {
                json!({
                    "event": event.event.name(), "side": event.side.name(),
                    "price": event.price.to_string(), "reason": event.event.reason(),
                })
            })
            .collect();
        let size = look.size.map(|SizeView { asked, allowed }| {
            json!({ "asked": asked.float(), "allowed": allowed.float() })
        });
        json!({
            "size": size, "events": events, "readiness": readiness(look.readiness), "held": held, "equity": look.ledger.equity.float(),
            "bars_since_exit": look.ledger.bars_since_exit, "stops_in_a_row": look.ledger.stops_in_a_row,
            "score": look.score, "threshold": look.threshold,
            "rules": look.why.rules.iter().map(rule).collect::<Vec<_>>(),
            "names": look.why.lets.iter().map(clause_json).collect::<Vec<_>>(),
            "protect": protect, "features": features,
        })
    });
    json!({
        "schema": "mjolnir.why/1", "ts_ms": looked.ts.ts_ms(), "row": looked.row, "look": look,
        "risk": looked.risk, "asked_ms": looked.at.map(UtcMs::get),
    })
}
