//! The shell: makes the checks of each part in their order, and leaves the report.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    clock::clock,
    device::device,
    env_file::env_file,
    folders::folders,
    manifests::manifests,
    owners::owners,
    ports::ports,
    result::{Checked, Level, Results},
    room::room,
    tools::tools,
    tree::git_tree,
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        deploy::hands::Hands,
    },
    manifest::{Parsed, Preflight, PreflightJob, PreflightPart, Target},
    store::{
        disk::{Disk as _, parent},
        document::document,
    },
};

/// A folder that every machine has, where the root cannot be written as a target.
const ANY_FOLDER: &str = "/tmp";

/// What a part is given.
pub struct Look<'a> {
    /// This run.
    pub context: &'a Context<'a>,
    /// Starts programs on this machine.
    pub hands: &'a Hands<'a>,
    /// What must be so.
    pub rules: &'a Preflight,
}

/// Runs the job.
pub fn run(context: &Context<'_>, job: &PreflightJob) -> Result<Outcome, Failure> {
    let rules = &job.preflight;
    let here = here(context);
    let timeout = rules.command_timeout.get().duration();
    let hands = Hands::new(context, &here, timeout, context.root.to_owned())?;
    let look = Look { context, hands: &hands, rules };
    let checks = checks(&look, job)?;
    Ok(outcome(context, rules, checks))
}

/// The checks of every part that is not skipped.
pub fn checks(look: &Look<'_>, job: &PreflightJob) -> Result<Vec<Checked>, Failure> {
    let (context, rules) = (look.context, look.rules);
    let mut checks = Vec::new();
    for part in PreflightPart::ALL.iter().copied() {
        if let Some(signal) = context.stop.signal() {
            return Err(Failure::new(Exit::Signal(signal), "stopped between two checks"));
        }
        if rules.skip.contains(&part) {
            checks.push(Checked::skipped(part, "preflight.skip names it"));
            continue;
        }
        let found = match part {
            PreflightPart::Tools => tools(look)?,
            PreflightPart::Folders => folders(look)?,
            PreflightPart::Owners => owners(look),
            PreflightPart::Room => room(look),
            PreflightPart::Clock => clock(look)?,
            PreflightPart::Ports => ports(look)?,
            PreflightPart::Env => env_file(look),
            PreflightPart::Manifests => manifests(look)?,
            PreflightPart::Device => vec![device(context, &job.compute)?],
            PreflightPart::Git => git_tree(look)?,
        };
        let soften = rules.warn.contains(&part);
        checks.extend(found.into_iter().map(|c| if soften { c.softened() } else { c }));
    }
    Ok(checks)
}

/// This machine, as programs that look at targets know one.
pub fn here(context: &Context<'_>) -> Target {
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

fn outcome(context: &Context<'_>, rules: &Preflight, checks: Vec<Checked>) -> Outcome {
    let results = Results::new(context.root.display().to_string(), checks);
    let mut out = BTreeMap::from([("level".to_owned(), results.level.name().to_lowercase())]);
    let mut text = results.text();
    // A disk that is full must not hide what was found.
    match leave(context, &results) {
        Ok(shown) => {
            let _ = write!(text, "\nreport: {shown}\n");
            out.insert("report".to_owned(), shown);
        }
        Err(failure) => tracing::warn!("the report could not be left: {}", failure.message),
    }
    let exit = match results.level {
        Level::Fail => Exit::Negative,
        Level::Warn if rules.strict => Exit::Negative,
        Level::Skipped | Level::Ok | Level::Warn => Exit::Ok,
    };
    Outcome { exit, summary: results.summary(), text, out }
}

fn leave(context: &Context<'_>, results: &Results) -> Result<String, Failure> {
    let path = context.layout.preflight_report();
    context.disk.create_dir_all(parent(&path))?;
    context.disk.replace(&path, document(results).as_bytes())?;
    Ok(context.shown(&path))
}
