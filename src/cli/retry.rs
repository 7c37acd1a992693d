//! `runner retry`: the same job with the same values once more, as a new run that names the old one.

use std::{path::Path, process::ExitCode};

use super::{args::RunArgs, records::Records, run_arguments, view::tell};
use crate::{exit::Exit, jobs::context::Failure, run::run};

/// Runs again what a run was given, and returns the exit code of the new run.
pub fn retry(root: &Path, word: &str, json: bool) -> ExitCode {
    match again(root, word) {
        Ok(args) => run(root, &args, json),
        Err(failure) => ExitCode::from(tell(&failure, json).code()),
    }
}

/// What the run that a word names was given, for the same job once more.
pub fn again(root: &Path, word: &str) -> Result<RunArgs, Failure> {
    let records = Records::open(root)?;
    let old = records.find(word)?;
    let old = records.stands(&old.run_id)?;
    let id = old.run_id;
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
        retry_of: Some(id.to_string()),
        timeout: given.timeout.clone(),
        ..RunArgs::of(run_arguments::arguments(&given))
    })
}
