//! A fit in a process of its own: this program again on the processor, or the worker that uses a card, started, watched and asked for proof.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    judge::judge,
    trainer::Checkpoints,
    worker::{FitHeartbeat, Returned, Spec, rows},
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure, OUT_OF_MEMORY, runtime},
    manifest::Compute,
    model::{
        probe::{DeviceReason, DeviceVerdict},
        train::{FitState, Fitted, Task},
    },
    os::{
        machine::memory_limit,
        process::{ChildResults, Knows, ProcessStatus, Spawn, own_program},
        supervise::{Watched, WatchedEnd, WatchedSpawn, watch},
    },
    store::disk::Disk as _,
};

/// Where a fit is kept while it goes on.
#[derive(Clone, Copy)]
pub struct Keeping<'k, 'a, 'c> {
    /// The checkpoints of the training.
    pub checkpoints: &'k Checkpoints<'a, 'c>,
    /// After so many epochs each.
    pub every: u32,
}

/// A fit in another process.
pub(super) struct Handed<'h, 'c> {
    context: &'h Context<'c>,
    name: &'h str,
    device: &'h str,
    kept: Option<Keeping<'h, 'h, 'c>>,
    files: Files,
}

/// How the process went.
pub(super) struct Went {
    /// What is known of it.
    pub(super) seen: io::Result<Watched>,
    /// After how many epochs it went on.
    pub(super) begun: usize,
}

impl<'h, 'c> Handed<'h, 'c> {
    /// A fit on a device; without a place to keep it, it begins and ends in one go.
    pub(super) fn new(
        context: &'h Context<'c>,
        (name, device): (&'h str, &'h str),
        kept: Option<Keeping<'h, 'h, 'c>>,
    ) -> Self {
        Self { context, name, device, kept, files: Files::of(context, name) }
    }

    /// Starts the process with the file of the task and waits for its end. `heard` is told of each epoch. When this run is asked to stop,
    /// where the fit stands is kept.
    pub(super) fn carry_out(
        &self,
        task: &Task<'_>,
        process: impl FnOnce(&str) -> WatchedSpawn,
        heard: &mut dyn FnMut(FitHeartbeat),
    ) -> Result<Went, Failure> {
        let Self { context, name, device, kept, files } = self;
        let from = match kept {
            Some(kept) => kept.checkpoints.load(name, device)?,
            None => None,
        };
        let begun = from.as_ref().map_or(0, FitState::epochs);
        if begun > 0 {
            tracing::info!("{name}: goes on after epoch {begun}");
        }
        files.write(context, task, from.as_ref())?;
        let process = process(&files.spec.display().to_string());
        let mut saved = Ok(());
        let seen = runtime()?.block_on(watch(&process, &context.stop, &mut |line: &str| {
            let Ok(beat) = serde_json::from_str::<FitHeartbeat>(line) else { return };
            if kept.is_some_and(|kept| beat.epoch.is_multiple_of(kept.every)) && saved.is_ok() {
                saved = self.keep();
            }
            heard(beat);
        }));
        context.disk.remove(&files.rows)?;
        saved?;
        if context.stop.asked() {
            self.keep()?;
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            let message =
                format!("{name}: asked to stop; run the job again, and it continues from there");
            return Err(Failure::new(exit, message));
        }
        Ok(Went { seen, begun: begun as usize })
    }

    /// Keeps where the fit stands.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let Some(kept) = self.kept else { return Ok(()) };
        let stands = self.context.disk.read(&self.files.state)?;
        // One that was left half-said is none.
        let stands = stands.and_then(|bytes| serde_json::from_slice::<FitState>(&bytes).ok());
        Ok(stands
            .map_or(Ok(()), |stands| kept.checkpoints.save(self.name, self.device, &stands))?)
    }

    /// The network that came of it, not judged yet; none where there is no file of it.
    pub(super) fn fitted(&self) -> Result<Option<Result<Fitted, String>>, Failure> {
        Ok(self.context.disk.read(&self.files.result)?.map(|bytes| Returned::read(&bytes)))
    }

    /// Takes the files away.
    pub(super) fn clear(self) -> Result<(), Failure> {
        let Files { spec, rows: _, result, state } = &self.files;
        for path in [spec, result, state] {
            if self.context.disk.len(path)?.is_some() {
                self.context.disk.remove(path)?;
            }
        }
        Ok(())
    }
}

