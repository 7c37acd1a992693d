//! `/loops/TAG/SYMBOL/TIMEFRAME/why`: every clause of every rule at a slot, as `runner why` has it.

use std::path::PathBuf;

use maud::{Markup, html};

use super::{
    desk::{Desk, DeskLedger},
    jobs::refusal,
    words::{StatusSign, safe, time, verdict},
};
use crate::{
    cli::{
        args::JobArgs,
        load::{facts, load},
        why::{document, readiness, shown, trading_of, unready},
    },
    domain::{ids::Tag, time::UtcMs},
    engine::{anchor::Readiness, step::SlotView},
    exit::Exit,
    jobs::{
        context::Failure,
        ledgers::JobSubject,
        why::{SlotWhy, look},
    },
    language::{Clause, Kind, RuleWhy},
    os::mask::Mask,
    report::number::{price, significant},
    store::runs::RunFilter,
};

/// Runs among which the one is looked for that a ledger was made by.
const RUNS_MAX: u32 = 200;

/// Plays the ledger again up to a slot.
pub fn looked(desk: &Desk, place: &DeskLedger, at: Option<UtcMs>) -> Result<SlotWhy, Failure> {
    let manifest = manifest_of(desk, place)?;
    let loaded = load(&desk.root, &JobArgs::of(manifest), &facts());
    let loaded = loaded.map_err(|error| refusal(&error))?.resolved;
    let mask = Mask::new(loaded.secrets().map(str::to_owned));
    let (trading, _) = trading_of(&loaded.manifest.job)?;
    desk.heavy(|| desk.within("why", &mask, |context| look(context, trading, &place.tag, at)))
}

/// The manifest of the newest run that wrote to this ledger, as it ran.
fn manifest_of(desk: &Desk, place: &DeskLedger) -> Result<PathBuf, Failure> {
    let tag = place.tag.as_str();
    let live: Option<Tag> = tag.split_once("_bt_").and_then(|(live, _)| live.parse().ok());
    let kinds: &[&str] = if live.is_some() { &["backtest", "eqflat"] } else { &["live"] };
    let owner = live.as_ref().map_or(tag, Tag::as_str);
    for kind in kinds {
        let filter = RunFilter {
            kind: Some((*kind).to_owned()),
            limit: Some(RUNS_MAX),
            ..RunFilter::default()
        };
        for run in desk.records(|store| store.list(&filter))?.unwrap_or_default() {
            let about = JobSubject::of_run(&desk.disk, &desk.layout, &run.run_id);
            if about.tag.as_deref() == Some(owner)
                && about.market.as_deref() == Some(&place.series.to_string())
            {
                return Ok(PathBuf::from(format!("data/runs/{}/manifest.toml", run.run_id)));
            }
        }
    }
    let message = format!(
        "the folder of the run that wrote this ledger is gone, so its settings are not known here: type `runner why JOB --tag {tag}`"
    );
    Err(Failure::new(Exit::Nothing, message))
}

/// The same as a document.
pub fn json(
    desk: &Desk,
    place: &DeskLedger,
    at: Option<UtcMs>,
) -> Result<serde_json::Value, Failure> {
    Ok(document(&looked(desk, place, at)?))
}

/// The page.
pub fn body(desk: &Desk, place: &DeskLedger, at: Option<UtcMs>) -> Result<Markup, Failure> {
    let looked = looked(desk, place, at)?;
    let cells: Vec<&str> = looked.row.split(',').collect();
    let cell = |n: usize| cells.get(n).copied().unwrap_or_default();
    let ts_ms = looked.ts.ts_ms();
    let bar_ms = place.series.timeframe().ms();
    let to = |ts_ms: i64| format!("{}/why?at={ts_ms}", place.path());
    Ok(html! {
        p.kind { a href=(place.path()) { bdi { (place.tag) } } " · " (place.series.to_string()) }
        h1 { "Why: " (time(ts_ms)) }
        article.why {
            p.headline { (verdict(if cell(4) == "skip" { StatusSign::Look } else { StatusSign::Idle }, &format!("{} ({})", cell(4), cell(5)))) }
            @if !cell(6).is_empty() { p { "Blocked by " strong { (safe(cell(6))) } "." } }
            @match &looked.look {
                None => { p { "There was no bar, so no rule was asked." } }
                Some(look) => { (looked_at(look)) }
            }
            details { summary { "The row of the ledger" } pre { code { (safe(&looked.row)) } } }
        }
        p.pager { a href=(to(ts_ms - bar_ms)) rel="prev" { "◀ slot before" } " " a href=(to(ts_ms + bar_ms)) rel="next" { "slot after ▶" } }
    })
}

fn looked_at(look: &SlotView) -> Markup {
    html! {
        @for event in &look.events {
            p { "In this bar: " (event.event.name()) " " (event.side.name()) " at " (event.price.to_string()) " (" (safe(event.event.reason())) ")." }
        }
        @if look.readiness != Readiness::Ready {
            p { (verdict(StatusSign::Look, readiness(look.readiness))) " No rule was asked: " (unready(look.readiness)) "." }
        }
        @match look.ledger.held {
            None => { p { "Position: flat." } }
            Some(held) => {
                p { "Position: " (held.side.name()) " from " (price(held.entry_px.float())) ", held for " (held.bars) " bars, best price " (price(held.best_px)) "." }
            }
        }
        @for rule in &look.why.rules { (ruled(rule)) }
        @if !look.why.lets.is_empty() {
            section { h2 { "Names" } ul.clauses { @for clause in &look.why.lets { (claused(clause)) } } }
        }
        @if !look.why.protect.is_empty() {
            section { h2 { "Distances" } ul.clauses { @for (side, name, clause) in &look.why.protect { li { span.value { (valued(clause)) } " " (side.name()) " " (name) ": " code { (clause.text) } } } } }
        }
    }
}

/// A value with as many digits as people compare.
fn valued(clause: &Clause) -> String {
    if clause.is_condition || clause.value.is_nan() {
        shown(clause)
    } else {
        significant(clause.value, 9)
    }
}

fn ruled(rule: &RuleWhy) -> Markup {
    let kind = match rule.rule.kind {
        Kind::Enter => "enter",
        Kind::Exit => "exit",
    };
    let level = if rule.clause.value == 1.0 { StatusSign::Well } else { StatusSign::Idle };
    html! {
        section {
            h2 { (kind) " " (rule.rule.name.as_str()) " " (verdict(level, &shown(&rule.clause))) @if !rule.concerned { " " small { "not asked in this position" } } }
            ul.clauses { (claused(&rule.clause)) }
        }
    }
}

fn claused(clause: &Clause) -> Markup {
    let is_true = clause.is_condition && clause.value == 1.0;
    html! {
        li {
            span.value.yes[is_true] { (valued(clause)) } " " code { (clause.text) }
            @if !clause.parts.is_empty() { ul { @for part in &clause.parts { (claused(part)) } } }
        }
    }
}
