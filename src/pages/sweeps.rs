//! `/sweeps` and `/sweeps/ID`: how far sweeps are, and the page that each leaves when it is over.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    desk::Desk,
    frame::{self, Here},
    reports::framed,
    words::{StatusSign, safe, verdict},
};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        sweep::{
            folder::SweepFolder,
            report::SweepDoc,
            status::{SweepStatus, named, sweeps},
        },
    },
    os::mask::Mask,
    report::number::count,
    serve::answer::WebPage,
    store::disk::Disk as _,
    sweep::verdict::Word,
};

/// Bytes of a page that is shown.
const PAGE_MAX: u64 = 8 << 20;

/// Every sweep, by name.
pub fn all(desk: &Desk) -> Result<Vec<SweepStatus>, Failure> {
    desk.within("sweeps", &Mask::new([]), |context| {
        sweeps(context)?.iter().map(|id| SweepStatus::of(context, id)).collect()
    })
}

/// One sweep as a document: what it says, or, while it is not over, how far it is.
pub fn json(desk: &Desk, id: &str) -> Result<Value, Failure> {
    desk.within("sweeps", &Mask::new([]), |context| {
        let folder = SweepFolder::new(context, &named(context, id)?);
        let found: Option<SweepDoc> = folder.json(&folder.report_path())?;
        let status = SweepStatus::of(context, &folder.id)?;
        Ok(json!({ "schema": "mjolnir.sweep-page/1", "status": status, "sweep": found }))
    })
}

/// The list.
pub fn body(desk: &Desk) -> Result<Markup, Failure> {
    let all = all(desk)?;
    Ok(html! {
        h1 { "Sweeps" }
        p.lead { "Many backtests with other values, and whether the best of them is more than luck." }
        @if all.is_empty() { p.none { "No sweep is here yet. To make one: " code { "runner run jobs/sweep.toml" } } } @else {
            div.wide tabindex="0" role="group" aria-label="sweeps" { table.jobs {
                thead { tr {
                    th scope="col" { "sweep" } th scope="col" { "verdict" } th.n scope="col" { "trials" } th.n scope="col" { "null markets" } th.n scope="col" { "steps forward" }
                } }
                tbody { @for one in &all { (row(one)) } }
            } }
        }
    })
}

fn row(one: &SweepStatus) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(format!("/sweeps/{}", one.id)) { bdi { (safe(&one.id)) } } }
            td.says { (state(one)) }
            td.n data-name="trials" { (count(one.played as u64)) " of " (count(one.trials as u64)) }
            td.n data-name="null markets" { (count(one.nulls as u64)) " of " (count(u64::from(one.null_sweeps))) }
            td.n data-name="steps forward" { (count(one.walk_steps as u64)) }
        }
    }
}

/// What it says, or why it does not say anything.
fn state(one: &SweepStatus) -> Markup {
    match (one.state, one.verdict.as_deref()) {
        ("over", Some(said)) => {
            let level =
                if said == Word::EdgeLikely.name() { StatusSign::Well } else { StatusSign::Idle };
            verdict(level, said)
        }
        ("running", _) => verdict(StatusSign::Idle, "running"),
        (state, _) => verdict(StatusSign::Look, state),
    }
}

/// The page of one sweep.
pub fn page(desk: &Desk, id: &str) -> Result<WebPage, Failure> {
    let status = desk.within("sweeps", &Mask::new([]), |context| {
        SweepStatus::of(context, &named(context, id)?)
    })?;
    let path = desk.layout.sweep_page(&status.id);
    let size = desk.disk.len(&path).ok().flatten().unwrap_or(0);
    if size == 0 {
        return Ok(frame::page(desk, Here::Sweeps, &status.id, &going(&status)));
    }
    if size > PAGE_MAX {
        let message = format!("the page of sweep {} is too large to be shown here", status.id);
        return Err(Failure::new(Exit::Data, message));
    }
    let text = desk.disk.read_at(&path, 0, size as usize)?;
    Ok(framed(desk, &String::from_utf8_lossy(&text), Here::Sweeps))
}

fn going(status: &SweepStatus) -> Markup {
    let part = if status.trials == 0 { 0.0 } else { status.played as f64 / status.trials as f64 };
    html! {
        p.kind { a href="/sweeps" { "Sweeps" } }
        h1 { bdi { (safe(&status.id)) } }
        div data-refresh="10" {
            section #how data-live aria-label="how it is" {
                p.headline { (state(status)) }
                p { progress max="1" value=(part) aria-label="trials that are played" {} " " (count(status.played as u64)) " of " (count(status.trials as u64)) " trials, "
                    (count(status.nulls as u64)) " of " (count(u64::from(status.null_sweeps))) " null markets." }
                @if status.state != "running" { p.none { "It is not over. Running its job again goes on from here: " code { "runner sweep status " (status.id) } } }
            }
        }
    }
}
