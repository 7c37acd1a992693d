//! The job that deploys: a lock here, a lock there, an assessment that must find nothing against it, then the work, and its report.
//! Nothing is deleted on the target.

mod other_modes;
mod send;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::Serialize;

use self::{
    other_modes::{PreviousTree, previous_tree, retire, would_retire},
    send::{run_commands, send_and_note, verify},
};
use super::{
    assess::{AssessOptions, Assessment, DeploySession},
    collect::{AllowedLock, Snapshot},
    connect::Connection,
    findings::{DeployFindings, PlanSummary, TargetHint, listed},
    git::TreeOrigin,
    inventory::{DEPLOYING, LOCK},
    rsync_output::{RsyncItem, item_rows},
    target::{LockOwner, TargetLock, lock_owner, remove_lock},
};
use crate::{
    exit::Exit,
    jobs::context::Context,
    manifest::{Deploy, DeployJob, DeployMode, Refusal, Target},
    outcome::{Failure, Outcome},
    store::{digest::sha256_hex, disk::Disk as _, document::document},
};

/// Name and version of `deploy.json`.
const SCHEMA: &str = "mjolnir.deploy/1";
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

/// One deploy at work: both locks are held.
pub struct Execution<'a> {
    /// Both sides.
    pub session: &'a DeploySession<'a>,
    pub deploy: &'a Deploy,
    /// The machine that answered.
    pub connection: &'a Connection,
    /// What the target is called in the names of files here.
    pub name: String,
}

pub fn run(context: &Context<'_>, job: &DeployJob) -> Result<Outcome, Failure> {
    let (target, deploy) = (&job.target, &job.deploy);
    let session = DeploySession::open(context, target, &job.check)?;
    let mut findings = DeployFindings::new(&job.check.severity);
    match deploy.mode {
        DeployMode::Plan | DeployMode::RollbackPlan | DeployMode::RetirePlan => {
            return preview(&session, deploy, findings);
        }
        DeployMode::Sync | DeployMode::Rollback | DeployMode::Retire | DeployMode::Unlock => {}
    }
    // The lock here first: it dies with this process, so a deploy of this machine that still runs keeps --unlock away.
    let name = file_name(target);
    let _here = context.lock(&context.layout.deploy_lock(&name))?;
    let Some(connection) = session.connect(&mut findings)? else {
        let options = options(&session.source, &TreeOrigin::Worktree, deploy.plan.as_deref());
        return Ok(session.assess(None, &options, findings)?.outcome(context));
    };
    if deploy.mode == DeployMode::Unlock {
        return unlock(&session);
    }
    let lock = TargetLock::take(context, &session.runner, target, &deploy.message)?;
    let execution = Execution { session: &session, deploy, connection: &connection, name };
    let done = execution.carry_out(findings);
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

/// What a deploy, a rollback or a retirement would do. Nothing is changed, so no lock is taken.
fn preview(
    session: &DeploySession<'_>,
    deploy: &Deploy,
    mut findings: DeployFindings<'_>,
) -> Result<Outcome, Failure> {
    let connection = session.connect(&mut findings)?;
    let commands = commands_of(deploy);
    let worktree = AssessOptions {
        allowed_lock: AllowedLock::None,
        commands: &commands,
        ..options(&session.source, &TreeOrigin::Worktree, deploy.plan.as_deref())
    };
    let Some(connection) = connection else {
        return Ok(session.assess(None, &worktree, findings)?.outcome(session.context));
    };
    if deploy.mode == DeployMode::RollbackPlan {
        let PreviousTree { tree, origin } = previous_tree(session)?;
        let back = AssessOptions {
            tree: &tree,
            origin: &origin,
            name: "rollback",
            since: None,
            ..worktree
        };
        let assessment = session.assess(Some(&connection), &back, findings);
        other_modes::clear(session, &tree)?;
        return Ok(assessment?.outcome(session.context));
    }
    if deploy.mode == DeployMode::RetirePlan {
        let retiring = AssessOptions {
            name: "retire",
            since: None,
            commands: &[],
            tolerated: &NOT_OF_RETIRING,
            ..worktree
        };
        let assessment = session.assess(Some(&connection), &retiring, findings)?;
        return match safe(&assessment) {
            Some(snapshot) => would_retire(session, snapshot, &assessment),
            None => Ok(assessment.outcome(session.context)),
        };
    }
    Ok(session.assess(Some(&connection), &worktree, findings)?.outcome(session.context))
}

impl Execution<'_> {
    /// Looks, and does what the mode says when nothing speaks against it.
    fn carry_out(&self, findings: DeployFindings<'_>) -> Result<Outcome, Failure> {
        match self.deploy.mode {
            DeployMode::Rollback => {
                let PreviousTree { tree, origin } = previous_tree(self.session)?;
                let done = self.bring(&options(&tree, &origin, None), findings);
                other_modes::clear(self.session, &tree)?;
                done
            }
            DeployMode::Retire => {
                let origin = TreeOrigin::Worktree;
                let options = AssessOptions {
                    tolerated: &NOT_OF_RETIRING,
                    ..options(&self.session.source, &origin, None)
                };
                let assessment = self.session.assess(Some(self.connection), &options, findings)?;
                match safe(&assessment) {
                    Some(snapshot) => {
                        let mut report = DeployReport::new(self, &assessment);
                        let done = retire(self, snapshot, &mut report);
                        report.end(self, done)
                    }
                    None => Ok(assessment.outcome(self.session.context)),
                }
            }
            DeployMode::Sync
            | DeployMode::Plan
            | DeployMode::RollbackPlan
            | DeployMode::RetirePlan
            | DeployMode::Unlock => {
                let since = self.deploy.plan.as_deref();
                let options = options(&self.session.source, &TreeOrigin::Worktree, since);
                self.bring(&options, findings)
            }
        }
    }

    /// Sends a tree, starts what must be started, and verifies.
    fn bring(
        &self,
        options: &AssessOptions<'_>,
        findings: DeployFindings<'_>,
    ) -> Result<Outcome, Failure> {
        let commands = commands_of(self.deploy);
        let with_commands = AssessOptions { commands: &commands, ..*options };
        let assessment = self.session.assess(Some(self.connection), &with_commands, findings)?;
        let Some(snapshot) = safe(&assessment) else {
            return Ok(assessment.outcome(self.session.context));
        };
        let mut report = DeployReport::new(self, &assessment);
        let done = send_and_note(self, snapshot, options.tree, &mut report)
            .and_then(|()| run_commands(self, &mut report))
            .and_then(|()| verify(self, options, &mut report));
        report.end(self, done)
    }
}

