//! Both sides, judged and written down: what deploy-check shows, and what a deploy relies on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    collect::{AllowedLock, Collector, Snapshot, collect},
    connect::{Connection, connect},
    facts::DeployFacts,
    findings::{Changes, CheckReport, DeployFindings, DeployPlan, PlanSummary, TargetHint},
    git::TreeOrigin,
    inventory::Exclusions,
    judge::{JudgedDeploy, judge},
    programs::CommandRunner,
    rsync_output::ItemChange,
};
use crate::{
    exit::Exit,
    jobs::context::Context,
    manifest::{DeployCheck, DeployCheckJob, Refusal, Target},
    outcome::{Failure, Outcome},
    store::{disk::Disk as _, document::document},
};

/// Runs the job that only looks: it changes nothing but its own reports.
pub fn run(context: &Context<'_>, job: &DeployCheckJob) -> Result<Outcome, Failure> {
    let session = DeploySession::open(context, &job.target, &job.check)?;
    let mut findings = DeployFindings::new(&job.check.severity);
    let connection = session.connect(&mut findings)?;
    let options = AssessOptions {
        tree: &session.source,
        origin: &TreeOrigin::Worktree,
        allowed_lock: AllowedLock::None,
        commands: &[],
        name: "check",
        since: job.check.plan.as_deref(),
        tolerated: &[],
    };
    Ok(session.assess(connection.as_ref(), &options, findings)?.outcome(context))
}

/// One run against one target: the rules, and what it takes to look.
pub struct DeploySession<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// Where the deploy goes.
    pub target: &'a Target,
    /// What the manifest demands.
    pub rules: &'a DeployCheck,
    /// Starts programs.
    pub runner: CommandRunner<'a>,
    /// What is left alone.
    pub exclusions: Exclusions,
    /// The folder of this run's reports.
    pub dir: PathBuf,
    /// The folder to deploy, without links in its path.
    pub source: PathBuf,
}

/// What is looked at, and how strictly.
#[derive(Clone, Copy)]
pub struct AssessOptions<'s> {
    /// The folder to deploy.
    pub tree: &'s Path,
    /// Where it comes from.
    pub origin: &'s TreeOrigin,
    /// Which lock on the target is no reason to refuse.
    pub allowed_lock: AllowedLock,
    /// What will be run on the target, each program with its arguments.
    pub commands: &'s [Vec<String>],
    /// The name of the report: `NAME.json`.
    pub name: &'s str,
    /// An earlier plan, which nothing may differ from.
    pub since: Option<&'s str>,
    /// What is only shown, whatever the manifest says.
    pub tolerated: &'s [Refusal],
}

pub struct Assessment {
    /// What was seen; `None` when the target could not be looked at.
    pub snapshot: Option<Snapshot>,
    /// What was found in it.
    pub report: CheckReport,
    /// The exit code of a job that only looks.
    pub exit: Exit,
    /// Where the report is.
    pub path: PathBuf,
}

impl<'a> DeploySession<'a> {
    /// Opens the folder of reports.
    pub fn open(
        context: &'a Context<'a>,
        target: &'a Target,
        rules: &'a DeployCheck,
    ) -> Result<Self, Failure> {
        let dir = context.layout.deploy_reports(&context.run_id);
        context.disk.create_dir_all(&dir)?;
        let timeout = rules.command_timeout.get().duration();
        let runner = CommandRunner::new(context, target, timeout, dir.clone())?;
        let written = context.path(&rules.source);
        let source = written.canonicalize().map_err(|error| {
            let message = format!(
                "deploy-check.source {}: {error}; name the folder to deploy",
                written.display()
            );
            Failure::new(Exit::Manifest, message)
        })?;
        Ok(Self { context, target, rules, runner, exclusions: Exclusions::new(rules), dir, source })
    }

    /// Reaches the target; `None` when nothing more can be looked at, with the reason among the findings.
    pub fn connect(
        &self,
        findings: &mut DeployFindings<'_>,
    ) -> Result<Option<Connection>, Failure> {
        let connection = connect(self.context, &self.runner, self.target, findings)?;
        Ok(connection.filter(|_| apart(self, findings)))
    }

    /// Looks, judges, and writes the report and the plan.
    pub fn assess(
        &self,
        connection: Option<&Connection>,
        options: &AssessOptions<'_>,
        mut findings: DeployFindings<'_>,
    ) -> Result<Assessment, Failure> {
        let snapshot = match connection {
            Some(connection) => self.collect(connection, options, &mut findings)?,
            None => None,
        };
        let mut planned = None;
        if let Some(snapshot) = &snapshot {
            let hint = TargetHint(self.target);
            let (exclusions, rules) = (&self.exclusions, self.rules);
            judge(&JudgedDeploy { facts: &snapshot.facts, exclusions, rules, hint }, &mut findings);
            findings.demote(options.tolerated);
            planned = Some(self.plan(snapshot, options, &mut findings)?);
        }
        let unreachable = findings.has(Refusal::Unreachable);
        let (source, target) = (self.source.display().to_string(), TargetHint(self.target).name());
        let mut report = CheckReport::new(source, target, findings.sorted());
        report.notes = notes(snapshot.as_ref());
        report.commit = snapshot.as_ref().and_then(|snapshot| snapshot.facts.git.commit.clone());
        report.changes = snapshot.as_ref().map(|snapshot| changes(&snapshot.facts));
        let items = snapshot.as_ref().map(|snapshot| snapshot.facts.plan.items.clone());
        report.items = items.unwrap_or_default();
        report.plan = planned;
        let path = self.dir.join(format!("{}.json", options.name));
        self.context.disk.replace(&path, document(&report).as_bytes())?;
        let exit = match report.refused || snapshot.is_none() {
            _ if unreachable => Exit::Unavailable,
            true => Exit::Negative,
            false => Exit::Ok,
        };
        Ok(Assessment { snapshot, report, exit, path })
    }

