//! Running one job: resolve, record, dispatch, record again.

pub mod command_line;
mod convention;
mod heartbeat_ping;
mod matrix;
mod ready;
mod record;
mod watchdog;

use std::{panic, path::Path, process::ExitCode, time::Duration};

use serde_json::json;

use self::{
    command_line::call,
    heartbeat_ping::HeartbeatPings,
    ready::{ready, was_out_of_memory},
    record::{Recorder, RunOrigin, document, record, record_cut},
    watchdog::{LastAct, StopRequest, Watchdog, asked_by, end_at_once, end_without_memory},
};
use crate::{
    checklist::without_colour,
    cli::{
        args::RunArgs,
        check::manifest_check,
        load::{LoadError, LoadedJob, environment, load, matrix_jobs},
        output::{JobProgress, OUTCOME, drawing, print, print_json, say},
        refuse::{refuse, say_problems},
    },
    clock::{Clock as _, Deadline, SystemClock, nap},
    domain::{ids::RunId, time::UtcMs},
    exit::Exit,
    jobs::{
        backtest, check,
        context::{Context, Failure, OUT_OF_MEMORY, Outcome, Resume},
        data_quality, deploy, equivalence, exchange_sim, exec, fetch, health, import, live,
        pipeline, preflight, promote, report, sweep, train,
    },
    manifest::{HealthExit, Job, Manifest, RecordPolicy, RunFacts, Runs},
    os::{
        mask::Mask,
        process::ChildResults,
        process_tree::{EndSignal, ProcessTag},
        signals::Stop,
    },
    serve::children::RUN_ID,
    store::{disk::RealDisk, layout::Layout, runs::StepsRetry},
};

/// Version of the documents that `--json` prints.
const SCHEMA: &str = "mjolnir.run/1";

/// Between two looks at what a run left behind.
const LOOK: Duration = Duration::from_millis(50);

/// This build: the version and a hash of its sources and build settings (`build.rs`).
pub fn build_id() -> String {
    env!("MJOLNIR_BUILD_ID").to_owned()
}

/// Runs a job and returns its exit code.
pub fn run(root: &Path, args: &RunArgs, json: bool) -> ExitCode {
    let jobs = matrix_jobs(root, &args.job.job);
    if !jobs.is_empty() {
        return ExitCode::from(matrix::run_all(root, &jobs, args, json).code());
    }
    let started = SystemClock.now();
    let ended = match prepare(root, args, started) {
        Ok(prepared) => prepared.execute(args, json),
        Err(error) => {
            let why = match &error {
                LoadError::Problems(problems) => {
                    problems.iter().next().map_or_else(String::new, ToString::to_string)
                }
                LoadError::Unreadable(failure) => failure.message.clone(),
            };
            let exit = match error {
                LoadError::Problems(_) => refuse(error, json),
                LoadError::Unreadable(failure) => fail(&failure, json),
            };
            convention::failed(exit, &why, convention::guess(root, args), json)
        }
    };
    ExitCode::from(ended.code())
}

fn fail(failure: &Failure, json: bool) -> Exit {
    if json {
        print_json(
            &json!({ "schema": SCHEMA, "exit": failure.exit.code(), "error": failure.message }),
        );
    }
    say(&format!("error: {}", failure.message));
    failure.exit
}

struct Prepared {
    root: std::path::PathBuf,
    disk: RealDisk,
    layout: Layout,
    loaded: LoadedJob,
    mask: Mask,
    /// As somebody would type it again.
    call: String,
    run_id: RunId,
    started: UtcMs,
    build: String,
    /// Which attempt of a queued run it is.
    attempt: Option<u32>,
    /// The part of an earlier run that it repeats.
    part: Option<StepsRetry>,
}

/// The id of a run that was given none: its job, the time, this process.
pub fn made_up_id(job: &Path, started: UtcMs) -> String {
    // A job of a matrix has its item behind a dot.
    let is_file = job.extension().is_some_and(|end| end == "toml");
    let named = if is_file { job.file_stem() } else { job.file_name() };
    let stem = named.and_then(|stem| stem.to_str()).unwrap_or("job").replace('.', "_");
    let stem: String =
        stem.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(24).collect();
    format!(
        "{stem}_{}_{:03}_{}",
        started.format("%Y%m%d_%H%M%S"),
        started.get() % 1000,
        std::process::id()
    )
}