/// Everything that a deploy runs on the target, each with its arguments.
fn commands_of(deploy: &Deploy) -> Vec<Vec<String>> {
    let commands = deploy.commands.iter().map(|command| &command.argv);
    let all = commands.chain([&deploy.health, &deploy.state]);
    all.filter(|words| !words.is_empty()).cloned().collect()
}

/// What was seen, when nothing speaks against going on.
fn safe(assessment: &Assessment) -> Option<&Snapshot> {
    assessment.snapshot.as_ref().filter(|_| assessment.exit == Exit::Ok)
}

fn options<'s>(
    tree: &'s Path,
    origin: &'s TreeOrigin,
    since: Option<&'s str>,
) -> AssessOptions<'s> {
    AssessOptions {
        tree,
        origin,
        allowed_lock: AllowedLock::Ours,
        commands: &[],
        name: "check",
        since,
        tolerated: &[],
    }
}

/// What the target is called in the names of files.
fn file_name(target: &Target) -> String {
    let place = TargetHint(target).name();
    let host = target.host.as_ref().map_or_else(|| "here".to_owned(), ToString::to_string);
    format!("{host}-{}", &sha256_hex(place.as_bytes())[..NAME_HASH])
}

/// Takes away the lock that a killed deploy left. A deploy of this machine that still runs holds the lock here, which dies with it.
fn unlock(session: &DeploySession<'_>) -> Result<Outcome, Failure> {
    let place = TargetHint(session.target).name();
    let found = lock_owner(&session.runner, session.target)?;
    let summary = if found == LockOwner::Free {
        format!("{place}{LOCK} is free: nothing to take away")
    } else {
        remove_lock(&session.runner, session.target)?;
        format!("{place}{LOCK} was taken away: {found}")
    };
    let text = format!(
        "{summary}\nnext: runner deploy {} (it completes a deploy that was cut off, as {DEPLOYING} there says)\n",
        session.context.call
    );
    Ok(Outcome { exit: Exit::Ok, summary, text, out: [].into() })
}

