//! Whether this machine is fit for a boot or a deploy. Nothing is changed; what is tried is taken back.

pub(crate) mod doctor;
mod env_file;
mod machine;
mod root;

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use self::{
    env_file::env_file,
    machine::{clock, device, ports, tools},
    root::{folders, git_tree, manifests, owners, room},
};
use super::{context::Context, deploy::programs::CommandRunner};
use crate::{
    checklist::{CheckItem, Checklist, EVIDENCE_MAX, Level},
    exit::Exit,
    manifest::{Parsed, Preflight, PreflightJob, PreflightPart, Target},
    model::probe::DeviceVerdict,
    outcome::{Failure, Outcome},
    store::{
        disk::{Disk as _, parent},
        document::document,
    },
};

/// Name and version of `preflight.json`.
const SCHEMA: &str = "mjolnir.preflight/2";
/// A folder that every machine has, where the root cannot be written as a target.
const ANY_FOLDER: &str = "/tmp";

/// What `runner check` finds in the manifests of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestCheck {
    /// How many there are.
    pub manifests: usize,
    /// Problems and warnings, each with its place.
    pub problems: Vec<String>,
    /// Whether they can be run: warnings are no obstacle.
    pub is_valid: bool,
}

/// Checks the manifests of the root; `None` when it has none. Reading them is the command line's business, a floor above.
pub type CheckManifests<'a> = &'a dyn Fn() -> Option<ManifestCheck>;

/// This machine, as each check is given it.
pub struct Machine<'a> {
    /// This run.
    pub context: &'a Context<'a>,
    /// Starts programs on this machine.
    pub runner: &'a CommandRunner<'a>,
    /// What must be so.
    pub rules: &'a Preflight,
    pub manifests: CheckManifests<'a>,
}

pub fn run(
    context: &Context<'_>,
    job: &PreflightJob,
    manifests: CheckManifests<'_>,
) -> Result<Outcome, Failure> {
    let rules = &job.preflight;
    let here = here(context);
    let timeout = rules.command_timeout.get().duration();
    let runner = CommandRunner::new(context, &here, timeout, context.root.to_owned())?;
    let machine = Machine { context, runner: &runner, rules, manifests };
    let found = checks(&machine, job)?;
    Ok(outcome(context, rules, &found))
}

/// All checks of a machine, and what its card proved.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    list: Checklist,
    /// The devices, as they proved themselves; none where only the processor is wanted.
    devices: Vec<DeviceVerdict>,
}

/// The checks of every part that is not skipped.
fn checks(machine: &Machine<'_>, job: &PreflightJob) -> Result<Found, Failure> {
    let (context, rules) = (machine.context, machine.rules);
    let (mut checks, mut devices) = (Vec::new(), Vec::new());
    for part in PreflightPart::ALL.iter().copied() {
        if let Some(signal) = context.stop.signal() {
            return Err(Failure::new(Exit::Signal(signal), "stopped between two checks"));
        }
        if rules.skip.contains(&part) {
            checks.push(skipped(part, "preflight.skip names it"));
            continue;
        }
        let found = match part {
            PreflightPart::Tools => tools(machine)?,
            PreflightPart::Folders => folders(machine)?,
            PreflightPart::Owners => vec![owners(machine)],
            PreflightPart::Room => room(machine),
            PreflightPart::Clock => clock(machine)?,
            PreflightPart::Ports => ports(machine)?,
            PreflightPart::Env => env_file(machine),
            PreflightPart::Manifests => vec![manifests(machine)],
            PreflightPart::Device => {
                let (check, verdict) = device(context, &job.compute)?;
                devices.extend(verdict);
                vec![check]
            }
            PreflightPart::Git => vec![git_tree(machine)?],
        };
        let soften = rules.warn.contains(&part);
        checks.extend(found.into_iter().map(|c| if soften { c.softened() } else { c }));
    }
    Ok(Found { list: Checklist::new(checks), devices })
}

/// A part that was not looked at.
fn skipped(part: PreflightPart, why: impl Into<String>) -> CheckItem {
    CheckItem::skipped(part.name(), why).part(part.name())
}

/// The first names of many, and how many there are.
fn some_of(names: &[String]) -> String {
    let mut text = names.iter().take(EVIDENCE_MAX).cloned().collect::<Vec<_>>().join(", ");
    if let more @ 1.. = names.len().saturating_sub(EVIDENCE_MAX) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// This machine as a target: programs are started here as a deploy starts them.
fn here(context: &Context<'_>) -> Target {
    let root = context.root.display().to_string().parse();
    let path = root.unwrap_or_else(|_| ANY_FOLDER.parse().expect("the path is good"));
    Target {
        host: None,
        user: None,
        port: None,
        path: Parsed::new(path),
        host_key: None,
        machine_id: None,
        identity: None,
        agent: None,
        project: Parsed::new("mjolnir".parse().expect("the name is good")),
    }
}

/// All checks of a machine: `preflight.json`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    /// The folder looked at.
    root: String,
    #[serde(flatten)]
    found: &'a Found,
}

fn outcome(context: &Context<'_>, rules: &Preflight, found: &Found) -> Outcome {
    let (root, list) = (context.root.display().to_string(), &found.list);
    let mut out = BTreeMap::from([("level".to_owned(), list.level.name().to_owned())]);
    let summary = list.summary();
    let mut text = format!("{root}: {summary}\n\n{}", list.text(context.drawing));
    // A disk that is full must not hide what was found.
    match leave(context, &Report { schema: SCHEMA, root, found }) {
        Ok(shown) => {
            let _ = write!(text, "\nreport: {shown}\n");
            out.insert("report".to_owned(), shown);
        }
        Err(failure) => tracing::warn!("the report could not be left: {}", failure.message),
    }
    let exit = match list.level {
        Level::Fail => Exit::Negative,
        Level::Warn if rules.strict => Exit::Negative,
        Level::Skipped | Level::Ok | Level::Warn => Exit::Ok,
    };
    Outcome { exit, summary, text, out }
}

fn leave(context: &Context<'_>, report: &Report<'_>) -> Result<String, Failure> {
    let path = context.layout.preflight_report();
    context.disk.create_dir_all(parent(&path))?;
    context.disk.replace(&path, document(report).as_bytes())?;
    Ok(context.shown(&path))
}
