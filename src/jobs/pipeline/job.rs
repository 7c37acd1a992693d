//! The pipeline job: starts each step as a child process of its own and follows the plan.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use tokio::task::{Id, JoinSet};

use super::plan::{PipelinePlan, StepNode, StepState};
use crate::{
    clock::Deadline,
    exit::Exit,
    jobs::context::{Context, Failure, Outcome, runtime},
    manifest::{ComputeDevice, PipelineJob, Step, When, Work},
    os::{
        process::{self, Asker, Kin, ProcessEnd, Spawn},
        signals::Stop,
    },
    store::disk::Disk,
};

/// The variable from which jobs that name no device take theirs.
const DEVICE: &str = "MJOLNIR_DEVICE";

pub fn run(
    context: &Context<'_>,
    job: &PipelineJob,
    globals: &[String],
) -> Result<Outcome, Failure> {
    let runtime = runtime()?;
    runtime.block_on(follow(context, job, globals))
}

async fn follow(
    context: &Context<'_>,
    job: &PipelineJob,
    globals: &[String],
) -> Result<Outcome, Failure> {
    let node =
        |step: &Step| StepNode { id: step.id.clone(), needs: step.needs.clone(), when: step.when };
    let nodes = job.steps.iter().map(node).collect();
    let plan = PipelinePlan::new(nodes, job.pipeline.max_parallel as usize, job.pipeline.fail_fast);
    let (out, codes) = (BTreeMap::new(), BTreeMap::new());
    let after = None;
    let mut course = Course { context, job, globals, plan, out, codes, after };
    let mut children: JoinSet<(usize, std::io::Result<ProcessEnd>)> = JoinSet::new();
    let mut places: BTreeMap<Id, usize> = BTreeMap::new();
    // Whatever becomes of one step, every one that was started is waited for, so that none outlives its pipeline.
    while !course.plan.is_over() {
        // A step that cannot start is over at once, and others may have waited for it.
        loop {
            course.look();
            let ready = course.plan.start_ready();
            if ready.is_empty() {
                break;
            }
            for at in ready {
                if let Some(started) = course.start(at) {
                    places.insert(children.spawn(started).id(), at);
                }
            }
        }
        let (at, ended) = match children.join_next_with_id().await {
            Some(Ok((_, ended))) => ended,
            Some(Err(error)) => {
                let at = places.get(&error.id()).copied().unwrap_or_default();
                (at, Err(std::io::Error::other(format!("its task died: {error}"))))
            }
            None => continue,
        };
        course.end(at, &ended);
    }
    Ok(course.outcome())
}

/// A pipeline on its way.
struct Course<'a, 'c> {
    context: &'a Context<'c>,
    job: &'a PipelineJob,
    globals: &'a [String],
    plan: PipelinePlan,
    /// What steps put out.
    out: BTreeMap<String, String>,
    codes: BTreeMap<String, i32>,
    /// Until when the steps that run in any case may take, once the pipeline is asked to stop.
    after: Option<Deadline>,
}

impl Course<'_, '_> {
    /// Whether the pipeline is asked to stop: then what runs in any case has the second half of the grace.
    fn look(&mut self) {
        if self.context.stop.asked() && self.after.is_none() {
            self.plan.stop();
            self.after = Some(Deadline::after(Some(self.half())));
        }
    }

    fn half(&self) -> Duration {
        self.context.grace / 2
    }

    /// How long a step has from TERM to KILL: all of the grace, or what leaves time for those that run in any case.
    fn grace(&self) -> Duration {
        let has_more = self.job.steps.iter().any(|step| step.when == When::Always);
        if has_more { self.half() } else { self.context.grace }
    }

    /// Bounds a step that runs after the stop, and gives it something else to listen to: that stop was for others.
    fn bounded(&self, mut spawn: Spawn) -> (Spawn, Stop) {
        spawn.grace = self.grace();
        let Some(after) = self.after else { return (spawn, self.context.stop.clone()) };
        let left = after.left();
        let most = left * 3 / 4;
        spawn.timeout = Some(spawn.timeout.map_or(most, |limit| limit.min(most)));
        spawn.grace = left / 4;
        (spawn, Stop::default())
    }

    /// A step that starts. One that cannot fails by itself: the others go on.
    fn start(
        &mut self,
        at: usize,
    ) -> Option<impl Future<Output = (usize, std::io::Result<ProcessEnd>)> + Send + use<>> {
        let step = &self.job.steps[at];
        let spawn = match spawn(self.context, step, &self.out, (self.globals, self.job.device)) {
            Ok(spawn) => spawn,
            Err(failure) => {
                tracing::error!(step = step.id, "could not be started: {}", failure.message);
                self.plan.ended(&step.id, false);
                return None;
            }
        };
        let (spawn, stop) = self.bounded(spawn);
        tracing::info!(step = step.id, argv = spawn.argv.join(" "), "step starts");
        let tag = self.context.process_tag(&child_id(self.context, step));
        let asked_by = match step.work {
            Work::Program(_) => Asker::Us,
            Work::Job { .. } => Asker::Child,
        };
        Some(async move {
            let kin = Kin { tag: &tag, asked_by };
            let ended = process::run(&spawn, Some(kin), &stop).await;
            let program = spawn.argv.first().map_or("", String::as_str);
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("start `{program}`: {error}"))
            };
            (at, ended.map_err(named))
        })
    }

    /// A step is over.
    fn end(&mut self, at: usize, ended: &std::io::Result<ProcessEnd>) {
        let step = &self.job.steps[at];
        let mut well = match ended {
            Ok(ended) => {
                self.codes.insert(step.id.clone(), ended.code);
                judge(step, ended)
            }
            Err(error) => {
                tracing::error!("step {}: {error}", step.id);
                false
            }
        };
        match outputs(self.context, step) {
            Ok(out) => self.out.extend(out),
            Err(failure) => {
                tracing::error!(step = step.id, "its result cannot be read: {}", failure.message);
                well = false;
            }
        }
        self.plan.ended(&step.id, well);
    }

    fn outcome(self) -> Outcome {
        outcome(self.context, &self.plan, &self.codes, self.out)
    }
}

