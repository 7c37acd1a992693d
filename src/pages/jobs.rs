//! `/jobs` and `/jobs/NAME`: what will run, and how it went so far.

use std::{collections::BTreeMap, path::Path};

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    act,
    desk::Desk,
    runs::table,
    steps,
    words::{StatusSign, ago, level_of, safe, safe_lines, time, verdict},
};
use crate::{
    cli::{
        args::JobArgs,
        load::{LoadError, facts, find, load, load_declared, matrix_jobs, names, read_text},
        next::{Coming, ENDED_PAUSES_MAX, ended_pause_json, pause_json},
        planned::{self, Planned, short},
        table::span,
    },
    domain::{time::UtcMs, zone::Zone},
    exit::Exit,
    jobs::context::Failure,
    manifest::{Declared, ExplainRow, Schedule},
    os::mask::Mask,
    store::runs::{Pause, PauseEnd, RunFilter, RunRecord, RunState, RunStore},
};

/// Runs of a strip.
const STRIP: u32 = 60;
/// Slots of each schedule on the page of a job.
const SLOTS: u32 = 10;
/// Runs that the page of a job lists.
const LISTED: usize = 15;

/// A job, as far as its file can be read.
struct Known {
    file: String,
    job: String,
    kind: String,
    about: String,
    planned: Result<Planned, LoadError>,
}

fn known(desk: &Desk, file: &str) -> Known {
    let table = table_of(desk, file);
    let word =
        |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let planned = planned::one(&desk.root, Path::new(file));
    let name = word("name");
    let job = match &planned {
        Ok(planned) => planned.job.clone(),
        Err(_) if name.is_empty() => file.to_owned(),
        Err(_) => name,
    };
    Known { file: file.to_owned(), job, kind: word("kind"), about: word("description"), planned }
}

/// The manifest of a job as its file has it, without its layers; empty where it cannot be read.
fn table_of(desk: &Desk, file: &str) -> toml::Table {
    let path = find(&desk.root, Path::new(file)).ok().map(|(path, _)| path);
    let text = path.and_then(|path| read_text(&path).ok()).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
}

/// The list of jobs.
pub fn body(desk: &Desk) -> Result<Markup, Failure> {
    let all = names(&desk.root);
    Ok(html! {
        h1 { "Jobs" }
        p.lead { (all.len()) " jobs of manifests in " code { "jobs/" } "." }
        @if all.is_empty() { p.none { "No manifest is in " code { "jobs/" } "." } } @else { (list(desk, &all)?) }
    })
}

/// The jobs of the matrix of this name; none where it is not one of a manifest in `jobs/`.
pub fn matrix_of(desk: &Desk, name: &str) -> Vec<String> {
    let is_name = !name.contains(['/', '\\', '\0']);
    if is_name { matrix_jobs(&desk.root, Path::new(name)) } else { Vec::new() }
}

/// The page of a manifest with a matrix.
fn matrix(desk: &Desk, name: &str, all: &[String]) -> Result<Markup, Failure> {
    let file = find(&desk.root, Path::new(name))?.1;
    let pauses = desk.records(RunStore::pauses)?.unwrap_or_default();
    let jobs = planned::job_names(&desk.root, name);
    let paused = jobs.iter().filter(|job| pauses.contains_key(*job)).count();
    let words: &[&str] = match paused {
        0 => &["pause", "run"],
        many if many == jobs.len() => &["resume-job", "run"],
        _ => &["pause", "resume-job", "run"],
    };
    Ok(html! {
        p.kind { a href="/jobs" { "Jobs" } " · " code { (safe(&file)) } }
        h1 { bdi { (safe(name)) } }
        p.lead { "A matrix of " (all.len()) " jobs. All of them: " code { "runner run " (safe(name)) } }
        (act::links(desk, words, name))
        (list(desk, all)?)
    })
}

