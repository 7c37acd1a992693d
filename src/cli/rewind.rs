//! `runner rewind`: takes back what schedules decided by a clock that was ahead.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    args::RewindArgs,
    flags,
    output::{plain, print, print_json},
    records::Records,
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
    exit::Exit,
    jobs::context::Failure,
    store::runs::{RunRecord, RunState, TakenBack},
};

/// Takes every watermark that is ahead of the clock back to it, and records that.
pub fn rewind(root: &Path, args: &RewindArgs, json: bool) -> Exit {
    match take_back(root, args) {
        Ok((taken, run)) => {
            if json {
                let schedules: Vec<Value> = taken
                    .schedules
                    .iter()
                    .map(|(name, upto)| json!({ "schedule": name, "decided_ms": upto.get() }))
                    .collect();
                print_json(&json!({
                    "schema": "mjolnir.rewind/1", "run_id": run, "schedules": schedules, "records": taken.records,
                }));
            } else {
                for (name, upto) in &taken.schedules {
                    print(&format!("{name}: was decided up to {upto}\n"));
                }
                print(&format!("{}; recorded as {run}\n", summary(&taken)));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn take_back(root: &Path, args: &RewindArgs) -> Result<(TakenBack, String), Failure> {
    flags::reason(&args.reason)?;
    let records = Records::open(root)?;
    let now = SystemClock.now();
    let who = flags::who(args.who.as_ref());
    let run_id = format!("rewind_{}", now.format("%Y%m%d_%H%M%S%3f"));
    let build = env!("CARGO_PKG_VERSION");
    let id = run_id.parse().map_err(|error| Failure::new(Exit::Bug, format!("{error}")))?;
    let record = |taken: &TakenBack| RunRecord {
        ended: Some(now),
        exit_code: Some(0),
        summary: format!("{}, by {}: {}", summary(taken), plain(&who), plain(&args.reason)),
        ..RunRecord::first(id, ("rewind", "rewind"), RunState::Succeeded, now, build)
    };
    let taken = records.store.take_back(now, record)?;
    if taken.schedules.is_empty() {
        let message = format!("no schedule is decided beyond {now}, by the clock of this machine");
        return Err(Failure::new(Exit::Nothing, message));
    }
    Ok((taken, run_id))
}

fn summary(taken: &TakenBack) -> String {
    let furthest = taken.schedules.iter().map(|(_, upto)| *upto).max().unwrap_or(UtcMs::EPOCH);
    format!(
        "{} schedules, decided up to {furthest}, go on from now; {} records of slots to come that were not run are taken back",
        taken.schedules.len(),
        taken.records
    )
}