fn judge(step: &Step, ended: &ProcessEnd) -> bool {
    let (step_id, code, expected) = (&step.id, ended.code, step.expect_exit);
    if ended.stopped {
        tracing::error!(step = step_id, code, "step was stopped");
    } else if ended.timed_out {
        tracing::error!(step = step_id, "step took longer than its timeout");
    } else if is_cut_job(step, code) {
        tracing::error!(step = step_id, code, "the job of the step was stopped or timed out");
    } else if code == expected {
        tracing::info!(step = step_id, code, "step ended as expected");
        return true;
    } else {
        tracing::error!(step = step_id, code, expected, "step failed");
    }
    false
}

/// Exit codes of a run that was asked to stop: by a hangup, an interrupt, or a termination.
const STOPPED: [i32; 3] = [129, 130, 143];

/// Whether the run of a job was stopped or timed out. That is never what a step expects, whatever it says. A job that was killed
/// (137) may be: a drill kills its own process.
fn is_cut_job(step: &Step, code: i32) -> bool {
    let is_job = matches!(step.work, Work::Job { .. });
    is_job && (code == i32::from(Exit::Timeout.code()) || STOPPED.contains(&code))
}

fn spawn(
    context: &Context<'_>,
    step: &Step,
    out: &BTreeMap<String, String>,
    (globals, device): (&[String], ComputeDevice),
) -> Result<Spawn, Failure> {
    let refused =
        |error: String| Failure::new(Exit::Manifest, format!("step {}: {error}", step.id));
    let argv = match &step.work {
        Work::Program(words) => {
            words.iter().map(|word| word.fill(out)).collect::<Result<_, _>>().map_err(refused)?
        }
        Work::Job { path, params, profiles } => {
            let program = process::own_program()
                .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
            let mut argv = vec![program.display().to_string(), "run".to_owned(), path.clone()];
            argv.extend(globals.iter().cloned());
            argv.extend(["--run-id".to_owned(), child_id(context, step)]);
            argv.extend(["--parent".to_owned(), context.run_id.to_string()]);
            argv.extend(profiles.iter().flat_map(|profile| ["-P".to_owned(), profile.clone()]));
            for (name, value) in params {
                argv.extend([
                    "-p".to_owned(),
                    format!("{name}={}", value.fill(out).map_err(refused)?),
                ]);
            }
            argv
        }
    };
    // What a step leaves behind ends with its pipeline.
    let mut env = context.process_tag(context.run_id.as_str()).variables();
    env.insert(DEVICE.to_owned(), device.name().to_owned());
    Ok(Spawn {
        argv,
        env,
        dir: context.root.to_owned(),
        timeout: step.timeout.as_ref().map(|limit| limit.get().duration()),
        grace: context.grace,
        results: context.child_results,
    })
}

fn child_id(context: &Context<'_>, step: &Step) -> String {
    format!("{}.{}", context.run_id, step.id)
}

/// What a step left for others: the `out` of its result.
fn outputs(context: &Context<'_>, step: &Step) -> Result<BTreeMap<String, String>, Failure> {
    let Ok(run) = child_id(context, step).parse() else { return Ok(BTreeMap::new()) };
    let path = context.layout.run_dir(&run).join("result.json");
    let Some(bytes) = context.disk.read(Path::new(&path))? else { return Ok(BTreeMap::new()) };
    let result: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Exit::Data, format!("{}: {error}", context.shown(&path))))?;
    let out = result.get("out").and_then(serde_json::Value::as_object);
    let key = |key: &String| format!("steps.{}.out.{key}", step.id);
    Ok(out
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((key(k), v.as_str()?.to_owned())))
        .collect())
}

fn outcome(
    context: &Context<'_>,
    plan: &PipelinePlan,
    codes: &BTreeMap<String, i32>,
    out: BTreeMap<String, String>,
) -> Outcome {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (id, state) in plan.states() {
        let code = codes.get(id).map_or(String::new(), |code| format!("  exit {code}"));
        let _ = writeln!(text, "step {id:<16} {}{code}", state.name());
    }
    let well = plan.states().filter(|(_, state)| *state == StepState::Succeeded).count();
    let all = plan.states().count();
    let mut summary = format!("{well} of {all} steps succeeded");
    // The step at work was ended by us: that is no verdict on it.
    let exit = match (context.stop.signal(), plan.failed(), plan.is_over()) {
        (Some(signal), ..) => {
            summary.push_str(": asked to stop");
            Exit::Signal(signal)
        }
        (None, ..) if context.stop.asked() => Exit::Timeout,
        (None, true, _) => Exit::Negative,
        (None, false, true) => Exit::Ok,
        (None, false, false) => Exit::Timeout,
    };
    Outcome { exit, summary, text, out }
}