/// Jobs with what is due and how they went.
fn list(desk: &Desk, files: &[String]) -> Result<Markup, Failure> {
    let now = desk.now();
    let pauses = desk.records(RunStore::pauses)?.unwrap_or_default();
    let mut rows = Vec::new();
    for file in files {
        rows.push(row(desk, &known(desk, file), (&pauses, now))?);
    }
    Ok(html! {
        div.wide tabindex="0" role="group" aria-label="jobs" { table.jobs {
            thead { tr {
                th scope="col" { "job" } th scope="col" { "kind" } th scope="col" { "due" } th scope="col" { "next" } th scope="col" { "last runs, the newest on the right" } th scope="col" { "mean" }
            } }
            tbody { @for row in &rows { (row) } }
        } }
    })
}

fn row(
    desk: &Desk,
    one: &Known,
    (pauses, now): (&BTreeMap<String, Pause>, UtcMs),
) -> Result<Markup, Failure> {
    let runs = history(desk, &one.job, 20)?;
    Ok(html! {
        tr {
            th scope="row" { a href=(format!("/jobs/{}", one.file)) { bdi { (safe(&one.job)) } } br; small { (safe(&one.about)) } }
            td data-name="kind" { (safe(&one.kind)) }
            @match &one.planned {
                Err(_) => { td.says colspan="2" { (verdict(StatusSign::Bad, "invalid")) " " code { "runner check" } } }
                Ok(planned) => {
                    td data-name="due" { (listed(planned.schedules.iter().map(|each| short(&each.due)))) }
                    td data-name="next" {
                        @for schedule in &planned.schedules {
                            @let coming = Coming::of(planned, schedule, now, 1, pauses);
                            div {
                                @match coming.first() { Ok(at) => { (ago(at.get(), now)) }, Err(when) => { (when) } }
                                @if let Some(pause) = coming.paused() { " " (verdict(StatusSign::Look, "paused")) " " small { bdi { (safe(&pause.reason)) } } }
                            }
                        }
                        @if planned.schedules.is_empty() { "by hand" }
                    }
                }
            }
            td.says { (strip(&runs)) }
            td.n data-name="mean" { (mean(&runs)) }
        }
    })
}

fn listed(all: impl Iterator<Item = String>) -> Markup {
    let all: Vec<String> = all.collect();
    html! { @if all.is_empty() { "–" } @for one in &all { div { code { (safe(one)) } } } }
}

/// The newest runs of a job, the oldest first.
fn history(desk: &Desk, job: &str, most: u32) -> Result<Vec<RunRecord>, Failure> {
    let filter = RunFilter { job: Some(job.to_owned()), limit: Some(most), ..RunFilter::default() };
    let mut runs = desk.records(|store| store.list(&filter))?.unwrap_or_default();
    runs.reverse();
    Ok(runs)
}

/// A square for each run; its letter says the same as its colour.
fn strip(runs: &[RunRecord]) -> Markup {
    html! {
        @if runs.is_empty() { "never" } @else {
            ol.strip {
                @for run in runs {
                    @let (class, _) = level_of(run.state).sign();
                    @let says = format!("{}, {}", run.state.name().replace('_', " "), run.started);
                    li { a.(class) href=(format!("/runs/{}", run.run_id)) title=(says) aria-label=(says) { (letter(run.state)) } }
                }
            }
        }
    }
}

fn letter(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "…",
        RunState::Running => "▸",
        RunState::Waiting => "?",
        RunState::Succeeded => "✓",
        RunState::Flaky => "~",
        RunState::Failed => "✕",
        RunState::TimedOut => "t",
        RunState::Cancelled => "c",
        RunState::Panicked => "p",
        RunState::Missed => "m",
        RunState::SkippedOverlap => "o",
        RunState::Superseded => "s",
        RunState::SkippedPrecondition => "–",
        RunState::Lost => "l",
    }
}

