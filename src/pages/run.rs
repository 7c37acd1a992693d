//! `/runs/ID`: one run with what it said, what came of it, and what it was started with.

use std::fmt::Write as _;

use maud::{Markup, html};
use serde_json::Value;

use super::{
    act::{approvals, links_of_run},
    desk::Desk,
    log::{Log, LogKind, Newest},
    query::escaped,
    runs::table,
    steps,
    words::{bytes, safe, safe_lines, state, time, took},
};
use crate::{
    cli::records::run_json,
    domain::ids::RunId,
    exit::Exit,
    jobs::{context::Failure, ledgers::JobSubject},
    store::{
        disk::Disk as _,
        runs::{RunAsked, RunFilter, RunRecord, RunState},
    },
};

/// Steps that are listed.
const STEPS_MAX: u32 = 200;
/// Bytes of a document that are shown.
const DOCUMENT_MAX: usize = 100_000;

/// The run of an id.
pub fn find(desk: &Desk, id: &str) -> Result<RunRecord, Failure> {
    let none = || Failure::new(Exit::Nothing, format!("run `{}` is not recorded here", safe(id)));
    let id: RunId = id.parse().map_err(|_| none())?;
    desk.records(|store| store.get(&id))?.flatten().ok_or_else(none)
}

/// The run as a document, with its result.
pub fn json(desk: &Desk, id: &str) -> Result<Value, Failure> {
    let run = find(desk, id)?;
    let result = result(desk, &run.run_id)?;
    let mut document = run_json(&run);
    document["schema"] = "mjolnir.run-record/1".into();
    document["result"] = result.unwrap_or(Value::Null);
    let asked = RunAsked::read(&desk.disk, &desk.layout, &run.run_id)?;
    document["asked"] = serde_json::to_value(asked).expect("plain values serialise");
    let steps = steps::of_run(desk, &run);
    document["steps"] = serde_json::to_value(steps).expect("plain values serialise");
    Ok(document)
}

/// What came of a run, without the report that a job may have left.
fn result(desk: &Desk, run: &RunId) -> Result<Option<Value>, Failure> {
    let path = desk.layout.run_dir(run).join("result.json");
    let bytes = desk.disk.read(&path)?;
    let mut result: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(Value::Object(fields)) = &mut result {
        fields.shift_remove("report");
    }
    Ok(result)
}

fn text(desk: &Desk, run: &RunId, name: &str) -> Result<Option<String>, Failure> {
    let path = desk.layout.run_dir(run).join(name);
    let Some(len) = desk.disk.len(&path)? else { return Ok(None) };
    let found = desk.disk.read_at(&path, 0, DOCUMENT_MAX)?;
    let mut text = String::from_utf8_lossy(&found).into_owned();
    if len > DOCUMENT_MAX as u64 {
        let _ = write!(text, "\n… ({} in all)", bytes(len));
    }
    Ok(Some(safe_lines(&text)))
}

/// The page.
pub fn body(desk: &Desk, id: &str) -> Result<Markup, Failure> {
    let run = find(desk, id)?;
    let id = &run.run_id;
    let steps =
        RunFilter { parent: Some(id.clone()), limit: Some(STEPS_MAX), ..RunFilter::default() };
    let mut children = desk.records(|store| store.list(&steps))?.unwrap_or_default();
    children.reverse();
    let steps = steps::of_run(desk, &run);
    let manifest = text(desk, id, "manifest.toml")?;
    let result = result(desk, id)?;
    let log = Log::new(&desk.layout.run_log(id), LogKind::Entries)?.newest()?;
    let output = Log::new(&desk.layout.run_output(id), LogKind::Output)?.newest()?;
    let is_over = run.state.is_over();
    Ok(html! {
        p.kind { a href="/runs" { "Runs" } " · " a href=(format!("/jobs/{}", escaped(&run.job))) { bdi { (safe(&run.job)) } } " · " (safe(&run.kind)) }
        h1 { (id) }
        div data-refresh=[(!is_over).then_some("3")] {
            (head(desk, &run))
            @if let Some(steps) = &steps {
                section #steps data-live { h2 { "Steps" } (approvals(desk, &run)) (steps::table(steps, desk.now())) }
            }
        }
        @if !children.is_empty() {
            section #runs { h2 { "Runs that it started" } (table(&children, desk.now())) }
        }
        @if let Some(result) = &result { section #result { h2 { "Result" } (came(result)) } }
        section #log {
            h2 { "Log" }
            (logged("log", &run, &log))
            @if log.lines.is_empty() { p.none { "It has not logged anything, or its log was swept." } }
        }
        @if !output.lines.is_empty() || !is_over {
            section #output { h2 { "Output" } (logged("output", &run, &output)) }
        }
        @if let Some(manifest) = &manifest {
            section #manifest {
                h2 { "The manifest as it ran" }
                details { summary { "All values in place, secrets masked" } div.wide tabindex="0" role="group" aria-label="manifest" { pre { code { (manifest) } } } }
            }
        }
    })
}