    fn collect(
        &self,
        connection: &Connection,
        options: &AssessOptions<'_>,
        findings: &mut DeployFindings<'_>,
    ) -> Result<Option<Snapshot>, Failure> {
        let collector = Collector {
            runner: &self.runner,
            target: self.target,
            rules: self.rules,
            exclusions: &self.exclusions,
            source: options.tree.to_owned(),
            origin: options.origin,
            allowed_lock: options.allowed_lock,
            commands: options.commands,
        };
        let mut snapshot = collect(&collector, findings)?;
        if let Some(snapshot) = &mut snapshot {
            snapshot.parts.insert("target-identity".to_owned(), connection.identity.clone());
            snapshot.parts.insert("target-place".to_owned(), TargetHint(self.target).name());
        }
        Ok(snapshot)
    }

    /// The plan, compared with an earlier one where there is one.
    fn plan(
        &self,
        snapshot: &Snapshot,
        options: &AssessOptions<'_>,
        findings: &mut DeployFindings<'_>,
    ) -> Result<PlanSummary, Failure> {
        let (context, items) = (self.context, &snapshot.facts.plan.items);
        let ttl = self.rules.plan_ttl.get().duration().as_millis();
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX);
        let refused = findings.refused();
        let plan = DeployPlan::new(snapshot.parts.clone(), items, refused, context.started, ttl);
        if let Some(earlier) = options.since {
            let path = context.path(earlier);
            let bytes = std::fs::read(&path).map_err(|error| {
                let message = format!(
                    "the plan {}: {error}; name a plan.json of an earlier look",
                    path.display()
                );
                Failure::new(Exit::Manifest, message)
            })?;
            plan.since(&bytes, context.started, findings);
        }
        let path = self.dir.join(match options.name {
            "check" => "plan.json".to_owned(),
            name => format!("{name}-plan.json"),
        });
        context.disk.replace(&path, document(&plan).as_bytes())?;
        Ok(PlanSummary {
            path: context.shown(&path),
            hash: plan.hash().to_owned(),
            until: plan.expires().to_string(),
        })
    }
}

impl Assessment {
    /// The outcome of a job that only looks.
    pub fn outcome(&self, context: &Context<'_>) -> Outcome {
        let report = context.shown(&self.path);
        let text = format!("{}\nreport: {report}\n", self.report.text(context.drawing));
        let mut out = BTreeMap::from([
            ("report".to_owned(), report),
            ("refused".to_owned(), self.report.refused.to_string()),
        ]);
        if let Some(plan) = &self.report.plan {
            out.insert("plan".to_owned(), plan.path.clone());
            out.insert("plan-hash".to_owned(), plan.hash.clone());
            out.insert("plan-until".to_owned(), plan.until.clone());
        }
        Outcome { exit: self.exit, summary: self.report.summary(), text, out }
    }
}

/// Whether source and target are not the same folder, nor one inside the other.
fn apart(session: &DeploySession<'_>, findings: &mut DeployFindings<'_>) -> bool {
    let target = Path::new(session.target.path.get().as_str());
    let Some(target) = target.canonicalize().ok().filter(|_| session.target.host.is_none()) else {
        return true;
    };
    if !target.starts_with(&session.source) && !session.source.starts_with(&target) {
        return true;
    }
    let what = "source and target are one folder, or one is inside the other";
    findings.add(Refusal::WrongLevel, what, "pwd");
    false
}

fn notes(snapshot: Option<&Snapshot>) -> Vec<String> {
    let Some(snapshot) = snapshot else { return vec!["the rest was not looked at".to_owned()] };
    let mut notes = Vec::new();
    if snapshot.facts.deployed.is_none() {
        let what = "no deploy to this target is known: edits look like old versions";
        notes.push(what.to_owned());
    }
    if let Some(cut) = &snapshot.facts.deploying {
        let commit = cut.commit.get(..12).unwrap_or_default();
        notes
            .push(format!("a deploy of {commit} was cut off at {}: this one completes it", cut.at));
    }
    notes
}

fn changes(facts: &DeployFacts) -> Changes {
    let items = facts.plan.items.iter().filter(|item| item.change != ItemChange::Attributes);
    let (new, changed): (Vec<_>, Vec<_>) = items.partition(|item| item.is_new());
    Changes { new: new.len(), changed: changed.len(), bytes: facts.plan.bytes }
}