/// How long the runs took that ended by themselves, on average.
fn mean(runs: &[RunRecord]) -> String {
    let took = runs.iter().filter(|run| {
        matches!(run.state, RunState::Succeeded | RunState::Flaky | RunState::Failed)
    });
    let took: Vec<i64> =
        took.filter_map(|run| Some(run.ended?.get() - run.started.get())).collect();
    if took.is_empty() {
        return "–".to_owned();
    }
    let ms = (took.iter().sum::<i64>() / took.len() as i64).max(0).unsigned_abs();
    if ms < 10_000 { format!("{:.1}s", ms as f64 / 1_000.0) } else { span(ms) }
}

/// The page of one job.
pub fn one(desk: &Desk, name: &str) -> Result<Markup, Failure> {
    let several = matrix_of(desk, name);
    if !several.is_empty() {
        return matrix(desk, name, &several);
    }
    let file = file_of(desk, name)?;
    let known = known(desk, &file);
    let path = find(&desk.root, Path::new(&file))?.1;
    let runs = history(desk, &known.job, STRIP)?;
    let now = desk.now();
    let pauses = desk.records(RunStore::pauses)?.unwrap_or_default();
    let ended = ended_pauses(desk, &known.job)?;
    let newest: Vec<RunRecord> = runs.iter().rev().take(LISTED).cloned().collect();
    let args = JobArgs::of(file.clone().into());
    let declared = load_declared(&desk.root, &args).unwrap_or_default();
    Ok(html! {
        p.kind { a href="/jobs" { "Jobs" } " · " (safe(&known.kind)) " · " code { (safe(&path)) } }
        h1 { bdi { (safe(&known.job)) } }
        @if !known.about.is_empty() { p.lead { (safe(&known.about)) } }
        @if let Some(pause) = pauses.get(&known.job) {
            p.message { (verdict(StatusSign::Look, "paused")) " since " (time(pause.since.get() / 1_000 * 1_000)) " by " bdi { (safe(&pause.who)) } ": " bdi { (safe(&pause.reason)) } }
        }
        (act::links(desk, if pauses.contains_key(&known.job) { &["resume-job", "run"] } else { &["pause", "run"] }, &known.job))
        section #slots {
            h2 { "Due next" }
            @match &known.planned {
                Ok(planned) => { (slots(planned, &pauses, now)) }
                Err(error) => { p { (verdict(StatusSign::Bad, "invalid")) } pre { (safe_lines(&words(error))) } }
            }
        }
        section #history {
            h2 { "How it went" }
            p { (strip(&runs)) }
            @if !runs.is_empty() { p { @if mean(&runs) != "–" { "Mean duration of the last " (runs.len()) ": " (mean(&runs)) ". " } a href=(format!("/runs?job={}", super::query::escaped(&known.job))) { "All of its runs" } } }
            @if !newest.is_empty() { (table(&newest, now)) }
            (paused_before(&ended))
        }
        (steps(desk, &file, runs.last()))
        section #params { h2 { "Params" } (params(&declared)) }
        section #values { h2 { "The manifest, each value with its origin" } (values(desk, &args)) }
    })
}

/// Pauses of a job that are over, the newest first.
fn ended_pauses(desk: &Desk, job: &str) -> Result<Vec<(Pause, PauseEnd)>, Failure> {
    Ok(desk.records(|store| store.ended_pauses(job, ENDED_PAUSES_MAX))?.unwrap_or_default())
}

fn paused_before(ended: &[(Pause, PauseEnd)]) -> Markup {
    let said = |who: &str, why: &str| {
        html! { bdi { (safe(who)) } @if !why.is_empty() { ": " bdi { (safe(why)) } } }
    };
    let at = |at: UtcMs| time(at.get() / 1_000 * 1_000);
    html! {
        @if !ended.is_empty() {
            h3 { "Paused before" }
            div.wide tabindex="0" role="group" aria-label="pauses that are over" { table.pauses {
                thead { tr { th scope="col" { "from, UTC" } th scope="col" { "paused by" } th scope="col" { "to, UTC" } th scope="col" { "resumed by" } } }
                tbody { @for (pause, end) in ended { tr {
                    th scope="row" { (at(pause.since)) }
                    td.said { (said(&pause.who, &pause.reason)) }
                    td { (at(end.at)) }
                    td.said { @match &end.who { Some(who) => { (said(who, &end.reason)) }, None => { "it was over by itself" } } }
                } } }
            } }
        }
    }
}

