//! `/api/v1/...`: the same data as documents, each with a `schema`; streams; and the document that describes them all.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    bars::{self, BARS_MAX, SlotSpan},
    compare,
    desk::{Desk, DeskLedger},
    frame::status_of,
    home::BoxState,
    jobs, lines,
    log::{Log, LogKind, event},
    openapi, proofs,
    query::Query,
    rows, run, runs, sweeps, why,
};
use crate::{
    cli::records::run_json,
    domain::time::UtcMs,
    exit::Exit,
    jobs::context::Failure,
    serve::answer::{LiveSource, WebPage, WebRequest},
    store::{disk::Disk as _, runs::RunRecord},
};

/// Bars of an answer where none are asked for.
const BARS_USUAL: usize = 500;
/// Decisions of an answer at most.
const DECISIONS_MAX: u64 = 5_000;
/// Runs of an answer at most.
const RUNS_MAX: u32 = 1_000;

/// Answers a request below `/api/v1/`.
pub fn answer(desk: &Arc<Desk>, parts: &[&str], asked: &WebRequest) -> WebPage {
    let query = Query::of(&asked.uri);
    let found = match parts {
        ["loops", tag, symbol, timeframe, rest @ ..] => desk
            .place([tag, symbol, timeframe])
            .and_then(|place| of_loop(desk, &place, rest, (&query, asked))),
        ["runs", id, part @ ("log" | "output"), "live"] => logged(desk, id, part),
        _ => document(desk, parts, &query).map(|document| WebPage::json(StatusCode::OK, &document)),
    };
    found.unwrap_or_else(|failure| {
        let document = json!({ "schema": "mjolnir.error/1", "exit": failure.exit.code(), "error": failure.message });
        WebPage::json(status_of(&failure), &document)
    })
}

fn document(desk: &Desk, parts: &[&str], query: &Query) -> Result<Value, Failure> {
    match parts {
        ["openapi.json"] => Ok(openapi::document(&desk.build, desk.operator.is_some())),
        ["status"] => status(desk),
        ["loops"] => Ok(json!({ "schema": "mjolnir.loops/1", "loops": lines::lines(desk)? })),
        ["runs"] => {
            let most = query.number::<u32>("limit")?.unwrap_or(100).clamp(1, RUNS_MAX);
            let found = runs::list(desk, query, most)?;
            let runs: Vec<Value> = found.runs.iter().map(run_json).collect();
            Ok(
                json!({ "schema": "mjolnir.runs/1", "total": found.many, "page": found.page, "limit": most, "runs": runs }),
            )
        }
        ["runs", id] => run::json(desk, id),
        ["jobs"] => jobs::json(desk),
        ["compare"] => {
            let (Some(a), Some(b)) = (query.text("a"), query.text("b")) else {
                return Err(Failure::new(Exit::Usage, "name both ledgers: ?a=...&b=..."));
            };
            Ok(serde_json::to_value(compare::found(desk, a, b)?).expect("plain values serialise"))
        }
        ["sweeps"] => Ok(json!({ "schema": "mjolnir.sweeps/1", "sweeps": sweeps::all(desk)? })),
        ["sweeps", id] => sweeps::json(desk, id),
        ["proofs"] => {
            let all: Vec<_> =
                proofs::all(desk)?.into_iter().flat_map(|(_, proofs)| proofs).collect();
            Ok(json!({ "schema": "mjolnir.proofs/1", "proofs": all }))
        }
        _ => {
            let path = format!("/api/v1/{}", parts.join("/"));
            Err(Failure::new(
                Exit::Nothing,
                format!("{path} does not exist; /api/v1/openapi.json describes what does"),
            ))
        }
    }
}

fn status(desk: &Desk) -> Result<Value, Failure> {
    let found = BoxState::look(desk)?;
    let incidents: Vec<Value> = found.incidents.iter().map(|one| {
        json!({ "job": one.id.job, "trouble": one.id.trouble.name(), "run_id": one.run.as_str(), "since_ms": one.since.get(), "times": one.times })
    }).collect();
    Ok(json!({
        "schema": "mjolnir.box/1", "now_ms": found.now.get(), "is_well": found.troubles().is_empty(), "troubles": found.troubles(),
        "loops": found.loops, "service": found.service, "incidents": incidents,
        "runs": found.going.iter().map(going).collect::<Vec<_>>(),
        "disk": found.room.as_ref().map(|(path, left)| json!({ "path": path, "free_bytes": left })),
    }))
}

/// A run that goes on, with what it asks a person.
fn going((run, asks): &(RunRecord, Vec<(String, String)>)) -> Value {
    let asks = asks.iter().map(|(step, text)| json!({ "step": step, "text": text }));
    let mut document = run_json(run);
    document["asks"] = asks.collect();
    document
}

