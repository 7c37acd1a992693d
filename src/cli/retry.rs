//! `runner retry`: the same job with the same values once more, as a new run that names the old one.

use std::{path::Path, process::ExitCode};

use super::{
    args::{RetryArgs, RunArgs},
    records::Records,
    refuse::tell,
    run_arguments,
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    manifest::Kind,
    run::run,
    store::runs::{RetryPart, RunRecord, StepsRecord, StepsRetry},
};

/// Runs again what a run was given, and returns the exit code of the new run.
pub fn retry(root: &Path, args: &RetryArgs, json: bool) -> ExitCode {
    match again(root, args) {
        Ok(args) => run(root, &args, json),
        Err(failure) => ExitCode::from(tell(&failure, json).code()),
    }
}

/// What the run that a word names was given, for the same job once more.
pub fn again(root: &Path, args: &RetryArgs) -> Result<RunArgs, Failure> {
    let records = Records::open(root)?;
    let old = records.find_that(&args.run, |run| run.state.has_begun())?;
    let old = records.state_of(&old.run_id)?;
    let id = old.run_id.clone();
    if !old.state.is_over() {
        let message = format!(
            "run {id} is not over, it is {}: wait for it, or `runner stop {id}`",
            old.state.name()
        );
        return Err(Failure::new(Exit::Busy, message));
    }
    let given = run_arguments::run_arguments(&records, &id)?;
    if let Some(name) = run_arguments::masked(&given) {
        let message = format!(
            "{name} had a secret, which was not kept: give it again with `runner run {}`, and let the manifest take it from [secrets]",
            given.job
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(RunArgs {
        part: part(&records, &old, args)?,
        retry_of: Some(id.to_string()),
        timeout: given.timeout.clone(),
        asked: args.asked.clone(),
        ..RunArgs::of(run_arguments::arguments(&given))
    })
}

/// Which part is run again; a failure where the run has no steps, or not this one.
fn part(
    records: &Records,
    old: &RunRecord,
    args: &RetryArgs,
) -> Result<Option<StepsRetry>, Failure> {
    let (part, step) = match (&args.from, &args.only) {
        (Some(step), _) => (RetryPart::From, step),
        (None, Some(step)) => (RetryPart::Only, step),
        (None, None) => return Ok(None),
    };
    let id = &old.run_id;
    if old.kind != Kind::Pipeline.name() {
        let message = format!(
            "run {id} is of kind {}, which has no steps: `runner retry {id}` repeats it whole",
            old.kind
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let steps = StepsRecord::read(&records.disk, &records.layout, id)?.ok_or_else(|| {
        let message =
            format!("run {id} left no record of its steps: repeat it whole, `runner retry {id}`");
        Failure::new(Exit::Nothing, message)
    })?;
    if steps.step(step).is_none() {
        let known: Vec<&str> = steps.steps.iter().map(|step| step.id.as_str()).collect();
        let message = format!("run {id} has no step `{step}`; its steps are {}", known.join(", "));
        return Err(Failure::new(Exit::Nothing, message));
    }
    Ok(Some(StepsRetry { run_id: id.to_string(), part, step: step.clone() }))
}