/// The document `deploy.json`.
#[derive(Debug, Serialize)]
pub struct DeployReport {
    schema: &'static str,
    mode: &'static str,
    source: String,
    target: String,
    message: String,
    /// The commit that is brought there.
    commit: Option<String>,
    /// The commit that was there.
    pub previous: Option<String>,
    plan: Option<PlanSummary>,
    /// What was sent: how, and the path.
    sent: Vec<[String; 2]>,
    #[serde(skip)]
    sent_items: Vec<RsyncItem>,
    /// What is still there, and in the source no more.
    pub stale: Vec<String>,
    /// What was moved aside: from and to.
    pub moved: Vec<[String; 2]>,
    /// What was not moved aside, and why.
    pub left: Vec<String>,
    /// What was done, in order.
    steps: Vec<String>,
    /// What went wrong.
    problem: Option<String>,
    /// The command to go on with, when something went wrong.
    pub next: String,
}

impl DeployReport {
    /// Of a deploy that starts.
    fn new(execution: &Execution<'_>, assessment: &Assessment) -> Self {
        let report = &assessment.report;
        let call = &execution.session.context.call;
        Self {
            schema: SCHEMA,
            mode: execution.deploy.mode.name(),
            source: report.source.clone(),
            target: report.target.clone(),
            message: execution.deploy.message.clone(),
            commit: report.commit.clone(),
            previous: None,
            plan: report.plan.clone(),
            sent: Vec::new(),
            sent_items: Vec::new(),
            stale: Vec::new(),
            moved: Vec::new(),
            left: Vec::new(),
            steps: Vec::new(),
            problem: None,
            next: format!("runner deploy {call}"),
        }
    }

    /// Notes what was sent.
    pub fn sent(&mut self, items: &[RsyncItem]) {
        self.sent = item_rows(items);
        self.sent_items = items.to_vec();
    }

    /// Notes a step that was done.
    pub fn step(&mut self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{text}");
        self.steps.push(text);
    }

    /// Writes the document, and says how it ended.
    fn end(
        mut self,
        execution: &Execution<'_>,
        done: Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let context = execution.session.context;
        let exit = done.as_ref().map_or_else(|failure| failure.exit, |()| Exit::Ok);
        self.problem = done.err().map(|failure| failure.message);
        let path = execution.session.dir.join("deploy.json");
        context.disk.replace(&path, context.mask.apply(&document(&self)).as_bytes())?;
        let shown = context.shown(&path);
        let mut out = BTreeMap::from([("deploy".to_owned(), shown.clone())]);
        if let Some(commit) = &self.commit {
            out.insert("commit".to_owned(), commit.clone());
        }
        if let Some(plan) = &self.plan {
            out.insert("plan".to_owned(), plan.path.clone());
            out.insert("plan-hash".to_owned(), plan.hash.clone());
        }
        let summary = self.summary();
        if self.problem.is_some() {
            tracing::error!("{summary}");
        }
        Ok(Outcome { exit, summary, text: format!("{}report: {shown}\n", self.text()), out })
    }

    fn summary(&self) -> String {
        let commit = self.commit.as_deref().and_then(|commit| commit.get(..12)).unwrap_or("?");
        match &self.problem {
            Some(problem) => format!("{} of {commit}: {problem}", self.mode),
            None => format!(
                "{} of {commit}: {} sent, {} moved aside, {} stale, verified",
                self.mode,
                self.sent.len(),
                self.moved.len(),
                self.stale.len()
            ),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} to {}: {}\n\n", self.source, self.target, self.summary());
        text.push_str(&listed("sent", &self.sent_items, "the report"));
        for path in &self.stale {
            let _ = writeln!(text, "stale   {path}");
        }
        for [from, to] in &self.moved {
            let _ = writeln!(text, "moved   {from} to {to}");
        }
        for what in &self.left {
            let _ = writeln!(text, "left    {what}");
        }
        for step in &self.steps {
            let _ = writeln!(text, "done    {step}");
        }
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "failed  {problem}\nnext    {}", self.next);
        }
        text
    }
}
