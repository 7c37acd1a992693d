//! A pipeline that goes on from where it was, or from a run before it: what is taken over and what runs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::PipelinePlan;
use crate::{
    manifest::{PipelineStep, When},
    store::runs::{RetryPart, StepRecord, StepState, StepTask, StepsRecord, StepsRetry},
};

/// Takes over how a run stood when it began to wait: what is over stays over.
pub fn go_on(plan: &mut PipelinePlan, record: &mut StepsRecord, before: &StepsRecord) {
    for (at, step) in record.steps.iter_mut().enumerate() {
        let Some(old) = before.step(&step.id) else { continue };
        if matches!(old.state, StepState::Skipped | StepState::Left) {
            plan.preset_step(at, old.state);
        }
        if let (Some(now), Some(then)) = (&mut step.approve, &old.approve) {
            *now = then.clone();
            if then.given_ms.is_some() {
                plan.approve(at);
            }
        }
        for (task, now) in step.tasks.iter_mut().enumerate() {
            let then = old.tasks.iter().find(|then| then.item == now.item);
            if let Some(then) = then.filter(|then| then.state.is_over()) {
                plan.preset((at, task), then.state);
                *now = then.clone();
            }
        }
    }
}

/// Prepares a retry of a part of an earlier run; the error says what is to be typed instead.
pub(super) fn repeat(
    plan: &mut PipelinePlan,
    record: &mut StepsRecord,
    (steps, before): (&[PipelineStep], &StepsRecord),
    retry: &StepsRetry,
) -> Result<(), String> {
    let run = &retry.run_id;
    let Some(place) = steps.iter().position(|step| step.id == retry.step) else {
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        return Err(format!(
            "step `{}` does not exist; the steps are {}",
            retry.step,
            ids.join(", ")
        ));
    };
    let is_done =
        |step: &PipelineStep| before.step(&step.id).is_some_and(|old| old.state.is_well());
    let must = retry.part == RetryPart::From || steps[place].when == When::Success;
    let ahead = upstream(steps, place);
    let undone = steps.iter().filter(|step| ahead.contains(step.id.as_str()) && !is_done(step));
    if let Some(first) = undone.filter(|_| must).map(|step| &step.id).next() {
        let state = before.step(first).map_or("not in it", |old| old.state.name());
        return Err(format!(
            "step `{first}`, which `{}` needs, did not succeed in run {run} ({state}): `runner retry {run} --from {first}`",
            retry.step
        ));
    }
    let behind = downstream(steps, place);
    for (at, step) in steps.iter().enumerate() {
        let Some(old) = before.step(&step.id) else {
            leave(plan, record, at, retry);
            continue;
        };
        if at == place {
            keep_items(plan, &mut record.steps[at], old, (at, run));
        } else if is_done(step)
            && (retry.part == RetryPart::Only || !behind.contains(step.id.as_str()))
        {
            keep(plan, &mut record.steps[at], old, (at, run));
        } else {
            leave(plan, record, at, retry);
        }
    }
    if retry.part == RetryPart::Only {
        plan.alone(place);
    }
    Ok(())
}

/// With `only`, every step but one is left as it is.
fn leave(plan: &mut PipelinePlan, record: &mut StepsRecord, at: usize, retry: &StepsRetry) {
    if retry.part == RetryPart::Only {
        plan.preset_step(at, StepState::Left);
        record.steps[at].state = StepState::Left;
    }
}

/// Takes a whole step over.
fn keep(
    plan: &mut PipelinePlan,
    step: &mut StepRecord,
    old: &StepRecord,
    (at, run): (usize, &str),
) {
    for (task, now) in step.tasks.iter_mut().enumerate() {
        let then = old.tasks.iter().find(|then| then.item == now.item);
        if let Some(then) = then.filter(|then| then.state.is_well()) {
            plan.preset((at, task), StepState::Kept);
            *now = kept(then, run);
        }
    }
    step.approve = old.approve.clone().or(step.approve.take());
}

/// Of a step in which some items failed, those that succeeded are taken over; of one that succeeded, none is.
fn keep_items(
    plan: &mut PipelinePlan,
    step: &mut StepRecord,
    old: &StepRecord,
    (at, run): (usize, &str),
) {
    if old.state.is_well() {
        return;
    }
    for (task, now) in step.tasks.iter_mut().enumerate() {
        let then = old.tasks.iter().find(|then| then.item.is_some() && then.item == now.item);
        if let Some(then) = then.filter(|then| then.state.is_well()) {
            plan.preset((at, task), StepState::Kept);
            *now = kept(then, run);
        }
    }
}

fn kept(then: &StepTask, run: &str) -> StepTask {
    let of_run = then.of_run.clone().or_else(|| Some(run.to_owned()));
    StepTask { state: StepState::Kept, of_run, ..then.clone() }
}

/// The steps that a step needs, those that they need, and so on.
fn upstream(steps: &[PipelineStep], place: usize) -> BTreeSet<&str> {
    let needs: BTreeMap<&str, &[String]> =
        steps.iter().map(|step| (step.id.as_str(), step.needs.as_slice())).collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = steps[place].needs.iter().map(String::as_str).collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(needs.get(id).into_iter().copied().flatten().map(String::as_str));
        }
    }
    seen
}

/// The steps that need a step, those that need them, and so on; itself too.
fn downstream(steps: &[PipelineStep], place: usize) -> BTreeSet<&str> {
    let mut seen = BTreeSet::from([steps[place].id.as_str()]);
    loop {
        let more: Vec<&str> = steps
            .iter()
            .filter(|step| step.needs.iter().any(|need| seen.contains(need.as_str())))
            .map(|step| step.id.as_str())
            .filter(|id| !seen.contains(id))
            .collect();
        if more.is_empty() {
            return seen;
        }
        seen.extend(more);
    }
}
