//! The job that only looks: it changes nothing but its own reports.

use super::{
    finding::Findings,
    gather::Held,
    git::Origin,
    look::{Scope, Site},
};
use crate::{
    jobs::context::{Context, Failure, Outcome},
    manifest::DeployCheckJob,
};

/// Runs the job.
pub fn run(context: &Context<'_>, job: &DeployCheckJob) -> Result<Outcome, Failure> {
    let site = Site::open(context, &job.target, &job.check)?;
    let mut findings = Findings::new(&job.check.severity);
    let reached = site.reach(&mut findings)?;
    let scope = Scope {
        tree: &site.source,
        origin: &Origin::Worktree,
        held: Held::ByNobody,
        name: "check",
        since: job.check.plan.as_deref(),
        tolerated: &[],
    };
    Ok(site.look(reached.as_ref(), &scope, findings)?.outcome(context))
}
