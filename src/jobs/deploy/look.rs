//! One look at both sides, judged and written down: what deploy-check shows, and what a deploy holds on to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    facts::Facts,
    finding::{Findings, There},
    gather::{Held, Look, Seen, gather},
    git::Origin,
    hands::Hands,
    itemize::Change,
    judge::{Case, judge},
    plan::{Plan, told},
    reach::{Reached, reach},
    report::{Changes, Planned, Report},
    shields::Shields,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    manifest::{DeployCheck, Refusal, Target},
    store::{disk::Disk as _, document::document},
};

/// The target, the rules, and what it takes to look.
pub struct Site<'a> {
    /// The run.
    pub context: &'a Context<'a>,
    /// Where the deploy goes.
    pub target: &'a Target,
    /// What the manifest demands.
    pub rules: &'a DeployCheck,
    /// Starts programs.
    pub hands: Hands<'a>,
    /// What is left alone.
    pub shields: Shields,
    /// The folder of this run's reports.
    pub dir: PathBuf,
    /// The folder to deploy, without links in its path.
    pub source: PathBuf,
}

/// What is looked at.
pub struct Scope<'s> {
    /// The folder to deploy.
    pub tree: &'s Path,
    /// Where it comes from.
    pub origin: &'s Origin,
    /// Whose lock may stand.
    pub held: Held,
    /// The name of the report: `NAME.json`.
    pub name: &'s str,
    /// An earlier plan, which nothing may differ from.
    pub since: Option<&'s str>,
    /// What is only shown, whatever the manifest says.
    pub tolerated: &'s [Refusal],
}

/// What came of it.
pub struct Looked {
    /// What was seen; `None` when nobody could look.
    pub seen: Option<Seen>,
    /// What it was judged to be.
    pub report: Report,
    /// The exit code of a job that only looks.
    pub exit: Exit,
    /// Where the report is.
    pub path: PathBuf,
}

impl<'a> Site<'a> {
    /// Opens the folder of reports.
    pub fn open(
        context: &'a Context<'a>,
        target: &'a Target,
        rules: &'a DeployCheck,
    ) -> Result<Self, Failure> {
        let dir = context.layout.deploy_reports(&context.run_id);
        context.disk.create_dir_all(&dir)?;
        let timeout = rules.command_timeout.get().duration();
        let hands = Hands::new(context, target, timeout, dir.clone())?;
        let written = context.path(&rules.source);
        let source = written.canonicalize().map_err(|error| {
            let message = format!(
                "deploy-check.source {}: {error}; name the folder to deploy",
                written.display()
            );
            Failure::new(Exit::Manifest, message)
        })?;
        Ok(Self { context, target, rules, hands, shields: Shields::new(rules), dir, source })
    }

    /// Reaches the target; `None` when nothing more can be looked at, with the reason among the findings.
    pub fn reach(&self, findings: &mut Findings<'_>) -> Result<Option<Reached>, Failure> {
        let reached = reach(self.context, &self.hands, self.target, findings)?;
        Ok(reached.filter(|_| apart(self, findings)))
    }

    /// Looks, judges, and writes the report and the plan.
    pub fn look(
        &self,
        reached: Option<&Reached>,
        scope: &Scope<'_>,
        mut findings: Findings<'_>,
    ) -> Result<Looked, Failure> {
        let seen = match reached {
            Some(reached) => self.gather(reached, scope, &mut findings)?,
            None => None,
        };
        let mut planned = None;
        if let Some(seen) = &seen {
            let there = There(self.target);
            let (shields, rules) = (&self.shields, self.rules);
            judge(&Case { facts: &seen.facts, shields, rules, there }, &mut findings);
            findings.demote(scope.tolerated);
            planned = Some(self.plan(seen, scope, &mut findings)?);
        }
        let unreachable = findings.has(Refusal::Unreachable);
        let (source, target) = (self.source.display().to_string(), There(self.target).name());
        let mut report = Report::new(source, target, findings.sorted());
        report.notes = notes(seen.as_ref());
        report.commit = seen.as_ref().and_then(|seen| seen.facts.git.commit.clone());
        report.changes = seen.as_ref().map(|seen| changes(&seen.facts));
        report.items = seen.as_ref().map(|seen| told(&seen.facts.plan.items)).unwrap_or_default();
        report.plan = planned;
        let path = self.dir.join(format!("{}.json", scope.name));
        self.context.disk.replace(&path, document(&report).as_bytes())?;
        let exit = match report.refused || seen.is_none() {
            _ if unreachable => Exit::Unavailable,
            true => Exit::Negative,
            false => Exit::Ok,
        };
        Ok(Looked { seen, report, exit, path })
    }

