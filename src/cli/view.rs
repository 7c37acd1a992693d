//! The verbs that only look: check, explain, list, show, schema, history, logs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    args::{JobArgs, SchemaOf},
    load::{LoadError, check_only, environment, load, names},
    output::{Mask, print, print_json, say, style},
};
use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::context::Failure,
    manifest::{Problems, RunFacts, job_schema, jobs_md, profile_schema},
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Filter, Run, RunStore},
    },
};

/// Facts of a run that is not made.
pub fn facts() -> RunFacts {
    RunFacts { id: "run".to_owned(), started: SystemClock.now() }
}

/// A job as it is, given nothing.
pub fn bare(job: PathBuf) -> JobArgs {
    JobArgs {
        job,
        profiles: Vec::new(),
        params: Vec::new(),
        scheduled: Vec::new(),
        set: Vec::new(),
    }
}

/// Problems as a document.
pub fn problems_json(problems: &Problems) -> Value {
    let all: Vec<Value> = problems
        .iter()
        .map(|p| {
            json!({
                "severity": p.severity().name(), "file": p.file(), "line": p.line(), "column": p.column(),
                "message": p.message(), "help": p.advice(),
            })
        })
        .collect();
    json!({ "schema": "mjolnir.problems/1", "problems": all })
}

/// Shows problems to people, each with its place.
pub fn say_problems(problems: &Problems) {
    say(problems.render(style(environment().contains_key("NO_COLOR"))).trim_end());
}

/// Says why a job could not be loaded.
pub fn refuse(error: LoadError, json: bool) -> Exit {
    match error {
        LoadError::Problems(problems) => {
            if json {
                print_json(&problems_json(&problems));
            } else {
                say_problems(&problems);
            }
            Exit::Manifest
        }
        LoadError::Unreadable(failure) => tell(&failure, json),
    }
}

/// Says why a verb could not do its work.
pub fn tell(failure: &Failure, json: bool) -> Exit {
    if json {
        let (exit, error) = (failure.exit.code(), &failure.message);
        print_json(&json!({ "schema": "mjolnir.error/1", "exit": exit, "error": error }));
    }
    say(&format!("error: {}", failure.message));
    failure.exit
}

/// `runner check`.
pub fn check(root: &Path, paths: &[PathBuf], json: bool) -> Exit {
    let mut files = Vec::new();
    for path in paths {
        if root.join(path).is_dir() {
            let entries = fs::read_dir(root.join(path)).into_iter().flatten().flatten();
            let inside = entries.map(|entry| path.join(entry.file_name()));
            files.extend(inside.filter(|file| file.extension().is_some_and(|e| e == "toml")));
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    if files.is_empty() {
        return tell(&Failure::new(Exit::Nothing, "there is no manifest to check"), json);
    }
    let (mut worst, mut all) = (Exit::Ok, Vec::new());
    for file in &files {
        match check_only(root, &bare(file.clone()), &facts()) {
            Ok(warnings) => {
                all.push(problems_json(&warnings)["problems"].clone());
                if !json && !warnings.is_empty() {
                    say_problems(&warnings);
                }
            }
            Err(LoadError::Problems(problems)) => {
                all.push(problems_json(&problems)["problems"].clone());
                if !json {
                    say_problems(&problems);
                }
                worst = Exit::Manifest;
            }
            Err(LoadError::Unreadable(failure)) => {
                all.push(
                    json!([{ "severity": "error", "file": file, "message": failure.message }]),
                );
                worst = tell(&failure, false);
            }
        }
    }
    let all: Vec<Value> =
        all.into_iter().filter_map(|list| list.as_array().cloned()).flatten().collect();
    if json {
        print_json(
            &json!({ "schema": "mjolnir.check/1", "manifests": files.len(), "problems": all }),
        );
    } else if worst == Exit::Ok {
        print(&format!("{} manifests are valid\n", files.len()));
    }
    worst
}

/// `runner explain`.
pub fn explain(root: &Path, args: &JobArgs, json: bool) -> Exit {
    let loaded = match load(root, args, &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, json),
    };
    let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
    let mut rows = loaded.resolved.explain();
    for row in &mut rows {
        row.value = mask.apply(&row.value);
    }
    if json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "path": row.path, "value": row.value, "origin": row.origin }))
            .collect();
        print_json(&json!({ "schema": "mjolnir.explain/1", "values": rows }));
        return Exit::Ok;
    }
    let width = |text: fn(&crate::manifest::ExplainRow) -> &str| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0).min(48)
    };
    let (path_width, value_width) = (width(|row| &row.path), width(|row| &row.value));
    let mut text = String::new();
    for row in &rows {
        let _ =
            writeln!(text, "{:path_width$}  {:value_width$}  {}", row.path, row.value, row.origin);
    }
    print(&text);
    Exit::Ok
}

/// `runner show`.
pub fn show(root: &Path, args: &JobArgs, json: bool) -> Exit {
    match load(root, args, &facts()) {
        Ok(loaded) => {
            let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
            let toml = mask.apply(&loaded.resolved.to_toml());
            if json {
                print_json(&json!({ "schema": "mjolnir.show/1", "toml": toml }));
            } else {
                print(&toml);
            }
            Exit::Ok
        }
        Err(error) => refuse(error, json),
    }
}

