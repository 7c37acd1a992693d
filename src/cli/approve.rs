//! `runner approve`: a step of a pipeline that waits may start.

use std::path::Path;

use serde_json::json;

use super::{
    args::ApproveArgs,
    flags,
    output::{plain, print, print_json},
    records::Records,
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::ids::RunId,
    exit::Exit,
    jobs::context::Failure,
    store::{
        lock::is_held,
        runs::{Approval, RunRecord, RunState, StepState, StepsRecord},
    },
};

/// A step that was approved.
pub struct GivenApproval {
    run: RunId,
    approval: Approval,
    next: &'static str,
}

impl GivenApproval {
    /// What was done, for people.
    pub fn said(&self) -> String {
        let Self { run, approval: Approval { step, who, reason, .. }, next } = self;
        let (who, reason) = (plain(who), plain(reason));
        format!("step {step} of run {run} is approved by {who}: {reason}\n{next}\n")
    }
}

/// Approves a step, and says what comes of it.
pub fn approve(root: &Path, args: &ApproveArgs, json: bool) -> Exit {
    match give(root, args) {
        Ok(given) => {
            if json {
                let Approval { step, who, reason, at } = &given.approval;
                print_json(&json!({
                    "schema": "mjolnir.approve/1", "run_id": given.run.as_str(), "step": step,
                    "who": who, "reason": reason, "at_ms": at.get(),
                }));
            } else {
                print(&given.said());
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// Writes the approval down.
pub fn give(root: &Path, args: &ApproveArgs) -> Result<GivenApproval, Failure> {
    flags::reason(&args.reason)?;
    let records = Records::open(root)?;
    let run = waiting(&records, &args.run)?;
    let id = &run.run_id;
    let steps = StepsRecord::read(&records.disk, &records.layout, id)?.ok_or_else(|| {
        Failure::new(Exit::Nothing, format!("run {id} is not a pipeline: no step of it waits"))
    })?;
    asks(&run, &steps, &args.step)?;
    let approval = Approval {
        step: args.step.clone(),
        who: flags::who(args.who.as_ref()),
        reason: args.reason.clone(),
        at: SystemClock.now(),
    };
    if !records.store.approve(id, run.attempt, &approval)? {
        let before = records.store.approvals(id, run.attempt)?;
        let before = before.into_iter().find(|before| before.step == args.step);
        let by = before
            .map_or_else(String::new, |a| format!(", by {}: {}", plain(&a.who), plain(&a.reason)));
        let message = format!("step {} of run {id} is approved already{by}", args.step);
        return Err(Failure::new(Exit::Busy, message));
    }
    let next = match run.state {
        RunState::Waiting if !is_held(&records.layout.scheduler_lock()) => {
            "no service is running here: it goes on when `runner serve` is started"
        }
        _ => "it starts within seconds",
    };
    Ok(GivenApproval { run: run.run_id, approval, next })
}

/// The run that is meant: of a job the newest one that is not over.
fn waiting(records: &Records, word: &str) -> Result<RunRecord, Failure> {
    let run = records.state_of(&records.find_that(word, |run| !run.state.is_over())?.run_id)?;
    if !run.state.is_over() {
        return Ok(run);
    }
    let (id, state) = (&run.run_id, run.state.name());
    let message = format!("run {id} is over, it is {state}: nothing of it waits for an approval");
    Err(Failure::new(Exit::Nothing, message))
}

/// Refuses a step that does not wait.
fn asks(run: &RunRecord, steps: &StepsRecord, id: &str) -> Result<(), Failure> {
    let asking: Vec<&str> = steps.asking().map(|(step, _)| step.id.as_str()).collect();
    let others = if asking.is_empty() {
        "no step of it waits for an approval".to_owned()
    } else {
        format!("those that wait are {}", asking.join(", "))
    };
    let message = match steps.step(id) {
        None => format!("run {} has no step `{}`; {others}", run.run_id, plain(id)),
        Some(step) if step.state == StepState::Asking => return Ok(()),
        Some(step) => {
            let state = step.state.name();
            format!(
                "step `{id}` of run {} does not wait for an approval, it is {state}; {others}",
                run.run_id
            )
        }
    };
    Err(Failure::new(Exit::Nothing, message))
}
