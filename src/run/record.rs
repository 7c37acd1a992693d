//! The record and the folder of one run: made before the job starts, completed when it ends.

use std::time::Duration;

use serde_json::json;

use super::{Prepared, SCHEMA, summary, watchdog::StopRequest};
use crate::{
    cli::{
        args::{AskArgs, RunArgs},
        flags,
        output::{People, log_to},
    },
    clock::{Clock as _, Deadline, SystemClock, nap},
    domain::ids::RunId,
    exit::Exit,
    jobs::context::{Failure, Outcome},
    manifest::Job,
    report::figures::among,
    store::{
        disk::{Disk as _, RealDisk},
        error::StoreError,
        layout::Layout,
        lock::Lock,
        runs::{
            RunArguments, RunAsked, RunEnd, RunFolder, RunInfo, RunRecord, RunStart, RunState,
            RunStore,
        },
    },
};

/// How long the end of a run is tried to be recorded.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(500);
/// Longest summary, in characters.
const SUMMARY_MAX: usize = 500;

/// The record of a run that goes on. It counts as alive until this is dropped.
pub struct Recorder<'d> {
    store: RunStore,
    folder: RunFolder<'d, RealDisk>,
    _alive: Lock,
}

/// Why a run ended the way it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOrigin {
    /// The job ended by itself.
    ByItself,
    /// It was asked to stop.
    Asked(StopRequest),
    /// It was not ready to start.
    Unready,
}

/// Records a run as going on: a new one, or a queued one that is taken over.
pub fn record<'p>(prepared: &'p Prepared, args: &RunArgs) -> Result<Recorder<'p>, Failure> {
    let Prepared { disk, layout, build, mask, run_id, started, .. } = prepared;
    let manifest = &prepared.loaded.resolved.manifest;
    let asked = asked(prepared, args)?;
    let folder = RunFolder::create(disk, layout, run_id)?;
    let taken = |why: &str| Failure::new(Exit::Usage, format!("{why}: choose another --run-id"));
    let alive = folder.hold(&manifest.name, std::process::id(), *started)?;
    let store = RunStore::open(disk, layout)?;
    let kind = manifest.job.kind().name().to_owned();
    let id = |text: &Option<String>| text.as_ref().and_then(|id| id.parse().ok());
    if let Some(attempt) = prepared.attempt {
        if !store.begin(run_id, attempt, std::process::id(), *started)? {
            let message = format!(
                "attempt {attempt} of run {run_id} is not queued: another process took it, nothing was done"
            );
            return Err(Failure::new(Exit::Busy, message));
        }
    } else {
        let run = RunRecord {
            parent: id(&args.parent),
            pid: Some(std::process::id()),
            retry_of: id(&args.retry_of),
            ..RunRecord::first(
                run_id.clone(),
                (&manifest.name, &kind),
                RunState::Running,
                *started,
                build,
            )
        };
        if store.start(&run)? == RunStart::Duplicate {
            return Err(taken(&format!("there is a run with the id {run_id} already")));
        }
    }
    folder.write_manifest(&mask.apply(&prepared.loaded.resolved.to_toml()))?;
    folder.write_info(&RunInfo {
        build: build.clone(),
        argv: std::env::args().map(|argument| mask.apply(&argument)).collect(),
        given: given(prepared, args),
        asked,
        job: manifest.name.clone(),
        kind,
        started: *started,
        inputs: prepared.loaded.inputs.clone(),
    })?;
    folder.append_log(b"")?;
    let log = folder.log_path();
    let people = if matches!(manifest.job, Job::Live(_)) { People::Loop } else { People::Warnings };
    log_to(&log, manifest.logs.max_size.get().bytes(), mask, people)
        .map_err(|error| Failure::new(Exit::Io, format!("open {}: {error}", log.display())))?;
    Ok(Recorder { store, folder, _alive: alive })
}

/// What the job was given, so that it can be given again.
fn given(prepared: &Prepared, args: &RunArgs) -> RunArguments {
    let masked = |pairs: &[(String, String)]| {
        let one = |(name, value): &(String, String)| (name.clone(), prepared.mask.apply(value));
        pairs.iter().map(one).collect()
    };
    RunArguments {
        job: args.job.job.display().to_string(),
        profiles: args.job.values.profiles.clone(),
        params: masked(&args.job.values.params),
        scheduled: masked(&args.job.scheduled),
        set: masked(&args.job.values.set),
        timeout: args.timeout.clone(),
    }
}

