//! The job that deploys: one lock here, one there, a look that must find nothing against it, and then the work.

use std::{fmt::Write as _, path::Path};

use super::{
    retire::retire,
    rollback::{Earlier, earlier},
    story::Story,
    sync::sync,
    verify::{commands, verify},
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        deploy::{
            finding::{Findings, There},
            gather::{Held, Seen},
            git::Origin,
            look::{Looked, Scope, Site},
            reach::Reached,
            shields::{DEPLOYING, LOCK},
            there_lock::{Owner, TargetLock, owner, remove},
        },
    },
    manifest::{Deploy, DeployJob, DeployMode, Refusal, Target},
    store::digest::sha256_hex,
};

/// Letters of the hash in the names of what is kept here about a target.
const NAME_HASH: usize = 12;

/// What speaks against sending, and not against moving aside what is left over.
const NOT_OF_RETIRING: [Refusal; 5] = [
    Refusal::Drift,
    Refusal::TooMuch,
    Refusal::SecretsInTree,
    Refusal::LowDisk,
    Refusal::PublicPort,
];

/// One deploy at work.
pub struct Act<'a> {
    /// Both sides.
    pub site: &'a Site<'a>,
    /// What is done.
    pub deploy: &'a Deploy,
    /// Whom we reached.
    pub reached: &'a Reached,
    /// What the target is called in the names of files here.
    pub name: String,
}

/// Runs the job.
pub fn run(context: &Context<'_>, job: &DeployJob) -> Result<Outcome, Failure> {
    let (target, deploy) = (&job.target, &job.deploy);
    let site = Site::open(context, target, &job.check)?;
    let mut findings = Findings::new(&job.check.severity);
    let since = deploy.plan.as_deref();
    if deploy.mode == DeployMode::Plan {
        let reached = site.reach(&mut findings)?;
        let scope = Scope { held: Held::ByNobody, ..scope(&site.source, &Origin::Worktree, since) };
        return Ok(site.look(reached.as_ref(), &scope, findings)?.outcome(context));
    }
    let name = file_name(target);
    let _here = context.lock(&context.layout.deploy_lock(&name))?;
    let Some(reached) = site.reach(&mut findings)? else {
        let scope = scope(&site.source, &Origin::Worktree, since);
        return Ok(site.look(None, &scope, findings)?.outcome(context));
    };
    if deploy.mode == DeployMode::Unlock {
        return unlock(&site);
    }
    let lock = TargetLock::take(context, &site.hands, target, &deploy.message)?;
    let act = Act { site: &site, deploy, reached: &reached, name };
    let done = act.act(findings);
    match (done, lock.release()) {
        (done, Ok(())) => done,
        (Ok(mut outcome), Err(kept)) => {
            if outcome.exit == Exit::Ok {
                outcome.exit = kept.exit;
            }
            let _ = writeln!(outcome.text, "lock    {}", kept.message);
            Ok(outcome)
        }
        (Err(failure), Err(kept)) => {
            let message = format!("{}; and {}", failure.message, kept.message);
            Err(Failure::new(failure.exit, message))
        }
    }
}

impl Act<'_> {
    /// Looks, and does what the mode says when nothing speaks against it.
    fn act(&self, findings: Findings<'_>) -> Result<Outcome, Failure> {
        match self.deploy.mode {
            DeployMode::Sync | DeployMode::Plan | DeployMode::Unlock => {
                let since = self.deploy.plan.as_deref();
                let scope = scope(&self.site.source, &Origin::Worktree, since);
                self.bring(&scope, findings)
            }
            DeployMode::Rollback => {
                let Earlier { tree, origin } = earlier(self.site)?;
                let done = self.bring(&scope(&tree, &origin, None), findings);
                super::rollback::clear(self.site, &tree)?;
                done
            }
            DeployMode::Retire => {
                let origin = Origin::Worktree;
                let scope = Scope {
                    tolerated: &NOT_OF_RETIRING,
                    ..scope(&self.site.source, &origin, None)
                };
                let looked = self.site.look(Some(self.reached), &scope, findings)?;
                match open(&looked) {
                    Some(seen) => {
                        let mut story = Story::new(self, &looked);
                        let done = retire(self, seen, &mut story);
                        story.end(self, done)
                    }
                    None => Ok(looked.outcome(self.site.context)),
                }
            }
        }
    }

    /// Sends a tree, starts what must be started, and verifies.
    fn bring(&self, scope: &Scope<'_>, findings: Findings<'_>) -> Result<Outcome, Failure> {
        let looked = self.site.look(Some(self.reached), scope, findings)?;
        let Some(seen) = open(&looked) else { return Ok(looked.outcome(self.site.context)) };
        let mut story = Story::new(self, &looked);
        let done = sync(self, seen, scope.tree, &mut story)
            .and_then(|()| commands(self, &mut story))
            .and_then(|()| verify(self, scope, &mut story));
        story.end(self, done)
    }
}

/// What was seen, when nothing speaks against going on.
fn open(looked: &Looked) -> Option<&Seen> {
    looked.seen.as_ref().filter(|_| looked.exit == Exit::Ok)
}

fn scope<'s>(tree: &'s Path, origin: &'s Origin, since: Option<&'s str>) -> Scope<'s> {
    Scope { tree, origin, held: Held::ByUs, name: "check", since, tolerated: &[] }
}

/// What the target is called in the names of files.
fn file_name(target: &Target) -> String {
    let place = There(target).name();
    let host = target.host.as_ref().map_or_else(|| "here".to_owned(), ToString::to_string);
    format!("{host}-{}", &sha256_hex(place.as_bytes())[..NAME_HASH])
}

/// Takes away the lock that somebody left. A deploy of this machine that is at work holds another one, which cannot be left.
fn unlock(site: &Site<'_>) -> Result<Outcome, Failure> {
    let place = There(site.target).name();
    let found = owner(&site.hands, site.target)?;
    let summary = if found == Owner::Nobody {
        format!("{place}{LOCK}: there is no lock")
    } else {
        remove(&site.hands, site.target)?;
        format!("{place}{LOCK} was taken away: {found}")
    };
    let text = format!(
        "{summary}\nnext: runner deploy {} (it completes what was cut off, which {DEPLOYING} there tells)\n",
        site.context.call
    );
    Ok(Outcome { exit: Exit::Ok, summary, text, out: [].into() })
}
