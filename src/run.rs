//! Running one job: resolve, record, dispatch, record again.

use std::{path::Path, process::ExitCode, time::Duration};

use serde_json::json;

use crate::{
    cli::{
        args::RunArgs,
        load::{LoadError, Loaded, load},
        output::{Bar, Mask, OUTCOME, log_to, print, print_json, say},
        view::{refuse, say_problems},
    },
    clock::{Clock as _, SystemClock},
    domain::{ids::RunId, time::UtcMs},
    exit::Exit,
    jobs::{
        backtest, check,
        context::{Context, Failure, Outcome},
        equivalence, exchange_sim, exec, fetch, import, live, pipeline, quality,
    },
    manifest::{Job, Manifest, RunFacts},
    os::{
        process::{Results, is_alive},
        signals::Stop,
        space::free_bytes,
    },
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        runs::{End, Run, RunFolder, RunInfo, RunState, RunStore, Start},
    },
};

/// Version of the documents that `--json` prints.
const SCHEMA: &str = "mjolnir.run/1";

/// This build: version and a hash of the program itself.
pub fn build_id() -> String {
    let hash = crate::os::process::own_program()
        .ok()
        .and_then(|path| std::fs::read(path).ok())
        .map_or(0, |bytes| xxhash_rust::xxh3::xxh3_64(&bytes));
    format!("{}-{hash:016x}", env!("CARGO_PKG_VERSION"))
}