fn prepare(root: &Path, args: &RunArgs, started: UtcMs) -> Result<Prepared, LoadError> {
    let unreadable = |exit, message: String| LoadError::Unreadable(Failure::new(exit, message));
    let call = call(root, args);
    let root =
        std::path::absolute(root).map_err(|error| unreadable(Exit::Usage, error.to_string()))?;
    if !root.is_dir() {
        return Err(unreadable(
            Exit::Usage,
            format!("--root {}: this folder does not exist", root.display()),
        ));
    }
    let id = args.run_id.clone().unwrap_or_else(|| made_up_id(&args.job.job, started));
    let run_id: RunId = id.parse().map_err(|error: crate::domain::ids::NameError| {
        unreadable(Exit::Usage, error.to_string())
    })?;
    let facts = RunFacts { id: run_id.to_string(), started };
    let loaded = load(&root, &args.job, &facts)?;
    let layout = Layout::new(&root);
    let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
    Ok(Prepared {
        disk: RealDisk::new(layout.data()),
        layout,
        call: mask.apply(&call),
        mask,
        build: build_id(),
        root,
        loaded,
        run_id,
        started,
        attempt: args.attempt,
        part: args.part.clone(),
    })
}

impl Prepared {
    fn execute(self, args: &RunArgs, json: bool) -> Exit {
        let manifest = &self.loaded.resolved.manifest;
        if !self.loaded.resolved.warnings.is_empty() {
            say_problems(&self.loaded.resolved.warnings);
        }
        let recorder = match record(&self, args) {
            Ok(recorder) => Some(recorder),
            // Whoever looks after the box must be able to say that its disk is full.
            Err(failure) if failure.exit == Exit::Io && needs_no_record(manifest) => {
                say(&format!("warning: this run is not recorded: {}", failure.message));
                None
            }
            Err(failure) => {
                let exit = fail(&failure, json);
                return convention::failed(exit, &failure.message, convention::of(manifest), json);
            }
        };
        let pings = HeartbeatPings::of(&self);
        let (result, why) = self.guarded(manifest, args, json, pings.as_ref());
        let result = masked(result, &self.mask);
        match &result {
            // A job without words of its own has none in its log either.
            Ok(outcome) if outcome.text.trim().is_empty() => {}
            Ok(outcome) => {
                let text = without_colour(outcome.text.trim_end());
                tracing::info!(target: OUTCOME, "{text}");
            }
            Err(failure) => tracing::error!(target: OUTCOME, "{}", failure.message),
        }
        let result = convention::put(result, convention::of(manifest));
        let exit = match self.finished(recorder.as_ref(), manifest, (&result, &why)) {
            Ok(()) => {
                show(&self, &result, json);
                result.as_ref().map_or_else(|failure| failure.exit, |outcome| outcome.exit)
            }
            Err(failure) => {
                let exit = fail(&failure, json);
                convention::failed(exit, &failure.message, convention::of(manifest), json)
            }
        };
        // One that waits has not ended.
        if let Some(pings) = pings.filter(|_| exit != Exit::Waiting) {
            pings.end(exit, summary(&result));
        }
        exit
    }

    fn finished(
        &self,
        recorder: Option<&Recorder<'_>>,
        manifest: &Manifest,
        (result, why): (&Result<Outcome, Failure>, &RunOrigin),
    ) -> Result<(), Failure> {
        let Some(recorder) = recorder else {
            let exit = result.as_ref().map_or_else(|failure| failure.exit, |outcome| outcome.exit);
            // What could not be recorded at the beginning may have got a record all the same, and may be recorded now.
            let _ = record_cut(&self.layout, &self.run_id, self.attempt, (exit, summary(result)));
            return Ok(());
        };
        match recorder.finish(self, result, why) {
            Err(failure) if failure.exit == Exit::Io && needs_no_record(manifest) => {
                say(&format!("warning: how this run ended is not recorded: {}", failure.message));
                Ok(())
            }
            finished => finished,
        }
    }