/// The file of a job by its name or that of its file.
pub fn file_of(desk: &Desk, name: &str) -> Result<String, Failure> {
    let files = names(&desk.root);
    if let Some(file) = files.iter().find(|file| *file == name) {
        return Ok(file.clone());
    }
    let none = || Failure::new(Exit::Nothing, format!("job `{}` is not in jobs/", safe(name)));
    files
        .into_iter()
        .find(|file| planned::name(&desk.root, file).as_deref() == Some(name))
        .ok_or_else(none)
}

/// Why a job cannot be run, as a failure of whoever asks for it.
pub fn refusal(error: &LoadError) -> Failure {
    match error {
        LoadError::Unreadable(failure) => failure.clone(),
        LoadError::Problems(_) => Failure::new(Exit::Manifest, words(error)),
    }
}

fn words(error: &LoadError) -> String {
    match error {
        LoadError::Unreadable(failure) => failure.message.clone(),
        LoadError::Problems(problems) => {
            let one = |p: &crate::manifest::Problem| {
                format!("{}:{}: {}", p.file(), p.line(), p.message())
            };
            problems.iter().map(one).collect::<Vec<_>>().join("\n")
        }
    }
}

fn slots(planned: &Planned, pauses: &BTreeMap<String, Pause>, now: UtcMs) -> Markup {
    html! {
        @if planned.schedules.is_empty() { p.none { "No schedule: it is started by hand." } }
        @for schedule in &planned.schedules { (schedule_slots(planned, schedule, (pauses, now))) }
    }
}

fn schedule_slots(
    planned: &Planned,
    schedule: &Schedule,
    (pauses, now): (&BTreeMap<String, Pause>, UtcMs),
) -> Markup {
    let coming = Coming::of(planned, schedule, now, SLOTS, pauses);
    let zone = coming.zone();
    html! {
        h3 { code { (short(&schedule.due)) } @if zone != Zone::UTC { " " (zone.to_string()) } }
        @if let Err(when) = coming.first() { p { "Next: " (when) ". " (safe(&coming.notes(None))) } }
        @if !coming.slots().is_empty() {
            div.wide tabindex="0" role="group" aria-label="slots" { table {
                thead { tr { th scope="col" { "UTC" } th scope="col" { "in" } @if zone != Zone::UTC { th scope="col" { (zone.to_string()) } } th scope="col" { "notes" } } }
                tbody {
                    @for (at, change) in coming.slots() {
                        tr { th scope="row" { (time(at.get())) } td { (ago(at.get(), now)) } @if zone != Zone::UTC { td { (zone.local(*at)) } } td.said { (safe(&coming.notes(*change))) } }
                    }
                }
            } }
        }
    }
}

/// The steps of a pipeline, with how they went the last time.
fn steps(desk: &Desk, file: &str, last: Option<&RunRecord>) -> Markup {
    let table = table_of(desk, file);
    let Some(steps) = table.get("step").and_then(toml::Value::as_array) else { return html! {} };
    let word = |step: &toml::Value, key: &str| {
        step.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
    };
    let needs = |step: &toml::Value| -> Vec<String> {
        let list = step.get("needs").and_then(toml::Value::as_array);
        list.into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
    };
    let went = last.and_then(|run| Some((run, steps::of_run(desk, run)?)));
    html! {
        section #steps {
            h2 { "Steps" }
            ol.steps {
                @for step in steps {
                    @let (job, needs, approve) = (word(step, "job"), needs(step), word(step, "approve"));
                    li {
                        strong { (safe(&word(step, "id"))) }
                        @if !job.is_empty() { " " code { (safe(&job)) } }
                        @if !needs.is_empty() { " after " (safe(&needs.join(", "))) }
                        @if !approve.is_empty() { ", once a person approves it: " bdi { (safe(&approve)) } }
                    }
                }
            }
            @if let Some((run, went)) = &went {
                h3 { "The last time, " a href=(format!("/runs/{}", run.run_id)) { (run.run_id) } }
                (act::approvals(desk, run))
                (steps::table(went, desk.now()))
            }
        }
    }
}

