//! The job that finds what on the target is not what was deployed there. Nothing is changed, on no side.

mod compare;
mod report;

use std::{collections::BTreeMap, path::PathBuf};

use self::{
    compare::{Deploys, DriftKind, Drifted, compare},
    report::{Difference, DriftReport, NotShown, unified},
};
use super::{
    connect::connect,
    deployed::{Deployed, Stage},
    facts::HashedTree,
    findings::{DeployFindings, TargetHint},
    git::{is_secret_name, secret_lines},
    inventory::{DEPLOYED, DEPLOYING, Exclusions, LOCK},
    programs::{self, CommandError, CommandRunner, stdout_of, words},
    target::{LookError, target_file, target_tree},
};
use crate::{
    checklist::Checklist,
    exit::Exit,
    jobs::context::Context,
    manifest::{Drift, DriftJob, Refusal, Target},
    outcome::{Failure, Outcome},
    store::{digest::sha256_hex, disk::Disk as _},
};

pub fn run(context: &Context<'_>, job: &DriftJob) -> Result<Outcome, Failure> {
    let (target, rules) = (&job.target, &job.check);
    let dir = context.layout.deploy_reports(&context.run_id);
    context.disk.create_dir_all(&dir)?;
    let timeout = rules.command_timeout.get().duration();
    let runner = CommandRunner::new(context, target, timeout, dir.clone())?;
    let mut findings = DeployFindings::new(&rules.severity);
    let hint = TargetHint(target);
    let mut report = DriftReport {
        target: hint.name(),
        deployed: None,
        drifted: Vec::new(),
        findings: Checklist::new(Vec::new()),
        notes: Vec::new(),
        next: hint.command("ls -la --full-time PATH"),
    };
    let exit = if connect(context, &runner, target, &mut findings)?.is_some() {
        look(context, job, &runner, &mut report)?;
        match (&report.deployed, report.drifted.is_empty()) {
            (None, _) => Exit::Inconclusive,
            (Some(_), true) => Exit::Ok,
            (Some(_), false) => Exit::Negative,
        }
    } else {
        let unreachable = findings.has(Refusal::Unreachable);
        report.findings = Checklist::new(findings.sorted());
        if unreachable { Exit::Unavailable } else { Exit::Negative }
    };
    let path = dir.join("drift.json");
    context.disk.replace(&path, report.to_json().as_bytes())?;
    let shown = context.shown(&path);
    let text = format!("{}\nreport: {shown}\n", report.text(context.drawing));
    let out = BTreeMap::from([
        ("report".to_owned(), shown),
        ("drifted".to_owned(), report.drifted.len().to_string()),
    ]);
    Ok(Outcome { exit, summary: report.summary(), text, out })
}

/// Lists a target that was reached, compares it, and fetches what may be shown.
fn look(
    context: &Context<'_>,
    job: &DriftJob,
    runner: &CommandRunner<'_>,
    report: &mut DriftReport,
) -> Result<(), Failure> {
    let exclusions = Exclusions::new(&job.check);
    let tree = target_tree(runner, &job.target, &exclusions);
    let tree = tree.map_err(|error| unseen(error, &job.target))?;
    if tree.inventory.get(LOCK.trim_start_matches('/').as_bytes()).is_some() {
        report.notes.push("a deploy holds the lock there: look again when it is over".to_owned());
    }
    let Some(deployed) = note(runner, &job.target, &tree, (DEPLOYED, Stage::Deployed))? else {
        let note = format!("{}{DEPLOYED} is missing: a deploy writes it", job.target.path);
        report.notes.push(note);
        return Ok(());
    };
    let cut = note(runner, &job.target, &tree, (DEPLOYING, Stage::Deploying))?;
    if let Some(cut) = &cut {
        let commit = cut.commit.get(..12).unwrap_or(&cut.commit);
        report.notes.push(format!(
            "a deploy of {commit} is on its way, or was cut off: what it sent is not drift; if it was cut off, deploy again"
        ));
    }
    let deploys = Deploys {
        last: deployed.files(),
        cut: cut.as_ref().map(Deployed::files).unwrap_or_default(),
    };
    let source = context.path(&job.check.source).canonicalize();
    let differ = Differ {
        runner,
        target: &job.target,
        source: source.ok(),
        commit: &deployed.commit,
        limits: &job.drift,
    };
    let mut left = job.drift.diff_files_max;
    for drifted in compare(&tree, &deploys, &exclusions) {
        let difference = match drifted.what {
            DriftKind::Edited if left > 0 => {
                left -= 1;
                Some(differ.of(&drifted)?)
            }
            DriftKind::Edited => {
                Some(Difference::NotShown(NotShown::TooMany(job.drift.diff_files_max)))
            }
            DriftKind::Type | DriftKind::Missing | DriftKind::Stray | DriftKind::Permissions => {
                None
            }
        };
        report.drifted.push((drifted, difference));
    }
    report.deployed = Some(deployed);
    Ok(())
}

