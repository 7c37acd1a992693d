//! `runner stop`: a run is asked to stop and waited for; one that only waits is taken out of the queue.

use std::{path::Path, time::Duration};

use serde_json::json;

use super::{
    args::StopArgs,
    flags,
    output::{plain, print, print_json, say},
    records::{Records, ambiguous},
    refuse::tell,
    run_arguments::grace,
    table::span,
};
use crate::{
    clock::{Clock as _, Deadline, SystemClock, nap},
    exit::Exit,
    jobs::context::Failure,
    os::process_tree::kill_holder,
    store::{
        disk::Disk as _,
        lock::{Owner, is_held},
        runs::{RunEnd, RunFilter, RunRecord, RunState},
    },
};

/// Between two looks at whether the run is over.
const LOOK: Duration = Duration::from_millis(100);
/// What a run gets on top of its own grace, to write down how it ended.
const EXTRA: Duration = Duration::from_secs(5);
/// Longest reason, in characters.
const REASON_MAX: usize = 200;

/// Stops a run and says how it ended.
pub fn stop(root: &Path, args: &StopArgs, json: bool) -> Exit {
    let asked = SystemClock.now();
    match stopped(root, args) {
        Ok((run, killed)) => {
            let waited_ms = u64::try_from(SystemClock.now().get() - asked.get()).unwrap_or(0);
            if json {
                print_json(&json!({
                    "schema": "mjolnir.stop/1", "run_id": run.run_id.as_str(), "job": run.job,
                    "state": run.state.name(), "exit_code": run.exit_code, "summary": run.summary,
                    "waited_ms": waited_ms, "killed": killed,
                }));
            } else {
                let code = run.exit_code.map_or("none".to_owned(), |code| code.to_string());
                let (id, state, waited) = (&run.run_id, run.state.name(), span(waited_ms));
                let summary = plain(&run.summary);
                print(&format!(
                    "run {id} is {state}, exit code {code}, after {waited}: {summary}\n"
                ));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn stopped(root: &Path, args: &StopArgs) -> Result<(RunRecord, bool), Failure> {
    let records = Records::open(root)?;
    let run = target(&records, &args.run)?;
    let reason = reason(args.reason.as_deref());
    let Some(grace) = request_stop(&records, &run, &reason)? else {
        return Ok((records.state_of(&run.run_id)?, false));
    };
    say(&format!("run {} is asked to stop; it has {} for that", run.run_id, span_of(grace)));
    let vanished = end(143, format!("stopped ({reason}): it did not end by itself"));
    if let Some(run) = wait(&records, &run, grace + EXTRA, &vanished)? {
        return Ok((run, false));
    }
    if !args.kill {
        let message = format!(
            "run {} does not end: wait longer, or end it for good with `runner stop {} --kill`",
            run.run_id, run.run_id
        );
        return Err(Failure::new(Exit::Busy, message));
    }
    kill(&records, &run)?;
    let killed = end(137, format!("killed ({reason}): it did not end by itself"));
    let over = wait(&records, &run, EXTRA, &killed)?;
    let message = format!("run {} was killed, but its lock is still held", run.run_id);
    over.map(|run| (run, true)).ok_or_else(|| Failure::new(Exit::Busy, message))
}

/// Takes a run that waits out of the queue, or asks one that goes on to stop, and returns how long it has for that.
pub fn request_stop(
    records: &Records,
    run: &RunRecord,
    reason: &str,
) -> Result<Option<Duration>, Failure> {
    if matches!(run.state, RunState::Queued | RunState::Waiting) {
        let how = if run.state == RunState::Queued {
            "it had not started"
        } else {
            "it waited for an approval"
        };
        let end = end(143, format!("stopped ({reason}): {how}"));
        if records.store.settle(&run.run_id, run.attempt, &end)? {
            return Ok(None);
        }
        // It was started, or settled, between the two looks.
    }
    let path = records.layout.run_stop(&run.run_id);
    records.disk.create_dir_all(&records.layout.run_dir(&run.run_id))?;
    records.disk.replace(&path, format!("{reason}\n").as_bytes())?;
    Ok(Some(grace(records, &run.run_id)))
}

/// The one run that is meant among those that wait or go on.
pub fn target(records: &Records, word: &str) -> Result<RunRecord, Failure> {
    let mut going = Vec::new();
    for state in [RunState::Running, RunState::Waiting, RunState::Queued] {
        let filter =
            RunFilter { state: Some(state), limit: Some(u32::MAX), ..RunFilter::default() };
        going.extend(records.list(&filter)?);
    }
    let names = records.names_of(word);
    let mut meant: Vec<RunRecord> =
        going.iter().filter(|run| run.run_id.as_str() == word).cloned().collect();
    if meant.is_empty() {
        meant = going.into_iter().filter(|run| names.contains(&run.job)).collect();
    }
    if meant.len() > 1 {
        return Err(ambiguous(word, &meant, "has"));
    }
    if let Some(run) = meant.pop() {
        return Ok(run);
    }
    let run = records.state_of(&records.find(word)?.run_id)?;
    if !run.state.is_over() {
        return Ok(run);
    }
    let ended = run.ended.map(|at| format!(" since {at}")).unwrap_or_default();
    let (id, state) = (&run.run_id, run.state.name());
    let message =
        format!("nothing of `{word}` runs or waits; its latest run {id} is over{ended}: {state}");
    Err(Failure::new(Exit::Nothing, message))
}

/// What is written down as the reason: on one line, and not too long.
pub fn reason(given: Option<&str>) -> String {
    let given = given.filter(|reason| !reason.trim().is_empty()).map(str::to_owned);
    let reason = given.unwrap_or_else(|| format!("by {}", flags::who(None)));
    let words: Vec<&str> = reason.split_whitespace().collect();
    plain(&words.join(" ")).chars().take(REASON_MAX).collect()
}

/// Waits until the run is over. Of a process that went away without a word, `vanished` says how it ended.
fn wait(
    records: &Records,
    run: &RunRecord,
    most: Duration,
    vanished: &RunEnd,
) -> Result<Option<RunRecord>, Failure> {
    let deadline = Deadline::after(Some(most));
    loop {
        let now = records.state_of(&run.run_id)?;
        if now.state == RunState::Lost || now.attempt != run.attempt {
            let end = RunEnd { at: SystemClock.now(), ..vanished.clone() };
            records.store.settle(&run.run_id, run.attempt, &end)?;
            return Ok(Some(records.state_of(&run.run_id)?));
        }
        if now.state.is_over() {
            return Ok(Some(now));
        }
        if deadline.is_over() {
            return Ok(None);
        }
        nap(LOOK);
    }
}

/// Kills the process that the lock of the run names, if it is the one that holds it.
fn kill(records: &Records, run: &RunRecord) -> Result<(), Failure> {
    let lock = records.layout.run_lock(&run.run_id);
    let refused = |why: String| {
        let message = format!(
            "run {} does not end and is not killed: {why}; end it where it runs",
            run.run_id
        );
        Failure::new(Exit::Busy, message)
    };
    let owner = Owner::read(&lock).filter(|owner| owner.run_id == run.run_id);
    let owner = owner.filter(|_| is_held(&lock));
    let owner =
        owner.ok_or_else(|| refused(format!("{} does not say who holds it", lock.display())))?;
    kill_holder(owner.pid, &lock).map_err(|error| refused(error.to_string()))?;
    Ok(())
}

fn end(exit_code: i32, summary: String) -> RunEnd {
    RunEnd { state: RunState::Cancelled, exit_code, summary, at: SystemClock.now() }
}

/// A time as people read it.
pub fn span_of(time: Duration) -> String {
    span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
