//! The shell of a sweep on a cluster: sends what the planner asks for, looks at the queue and at the folder, and never trusts the queue
//! about results.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use tokio::runtime::Runtime;

use super::{
    dispatch::{
        Dispatch, DispatchAct, QueueLine, SHARDS_MAX, SentArray, Shard, ShardSize, WorkPiece,
    },
    folder::SweepFolder,
    plan::SweepPlan,
    play::TrialStage,
    slurm::{Refusal, SQUEUE, Submission, array_id, array_max, command, queue, refusal, sbatch},
    submits::{CoordinatorDoc, CoordinatorWatch, Lead, comment},
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::time::Steady,
    exit::Exit,
    jobs::context::{Context, Failure, runtime},
    manifest::SweepExecutor,
    os::{
        machine,
        process::{ChildResults, Knows, ProcessStatus, Spawn, own_program},
        signals::Stop,
        supervise::{Watched, WatchedEnd, WatchedSpawn, watch},
    },
    store::{digest::sha256_hex, disk::Disk as _, lines::read_end},
};

/// What the programs of Slurm know of the environment of this process.
const KNOWN: &[&str] = &["PATH", "HOME", "SLURM_CONF"];
/// The longest that one of them may take.
const CALL_MAX: Duration = Duration::from_mins(2);
/// Most bytes of their answers.
const ANSWER_MAX: usize = 64 << 20;
/// Between two looks at the folder.
const FOLDER_MS: i64 = 1_000;
/// Between two signs of life.
const BEAT_MS: i64 = 20_000;
/// Bytes that are kept of a log of a shard that failed.
const LOG_MAX: u64 = 64 << 10;

/// A sweep on a cluster.
pub struct Cluster<'a, 'c> {
    context: &'a Context<'c>,
    folder: &'a SweepFolder<'c>,
    plan: &'a SweepPlan,
    stage: &'a TrialStage<'a>,
    executor: &'a SweepExecutor,
    calls: SlurmCalls,
    plan_hash: String,
    program: PathBuf,
    /// Most shards of an array, once the cluster said it.
    array_max: Option<usize>,
    dispatch: Dispatch,
    begin: Steady,
    /// Failures of earlier runs, which are history.
    old_failures: BTreeSet<String>,
    watch: CoordinatorWatch,
    beat_ms: Option<i64>,
    /// What was said to people last, so that it is not said at every look.
    said: String,
}

/// How a coordination ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterEnd {
    /// Every result is there.
    Complete,
    /// Something failed.
    Failed,
    /// The cluster goes on alone.
    Detached,
}

/// The programs of Slurm.
struct SlurmCalls {
    runtime: Runtime,
    dir: PathBuf,
}

/// What one of them answered.
struct Answer {
    is_good: bool,
    /// It was cut or killed, or gave no answer that is one: what it did is not known.
    is_cut: bool,
    stdout: String,
    stderr: String,
}