/// A target that was reached, and could not be looked at.
fn unseen(error: LookError, target: &Target) -> Failure {
    let hint = TargetHint(target);
    if let LookError::Failure(failure) = error {
        return failure;
    }
    let next = hint.command("ls -la PATH");
    let message = format!("{} cannot be listed: {error}; next: {next}", hint.name());
    Failure::new(Exit::Negative, message)
}

/// The note of a deploy, if there is one.
fn note(
    runner: &CommandRunner<'_>,
    target: &Target,
    tree: &HashedTree,
    (name, stage): (&str, Stage),
) -> Result<Option<Deployed>, Failure> {
    let bytes = target_file(runner, target, tree, name);
    let Some(bytes) = bytes.map_err(|error| unseen(error, target))? else { return Ok(None) };
    Deployed::parse(stage, &bytes).map(Some).map_err(|why| {
        let next = TargetHint(target).command(&format!("cat PATH{name}"));
        let message = format!(
            "{}{name} cannot be read: {why}; restore it from a copy; next: {next}",
            target.path
        );
        Failure::new(Exit::Data, message)
    })
}

/// Where differences are taken from.
struct Differ<'a> {
    runner: &'a CommandRunner<'a>,
    target: &'a Target,
    /// The repository that was deployed from, if it is there.
    source: Option<PathBuf>,
    /// The deployed commit, in full.
    commit: &'a str,
    limits: &'a Drift,
}

/// The end of one comparison: nothing to show, or the end of the job.
enum Ended {
    NotShown(NotShown),
    Job(Failure),
}

impl From<NotShown> for Ended {
    fn from(why: NotShown) -> Self {
        Self::NotShown(why)
    }
}

impl From<CommandError> for Ended {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Stopped { .. } => Self::Job(error.into()),
            // A git that is missing here spoils one difference, and not the list of what drifted.
            CommandError::NotStarted { .. }
            | CommandError::TimedOut { .. }
            | CommandError::TooMuch { .. }
            | CommandError::Failed { .. }
            | CommandError::NotUnderstood { .. } => Self::NotShown(NotShown::Command(error)),
        }
    }
}

impl Differ<'_> {
    /// The difference of an edited file.
    fn of(&self, drifted: &Drifted) -> Result<Difference, Failure> {
        match self.lines(drifted) {
            Ok(lines) if lines.is_empty() => Ok(Difference::NotShown(NotShown::OnlyHidden)),
            Ok(mut lines) => {
                let most = self.limits.diff_lines_max as usize;
                let more = lines.len().saturating_sub(most);
                lines.truncate(most);
                Ok(Difference::Lines(lines, more))
            }
            Err(Ended::NotShown(why)) => Ok(Difference::NotShown(why)),
            Err(Ended::Job(failure)) => Err(failure),
        }
    }

    fn lines(&self, drifted: &Drifted) -> Result<Vec<String>, Ended> {
        let path = std::str::from_utf8(&drifted.path).map_err(|_| NotShown::OddName)?;
        if is_secret_name(&drifted.path) {
            return Err(NotShown::SecretName.into());
        }
        let (Some(was), Some(now)) = (&drifted.was, &drifted.now) else {
            return Err(NotShown::OneSide.into());
        };
        if was.kind() != "100" {
            return Err(NotShown::Link.into());
        }
        let most = self.limits.diff_bytes_max.get().bytes();
        if was.size > most || now.bytes > most {
            return Err(NotShown::TooLarge(self.limits.diff_bytes_max.to_string()).into());
        }
        let was = self.deployed(path, &was.sha256)?;
        let is = self.there(path, now.sha256.as_deref())?;
        if !secret_lines(was.as_bytes()).is_empty() || !secret_lines(is.as_bytes()).is_empty() {
            return Err(NotShown::SecretLines.into());
        }
        Ok(unified(&was, &is))
    }

    /// What was deployed, as git has it.
    fn deployed(&self, path: &str, sha256: &str) -> Result<String, Ended> {
        let source = self.source.as_deref().ok_or(NotShown::NoSource)?;
        let object = format!("{}:./{path}", self.commit);
        let words = ["cat-file", "blob", object.as_str()];
        let said = self.runner.local(programs::git(&words), source, BTreeMap::new())?;
        let bytes = stdout_of("git cat-file", said).map_err(|_| NotShown::NotInGit)?;
        Ok(text_of(bytes, sha256, NotShown::OtherInGit)?)
    }

    /// What is there now.
    fn there(&self, path: &str, sha256: Option<&str>) -> Result<String, Ended> {
        let file = format!("{}/{path}", self.target.path);
        let said = self.runner.remote(&words(["cat", "--", file.as_str()]))?;
        let bytes = stdout_of("cat", said)?;
        Ok(text_of(bytes, sha256.unwrap_or_default(), NotShown::ChangedMeanwhile)?)
    }
}

/// The bytes as text, if they are the ones that are meant.
fn text_of(bytes: Vec<u8>, sha256: &str, other: NotShown) -> Result<String, NotShown> {
    if sha256_hex(&bytes) != sha256 {
        return Err(other);
    }
    if bytes.contains(&0) {
        return Err(NotShown::NotText);
    }
    String::from_utf8(bytes).map_err(|_| NotShown::NotText)
}
