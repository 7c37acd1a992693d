//! The shell: reaches the target, lists it, has it compared, fetches what may be shown, and writes the report.

use std::collections::BTreeMap;

use super::{
    compare::{Deploys, What, compare},
    difference::{Differ, Difference},
    report::Report,
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        deploy::{
            deployed::{Deployed, Stage},
            facts::Tree,
            finding::{Findings, There},
            hands::Hands,
            reach::reach,
            shields::{DEPLOYED, DEPLOYING, LOCK, Shields},
            stands::{self, Blind},
        },
    },
    manifest::{DriftJob, Refusal, Target},
    store::disk::Disk as _,
};

/// Runs the job.
pub fn run(context: &Context<'_>, job: &DriftJob) -> Result<Outcome, Failure> {
    let (target, rules) = (&job.target, &job.check);
    let dir = context.layout.deploy_reports(&context.run_id);
    context.disk.create_dir_all(&dir)?;
    let hands = Hands::new(context, target, rules.command_timeout.get().duration(), dir.clone())?;
    let mut findings = Findings::new(&rules.severity);
    let there = There(target);
    let mut report = Report {
        target: there.name(),
        deployed: None,
        drifted: Vec::new(),
        findings: Vec::new(),
        notes: Vec::new(),
        next: there.command("ls -la --full-time PATH"),
    };
    let exit = if reach(context, &hands, target, &mut findings)?.is_some() {
        look(context, job, &hands, &mut report)?;
        match (&report.deployed, report.drifted.is_empty()) {
            (None, _) => Exit::Inconclusive,
            (Some(_), true) => Exit::Ok,
            (Some(_), false) => Exit::Negative,
        }
    } else {
        let unreachable = findings.has(Refusal::Unreachable);
        report.findings = findings.sorted();
        if unreachable { Exit::Unavailable } else { Exit::Negative }
    };
    let path = dir.join("drift.json");
    context.disk.replace(&path, report.to_json().as_bytes())?;
    let shown = context.shown(&path);
    let text = format!("{}\nreport: {shown}\n", report.text());
    let out = BTreeMap::from([
        ("report".to_owned(), shown),
        ("drifted".to_owned(), report.drifted.len().to_string()),
    ]);
    Ok(Outcome { exit, summary: report.summary(), text, out })
}

/// Everything that can be said of a target that was reached.
fn look(
    context: &Context<'_>,
    job: &DriftJob,
    hands: &Hands<'_>,
    report: &mut Report,
) -> Result<(), Failure> {
    let shields = Shields::new(&job.check);
    let tree = stands::tree(hands, &job.target, &shields);
    let tree = tree.map_err(|blind| blinded(blind, &job.target))?;
    if tree.inventory.get(LOCK.trim_start_matches('/').as_bytes()).is_some() {
        report.notes.push("a deploy holds the lock there: look again when it is over".to_owned());
    }
    let Some(deployed) = note(hands, &job.target, &tree, (DEPLOYED, Stage::Deployed))? else {
        let note = format!("there is no {}{DEPLOYED}, which a deploy writes", job.target.path);
        report.notes.push(note);
        return Ok(());
    };
    let cut = note(hands, &job.target, &tree, (DEPLOYING, Stage::Deploying))?;
    if let Some(cut) = &cut {
        let commit = cut.commit.get(..12).unwrap_or(&cut.commit);
        report.notes.push(format!(
            "a deploy of {commit} is on its way, or was cut off: what it sent is no drift; if it was, deploy again"
        ));
    }
    let deploys = Deploys {
        last: deployed.files(),
        cut: cut.as_ref().map(Deployed::files).unwrap_or_default(),
    };
    let source = context.path(&job.check.source).canonicalize();
    let differ = Differ {
        context,
        hands,
        target: &job.target,
        source: source.ok(),
        commit: &deployed.commit,
        limits: &job.drift,
    };
    let mut left = job.drift.diff_files_max;
    for drifted in compare(&tree, &deploys, &shields) {
        let difference = match drifted.what {
            What::Edited if left > 0 => {
                left -= 1;
                Some(differ.of(&drifted)?)
            }
            What::Edited => Some(Difference::NotShown(format!(
                "drift.diff-files-max is {}",
                job.drift.diff_files_max
            ))),
            What::Type | What::Missing | What::Stray | What::Permissions => None,
        };
        report.drifted.push((drifted, difference));
    }
    report.deployed = Some(deployed);
    Ok(())
}

/// A target that was reached, and could not be looked at.
fn blinded(blind: Blind, target: &Target) -> Failure {
    let there = There(target);
    match blind {
        Blind::Failure(failure) => failure,
        Blind::Complaint(why) => {
            let next = there.command("ls -la PATH");
            let message = format!("{} cannot be listed: {why}; next: {next}", there.name());
            Failure::new(Exit::Negative, message)
        }
    }
}

/// What a deploy left word of, if it did.
fn note(
    hands: &Hands<'_>,
    target: &Target,
    tree: &Tree,
    (name, stage): (&str, Stage),
) -> Result<Option<Deployed>, Failure> {
    let bytes = stands::file(hands, target, tree, name);
    let Some(bytes) = bytes.map_err(|blind| blinded(blind, target))? else { return Ok(None) };
    Deployed::parse(stage, &bytes).map(Some).map_err(|why| {
        let next = There(target).command(&format!("cat PATH{name}"));
        let message = format!(
            "{}{name} cannot be read: {why}; restore it from a copy; next: {next}",
            target.path
        );
        Failure::new(Exit::Data, message)
    })
}
