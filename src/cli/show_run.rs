//! `runner show RUN`: a run with what it was, and of a pipeline each step and item: how it stands, who approved it, where its result came from.

use std::{fmt::Write as _, path::Path};

use serde_json::json;

use super::{
    output::{plain, print, print_json},
    records::{Records, run_json},
    refuse::tell,
    table::{ago, row, span, table},
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
    exit::Exit,
    jobs::context::Failure,
    store::runs::{
        RunAsked, RunRecord, StepApproval, StepRecord, StepState, StepTask, StepsRecord,
    },
};

/// A run with its steps, and who asked for it.
type ShownRun = (RunRecord, Option<StepsRecord>, Option<RunAsked>);

/// Shows a run, if the word means one that is recorded here; `None` otherwise.
pub fn show_run(root: &Path, word: &str, json: bool) -> Option<Exit> {
    let records = Records::open_if_any(root).ok().flatten()?;
    let run = records.find(word).ok()?;
    Some(match look(&records, &run) {
        Ok((run, steps, asked)) => {
            if json {
                print_json(&json!({
                    "schema": "mjolnir.show-run/1", "run": run_json(&run), "asked": asked, "steps": steps,
                }));
            } else {
                print(&text(&run, steps.as_ref(), asked.as_ref()));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    })
}

fn look(records: &Records, run: &RunRecord) -> Result<ShownRun, Failure> {
    let run = records.state_of(&run.run_id)?;
    let steps = StepsRecord::read(&records.disk, &records.layout, &run.run_id)?;
    let asked = RunAsked::read(&records.disk, &records.layout, &run.run_id)?;
    Ok((run, steps, asked))
}

fn text(run: &RunRecord, steps: Option<&StepsRecord>, asked: Option<&RunAsked>) -> String {
    let now = SystemClock.now();
    let mut rows = vec![
        row(["run", run.run_id.as_str()]),
        row(["job", &format!("{} ({})", run.job, run.kind)]),
        row(["state", run.state.name()]),
        row(["started", &format!("{} ({})", run.started, ago(run.started, now))]),
    ];
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|v| row([name, &v])));
    let took = |ended: UtcMs| {
        let ms = u64::try_from(ended.get() - run.started.get()).unwrap_or_default();
        format!("{ended}, after {}", span(ms))
    };
    add("ended", run.ended.map(took));
    add("exit code", run.exit_code.map(|code| code.to_string()));
    add("said", Some(plain(&run.summary)).filter(|said| !said.is_empty()));
    add("slot", run.due.as_ref().map(|(schedule, slot)| format!("{slot} of {schedule}")));
    add("attempt", (run.attempt > 1).then(|| run.attempt.to_string()));
    add("asked by", asked.map(said_by));
    add("repeats", run.retry_of.as_ref().map(ToString::to_string));
    add("part of", run.parent.as_ref().map(ToString::to_string));
    let part = steps.and_then(|steps| steps.retry.as_ref());
    add("only a part", part.map(|r| format!("{} {}, of run {}", r.part.name(), r.step, r.run_id)));
    let mut text = table("", &rows);
    for step in steps.into_iter().flat_map(|steps| &steps.steps) {
        step_text(step, run, &mut text);
    }
    text
}

fn said_by(asked: &RunAsked) -> String {
    let who = plain(&asked.who);
    if asked.reason.is_empty() { who } else { format!("{who}: {}", plain(&asked.reason)) }
}

fn step_text(step: &StepRecord, run: &RunRecord, text: &mut String) {
    let _ = writeln!(text, "step {}  {}", step.id, step.state.name());
    if let Some(approve) = &step.approve {
        let _ = writeln!(text, "  {}", approval(step, approve, run));
    }
    let rows: Vec<Vec<String>> = step.tasks.iter().map(task).filter(|row| row.len() > 1).collect();
    text.push_str(&table("  ", &rows));
}

fn approval(step: &StepRecord, approve: &StepApproval, run: &RunRecord) -> String {
    let asked = plain(&approve.text);
    match (&approve.who, &approve.reason) {
        (Some(who), Some(reason)) => {
            let at = approve.given_ms.and_then(|ms| UtcMs::new(ms).ok());
            let at = at.map_or_else(String::new, |at| format!(" at {at}"));
            format!("asked: {asked}; approved by {}{at}: {}", plain(who), plain(reason))
        }
        _ if step.state == StepState::Asking => {
            format!("asks: {asked}; `runner approve {} {} --reason ...`", run.run_id, step.id)
        }
        _ => format!("asks: {asked}"),
    }
}

fn task(task: &StepTask) -> Vec<String> {
    let mut cells = vec![task.item.clone().unwrap_or_default(), task.state.name().to_owned()];
    if task.item.is_none() {
        cells = vec![task.state.name().to_owned()];
    }
    cells.extend(task.exit.map(|code| format!("exit {code}")));
    if let (Some(began), Some(ended)) = (task.started_ms, task.ended_ms) {
        cells.push(format!("{:.1}s", (ended - began) as f64 / 1000.0));
    }
    cells.extend(task.run_id.as_ref().map(|run| format!("run {run}")));
    cells.extend(task.of_run.as_ref().map(|run| format!("done by {run}")));
    cells.extend(task.hash.as_ref().map(|hash| format!("hash {}", &hash[..hash.len().min(12)])));
    cells.extend(task.said.as_ref().map(|said| plain(said)));
    cells
}
