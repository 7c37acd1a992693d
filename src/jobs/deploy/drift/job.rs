//! The shell: reaches the target, lists it, has it compared, fetches what may be shown, and writes the report.

use std::collections::BTreeMap;

use super::{
    compare::{What, compare},
    difference::{Differ, Difference},
    report::Report,
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        deploy::{
            argv,
            deployed::{Deployed, Stage},
            facts::Tree,
            finding::{Findings, There},
            hands::{Complaint, Hands, good, words},
            inventory::{Inventory, parse_hashes},
            reach::reach,
            shields::{DEPLOYED, LOCK, Shields},
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
    let tree = tree(hands, &job.target, &shields).map_err(|blind| blind.failure(&job.target))?;
    if tree.inventory.get(LOCK.trim_start_matches('/').as_bytes()).is_some() {
        report.notes.push("a deploy holds the lock there: look again when it is over".to_owned());
    }
    let deployed = note(hands, &job.target, &tree).map_err(|blind| blind.failure(&job.target))?;
    let Some(deployed) = deployed else {
        let note = format!("there is no {}{DEPLOYED}, which a deploy writes", job.target.path);
        report.notes.push(note);
        return Ok(());
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
    for drifted in compare(&tree, &deployed.files(), &shields) {
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

/// Something that could not be seen.
enum Blind {
    Complaint(String),
    Failure(Failure),
    Note(String),
}

impl From<Failure> for Blind {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Complaint> for Blind {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(complaint.message)
    }
}

impl From<String> for Blind {
    fn from(message: String) -> Self {
        Self::Complaint(message)
    }
}

impl Blind {
    fn failure(self, target: &Target) -> Failure {
        let there = There(target);
        match self {
            Self::Failure(failure) => failure,
            Self::Complaint(why) => {
                let next = there.command("ls -la PATH");
                let message = format!("{} cannot be listed: {why}; next: {next}", there.name());
                Failure::new(Exit::Negative, message)
            }
            Self::Note(why) => {
                let next = there.command(&format!("cat PATH{DEPLOYED}"));
                let message = format!(
                    "{}{DEPLOYED} cannot be read: {why}; restore it from a copy; next: {next}",
                    target.path
                );
                Failure::new(Exit::Data, message)
            }
        }
    }
}

/// What stands there. Protected and excluded folders are not looked into.
fn tree(hands: &Hands<'_>, target: &Target, shields: &Shields) -> Result<Tree, Blind> {
    let path = target.path.get().as_str();
    let listed = good("find, there,", hands.there(&argv::list(path, shields))?)?;
    let hashed = good("sha256sum, there,", hands.there(&argv::hashes(path, shields))?)?;
    Ok(Tree { inventory: Inventory::parse(&listed)?, hashes: parse_hashes(&hashed, path)? })
}

/// What was deployed there last, if a deploy left word.
fn note(hands: &Hands<'_>, target: &Target, tree: &Tree) -> Result<Option<Deployed>, Blind> {
    if tree.inventory.get(DEPLOYED.trim_start_matches('/').as_bytes()).is_none() {
        return Ok(None);
    }
    let file = format!("{}{DEPLOYED}", target.path);
    let bytes = good("cat", hands.there(&words(["cat", "--", file.as_str()]))?)?;
    Deployed::parse(Stage::Deployed, &bytes).map(Some).map_err(Blind::Note)
}