/// The window that a request asks for: the newest part of a ledger where it says nothing.
fn span(query: &Query, place: &DeskLedger, (first, last): (i64, i64)) -> Result<SlotSpan, Failure> {
    let bar_ms = place.series.timeframe().ms();
    let to = query.time("to")?.map_or(last, UtcMs::get).min(last);
    let usual = to - BARS_USUAL as i64 * bar_ms;
    let from = query.time("from")?.map_or(usual, UtcMs::get).max(first - bar_ms);
    Ok(SlotSpan { from_ts_ms: from.min(to), to_ts_ms: to })
}

fn of_loop(
    desk: &Arc<Desk>,
    place: &DeskLedger,
    rest: &[&str],
    (query, asked): (&Query, &WebRequest),
) -> Result<WebPage, Failure> {
    let ok = |document: &Value| Ok(WebPage::json(StatusCode::OK, document));
    let none = || Failure::new(Exit::Nothing, "this ledger does not have a row yet");
    let reach = || bars::reach(desk, place)?.ok_or_else(none);
    match rest {
        [] => {
            let line = lines::line_of(desk, place)?;
            ok(
                &json!({ "schema": "mjolnir.loop/1", "loop": line, "proofs": proofs::of_place(desk, place)? }),
            )
        }
        ["bars"] => {
            let max = query.number("max")?.unwrap_or(2_000).clamp(1, BARS_MAX);
            let reach = reach()?;
            let bars = bars::bars(desk, place, reach, (span(query, place, reach)?, max))?;
            ok(&serde_json::to_value(bars).expect("plain values serialise"))
        }
        ["over"] => {
            let over =
                rows::over(desk, place, span(query, place, reach()?)?, query.text("replay"))?;
            ok(&serde_json::to_value(over).expect("plain values serialise"))
        }
        ["decisions"] => {
            let most = query.number("limit")?.unwrap_or(100).clamp(1, DECISIONS_MAX);
            let after = query.number("after")?;
            let rows = rows::newest(desk, place, after, most)?;
            ok(&json!({ "schema": "mjolnir.decisions/1", "decisions": rows }))
        }
        ["decisions", "live"] => {
            let last =
                asked.headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
            let after = match last {
                Some(last) => last,
                None => match query.number("after")? {
                    Some(after) => after,
                    // Whatever is decided from now on.
                    None => bars::reach(desk, place)?.map_or(i64::MIN, |(_, last)| last),
                },
            };
            Ok(WebPage::live(decided(Arc::clone(desk), place.clone(), after)))
        }
        ["why"] => ok(&why::json(desk, place, query.time("at")?)?),
        _ => Err(Failure::new(
            Exit::Nothing,
            format!("{}/{} does not exist", place.api(), rest.join("/")),
        )),
    }
}

/// Sends each decision after a slot as soon as it is in the ledger.
fn decided(desk: Arc<Desk>, place: DeskLedger, after: i64) -> LiveSource {
    let path = desk.layout.decisions(&place.tag, &place.series);
    let (mut after, mut seen, mut quiet) = (after, None, 0_u32);
    Box::new(move || {
        let len = desk.disk.len(&path).ok().flatten();
        let mut out = String::new();
        if len != seen {
            seen = len;
            // A ledger that cannot be read now is looked at again when it has changed.
            let rows = rows::newest(&desk, &place, Some(after), 100).unwrap_or_default();
            for row in rows {
                after = row.ts_ms;
                let document = serde_json::to_value(&row).expect("plain values serialise");
                let _ = write!(out, "id: {after}\n{}", event("decision", &document));
            }
        }
        quiet = if out.is_empty() { quiet + 1 } else { 0 };
        if quiet % 30 == 1 {
            // Whoever went away is noticed by it.
            out.push_str(": still here\n\n");
        }
        Some(out.into_bytes())
    })
}

fn logged(desk: &Arc<Desk>, id: &str, part: &str) -> Result<WebPage, Failure> {
    let run = run::find(desk, id)?;
    let (path, kind) = if part == "log" {
        (desk.layout.run_log(&run.run_id), LogKind::Entries)
    } else {
        (desk.layout.run_output(&run.run_id), LogKind::Output)
    };
    let desk = Arc::clone(desk);
    let is_over = move || {
        let now = desk.records(|store| store.get(&run.run_id)).ok().flatten().flatten();
        now.is_none_or(|run| run.state.is_over())
    };
    Ok(WebPage::live(Log::new(&path, kind)?.stream(is_over)))
}