/// Who asked for it, where a reason or a name was given.
fn asked(prepared: &Prepared, args: &RunArgs) -> Result<Option<RunAsked>, Failure> {
    let AskArgs { reason, who } = &args.asked;
    if reason.is_none() && who.is_none() {
        return Ok(None);
    }
    let reason = reason.as_deref().map(flags::reason).transpose()?.unwrap_or_default();
    let who = flags::who(who.as_ref());
    Ok(Some(RunAsked { who: prepared.mask.apply(&who), reason: prepared.mask.apply(reason) }))
}

impl Recorder<'_> {
    /// Records how the run ended.
    pub fn finish(
        &self,
        prepared: &Prepared,
        result: &Result<Outcome, Failure>,
        why: &RunOrigin,
    ) -> Result<(), Failure> {
        let exit = result.as_ref().map_or_else(|failure| failure.exit, |outcome| outcome.exit);
        if exit == Exit::Waiting {
            let (run, attempt) = (&prepared.run_id, prepared.attempt.unwrap_or(1));
            self.store.park(run, attempt, &cut(summary(result)))?;
            return Ok(());
        }
        self.folder.write_result(&document(prepared, result))?;
        let figures = result.as_ref().map(|outcome| among(&outcome.out)).unwrap_or_default();
        if !figures.is_empty()
            && let Err(error) = self.store.keep_figures(&prepared.run_id, &figures)
        {
            tracing::warn!("the figures of this run are not among the records: {error}");
        }
        let summary = summary(result);
        let summary = match why {
            RunOrigin::Asked(StopRequest::Somebody(reason)) if !reason.is_empty() => {
                format!("stopped ({reason}): {summary}")
            }
            RunOrigin::Asked(_) | RunOrigin::ByItself | RunOrigin::Unready => summary.to_owned(),
        };
        let end = RunEnd {
            state: state(exit, why),
            exit_code: i32::from(exit.code()),
            summary: cut(&summary),
            at: SystemClock.now(),
        };
        let patience = Deadline::after(Some(PATIENCE));
        loop {
            match self.store.finish(&prepared.run_id, &end) {
                // The work is done; what is known of it must not be lost because somebody else writes for long.
                Err(StoreError::Records { .. }) if !patience.is_over() => nap(AGAIN),
                done => return Ok(done?),
            }
        }
    }
}

fn cut(summary: &str) -> String {
    summary.chars().take(SUMMARY_MAX).collect()
}

/// Records the end of a run that does not end in time, beside it and in its place.
pub fn record_cut(
    layout: &Layout,
    run: &RunId,
    attempt: Option<u32>,
    (exit, summary): (Exit, &str),
) -> Result<(), StoreError> {
    let end = RunEnd {
        state: state(exit, &RunOrigin::ByItself),
        exit_code: i32::from(exit.code()),
        summary: summary.to_owned(),
        at: SystemClock.now(),
    };
    let store = RunStore::open(&RealDisk::new(layout.data()), layout)?;
    store.settle(run, attempt.unwrap_or(1), &end).map(|_| ())
}

/// How a run stands after this exit code: the two never differ.
fn state(exit: Exit, why: &RunOrigin) -> RunState {
    match (exit, why) {
        (_, RunOrigin::Unready) => RunState::SkippedPrecondition,
        (Exit::Timeout, _) | (_, RunOrigin::Asked(StopRequest::Timeout)) => RunState::TimedOut,
        // The convention of another program may have put its own code in the place of that of a signal.
        (Exit::Signal(_), _)
        | (Exit::Negative | Exit::Foreign(_), RunOrigin::Asked(StopRequest::Somebody(_))) => {
            RunState::Cancelled
        }
        (Exit::Ok, _) => RunState::Succeeded,
        (Exit::Bug, _) => RunState::Panicked,
        _ => RunState::Failed,
    }
}

/// The result of a run as a document.
pub fn document(prepared: &Prepared, result: &Result<Outcome, Failure>) -> serde_json::Value {
    let (run, job) = (prepared.run_id.as_str(), &prepared.loaded.resolved.manifest.name);
    match result {
        Ok(outcome) => {
            let mut document = json!({
                "schema": SCHEMA, "run_id": run, "job": job, "exit": outcome.exit.code(),
                "summary": outcome.summary, "out": outcome.out,
            });
            if let Some(report) = report(prepared, outcome) {
                document["report"] = report;
            }
            document
        }
        Err(failure) => json!({
            "schema": SCHEMA, "run_id": run, "job": job, "exit": failure.exit.code(), "error": failure.message,
        }),
    }
}

/// The document a job left on the disk and named `report` among its values: whoever asks for JSON gets all of it.
fn report(prepared: &Prepared, outcome: &Outcome) -> Option<serde_json::Value> {
    let path = prepared.root.join(outcome.out.get("report")?);
    let bytes = prepared.disk.read(&path).ok()??;
    serde_json::from_slice(&bytes).ok()
}
