//! All jobs of a matrix: each is a run of its own with a record of its own, in a process of its own.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    cli::{
        args::{JobArgs, RunArgs},
        load::{facts, load},
        output::{print, print_json, say},
        refuse::tell,
    },
    exit::Exit,
    jobs::context::Failure,
    os::{
        process::{self, ChildResults, Spawn},
        signals::Stop,
    },
};

/// What a job has on top of its own grace, to write down how it ended.
const SLACK: Duration = Duration::from_secs(5);

/// How one of them ended.
struct ItemEnd {
    job: String,
    /// None of one that never started.
    code: Option<i32>,
}

/// Runs every job of a matrix: one after another, or at the same time those that have no end.
pub fn run_all(root: &Path, jobs: &[String], args: &RunArgs, json: bool) -> Exit {
    if args.run_id.is_some() {
        let message = format!(
            "--run-id names one run, and the matrix is {} jobs: name one of them, such as {}",
            jobs.len(),
            jobs[0]
        );
        return tell(&Failure::new(Exit::Usage, message), json);
    }
    match all(root, jobs, args, json) {
        Ok((ends, stop)) => shown(&ends, &stop, json),
        Err(failure) => tell(&failure, json),
    }
}

fn all(
    root: &Path,
    jobs: &[String],
    args: &RunArgs,
    json: bool,
) -> Result<(Vec<ItemEnd>, Stop), Failure> {
    let bug =
        |what: &str, error: std::io::Error| Failure::new(Exit::Bug, format!("{what}: {error}"));
    let stop = Stop::listen().map_err(|error| bug("signals", error))?;
    let runtime = process::runtime().map_err(|error| bug("no runtime", error))?;
    let at_once = has_no_end(root, jobs, args);
    let ends = runtime.block_on(async {
        let mut ends = Vec::new();
        if at_once {
            let mut set = tokio::task::JoinSet::new();
            for (at, job) in jobs.iter().enumerate() {
                let (spawn, stop) = (spawn(root, job, args, json)?, stop.clone());
                set.spawn(async move { (at, process::run(&spawn, None, &stop).await) });
            }
            ends.extend(jobs.iter().map(|job| ItemEnd { job: job.clone(), code: None }));
            while let Some(joined) = set.join_next().await {
                if let Ok((at, ended)) = joined {
                    ends[at].code = code(&jobs[at], ended);
                }
            }
            return Ok(ends);
        }
        for job in jobs {
            let code = if stop.asked() {
                None
            } else {
                let spawn = spawn(root, job, args, json)?;
                code(job, process::run(&spawn, None, &stop).await)
            };
            ends.push(ItemEnd { job: job.clone(), code });
        }
        Ok::<_, Failure>(ends)
    })?;
    Ok((ends, stop))
}

fn code(job: &str, ended: std::io::Result<process::ProcessEnd>) -> Option<i32> {
    match ended {
        Ok(ended) => Some(ended.code),
        Err(error) => {
            say(&format!("error: {job} did not start: {error}"));
            None
        }
    }
}

/// Whether the jobs run until they are asked to stop; of one with problems that does not matter.
fn has_no_end(root: &Path, jobs: &[String], args: &RunArgs) -> bool {
    let first = JobArgs { values: args.job.values.clone(), ..JobArgs::of((&jobs[0]).into()) };
    let loaded = load(root, &first, &facts());
    loaded.is_ok_and(|loaded| loaded.resolved.manifest.job.common().has_no_end)
}

fn spawn(root: &Path, job: &str, args: &RunArgs, json: bool) -> Result<Spawn, Failure> {
    let program =
        process::own_program().map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    let mut argv = vec![program.display().to_string(), "--root".to_owned()];
    let home = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    argv.extend([home.display().to_string(), "run".to_owned(), job.to_owned()]);
    let values = &args.job.values;
    argv.extend(values.profiles.iter().flat_map(|name| ["-P".to_owned(), name.clone()]));
    for (flag, pairs) in
        [("-p", &values.params), ("--set", &values.set), ("--scheduled", &args.job.scheduled)]
    {
        let one = |(name, value): &(String, String)| [flag.to_owned(), format!("{name}={value}")];
        argv.extend(pairs.iter().flat_map(one));
    }
    argv.extend(args.timeout.iter().flat_map(|time| ["--timeout".to_owned(), time.clone()]));
    for (flag, text) in [("--reason", &args.asked.reason), ("--who", &args.asked.who)] {
        argv.extend(text.iter().map(|text| format!("{flag}={text}")));
    }
    if let Some(parent) = &args.parent {
        argv.extend(["--parent".to_owned(), parent.clone()]);
    }
    Ok(Spawn {
        argv,
        env: BTreeMap::new(),
        dir: root.to_owned(),
        timeout: None,
        grace: grace(root, job, args) + SLACK,
        results: if json { ChildResults::Aside } else { ChildResults::Shown },
    })
}

/// The codes of all of them, and one for all: 0 when all are, that of a signal, else 1.
fn shown(ends: &[ItemEnd], stop: &Stop, json: bool) -> Exit {
    let well = ends.iter().filter(|end| end.code == Some(0)).count();
    let exit = match stop.signal() {
        Some(signal) => Exit::Signal(signal),
        None if well == ends.len() => Exit::Ok,
        None => Exit::Negative,
    };
    if json {
        let items: Vec<Value> =
            ends.iter().map(|end| json!({ "job": end.job, "exit": end.code })).collect();
        print_json(&json!({ "schema": "mjolnir.matrix/1", "exit": exit.code(), "items": items }));
        return exit;
    }
    let line = |end: &ItemEnd| {
        let code = end.code.map_or("not started".to_owned(), |code| format!("exit {code}"));
        format!("job {}  {code}\n", end.job)
    };
    let lines: String = ends.iter().map(line).collect();
    print(&format!("{lines}{well} of {} jobs succeeded\n", ends.len()));
    exit
}

/// What a job has to end, as its manifest says.
fn grace(root: &Path, job: &str, args: &RunArgs) -> Duration {
    let one = JobArgs { values: args.job.values.clone(), ..JobArgs::of(job.into()) };
    let loaded = load(root, &one, &facts());
    let default = || crate::manifest::Run::default().grace.into_inner().duration();
    loaded.map_or_else(|_| default(), |loaded| loaded.resolved.manifest.run.grace.get().duration())
}