    fn guarded(
        &self,
        manifest: &Manifest,
        args: &RunArgs,
        json: bool,
        pings: Option<&HeartbeatPings>,
    ) -> (Result<Outcome, Failure>, RunOrigin) {
        let grace = manifest.run.grace.get().duration();
        let stop_file = self.layout.run_stop(&self.run_id);
        let stop = match Stop::listen() {
            Ok(stop) => stop,
            Err(error) => {
                let failure = Failure::new(Exit::Bug, format!("signals: {error}"));
                return (Err(failure), RunOrigin::Unready);
            }
        };
        let prepared = timeout(manifest, args).and_then(|limit| Ok((limit, ready(self, &stop)?)));
        let (limit, _lock) = match prepared {
            Ok(prepared) => prepared,
            // It was asked to stop while it waited for its lock.
            Err(failure) if stop.asked() => {
                return ended(Err(failure), asked_by(&stop_file), &stop);
            }
            Err(failure) => return (Err(failure), RunOrigin::Unready),
        };
        let last = self.last(pings.cloned(), convention::of(manifest), json);
        let deadline = Deadline::after(limit);
        let told = Watchdog { limit, grace, stop_file, stop: stop.clone(), last }.start();
        let last = self.last(pings.cloned(), convention::of(manifest), json);
        if let Err(error) = end_at_once(&stop, &told, self.process_tag(), last) {
            tracing::warn!("a second signal ends this process alone: {error}");
        }
        if manifest.run.memory_max.is_some() {
            let last = self.last(pings.cloned(), convention::of(manifest), json);
            if let Err(error) = end_without_memory(&told, last) {
                tracing::warn!("an abort for want of memory will not be recorded: {error}");
            }
        }
        if let Some(pings) = pings {
            pings.begin();
        }
        let result = self.caught(manifest, stop.clone(), grace, json);
        told.over();
        if manifest.job.kind().row().runs == Runs::Programs {
            self.leave_nothing(grace);
        }
        // A guard looks now and then: a job that was over before its next look took too long all the same.
        let late = deadline.is_over().then_some(StopRequest::Timeout);
        match told.why().or(late.as_ref()) {
            // Told by a signal, a loop has done all there was to do.
            None if manifest.job.common().has_no_end => (result, RunOrigin::ByItself),
            None => ended(result, None, &stop),
            Some(StopRequest::Timeout) => {
                let message = "the job took longer than its timeout and was stopped";
                let why = RunOrigin::Asked(StopRequest::Timeout);
                (Err(Failure::new(Exit::Timeout, message)), why)
            }
            Some(StopRequest::Somebody(reason)) => ended(result, Some(reason.clone()), &stop),
        }
    }

    /// What is left to do for a run that does not end in time: its processes are ended, its end is recorded and told.
    fn last(&self, pings: Option<HeartbeatPings>, convention: HealthExit, json: bool) -> LastAct {
        let (layout, run, attempt) = (self.layout.clone(), self.run_id.clone(), self.attempt);
        let tag = self.process_tag();
        Box::new(move |exit, what| {
            tag.hit(EndSignal::Kill);
            if let Err(error) = record_cut(&layout, &run, attempt, (exit, what)) {
                say(&format!("warning: how this run ended is not recorded: {error}"));
            }
            if let Some(pings) = pings {
                pings.end(exit, what);
            }
            convention::failed(exit, what, convention, json)
        })
    }

    /// What every process carries that this run starts.
    fn process_tag(&self) -> ProcessTag {
        ProcessTag::of_run(&self.root, self.run_id.as_str())
    }

    /// Ends what the programs of a run left behind. A service does that for the runs it starts, and says so.
    fn leave_nothing(&self, grace: Duration) {
        let of_service = environment().get(RUN_ID).is_some_and(|id| id == self.run_id.as_str());
        let tag = self.process_tag();
        let left = if of_service { 0 } else { tag.count() };
        if left == 0 {
            return;
        }
        tracing::warn!(
            "processes left behind: {left}; they are ended: TERM, and KILL after {grace:?}"
        );
        tag.hit(EndSignal::Term);
        let deadline = Deadline::after(Some(grace));
        while tag.count() > 0 && !deadline.is_over() {
            nap(LOOK);
        }
        tag.hit(EndSignal::Kill);
    }

    /// A job that panics is a bug, and is recorded as one.
    fn caught(
        &self,
        manifest: &Manifest,
        stop: Stop,
        grace: Duration,
        json: bool,
    ) -> Result<Outcome, Failure> {
        let progress = JobProgress::new();
        let context = Context {
            root: &self.root,
            disk: &self.disk,
            layout: &self.layout,
            run_id: self.run_id.clone(),
            job: manifest.name.clone(),
            call: self.call.clone(),
            mask: &self.mask,
            build: &self.build,
            started: self.started,
            stop,
            grace,
            child_results: if json { ChildResults::Aside } else { ChildResults::Shown },
            drawing: drawing(),
            progress: &progress,
            resume: Resume { attempt: self.attempt, retry: self.part.clone() },
        };
        let work = panic::AssertUnwindSafe(|| dispatch(&context, manifest, &self.root));
        panic::catch_unwind(work).unwrap_or_else(|_| {
            if was_out_of_memory(manifest) {
                return Err(Failure::new(Exit::Manifest, OUT_OF_MEMORY));
            }
            let message = "this is a bug in runner; the lines above say where. Nothing was left half-written: start again";
            Err(Failure::new(Exit::Bug, message))
        })
    }
}

