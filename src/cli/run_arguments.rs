//! What a run was given, read back from its folder.

use serde_json::Value;

use super::{
    args::{JobArgs, ValueArgs},
    records::Records,
};
use crate::{
    domain::ids::RunId,
    exit::Exit,
    jobs::context::Failure,
    manifest::Span,
    os::mask::COVER,
    store::{disk::Disk as _, runs::RunArguments},
};

/// What a run was given; a failure when it never started, or was started by a build that did not keep it.
pub fn run_arguments(records: &Records, run: &RunId) -> Result<RunArguments, Failure> {
    let path = records.layout.run_info(run);
    let Some(bytes) = records.disk.read(&path)? else {
        let message =
            format!("run {run} never started, so nothing was given to it: `runner run JOB`");
        return Err(Failure::new(Exit::Nothing, message));
    };
    let damaged = |why: String| Failure::new(Exit::Data, format!("{}: {why}", path.display()));
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let Some(given) = document.get("given") else {
        let why =
            "it does not say what the run was given: an older build made it; `runner run JOB`";
        return Err(damaged(why.to_owned()));
    };
    serde_json::from_value(given.clone()).map_err(|error| damaged(format!("given: {error}")))
}

/// The arguments that give it again.
pub fn arguments(given: &RunArguments) -> JobArgs {
    JobArgs {
        values: ValueArgs {
            profiles: given.profiles.clone(),
            params: given.params.clone(),
            set: given.set.clone(),
        },
        scheduled: given.scheduled.clone(),
        ..JobArgs::of((&given.job).into())
    }
}

/// The first value among them in which a secret stood; it cannot be given again.
pub fn masked(given: &RunArguments) -> Option<String> {
    let all =
        [("-p", &given.params), ("a schedule gives", &given.scheduled), ("--set", &given.set)];
    let mut named = all.into_iter().flat_map(|(how, pairs)| {
        pairs.iter().map(move |(name, value)| (format!("{how} {name}"), value))
    });
    named.find(|(_, value)| value.contains(COVER)).map(|(name, _)| name)
}

/// How long a run has between being asked to stop and being ended.
pub fn grace(records: &Records, run: &RunId) -> std::time::Duration {
    let read = || {
        let path = records.layout.run_dir(run).join("manifest.toml");
        let bytes = records.disk.read(&path).ok()??;
        let table: toml::Table = toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
        table.get("run")?.get("grace")?.as_str()?.parse::<Span>().ok()
    };
    let default = || crate::manifest::Run::default().grace.into_inner();
    read().unwrap_or_else(default).duration()
}