/// `runner list`.
pub fn list(root: &Path, json: bool) -> Exit {
    let mut jobs = Vec::new();
    for name in names(root) {
        let path = Path::new("jobs").join(&name).with_extension("toml");
        let text = super::load::read_text(&root.join(&path)).unwrap_or_default();
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        let word =
            |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or("?").to_owned();
        jobs.push((path.display().to_string(), word("kind"), word("description")));
    }
    if json {
        let jobs: Vec<Value> = jobs
            .iter()
            .map(|(path, kind, about)| json!({ "path": path, "kind": kind, "description": about }))
            .collect();
        print_json(&json!({ "schema": "mjolnir.list/1", "jobs": jobs }));
    } else {
        let mut text = String::new();
        for (path, kind, about) in &jobs {
            let _ = writeln!(text, "{path:24} {kind:12} {about}");
        }
        print(&text);
    }
    if jobs.is_empty() { Exit::Nothing } else { Exit::Ok }
}

/// `runner schema`.
pub fn schema(of: SchemaOf) -> Exit {
    print_json(&match of {
        SchemaOf::Job => job_schema(),
        SchemaOf::Profile => profile_schema(),
    });
    Exit::Ok
}

/// `runner reference`.
pub fn reference(json: bool) -> Exit {
    if json {
        print_json(&json!({ "schema": "mjolnir.reference/1", "markdown": reference_text() }));
    } else {
        print(&reference_text());
    }
    Exit::Ok
}

/// The whole of JOBS.md: the kinds from the manifest's types, and the exit codes.
pub fn reference_text() -> String {
    let mut text = String::from(
        "# Jobs\n\nEvery kind with every key. Generated by `runner reference`; do not edit.\n\n",
    );
    text.push_str(jobs_md().trim_end());
    text.push_str("\n\n## Exit codes\n\n| code | name | when |\n|---|---|---|\n");
    for (code, name, when) in Exit::TABLE {
        let _ = writeln!(text, "| {code} | {name} | {when} |");
    }
    text
}

fn runs(root: &Path, filter: &Filter) -> Result<Vec<Run>, Failure> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    if !layout.runs_db().is_file() {
        return Ok(Vec::new());
    }
    Ok(RunStore::open(&disk, &layout)?.list(filter)?)
}

/// `runner history`.
pub fn history(root: &Path, job: Option<&String>, last: u32, json: bool) -> Exit {
    let filter = Filter { job: job.cloned(), limit: Some(last), ..Filter::default() };
    let runs = match runs(root, &filter) {
        Ok(runs) => runs,
        Err(failure) => return tell(&failure, json),
    };
    if json {
        let runs: Vec<Value> = runs.iter().map(run_json).collect();
        print_json(&json!({ "schema": "mjolnir.history/1", "runs": runs }));
        return Exit::Ok;
    }
    if runs.is_empty() {
        say("no run is recorded here");
        return Exit::Nothing;
    }
    let mut text = String::new();
    for run in &runs {
        let took = run.ended.map_or("-".to_owned(), |ended| {
            format!("{:.1}s", (ended.get() - run.started.get()) as f64 / 1000.0)
        });
        let code = run.exit_code.map_or("-".to_owned(), |code| code.to_string());
        let _ = writeln!(
            text,
            "{}  {:9} {:>4} {:>8}  {:11} {}  {}",
            run.started,
            run.state.name(),
            code,
            took,
            run.kind,
            run.run_id,
            run.summary
        );
    }
    print(&text);
    Exit::Ok
}

fn run_json(run: &Run) -> Value {
    json!({
        "run_id": run.run_id.as_str(), "job": run.job, "kind": run.kind, "state": run.state.name(),
        "started_ms": run.started.get(), "ended_ms": run.ended.map(crate::domain::time::UtcMs::get),
        "exit_code": run.exit_code, "summary": run.summary, "build": run.build,
        "parent": run.parent.as_ref().map(crate::domain::ids::RunId::as_str),
    })
}

/// `runner logs`.
pub fn logs(root: &Path, run: Option<&String>, json: bool) -> Exit {
    let found = match run {
        Some(id) => id.parse().map_err(|error: crate::domain::ids::NameError| {
            Failure::new(Exit::Usage, error.to_string())
        }),
        None => runs(root, &Filter { limit: Some(1), ..Filter::default() }).and_then(|runs| {
            let latest = runs.into_iter().next().map(|run| run.run_id);
            latest.ok_or_else(|| Failure::new(Exit::Nothing, "no run is recorded here"))
        }),
    };
    let run = match found {
        Ok(run) => run,
        Err(failure) => return tell(&failure, json),
    };
    let path = Layout::new(root).run_dir(&run).join("log.jsonl");
    match fs::read_to_string(&path) {
        Ok(text) if json => {
            let lines: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            print_json(
                &json!({ "schema": "mjolnir.logs/1", "run_id": run.as_str(), "lines": lines }),
            );
            Exit::Ok
        }
        Ok(text) => {
            print(&text);
            Exit::Ok
        }
        Err(error) => {
            let message = format!("there is no log of run {run}: {}: {error}", path.display());
            tell(&Failure::new(Exit::Nothing, message), json)
        }
    }
}