fn params(declared: &[Declared]) -> Markup {
    html! {
        @if declared.is_empty() { p.none { "It takes none." } } @else {
            div.wide tabindex="0" role="group" aria-label="params" { table {
                thead { tr { th scope="col" { "param" } th scope="col" { "default" } th scope="col" { "variable" } th scope="col" { "what it is" } } }
                tbody { @for one in declared { (param(one)) } }
            } }
        }
    }
}

fn param(one: &Declared) -> Markup {
    html! {
        tr {
            th scope="row" { code { (safe(&one.name)) } }
            td { @match &one.default { Some(value) => { code { (safe(value)) } }, None if one.is_required => { "required" }, None => { "–" } } }
            td { @match &one.env { Some(name) => { code { (safe(name)) } }, None => { "–" } } }
            td.said { (safe(&one.help)) }
        }
    }
}

fn values(desk: &Desk, args: &JobArgs) -> Markup {
    match explained(desk, args) {
        Ok(rows) => html! {
            details {
                summary { (rows.len()) " values" }
                div.wide tabindex="0" role="group" aria-label="values" { table.values {
                    thead { tr { th scope="col" { "key" } th scope="col" { "value" } th scope="col" { "origin" } } }
                    tbody { @for row in &rows { tr { th scope="row" { code { (safe(&row.path)) } } td { code { (safe(&row.value)) } } td { (safe(&row.origin)) } } } }
                } }
            }
        },
        Err(error) => {
            html! { p.none { "Its values are not known without what a run gives: " (safe(&words(&error))) } }
        }
    }
}

fn explained(desk: &Desk, args: &JobArgs) -> Result<Vec<ExplainRow>, LoadError> {
    let loaded = load(&desk.root, args, &facts())?;
    let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
    let mut rows = loaded.resolved.explain();
    for row in &mut rows {
        row.value = mask.apply(&row.value);
    }
    Ok(rows)
}

/// Every job as a document.
pub fn json(desk: &Desk) -> Result<Value, Failure> {
    let now = desk.now();
    let pauses = desk.records(RunStore::pauses)?.unwrap_or_default();
    let jobs: Vec<Value> = names(&desk.root).iter().map(|file| {
        let known = known(desk, file);
        let schedules: Vec<Value> = match &known.planned {
            Ok(planned) => planned.schedules.iter().map(|schedule| {
                let coming = Coming::of(planned, schedule, now, 1, &pauses);
                let next = coming.first();
                json!({ "schedule": coming.name, "due": short(&schedule.due), "next_ms": next.ok().map(UtcMs::get), "when": next.err() })
            }).collect(),
            Err(_) => Vec::new(),
        };
        let paused = pauses.get(&known.job).map(pause_json);
        let ended = ended_pauses(desk, &known.job).unwrap_or_default();
        let ended: Vec<_> = ended.iter().map(|(pause, end)| ended_pause_json(pause, end)).collect();
        let path = find(&desk.root, Path::new(file)).map_or_else(|_| format!("jobs/{file}.toml"), |found| found.1);
        json!({
            "job": known.job, "file": path, "kind": known.kind, "description": known.about,
            "is_valid": known.planned.is_ok(), "schedules": schedules, "paused": paused, "paused_before": ended,
        })
    }).collect();
    Ok(json!({ "schema": "mjolnir.jobs/1", "jobs": jobs }))
}