impl SlurmCalls {
    fn call(&self, argv: Vec<String>) -> Result<Answer, Failure> {
        let program = argv.first().cloned().unwrap_or_default();
        let spawn = Spawn {
            argv,
            env: BTreeMap::new(),
            dir: self.dir.clone(),
            timeout: Some(CALL_MAX),
            grace: Duration::from_secs(2),
            results: ChildResults::Kept,
        };
        let watched =
            WatchedSpawn { spawn, knows: Knows::Named(KNOWN), silence: None, most: ANSWER_MAX };
        // It is never cut by a wish to stop: what was sent must be known.
        let said = self.runtime.block_on(watch(&watched, &Stop::default(), &mut |_| {}));
        let Watched { gone, code, stdout, stderr, .. } = said.map_err(|error| {
            let message = format!(
                "start `{program}`: {error}; the executor slurm needs its programs on PATH"
            );
            Failure::new(Exit::Unavailable, message)
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok(Answer {
            is_good: code == 0,
            is_cut: !matches!(gone, WatchedEnd::Left(ProcessStatus::Code(1..))),
            stdout: text(&stdout),
            stderr: text(&stderr),
        })
    }

    /// The queue; `None` when it does not answer.
    fn queue(&self) -> Result<Option<Vec<QueueLine>>, Failure> {
        let answer = self.call(SQUEUE.map(str::to_owned).to_vec())?;
        if answer.is_good {
            return Ok(Some(queue(&answer.stdout)));
        }
        tracing::warn!("the queue does not answer: {}", answer.stderr);
        Ok(None)
    }

    fn cancel(&self, job: &str) -> Result<(), Failure> {
        let answer = self.call(vec!["scancel".to_owned(), job.to_owned()])?;
        if !answer.is_good {
            // It may be over, or the cluster away: shards look at the folder themselves.
            tracing::warn!("scancel {job}: {}", answer.stderr);
        }
        Ok(())
    }
}

impl<'a, 'c> Cluster<'a, 'c> {
    /// Gets ready: the program on the shared folder, the limits of the cluster, what was sent before.
    pub fn new(
        context: &'a Context<'c>,
        (folder, plan, stage): (&'a SweepFolder<'c>, &'a SweepPlan, &'a TrialStage<'a>),
        executor: &'a SweepExecutor,
    ) -> Result<Self, Failure> {
        let dir = context.layout.sweep_dir(&folder.id);
        let program = context.layout.sweep_program(&folder.id, context.build);
        let plan_path = context.layout.sweep_plan(&folder.id);
        command(&program, &plan_path, 0).map_err(|why| Failure::new(Exit::Manifest, why))?;
        let calls = SlurmCalls { runtime: runtime()?, dir };
        keep_program(context, &program)?;
        context.disk.create_dir_all(&context.layout.sweep_logs_dir(&folder.id))?;
        let pause_ms = executor.look_every.get().duration().as_millis();
        let pause_ms = i64::try_from(pause_ms).unwrap_or(i64::MAX).max(1_000);
        let mut dispatch = Dispatch::new(executor.attempts, pause_ms);
        for array in folder.sent(plan)? {
            dispatch.found(array);
        }
        let old_failures = folder.failed()?.into_iter().map(|(name, _)| name).collect();
        Ok(Self {
            context,
            folder,
            plan,
            stage,
            executor,
            calls,
            plan_hash: plan.hash(),
            program,
            array_max: None,
            dispatch,
            begin: SystemClock.steady(),
            old_failures,
            watch: CoordinatorWatch::default(),
            beat_ms: None,
            said: String::new(),
        })
    }

    fn now_ms(&self) -> i64 {
        SystemClock.steady().since(self.begin)
    }

    /// Has pieces played until none is missing; false when it was asked to stop: then the cluster goes on without this process.
    pub fn carry(
        &mut self,
        what: &str,
        missing: &mut dyn FnMut() -> Result<BTreeSet<WorkPiece>, Failure>,
    ) -> Result<bool, Failure> {
        let mut left = missing()?;
        self.context.progress.begin(what, left.len() as u64);
        let carried = self.carry_on(missing, &mut left);
        self.context.progress.end();
        carried
    }

    fn carry_on(
        &mut self,
        missing: &mut dyn FnMut() -> Result<BTreeSet<WorkPiece>, Failure>,
        left: &mut BTreeSet<WorkPiece>,
    ) -> Result<bool, Failure> {
        loop {
            if self.folder.is_cancelled() {
                self.cancel_arrays()?;
                return Ok(false);
            }
            if self.context.stop.asked() {
                self.say("the cluster goes on by itself; run the job again to see what came of it");
                return Ok(false);
            }
            let now = missing()?;
            (now.len()..left.len()).for_each(|_| self.context.progress.advance(""));
            *left = now;
            self.failures()?;
            if !self.coordinates()? && !left.is_empty() {
                self.sleep();
                continue;
            }
            match self.dispatch.next(self.now_ms(), left) {
                DispatchAct::Done => {
                    self.cancel_needless()?;
                    return Ok(true);
                }
                DispatchAct::Send(pieces) => self.send(&pieces)?,
                DispatchAct::Look => self.look()?,
                DispatchAct::Open(n) => self.open(n)?,
                DispatchAct::Wait => self.sleep(),
                DispatchAct::Short(many) => return Err(self.short(many)),
            }
        }
    }

    fn sleep(&self) {
        let until = SystemClock.steady().plus_ms(FOLDER_MS);
        SystemClock.sleep_until(until, &|| self.context.stop.asked());
    }

    /// Says something once, until something else is said.
    fn say(&mut self, text: &str) {
        if self.said != text {
            tracing::warn!("{text}");
            text.clone_into(&mut self.said);
        }
    }

    /// Most shards of an array; `None` while the cluster does not answer. One that never took anything is not waited for.
    fn limit(&mut self) -> Result<Option<usize>, Failure> {
        if self.array_max.is_none() {
            let config =
                self.calls.call(["scontrol", "show", "config"].map(str::to_owned).to_vec())?;
            if config.is_good {
                self.array_max = Some(array_max(&config.stdout).min(SHARDS_MAX));
            } else if self.dispatch.arrays().is_empty() {
                let message = format!("the cluster does not answer: {}", config.stderr);
                return Err(Failure::new(Exit::Unavailable, message));
            } else {
                self.say(&format!("the cluster does not answer: {}", config.stderr));
                self.dispatch.hold(self.now_ms());
            }
        }
        Ok(self.array_max)
    }

    fn send(&mut self, pieces: &[WorkPiece]) -> Result<(), Failure> {
        let Some(most) = self.limit()? else { return Ok(()) };
        let size = ShardSize {
            trials: self.executor.per_shard.trials(),
            bars: self.plan.bars.bars,
            all: self.plan.trials.len() as u64,
            most,
        };
        let shards = size.cut(pieces);
        let (host, pid, at) = (machine::name(), std::process::id(), SystemClock.now().get());
        let attempt = |n: u32| format!("{n}-{host}-{pid}-{at}");
        let (n, doc) = self.folder.keep_submit(&self.plan_hash, &attempt, shards)?;
        let layout = self.context.layout;
        let plan_path = layout.sweep_plan(&self.folder.id);
        let command = command(&self.program, &plan_path, n)
            .map_err(|why| Failure::new(Exit::Manifest, why))?;
        let comment = comment(&self.plan_hash, &doc.attempt);
        let logs = layout.sweep_logs_dir(&self.folder.id);
        let sent = Submission {
            plan_hash: &self.plan_hash,
            comment: &comment,
            shards: doc.shards.len(),
            dir: &self.calls.dir,
            logs: &logs,
            command: &command,
        };
        let answer = self.calls.call(sbatch(self.executor, &sent))?;
        let own: Vec<WorkPiece> = doc.shards.iter().flat_map(Shard::pieces).collect();
        let job = array_id(&answer.stdout).filter(|_| answer.is_good);
        if let Some(job) = job {
            self.folder.keep_job(n, &job)?;
            tracing::info!("array {job}: {} shards", doc.shards.len());
            let array = SentArray::new(n, comment, Some(job), own);
            self.dispatch.sent(array, self.now_ms());
            return Ok(());
        }
        self.not_taken(&answer, (n, comment, own))
    }

    /// What follows from a call of sbatch that gave no id: it may have been taken all the same.
    fn not_taken(
        &mut self,
        answer: &Answer,
        (n, comment, pieces): (u32, String, Vec<WorkPiece>),
    ) -> Result<(), Failure> {
        let why = if answer.stderr.is_empty() { "it gave no id" } else { &answer.stderr };
        let kind = if answer.is_cut { Refusal::Unreachable } else { refusal(why) };
        let lines = self.calls.queue()?;
        // A refused array leaves a line too, which failed at once.
        let is_taken = |line: &&QueueLine| {
            line.comment == comment && (line.is_live() || kind == Refusal::Unreachable)
        };
        let found = lines.iter().flatten().find(is_taken);
        if let Some(line) = found {
            self.folder.keep_job(n, &line.job)?;
            let array = SentArray::new(n, comment, Some(line.job.clone()), pieces);
            self.dispatch.sent(array, self.now_ms());
            return Ok(());
        }
        match kind {
            Refusal::Refused if lines.is_some() => {
                self.folder.keep_refused(n, why)?;
                let message = format!("the cluster refused the array: {why}");
                Err(Failure::new(Exit::Unavailable, message))
            }
            Refusal::Limit if lines.is_some() => {
                self.folder.keep_refused(n, why)?;
                self.say(&format!("the cluster takes nothing more for now: {why}"));
                self.dispatch.hold(self.now_ms());
                Ok(())
            }
            Refusal::Refused | Refusal::Limit | Refusal::Unreachable => {
                self.say(&format!("whether the array was taken is not known yet: {why}"));
                let array = SentArray::new(n, comment, None, pieces);
                self.dispatch.sent(array, self.now_ms());
                Ok(())
            }
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        let lines = self.calls.queue()?;
        let now = self.now_ms();
        match lines {
            None => {
                self.say("the queue does not answer: waiting, and nothing is sent again");
                self.dispatch.unreachable(now);
            }
            Some(lines) => {
                for (n, job) in self.dispatch.looked(now, &lines) {
                    tracing::warn!(
                        "array {job} was taken, although its id was not written down: it is adopted"
                    );
                    self.folder.keep_job(n, &job)?;
                }
            }
        }
        Ok(())
    }

    /// Opens by name what a submission may have written: an open asks the server of a shared folder, where a listing may be a minute old.
    /// Null markets and steps are always opened by their names.
    fn open(&mut self, n: u32) -> Result<(), Failure> {
        let shards = self.folder.submit(n)?.map_or_else(Vec::new, |doc| doc.shards);
        let mut names = Vec::new();
        for shard in &shards {
            let Shard::Trials(trials) = shard else { continue };
            names.extend(self.stage.names(self.plan, trials, self.executor.cpus as usize));
        }
        let many = self.folder.open_results(&names)?;
        if many > 0 {
            tracing::info!("{many} results are there, although the folder did not list them");
        }
        self.dispatch.opened(n);
        Ok(())
    }

    /// Ends the sweep when a shard failed in a way that another try does not change.
    fn failures(&mut self) -> Result<(), Failure> {
        for (name, failed) in self.folder.failed()? {
            if !self.old_failures.insert(name.clone()) {
                continue;
            }
            let shard = name.trim_end_matches(".json");
            let message = format!("shard {shard} on {}: {}", failed.host, failed.message);
            let Some(exit) = failed.ends_with() else {
                tracing::warn!("{message}");
                continue;
            };
            self.cancel_arrays()?;
            return Err(Failure::new(exit, message));
        }
        Ok(())
    }

    /// Whether this process sends shards: not while one on another machine does.
    fn coordinates(&mut self) -> Result<bool, Failure> {
        let now = self.now_ms();
        if self.beat_ms.is_some_and(|beat| now - beat < BEAT_MS) {
            return Ok(true);
        }
        let host = machine::name();
        match self.watch.look(self.folder.coordinator()?, &host, now) {
            Lead::Other(other) => {
                self.say(&format!("{other} coordinates this sweep: this one watches"));
                // What it writes is not this one's to remove.
                self.beat_ms = None;
                return Ok(false);
            }
            Lead::TakenOver(other) => {
                tracing::warn!("the coordinator on {other} is silent: this one takes over");
            }
            Lead::Own => {}
        }
        self.folder.keep_coordinator(&CoordinatorDoc::new(host, SystemClock.now().get()))?;
        self.beat_ms = Some(now);
        Ok(true)
    }

    fn cancel_arrays(&self) -> Result<(), Failure> {
        let lines = self.calls.queue()?.unwrap_or_default();
        for array in self.dispatch.arrays().iter().filter(|array| array.is_open()) {
            let by_comment = lines.iter().find(|line| line.comment == array.comment);
            let job = array.job.clone().or_else(|| by_comment.map(|line| line.job.clone()));
            if let Some(job) = job {
                self.calls.cancel(&job)?;
            }
        }
        Ok(())
    }

    /// Ends the null markets that are not needed any more.
    fn cancel_needless(&self) -> Result<(), Failure> {
        for array in self.dispatch.arrays().iter().filter(|array| array.is_open()) {
            let is_absent = |piece: &WorkPiece| match piece {
                WorkPiece::Null(k) => {
                    matches!(self.context.disk.len(&self.folder.null(*k)), Ok(None))
                }
                WorkPiece::Trial(_) | WorkPiece::Step(_) => false,
            };
            if let Some(job) = array.job.as_ref().filter(|_| array.pieces.iter().any(is_absent)) {
                self.calls.cancel(job)?;
            }
        }
        Ok(())
    }

    fn short(&self, many: usize) -> Failure {
        let dir = self.context.layout.sweep_logs_dir(&self.folder.id);
        let is_silent = self.context.disk.list(&dir).is_ok_and(|logs| logs.is_empty());
        let hint = if is_silent {
            format!(
                "no shard wrote a log: is {} the same folder on every node?",
                self.calls.dir.display()
            )
        } else {
            format!("what shards said is in {}", self.context.shown(&dir))
        };
        let all: usize =
            self.dispatch.arrays().iter().map(|array| array.pieces.len()).max().unwrap_or(many);
        let message = format!(
            "{many} of {all} parts have no result after {} attempts; {hint}; run the job again to try them again",
            self.executor.attempts
        );
        Failure::new(Exit::Unavailable, message)
    }

    /// Ends the coordination: another machine may take over at once. Logs of good shards go, of others the end stays.
    pub fn over(self, end: ClusterEnd) -> Result<(), Failure> {
        let dir = self.context.layout.sweep_logs_dir(&self.folder.id);
        let disk = self.context.disk;
        let names = if end == ClusterEnd::Detached { Vec::new() } else { disk.list(&dir)? };
        for name in names {
            let path = dir.join(name);
            if end == ClusterEnd::Complete {
                self.folder.remove(&path)?;
                continue;
            }
            let (end, is_cut) = read_end(disk, &path, LOG_MAX)?;
            if is_cut {
                disk.replace(&path, &end)?;
            }
        }
        if self.beat_ms.is_some() {
            self.folder.remove(&self.context.layout.sweep_coordinator(&self.folder.id))?;
        }
        Ok(())
    }
}

/// Brings this program to the shared folder: a node needs nothing else.
fn keep_program(context: &Context<'_>, program: &std::path::Path) -> Result<(), Failure> {
    let own = own_program().map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let bytes = context.disk.read(&own)?.unwrap_or_default();
    let there = context.disk.read(program)?;
    if there.is_some_and(|there| sha256_hex(&there) == sha256_hex(&bytes)) {
        return Ok(());
    }
    context.disk.create_dir_all(crate::store::disk::parent(program))?;
    Ok(context.disk.replace_program(program, &bytes)?)
}

/// Ends the arrays of a sweep that was cancelled, where it was sent to a cluster.
pub fn cancel(context: &Context<'_>, folder: &SweepFolder<'_>) -> Result<(), Failure> {
    let Some(plan) = folder.plan()? else { return Ok(()) };
    let sent = folder.sent(&plan)?;
    if sent.is_empty() {
        return Ok(());
    }
    let dir = context.layout.sweep_dir(&folder.id);
    let calls = SlurmCalls { runtime: runtime()?, dir };
    let lines = calls.queue()?.unwrap_or_default();
    for array in sent {
        // What the queue does not show is over.
        let is_own = |line: &&QueueLine| {
            line.comment == array.comment || array.job.as_ref() == Some(&line.job)
        };
        if let Some(line) = lines.iter().find(is_own) {
            calls.cancel(&line.job)?;
        }
    }
    Ok(())
}