/// What is handed over about one fit.
struct Files {
    spec: PathBuf,
    rows: PathBuf,
    result: PathBuf,
    state: PathBuf,
}

impl Files {
    fn of(context: &Context<'_>, name: &str) -> Self {
        let dir = context.layout.run_compute_dir(&context.run_id);
        let [spec, rows, result, state] = ["json", "rows", "fitted.json", "state.json"]
            .map(|end| dir.join(format!("{name}.{end}")));
        Self { spec, rows, result, state }
    }

    fn write(
        &self,
        context: &Context<'_>,
        task: &Task<'_>,
        from: Option<&FitState>,
    ) -> Result<(), Failure> {
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let spec = Spec::of(task, [&self.rows, &self.result, &self.state].map(|path| name(path)));
        let spec = serde_json::to_vec_pretty(&spec).expect("plain values serialise");
        let disk = context.disk;
        disk.create_dir_all(&context.layout.run_compute_dir(&context.run_id))?;
        disk.replace(&self.rows, &rows(task))?;
        if let Some(from) = from {
            let text = serde_json::to_vec(from).expect("plain values serialise");
            disk.swap(&self.state, &text)?;
        }
        Ok(disk.replace(&self.spec, &spec)?)
    }
}

/// Between asking a worker to end and ending it: it has nothing to put away.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// A complaint is for people: its words, not the way to them.
pub(super) const NO_BACKTRACES: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];
/// Most bytes that are kept of what it says.
pub(super) const SAID_MAX: usize = 1 << 20;

/// The worker with some arguments, in the root. It gets the environment of this process, in which the libraries of the card are named.
pub(super) fn worker(
    context: &Context<'_>,
    compute: &Compute,
    arguments: &[&str],
    (timeout, silence): (Option<Duration>, Option<Duration>),
) -> WatchedSpawn {
    let words = arguments.iter().map(|word| (*word).to_owned());
    let argv = std::iter::once(program(context, &compute.worker)).chain(words).collect();
    let spawn = Spawn {
        argv,
        env: BTreeMap::from(NO_BACKTRACES.map(|name| (name.to_owned(), "0".to_owned()))),
        dir: context.root.to_owned(),
        timeout,
        grace: GRACE,
        results: ChildResults::Kept,
    };
    WatchedSpawn { spawn, knows: Knows::All, silence, most: SAID_MAX }
}

/// A path is relative to the root. A bare name is looked for beside this program, then in PATH.
fn program(context: &Context<'_>, name: &str) -> String {
    if name.contains('/') {
        return context.path(name).display().to_string();
    }
    let beside = own_program().ok().and_then(|own| Some(own.parent()?.join(name)));
    match beside.filter(|path| path.is_file()) {
        Some(path) => path.display().to_string(),
        None => name.to_owned(),
    }
}

/// A proof that takes too long is asked for once more: the first start of a driver reads and compiles much.
const TRIES: u32 = 2;

/// The verdict about the card. A failure is only that this run was asked to stop.
pub fn probe(context: &Context<'_>, compute: &Compute) -> Result<DeviceVerdict, Failure> {
    let tolerance = compute.tolerance.to_string();
    let arguments = ["probe", "--json", "--tolerance", &tolerance];
    let limits = (Some(compute.probe_timeout.get().duration()), None);
    let asked = worker(context, compute, &arguments, limits);
    let runtime = runtime()?;
    let mut left = TRIES;
    loop {
        left -= 1;
        let seen = runtime.block_on(watch(&asked, &context.stop, &mut |_: &str| {}));
        if context.stop.asked() {
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            return Err(Failure::new(exit, "stopped while the card proved itself"));
        }
        let verdict = judge(&seen, &compute.worker, compute.tolerance);
        tracing::info!(
            ok = verdict.ok,
            reason = verdict.reason.map_or("", DeviceReason::name),
            detail = verdict.detail,
            "the card was probed"
        );
        if verdict.reason != Some(DeviceReason::Timeout) || left == 0 {
            return Ok(verdict);
        }
    }
}