fn head(desk: &Desk, run: &RunRecord) -> Markup {
    let about = JobSubject::of_run(&desk.disk, &desk.layout, &run.run_id).words();
    let asked = RunAsked::read(&desk.disk, &desk.layout, &run.run_id).ok().flatten();
    let again = format!("runner retry {}", run.run_id);
    html! {
        section #how data-live aria-label="how it is" {
            p.headline { (state(run.state)) }
            @if !run.summary.is_empty() { p.message { bdi { (safe(&run.summary)) } } }
            dl.facts {
                dt { "Started" } dd { (time(run.started.get() / 1_000 * 1_000)) }
                dt { "Took" } dd { (took(run, desk.now())) @if let Some(at) = run.ended { ", until " (time(at.get() / 1_000 * 1_000)) } }
                @if let Some(code) = run.exit_code { dt { "Exit code" } dd { (code) } }
                @if let Some(RunAsked { who, reason }) = &asked { dt { "Asked by" } dd { bdi { (safe(who)) } @if !reason.is_empty() { ": " bdi { (safe(reason)) } } } }
                @if !about.is_empty() { dt { "About" } dd { (about) } }
                @if let Some((schedule, slot)) = &run.due { dt { "Due" } dd { bdi { (safe(schedule)) } " at " (time(slot.get())) } }
                @if run.attempt > 1 { dt { "Attempt" } dd { (run.attempt) } }
                @if let Some(old) = &run.retry_of { dt { "Repeats" } dd { a href=(format!("/runs/{old}")) { (old) } } }
                @if let Some(parent) = &run.parent { dt { "Step of" } dd { a href=(format!("/runs/{parent}")) { (parent) } } }
                @if let Some(at) = run.not_before { dt { "Not before" } dd { (time(at.get())) } }
                @if let Some(pid) = run.pid.filter(|_| run.state == RunState::Running) { dt { "Process" } dd { (pid) } }
                dt { "Build" } dd { code { (safe(&run.build)) } }
                @if run.state.is_over() { dt { "Once more" } dd { code { (again) } " " button.copy type="button" data-copy=(again) hidden { "copy" } } }
                @else { dt { "To stop it" } dd { code { (format!("runner stop {}", run.run_id)) } } }
            }
            (links_of_run(desk, &run.run_id, run.state))
        }
    }
}

fn came(result: &Value) -> Markup {
    let word = |value: &Value| match value {
        Value::String(text) => safe(text),
        other => safe(&other.to_string()),
    };
    let out = result.get("out").and_then(Value::as_object);
    html! {
        @if let Some(error) = result.get("error") { p.message { (word(error)) } }
        @if let Some(out) = out.filter(|out| !out.is_empty()) {
            div.wide tabindex="0" role="group" aria-label="values" { table {
                thead { tr { th scope="col" { "name" } th scope="col" { "value" } } }
                tbody { @for (name, value) in out { tr { th scope="row" { (safe(name)) } td { (word(value)) } } } }
            } }
        } @else if result.get("error").is_none() { p.none { "It left no values." } }
    }
}

fn logged(part: &str, run: &RunRecord, newest: &Newest) -> Markup {
    let stream = (!run.state.is_over()).then(|| format!("/api/v1/runs/{}/{part}/live", run.run_id));
    html! {
        div.log tabindex="0" role="log" aria-live="off" aria-label=(part) data-stream=[stream] {
            p.before hidden[newest.before == 0] { (newest.before) " older lines are not shown: " code { (format!("runner logs {}", run.run_id)) @if part == "output" { " --output" } } }
            ol { @for line in &newest.lines { li.(line.level) { (line.text) } } }
        }
    }
}