/// Runs a job and returns its exit code.
pub fn run(root: &Path, args: &RunArgs, json: bool) -> ExitCode {
    let started = SystemClock.now();
    let ended = match prepare(root, args, started) {
        Ok(prepared) => prepared.execute(args, json),
        Err(error @ LoadError::Problems(_)) => refuse(error, json),
        Err(LoadError::Unreadable(failure)) => fail(&failure, json),
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
    loaded: Loaded,
    mask: Mask,
    run_id: RunId,
    started: UtcMs,
    build: String,
}

fn prepare(root: &Path, args: &RunArgs, started: UtcMs) -> Result<Prepared, LoadError> {
    let unreadable = |exit, message: String| LoadError::Unreadable(Failure::new(exit, message));
    let root =
        std::path::absolute(root).map_err(|error| unreadable(Exit::Usage, error.to_string()))?;
    if !root.is_dir() {
        return Err(unreadable(
            Exit::Usage,
            format!("--root {}: there is no such folder", root.display()),
        ));
    }
    let id = if let Some(id) = &args.run_id {
        id.clone()
    } else {
        let stem = args.job.job.file_stem().and_then(|stem| stem.to_str()).unwrap_or("job");
        let stem: String = stem
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .take(24)
            .collect();
        format!(
            "{stem}_{}_{:03}_{}",
            started.format("%Y%m%d_%H%M%S"),
            started.get() % 1000,
            std::process::id()
        )
    };
    let run_id: RunId = id.parse().map_err(|error: crate::domain::ids::NameError| {
        unreadable(Exit::Usage, error.to_string())
    })?;
    let facts = RunFacts { id: run_id.to_string(), started };
    let loaded = load(&root, &args.job, &facts)?;
    let layout = Layout::new(&root);
    Ok(Prepared {
        disk: RealDisk::new(layout.data()),
        layout,
        mask: Mask::new(loaded.resolved.secrets().map(str::to_owned)),
        build: build_id(),
        root,
        loaded,
        run_id,
        started,
    })
}

impl Prepared {
    fn execute(self, args: &RunArgs, json: bool) -> Exit {
        let manifest = &self.loaded.resolved.manifest;
        if !self.loaded.resolved.warnings.is_empty() {
            say_problems(&self.loaded.resolved.warnings);
        }
        let recorder = match self.record(args) {
            Ok(recorder) => recorder,
            Err(failure) => return fail(&failure, json),
        };
        let result = masked(self.guarded(manifest, args, json), &self.mask);
        if let Err(failure) = &result {
            tracing::error!(target: OUTCOME, "{}", failure.message.lines().next().unwrap_or_default());
        }
        let exit = result.as_ref().map_or_else(|failure| failure.exit, |outcome| outcome.exit);
        if let Err(failure) = recorder.finish(&self, &result) {
            return fail(&failure, json);
        }
        show(&self, &result, json);
        exit
    }

    fn guarded(&self, manifest: &Manifest, args: &RunArgs, json: bool) -> Result<Outcome, Failure> {
        let stop =
            Stop::listen().map_err(|error| Failure::new(Exit::Bug, format!("signals: {error}")))?;
        let grace = manifest.run.grace.get().duration();
        let timeout = timeout(manifest, args)?;
        enough_space(manifest, &self.root)?;
        let progress = Bar::new();
        let context = Context {
            root: &self.root,
            disk: &self.disk,
            layout: &self.layout,
            run_id: self.run_id.clone(),
            job: manifest.name.clone(),
            build: &self.build,
            started: self.started,
            stop: stop.clone(),
            grace,
            child_results: if json { Results::Aside } else { Results::Shown },
            progress: &progress,
        };
        let guard = timeout.map(|limit| Watchdog::start(limit, grace, stop.clone()));
        let result = dispatch(&context, manifest, &self.root);
        match guard {
            Some(guard) if guard.barked() => Err(Failure::new(
                Exit::Timeout,
                "the job took longer than its timeout and was stopped",
            )),
            Some(_) | None => result,
        }
    }

    fn record(&self, args: &RunArgs) -> Result<Recorder<'_>, Failure> {
        let Self { disk, layout, build, mask, .. } = self;
        let manifest = &self.loaded.resolved.manifest;
        let store = RunStore::open(disk, layout, is_alive)?;
        let kind = manifest.job.kind().name().to_owned();
        let parent = args.parent.as_ref().and_then(|parent| parent.parse().ok());
        let run = Run {
            run_id: self.run_id.clone(),
            job: manifest.name.clone(),
            kind: kind.clone(),
            state: RunState::Running,
            started: self.started,
            ended: None,
            exit_code: None,
            summary: String::new(),
            parent,
            pid: Some(std::process::id()),
            build: build.clone(),
            due: None,
        };
        if store.start(&run)? == Start::Duplicate {
            let message = format!(
                "there is a run with the id {} already: choose another --run-id",
                self.run_id
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let folder = RunFolder::create(disk, layout, &self.run_id)?;
        folder.write_manifest(&mask.apply(&self.loaded.resolved.to_toml()))?;
        folder.write_info(&RunInfo {
            build: build.clone(),
            argv: std::env::args().map(|argument| mask.apply(&argument)).collect(),
            job: manifest.name.clone(),
            kind,
            started: self.started,
            inputs: self.loaded.inputs.clone(),
        })?;
        folder.append_log(b"")?;
        let log = folder.log_path();
        log_to(&log, mask)
            .map_err(|error| Failure::new(Exit::Io, format!("open {}: {error}", log.display())))?;
        Ok(Recorder { store, folder })
    }
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

struct Recorder<'d> {
    store: RunStore,
    folder: RunFolder<'d, RealDisk>,
}

impl Recorder<'_> {
    fn finish(
        &self,
        prepared: &Prepared,
        result: &Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let (exit, summary) = match result {
            Ok(outcome) => (outcome.exit, outcome.summary.as_str()),
            Err(failure) => (failure.exit, failure.message.as_str()),
        };
        self.folder.write_result(&document(prepared, result))?;
        let state = match exit {
            Exit::Ok => RunState::Ok,
            Exit::Timeout => RunState::TimedOut,
            Exit::Signal(_) => RunState::Interrupted,
            _ => RunState::Failed,
        };
        let summary: String =
            summary.lines().next().unwrap_or_default().chars().take(500).collect();
        let end = End { state, exit_code: i32::from(exit.code()), summary, at: SystemClock.now() };
        Ok(self.store.finish(&prepared.run_id, &end)?)
    }
}

fn document(prepared: &Prepared, result: &Result<Outcome, Failure>) -> serde_json::Value {
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
        Job::Fetch(job) => fetch::job::run(context, job),
        Job::Import(job) => import::run(context, job),
        Job::ExchangeSim(job) => exchange_sim::run(context, job),
        Job::Check(job) => check::job::run(context, job),
        Job::DataQuality(job) => quality::job::run(context, job),
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

fn enough_space(manifest: &Manifest, root: &Path) -> Result<(), Failure> {
    let Some(least) = manifest.run.disk_free_min.as_ref().map(|size| size.get().bytes()) else {
        return Ok(());
    };
    let free = free_bytes(root)
        .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", root.display())))?;
    if free >= least {
        return Ok(());
    }
    let message = format!(
        "only {free} bytes are free in {}, run.disk-free-min asks for {least}: make room",
        root.display()
    );
    Err(Failure::new(Exit::Busy, message))
}

/// Asks the job to stop when its time is up, and ends the process when it does not.
struct Watchdog(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Watchdog {
    fn start(limit: Duration, grace: Duration, stop: Stop) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let barked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = std::sync::Arc::clone(&barked);
        std::thread::spawn(move || {
            crate::clock::nap(limit);
            flag.store(true, Relaxed);
            stop.ask();
            crate::clock::nap(grace);
            say("error: the job took longer than its timeout and did not stop in time");
            std::process::exit(i32::from(Exit::Timeout.code()));
        });
        Self(barked)
    }

    fn barked(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
