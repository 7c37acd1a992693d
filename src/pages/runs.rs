//! `/runs`: what ran, in pages.

use maud::{Markup, html};

use super::{
    desk::Desk,
    query::Query,
    words::{safe, state, time, took},
};
use crate::{
    domain::time::UtcMs,
    jobs::context::Failure,
    report::number::count,
    store::runs::{RunFilter, RunRecord, RunState},
};

/// Runs of a page.
pub const PAGE: u32 = 50;

/// The runs that a request asks for.
pub struct RunList {
    /// What is asked for.
    pub filter: RunFilter,
    /// Which page, from 1.
    pub page: u32,
    /// How many there are in all.
    pub many: u64,
    /// Those of this page.
    pub runs: Vec<RunRecord>,
    /// Every job that has records.
    pub jobs: Vec<String>,
}

/// Finds them.
pub fn list(desk: &Desk, query: &Query, most: u32) -> Result<RunList, Failure> {
    let state = query.text("state").map(str::parse::<RunState>).transpose();
    let usage = |message: String| Failure::new(crate::exit::Exit::Usage, message);
    let page = query.number::<u32>("page")?.unwrap_or(1).max(1);
    let filter = RunFilter {
        job: query.text("job").map(str::to_owned),
        kind: query.text("kind").map(str::to_owned),
        state: state.map_err(|error| usage(error.to_string()))?,
        since: query.time("since")?,
        until: query.time("until")?,
        skip: (page - 1).saturating_mul(most),
        limit: Some(most),
        ..RunFilter::default()
    };
    let found =
        desk.records(|store| Ok((store.count(&filter)?, store.list(&filter)?, store.jobs()?)))?;
    let (many, runs, jobs) = found.unwrap_or_default();
    Ok(RunList { filter, page, many, runs, jobs })
}

/// The page.
pub fn body(desk: &Desk, query: &Query) -> Result<Markup, Failure> {
    let listed = list(desk, query, PAGE)?;
    let now = desk.now();
    let pages = listed.many.div_ceil(u64::from(PAGE)).max(1);
    let first = u64::from(listed.filter.skip) + 1;
    Ok(html! {
        h1 { "Runs" }
        (form(query, &listed))
        @if listed.many == 0 {
            p.none { "No run matches." }
        } @else if listed.runs.is_empty() {
            p.none { "There are only " (pages) " pages." }
        } @else {
            p.lead { (count(first)) " to " (count(first + listed.runs.len() as u64 - 1)) " of " (count(listed.many)) ", the newest first." }
            (table(&listed.runs, now))
        }
        (pager(query, listed.page, pages))
    })
}

fn form(query: &Query, listed: &RunList) -> Markup {
    let value = |name: &str| query.text(name).unwrap_or_default().to_owned();
    html! {
        form.filter method="get" action="/runs" role="search" {
            label { "Job " select name="job" {
                option value="" { "every job" }
                @for job in listed.jobs.iter().filter(|job| safe(job) == **job) { option value=(job) selected[query.text("job") == Some(job)] { (safe(job)) } }
            } }
            label { "State " select name="state" {
                option value="" { "every state" }
                @for one in RunState::ALL { option value=(one.name()) selected[query.text("state") == Some(one.name())] { (one.name().replace('_', " ")) } }
            } }
            label { "Since, UTC " input type="datetime-local" name="since" value=(value("since")); }
            label { "Until, UTC " input type="datetime-local" name="until" value=(value("until")); }
            button { "Filter" }
            " " a href="/runs" { "clear" }
        }
    }
}

/// Runs as a table.
pub fn table(runs: &[RunRecord], now: UtcMs) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="runs" { table.runs {
            thead { tr {
                th scope="col" { "started, UTC" } th scope="col" { "state" } th scope="col" { "job" } th.n scope="col" { "took" } th.n scope="col" { "exit" } th scope="col" { "what it said" }
            } }
            tbody {
                @for run in runs {
                    tr {
                        th scope="row" { a href=(format!("/runs/{}", run.run_id)) title=(run.run_id) { (time(run.started.get() / 1_000 * 1_000)) } }
                        td { (state(run.state)) @if run.attempt > 1 { " " small { "attempt " (run.attempt) } } }
                        td.job { bdi { (safe(&run.job)) } }
                        td.n data-name="took" { (took(run, now)) }
                        td.n data-name="exit" { (run.exit_code.map_or("–".to_owned(), |code| code.to_string())) }
                        td.said { bdi { (safe(&run.summary)) } }
                    }
                }
            }
        } }
    }
}

fn pager(query: &Query, page: u32, pages: u64) -> Markup {
    let to = |page: u64| format!("/runs?{}", query.with(&[("page", page.to_string())]));
    let page = u64::from(page);
    html! {
        @if pages > 1 {
            nav.pager aria-label="pages" {
                @if page > 1 { a href=(to(1)) { "newest" } " " a href=(to(page - 1)) rel="prev" { "◀ newer" } " " }
                span { "page " (page) " of " (count(pages)) }
                @if page < pages { " " a href=(to(page + 1)) rel="next" { "older ▶" } " " a href=(to(pages)) { "oldest" } }
            }
        }
    }
}
