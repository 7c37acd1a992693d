//! What a pipeline says at its end: each step and item, and one line for the record.

use std::fmt::Write as _;

use super::plan::PipelinePlan;
use crate::{
    exit::Exit,
    jobs::context::{Context, Outcome},
    store::runs::{StepRecord, StepState, StepTask, StepsRecord},
};

/// Items that a summary names.
const NAMED_MAX: usize = 3;

/// How a pipeline ended.
pub fn outcome(context: &Context<'_>, plan: &PipelinePlan, record: &StepsRecord) -> Outcome {
    let states: Vec<StepState> = plan.states().map(|(_, state)| state).collect();
    let well = states.iter().filter(|state| state.is_well()).count();
    let mut summary = format!("{well} of {} steps succeeded{}", states.len(), how(record));
    for step in record.steps.iter().filter(|step| step.state == StepState::Failed) {
        summary.push_str(&failed_items(step));
    }
    let exit = match (context.stop.signal(), plan.failed(), plan.is_over()) {
        // The step at work was ended by us: that is not a verdict on it.
        (Some(signal), ..) => {
            summary.push_str(": asked to stop");
            Exit::Signal(signal)
        }
        (None, ..) if context.stop.asked() => Exit::Timeout,
        (None, true, _) => Exit::Negative,
        (None, false, true) if !plan.is_whole() => {
            summary.push_str(&left(context, record));
            Exit::Negative
        }
        (None, false, true) => Exit::Ok,
        (None, false, false) => Exit::Timeout,
    };
    let steps = record.steps.iter();
    let out = steps.flat_map(|step| {
        let task = step.tasks.iter().filter(|task| task.item.is_none());
        task.flat_map(move |task| {
            task.out
                .iter()
                .map(move |(key, value)| (format!("steps.{}.out.{key}", step.id), value.clone()))
        })
    });
    Outcome { exit, summary, text: text(record), out: out.collect() }
}

/// A pipeline that goes on when somebody approves what it asks.
pub fn waits(context: &Context<'_>, record: &StepsRecord) -> Outcome {
    let asks: Vec<String> = record
        .asking()
        .map(|(step, approve)| {
            let (run, id) = (&context.run_id, &step.id);
            format!(
                "step {id} waits for approval: {}: `runner approve {run} {id} --reason ...`",
                approve.text
            )
        })
        .collect();
    Outcome {
        exit: Exit::Waiting,
        summary: asks.join("; "),
        text: text(record),
        out: std::collections::BTreeMap::new(),
    }
}

/// Which of the steps that are done were not run.
fn how(record: &StepsRecord) -> String {
    let count = |state: StepState| record.steps.iter().filter(|step| step.state == state).count();
    let mut parts = Vec::new();
    match count(StepState::UpToDate) {
        0 => {}
        n => parts.push(format!("{n} up to date")),
    }
    if let Some(retry) = &record.retry {
        let (kept, run) = (count(StepState::Kept), &retry.run_id);
        let (part, step) = (retry.part.name(), &retry.step);
        parts.push(format!("{part} {step}, {kept} kept of {run}"));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn failed_items(step: &StepRecord) -> String {
    let bad: Vec<&str> = step
        .tasks
        .iter()
        .filter(|task| !task.state.is_well())
        .filter_map(|task| task.item.as_deref())
        .collect();
    if bad.is_empty() {
        return String::new();
    }
    let more = if bad.len() > NAMED_MAX { ", ..." } else { "" };
    let named = bad[..bad.len().min(NAMED_MAX)].join(", ");
    format!("; {}: {} of {} items failed: {named}{more}", step.id, bad.len(), step.tasks.len())
}

/// What a retry of one step leaves undone.
fn left(context: &Context<'_>, record: &StepsRecord) -> String {
    let mut left = record.steps.iter().filter(|step| step.state == StepState::Left);
    let ids: Vec<&str> = left.clone().map(|step| step.id.as_str()).collect();
    let first = left.next().map_or("", |step| step.id.as_str());
    let run = &context.run_id;
    format!("; not done: {}: `runner retry {run} --from {first}`", ids.join(", "))
}

fn text(record: &StepsRecord) -> String {
    let mut text = String::new();
    for step in &record.steps {
        let alone = step.tasks.first().filter(|task| task.item.is_none());
        let more = alone.map(more).unwrap_or_default();
        let _ = writeln!(text, "step {:<16} {}{more}", step.id, step.state.name());
        for task in step.tasks.iter().filter(|_| alone.is_none()) {
            let item = task.item.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  item {item:<14} {}{}", task.state.name(), self::more(task));
        }
    }
    text
}

fn more(task: &StepTask) -> String {
    let mut more = task.exit.map_or(String::new(), |code| format!("  exit {code}"));
    if let Some(run) = &task.of_run {
        let _ = write!(more, "  of run {run}");
    }
    if let Some(hash) = task.hash.as_ref().filter(|_| task.state == StepState::UpToDate) {
        let _ = write!(more, "  hash {}", &hash[..hash.len().min(12)]);
    }
    if let Some(said) = &task.said {
        let _ = write!(more, "  {said}");
    }
    more
}
