//! `runner plan` and `runner deploy`: the same as `runner run` of a deploy job, with some of its values set. Of a sweep, how much there is
//! to do.

use std::{path::Path, process::ExitCode};

use super::{
    args::{DeployArgs, JobArgs, PlanArgs, RunArgs},
    load::{facts, load},
    sweep::planned,
    view::{refuse, tell},
};
use crate::{
    exit::Exit,
    manifest::{DeployMode, Job},
    outcome::Failure,
    run::run,
};

/// Runs a deploy job in one of its modes.
pub fn deploy(root: &Path, args: &DeployArgs, json: bool) -> ExitCode {
    let mut job = JobArgs { values: args.values.clone(), ..JobArgs::of(args.job.clone()) };
    let modes = [
        (args.rollback, DeployMode::Rollback),
        (args.retire, DeployMode::Retire),
        (args.unlock, DeployMode::Unlock),
    ];
    if let Some((_, mode)) = modes.iter().find(|(asked, _)| *asked) {
        set(&mut job, "deploy.mode", mode.name());
    }
    if let Some(plan) = &args.plan {
        set(&mut job, "deploy.plan", plan);
    }
    if let Some(message) = &args.message {
        set(&mut job, "deploy.message", message);
    }
    run(root, &RunArgs { run_id: args.run_id.clone(), ..RunArgs::of(job) }, json)
}

/// Runs a deploy or deploy-check job so that it only looks.
pub fn plan(root: &Path, args: &PlanArgs, json: bool) -> ExitCode {
    let loaded = match load(root, &args.job, &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return ExitCode::from(refuse(error, json).code()),
    };
    let mode = match (args.rollback, args.retire) {
        (true, _) => DeployMode::RollbackPlan,
        (false, true) => DeployMode::RetirePlan,
        (false, false) => DeployMode::Plan,
    };
    let mut job = args.job.clone();
    match &loaded.resolved.manifest.job {
        Job::DeployCheck(_) if mode == DeployMode::Plan => {}
        Job::DeployCheck(_) => {
            let message = format!(
                "{} only looks: --rollback and --retire need a job of kind `deploy`, such as `runner plan deploy --rollback`",
                job.job.display()
            );
            return ExitCode::from(tell(&Failure::new(Exit::Usage, message), json).code());
        }
        Job::Deploy(_) => set(&mut job, "deploy.mode", mode.name()),
        Job::Sweep(sweep) if mode == DeployMode::Plan => {
            let manifest = &loaded.resolved.manifest;
            return ExitCode::from(planned(root, sweep, &manifest.name, json).code());
        }
        other => {
            let message = format!(
                "{} is a job of kind `{}`, and only deploys and sweeps have a plan: use `runner explain {}`",
                job.job.display(),
                other.kind().name(),
                job.job.display()
            );
            return ExitCode::from(tell(&Failure::new(Exit::Usage, message), json).code());
        }
    }
    run(root, &RunArgs::of(job), json)
}

/// A text, so that nothing in it is taken for anything else.
fn set(job: &mut JobArgs, path: &str, text: &str) {
    job.values.set.push((path.to_owned(), serde_json::Value::from(text).to_string()));
}
