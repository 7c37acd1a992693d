//! How the steps of a pipeline stand, and what waits for a person.

use maud::{Markup, html};

use super::{
    desk::Desk,
    words::{safe, step_state},
};
use crate::{
    cli::table::span,
    domain::time::UtcMs,
    manifest::Kind,
    store::runs::{RunRecord, StepApproval, StepRecord, StepState, StepTask, StepsRecord},
};

/// The steps of a run; `None` where it has none, or where they cannot be read.
pub fn of_run(desk: &Desk, run: &RunRecord) -> Option<StepsRecord> {
    if run.kind != Kind::Pipeline.name() {
        return None;
    }
    StepsRecord::read(&desk.disk, &desk.layout, &run.run_id).ok().flatten()
}

/// What a run that is not over asks a person: the step and the text, of each that waits for an approval.
pub fn asks(desk: &Desk, run: &RunRecord) -> Vec<(String, String)> {
    if run.state.is_over() {
        return Vec::new();
    }
    let steps = of_run(desk, run);
    let asking = steps.iter().flat_map(StepsRecord::asking);
    asking.map(|(step, approve)| (step.id.clone(), approve.text.clone())).collect()
}

/// The steps, each with its items.
pub fn table(steps: &StepsRecord, now: UtcMs) -> Markup {
    html! {
        @if let Some(retry) = &steps.retry {
            p { "Only a part of run " a href=(format!("/runs/{}", safe(&retry.run_id))) { (safe(&retry.run_id)) } ": " (retry.part.name()) " " code { (safe(&retry.step)) } }
        }
        div.wide tabindex="0" role="group" aria-label="steps" { table.steps {
            thead { tr { th scope="col" { "step" } th scope="col" { "state" } th.n scope="col" { "took" } th.n scope="col" { "exit" } th scope="col" { "run" } th scope="col" { "what is known" } } }
            tbody { @for step in &steps.steps { (rows(step, now)) } }
        } }
    }
}

/// A row of a step without items; of one with items a row of its own before theirs.
fn rows(step: &StepRecord, now: UtcMs) -> Markup {
    let has_items = step.tasks.iter().any(|task| task.item.is_some());
    html! {
        @if has_items || step.tasks.is_empty() {
            tr { th scope="row" { bdi { (safe(&step.id)) } } td { (step_state(step.state)) } td {} td {} td {} td.said { (approval(step)) } }
        }
        @for task in &step.tasks {
            tr {
                th scope="row" {
                    @match &task.item { Some(item) => { (safe(&step.id)) " · " bdi { (safe(item)) } }, None => { bdi { (safe(&step.id)) } } }
                }
                // A step that asks has a task that waits.
                td { (step_state(if has_items { task.state } else { step.state })) }
                td.n { (took(task, now)) }
                td.n { @if let Some(code) = task.exit { (code) } }
                td { @if let Some(run) = task.run_id.as_ref().or(task.of_run.as_ref()) { a href=(format!("/runs/{}", safe(run))) { (safe(run)) } } }
                td.said {
                    @if !has_items { (approval(step)) }
                    @if let Some(said) = &task.said { bdi { (safe(said)) } }
                }
            }
        }
    }
}

fn took(task: &StepTask, now: UtcMs) -> String {
    let Some(started) = task.started_ms else { return "–".to_owned() };
    let ended = match (task.ended_ms, task.state) {
        (Some(ended), _) => ended,
        (None, StepState::Running) => now.get(),
        (None, _) => return "–".to_owned(),
    };
    let ms = (ended - started).max(0).unsigned_abs();
    if ms < 10_000 { format!("{:.1}s", ms as f64 / 1_000.0) } else { span(ms) }
}

/// What is asked before a step, and who approved it why.
fn approval(step: &StepRecord) -> Markup {
    let Some(StepApproval { text, who, reason, .. }) = &step.approve else { return html! {} };
    html! {
        "asks: " bdi { (safe(text)) }
        @if let (Some(who), Some(reason)) = (who, reason) { "; approved by " bdi { (safe(who)) } ": " bdi { (safe(reason)) } }
        " "
    }
}