    fn gather(
        &self,
        reached: &Reached,
        scope: &Scope<'_>,
        findings: &mut Findings<'_>,
    ) -> Result<Option<Seen>, Failure> {
        let look = Look {
            hands: &self.hands,
            target: self.target,
            rules: self.rules,
            shields: &self.shields,
            source: scope.tree.to_owned(),
            origin: scope.origin,
            held: scope.held,
        };
        let mut seen = gather(&look, findings)?;
        if let Some(seen) = &mut seen {
            seen.parts.insert("target-identity".to_owned(), reached.identity.clone());
            seen.parts.insert("target-place".to_owned(), There(self.target).name());
        }
        Ok(seen)
    }

    /// The plan, held against an earlier one where there is one.
    fn plan(
        &self,
        seen: &Seen,
        scope: &Scope<'_>,
        findings: &mut Findings<'_>,
    ) -> Result<Planned, Failure> {
        let (context, items) = (self.context, &seen.facts.plan.items);
        let ttl = self.rules.plan_ttl.get().duration().as_millis();
        let ttl = i64::try_from(ttl).unwrap_or(i64::MAX);
        let refused = findings.refused();
        let plan = Plan::new(seen.parts.clone(), items, refused, context.started, ttl);
        if let Some(earlier) = scope.since {
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
        let path = self.dir.join(match scope.name {
            "check" => "plan.json".to_owned(),
            name => format!("{name}-plan.json"),
        });
        context.disk.replace(&path, document(&plan).as_bytes())?;
        Ok(Planned {
            path: context.shown(&path),
            hash: plan.hash().to_owned(),
            until: plan.expires().to_string(),
        })
    }
}

impl Looked {
    /// The end of a job that only looks.
    pub fn outcome(&self, context: &Context<'_>) -> Outcome {
        let report = context.shown(&self.path);
        let text = format!("{}\nreport: {report}\n", self.report.text());
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
fn apart(site: &Site<'_>, findings: &mut Findings<'_>) -> bool {
    let target = Path::new(site.target.path.get().as_str());
    let Some(target) = target.canonicalize().ok().filter(|_| site.target.host.is_none()) else {
        return true;
    };
    if !target.starts_with(&site.source) && !site.source.starts_with(&target) {
        return true;
    }
    let what = "source and target are one folder, or one lies in the other";
    findings.add(Refusal::WrongLevel, what, "pwd");
    false
}

fn notes(seen: Option<&Seen>) -> Vec<String> {
    let Some(seen) = seen else { return vec!["the rest was not looked at".to_owned()] };
    let mut notes = Vec::new();
    if seen.facts.deployed.is_none() {
        let what = "nothing is known to be deployed there: edits cannot be told from old versions";
        notes.push(what.to_owned());
    }
    if let Some(cut) = &seen.facts.deploying {
        let commit = cut.commit.get(..12).unwrap_or_default();
        notes
            .push(format!("a deploy of {commit} was cut off at {}: this one completes it", cut.at));
    }
    notes
}

fn changes(facts: &Facts) -> Changes {
    let items = facts.plan.items.iter().filter(|item| item.change != Change::Attributes);
    let (new, changed): (Vec<_>, Vec<_>) = items.partition(|item| item.is_new());
    Changes { new: new.len(), changed: changed.len(), bytes: facts.plan.bytes }
}