/// What the processor is called.
pub const CPU: &str = "cpu";
/// Networks of this size are slower on many threads, and as many fits go on at once as there are threads: one each.
const ONE_THREAD: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];
/// An exit code above this one says which signal told the process to end.
const SIGNALS: i32 = 128;
/// The signal of which a process learns nothing.
const KILL: i32 = 9;
/// What is said before a process ends that gets no memory.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];

/// Carries out a fit, and says after which epoch it went on.
pub fn fit_here(
    context: &Context<'_>,
    (name, task): (&str, &Task<'_>),
    kept: Option<Keeping<'_, '_, '_>>,
    heard: &mut dyn FnMut(FitHeartbeat),
) -> Result<(Fitted, usize), Failure> {
    let program =
        own_program().map_err(|error| Failure::new(Exit::Io, format!("own program: {error}")))?;
    let handed = Handed::new(context, (name, CPU), kept);
    let process = |spec: &str| {
        let program = program.display().to_string();
        let one = ONE_THREAD.map(|name| (name, "1"));
        let variables = one.into_iter().chain(NO_BACKTRACES.map(|name| (name, "0")));
        let spawn = Spawn {
            argv: [&program, "fit", "--spec", spec].map(str::to_owned).to_vec(),
            env: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            dir: context.root.to_owned(),
            timeout: None,
            grace: GRACE,
            results: ChildResults::Kept,
        };
        WatchedSpawn { spawn, knows: Knows::All, silence: None, most: SAID_MAX }
    };
    let Went { seen, begun } = handed.carry_out(task, process, heard)?;
    let seen = seen.map_err(|error| Failure::new(Exit::Io, format!("start a fit: {error}")))?;
    if seen.gone != WatchedEnd::Left(ProcessStatus::Code(0)) {
        return Err(failed(name, &seen));
    }
    let bug = |why: String| Failure::new(Exit::Bug, format!("{name}: {why}"));
    let fitted = handed.fitted()?.ok_or_else(|| bug("a fit that left no network".to_owned()))?;
    handed.keep()?;
    handed.clear()?;
    Ok((fitted.map_err(bug)?, begun))
}

/// Why there is no network.
fn failed(name: &str, seen: &Watched) -> Failure {
    let said = String::from_utf8_lossy(&seen.stderr);
    if memory_limit().is_some() && NO_MEMORY.iter().any(|words| said.contains(words)) {
        return Failure::new(Exit::Manifest, OUT_OF_MEMORY);
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let why = last.strip_prefix("error: ").unwrap_or(last);
    let is = |exit: Exit| seen.gone == WatchedEnd::Left(ProcessStatus::Code(exit.code().into()));
    if let Some(exit) = [Exit::Data, Exit::Io].into_iter().find(|exit| is(*exit)) {
        return Failure::new(exit, format!("{name}: {why}"));
    }
    // Nobody told this run to stop: somebody ended the fit alone, or the system did for want of memory.
    let ended = |signal: i32| {
        let guess = if signal == KILL { " (out of memory?)" } else { "" };
        let why = format!("{name}: the process of the fit was ended by signal {signal}{guess}");
        Failure::new(Exit::Unavailable, why)
    };
    match seen.gone {
        WatchedEnd::Left(ProcessStatus::Signal(signal)) => ended(signal),
        WatchedEnd::Left(ProcessStatus::Code(code)) if code > SIGNALS => ended(code - SIGNALS),
        WatchedEnd::Left(ProcessStatus::Code(_) | ProcessStatus::Unknown)
        | WatchedEnd::TimedOut
        | WatchedEnd::Silent
        | WatchedEnd::Stopped
        | WatchedEnd::Unkillable => Failure::new(Exit::Bug, format!("{name}: {why}")),
    }
}
