//! The pipeline job: starts each step as a child process of its own and follows the plan.

use std::{collections::BTreeMap, path::Path};

use tokio::task::JoinSet;

use super::plan::{Node, Plan, StepState};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    manifest::{ComputeDevice, PipelineJob, Step, Work},
    os::process::{self, Ended, Spawn},
    store::disk::Disk,
};

/// The variable from which jobs that name no device take theirs.
const DEVICE: &str = "MJOLNIR_DEVICE";

/// Runs the job.
pub fn run(
    context: &Context<'_>,
    job: &PipelineJob,
    globals: &[String],
) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))?;
    runtime.block_on(follow(context, job, globals))
}

async fn follow(
    context: &Context<'_>,
    job: &PipelineJob,
    globals: &[String],
) -> Result<Outcome, Failure> {
    let node =
        |step: &Step| Node { id: step.id.clone(), needs: step.needs.clone(), when: step.when };
    let nodes = job.steps.iter().map(node).collect();
    let mut plan = Plan::new(nodes, job.pipeline.max_parallel as usize, job.pipeline.fail_fast);
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut codes: BTreeMap<String, i32> = BTreeMap::new();
    let mut children: JoinSet<(usize, std::io::Result<Ended>)> = JoinSet::new();
    while !plan.is_over() {
        for at in plan.start_ready() {
            let step = &job.steps[at];
            let spawn = spawn(context, step, &out, (globals, job.device))?;
            tracing::info!(step = step.id, argv = spawn.argv.join(" "), "step starts");
            let stop = context.stop.clone();
            children.spawn(async move { (at, process::run(&spawn, &stop).await) });
        }
        let Some(joined) = children.join_next().await else { continue };
        let (at, ended) = joined
            .map_err(|error| Failure::new(Exit::Bug, format!("a step's task died: {error}")))?;
        let step = &job.steps[at];
        let well = match &ended {
            Ok(ended) => {
                codes.insert(step.id.clone(), ended.code);
                judge(step, ended)
            }
            Err(error) => {
                tracing::error!(step = step.id, "could not be started: {error}");
                false
            }
        };
        out.extend(outputs(context, step)?);
        plan.ended(&step.id, well);
        if context.stop.asked() {
            while children.join_next().await.is_some() {}
            break;
        }
    }
    Ok(outcome(context, &plan, &codes, out))
}

fn judge(step: &Step, ended: &Ended) -> bool {
    let well = ended.code == step.expect_exit && !ended.timed_out;
    let (step_id, code, expected) = (&step.id, ended.code, step.expect_exit);
    if well {
        tracing::info!(step = step_id, code, "step ended as expected");
    } else if ended.timed_out {
        tracing::error!(step = step_id, "step took longer than its timeout");
    } else {
        tracing::error!(step = step_id, code, expected, "step failed");
    }
    well
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
    Ok(Spawn {
        argv,
        env: BTreeMap::from([(DEVICE.to_owned(), device.name().to_owned())]),
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
    plan: &Plan,
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
            summary.push_str(": told to stop");
            Exit::Signal(signal)
        }
        (None, true, _) => Exit::Negative,
        (None, false, true) => Exit::Ok,
        (None, false, false) => Exit::Timeout,
    };
    Outcome { exit, summary, text, out }
}