/// Whether a job may run although its record cannot be written.
fn needs_no_record(manifest: &Manifest) -> bool {
    manifest.job.kind().row().record == RecordPolicy::MayFail
}

/// How a run ended that no time limit ended. One that was asked to stop did not do its work, whatever its job or its program says of it:
/// only what is damaged or broken is that whether it was stopped or not.
fn ended(
    result: Result<Outcome, Failure>,
    reason: Option<String>,
    stop: &Stop,
) -> (Result<Outcome, Failure>, RunOrigin) {
    let Some(signal) = stop.signal() else { return (result, RunOrigin::ByItself) };
    let exit = Exit::Signal(signal);
    let result = match result {
        Ok(outcome) => Ok(Outcome { exit, ..outcome }),
        Err(failure) if matches!(failure.exit, Exit::Data | Exit::Bug | Exit::Io) => Err(failure),
        Err(failure) => Err(Failure { exit, ..failure }),
    };
    let reason = reason.unwrap_or_else(|| format!("signal {signal}"));
    (result, RunOrigin::Asked(StopRequest::Somebody(reason)))
}

/// One line about how it ended.
fn summary(result: &Result<Outcome, Failure>) -> &str {
    let text = match result {
        Ok(outcome) => &outcome.summary,
        Err(failure) => &failure.message,
    };
    text.lines().next().unwrap_or_default()
}

/// Without secrets, whatever a job put there.
fn masked(result: Result<Outcome, Failure>, mask: &Mask) -> Result<Outcome, Failure> {
    match result {
        Ok(Outcome { exit, summary, text, out }) => Ok(Outcome {
            exit,
            summary: mask.apply(&summary),
            text: mask.apply(&text),
            out: out.into_iter().map(|(key, value)| (key, mask.apply(&value))).collect(),
        }),
        Err(Failure { exit, message }) => Err(Failure { exit, message: mask.apply(&message) }),
    }
}

fn show(prepared: &Prepared, result: &Result<Outcome, Failure>, json: bool) {
    if json {
        print_json(&document(prepared, result));
    }
    match result {
        Ok(outcome) if !json => print(&outcome.text),
        Ok(_) => {}
        Err(failure) => say(&format!("error: {}", failure.message)),
    }
}

fn dispatch(context: &Context<'_>, manifest: &Manifest, root: &Path) -> Result<Outcome, Failure> {
    match &manifest.job {
        Job::Live(job) => live::job::run(context, job),
        Job::Backtest(job) => backtest::job::run(context, job),
        Job::Equivalence(job) => equivalence::job::equivalence(context, job),
        Job::Eqflat(job) => equivalence::job::eqflat(context, job),
        Job::Report(job) => report::job::run(context, job),
        Job::Fetch(job) => fetch::job::run(context, job),
        Job::Import(job) => import::run(context, job),
        Job::ExchangeSim(job) => exchange_sim::run(context, job),
        Job::Check(job) => check::job::run(context, job),
        Job::Healthcheck(job) => health::job::healthcheck(context, job),
        Job::Heartbeat(job) => health::job::heartbeat(context, job),
        Job::DataQuality(job) => data_quality::job::run(context, job),
        Job::DeployCheck(job) => deploy::assess::run(context, job),
        Job::Deploy(job) => deploy::execute::run(context, job),
        Job::Drift(job) => deploy::drift::run(context, job),
        Job::Preflight(job) => preflight::run(context, job, &|| manifest_check(context.root)),
        Job::Sweep(job) => sweep::job::run(context, job),
        Job::Train(job) => train::job::run(context, job),
        Job::Promote(job) => promote::job::run(context, job),
        Job::Pipeline(job) => {
            pipeline::job::run(context, job, &["--root".to_owned(), root.display().to_string()])
        }
        Job::Exec(job) => exec::run(context, job),
    }
}

fn timeout(manifest: &Manifest, args: &RunArgs) -> Result<Option<Duration>, Failure> {
    let Some(text) = &args.timeout else {
        return Ok(manifest.run.timeout.as_ref().map(|limit| limit.get().duration()));
    };
    let limit = humantime::parse_duration(text);
    limit.map(Some).map_err(|error| Failure::new(Exit::Usage, format!("--timeout {text}: {error}")))
}
