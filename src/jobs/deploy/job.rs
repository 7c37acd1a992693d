//! The shell: looks at both sides, has it judged, writes the report and the plan. It changes nothing but these.

use std::collections::BTreeMap;

use super::{
    facts::Facts,
    finding::{Findings, There},
    gather::{Look, Seen, gather},
    hands::Hands,
    itemize::Change,
    judge::{Case, judge},
    plan::Plan,
    reach::reach,
    report::{Changes, Report},
    shields::Shields,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    manifest::{DeployCheckJob, Refusal},
    store::disk::Disk as _,
};

/// Runs the job.
pub fn run(context: &Context<'_>, job: &DeployCheckJob) -> Result<Outcome, Failure> {
    let (target, rules) = (&job.target, &job.check);
    let dir = context.layout.deploy_reports(&context.run_id);
    context.disk.create_dir_all(&dir)?;
    let timeout = rules.command_timeout.get().duration();
    let hands = Hands::new(context, target, timeout, dir.clone())?;
    let shields = Shields::new(rules);
    let written = context.path(&rules.source);
    let source = written.canonicalize().map_err(|error| {
        let message = format!(
            "deploy-check.source {}: {error}; name the folder to deploy",
            written.display()
        );
        Failure::new(Exit::Manifest, message)
    })?;
    let mut findings = Findings::new(&rules.severity);
    let there = There(target);
    let look = Look { hands: &hands, target, rules, shields: &shields, source };
    let seen = match reach(context, &hands, target, &mut findings)? {
        Some(reached) if apart(&look, &mut findings) => {
            let seen = gather(&look, &mut findings)?;
            seen.map(|mut seen| {
                seen.parts.insert("target-identity".to_owned(), reached.identity);
                seen.parts.insert("target-place".to_owned(), there.name());
                seen
            })
        }
        Some(_) | None => None,
    };
    let mut out = BTreeMap::new();
    let mut notes = Vec::new();
    if let Some(Seen { facts, parts }) = &seen {
        let case = Case { facts, shields: &shields, rules, there };
        judge(&case, &mut findings);
        let plan = plan(context, job, facts, parts.clone(), &mut findings)?;
        let path = dir.join("plan.json");
        context.disk.replace(&path, plan.to_json().as_bytes())?;
        out.insert("plan".to_owned(), context.shown(&path));
        out.insert("plan-hash".to_owned(), plan.hash().to_owned());
        if facts.deployed.is_none() {
            notes.push(
                "nothing is known to be deployed there: edits cannot be told from old versions"
                    .to_owned(),
            );
        }
    } else {
        notes.push("the rest was not looked at".to_owned());
    }
    let unreachable = findings.has(Refusal::Unreachable);
    let source = look.source.display().to_string();
    let mut report = Report::new(source, there.name(), findings.sorted());
    report.notes = notes;
    report.commit = seen.as_ref().and_then(|seen| seen.facts.git.commit.clone());
    report.changes = seen.as_ref().map(|seen| changes(&seen.facts));
    let path = dir.join("check.json");
    context.disk.replace(&path, report.to_json().as_bytes())?;
    let exit = match report.refused || seen.is_none() {
        _ if unreachable => Exit::Unavailable,
        true => Exit::Negative,
        false => Exit::Ok,
    };
    let shown = context.shown(&path);
    let text = format!("{}\nreport: {shown}\n", report.text());
    out.insert("report".to_owned(), shown);
    out.insert("refused".to_owned(), report.refused.to_string());
    Ok(Outcome { exit, summary: report.summary(), text, out })
}

/// Whether source and target are not the same folder, nor one inside the other.
fn apart(look: &Look<'_>, findings: &mut Findings<'_>) -> bool {
    let target = std::path::Path::new(look.target.path.get().as_str());
    let Some(target) = target.canonicalize().ok().filter(|_| look.target.host.is_none()) else {
        return true;
    };
    if !target.starts_with(&look.source) && !look.source.starts_with(&target) {
        return true;
    }
    let what = "source and target are one folder, or one lies in the other";
    findings.add(Refusal::WrongLevel, what, "pwd");
    false
}

/// The plan, held against an earlier one where the manifest names it.
fn plan(
    context: &Context<'_>,
    job: &DeployCheckJob,
    facts: &Facts,
    parts: BTreeMap<String, String>,
    findings: &mut Findings<'_>,
) -> Result<Plan, Failure> {
    let ttl = i64::try_from(job.check.plan_ttl.get().duration().as_millis()).unwrap_or(i64::MAX);
    let refused = findings.refused();
    let plan = Plan::new(parts, &facts.plan.items, refused, context.started, ttl);
    if let Some(earlier) = &job.check.plan {
        let path = context.path(earlier);
        let bytes = std::fs::read(&path).map_err(|error| {
            let message = format!(
                "deploy-check.plan {}: {error}; name a plan.json of an earlier check",
                path.display()
            );
            Failure::new(Exit::Manifest, message)
        })?;
        plan.since(&bytes, context.started, findings);
    }
    Ok(plan)
}

fn changes(facts: &Facts) -> Changes {
    let items = facts.plan.items.iter().filter(|item| item.change != Change::Attributes);
    let (new, changed): (Vec<_>, Vec<_>) = items.partition(|item| item.is_new());
    Changes { new: new.len(), changed: changed.len(), bytes: facts.plan.bytes }
}
