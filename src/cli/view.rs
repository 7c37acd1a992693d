//! The verbs that look at manifests: check, explain, list, show, schema, reference.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    args::{JobArgs, SchemaOf, ShowArgs, ShowPart, ValueArgs},
    load::{
        LoadError, check_only, facts, find, is_manifest, item_of, load, matrix_jobs, names,
        read_text,
    },
    output::{plain, print, print_json, say, say_drawn, style},
    planned,
    show_model::show_model,
    show_run::show_run,
    table::{row, table},
    why::trading_of,
};
use crate::{
    domain::time::DAY_MS,
    engine::anchor::Blocks,
    exchange::venue::registry::Venue,
    exit::Exit,
    jobs::{
        context::Failure,
        preflight::ManifestCheck,
        venue::{FirstStart, Late},
    },
    language::{self, Derivation},
    manifest::{
        DuplicateName, Feed, Job, Problem, Problems, Source, check_strategy, duplicate_names,
        job_schema, jobs_md, profile_schema,
    },
    os::mask::Mask,
};

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
    say_drawn(problems.render(style()).trim_end());
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

/// Manifests that were checked, each with its problems or warnings.
struct CheckedFiles {
    files: Vec<(PathBuf, Result<Problems, LoadError>)>,
    /// Names that more than one job has.
    same_names: Problems,
}

/// Checks files, and the manifests in folders.
fn check_files(root: &Path, paths: &[PathBuf], values: &ValueArgs) -> CheckedFiles {
    let mut files = Vec::new();
    for path in paths {
        if root.join(path).is_dir() {
            let entries = fs::read_dir(root.join(path)).into_iter().flatten().flatten();
            let inside = entries.map(|entry| path.join(entry.file_name()));
            files.extend(inside.filter(|file| is_manifest(file)));
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    let same_names = same_names(root, &files);
    let checked = |file: PathBuf| {
        let found = check_file(root, &file, values);
        (file, found)
    };
    CheckedFiles { files: files.into_iter().map(checked).collect(), same_names }
}

/// The manifests in `jobs/`, for a preflight; `None` when there are none.
pub fn manifest_check(root: &Path) -> Option<ManifestCheck> {
    let CheckedFiles { files, same_names } =
        check_files(root, &[PathBuf::from("jobs")], &ValueArgs::default());
    let (mut problems, mut is_valid) = (Vec::new(), same_names.is_empty());
    for (file, found) in &files {
        match found {
            Ok(warnings) => problems.extend(named(warnings)),
            Err(LoadError::Problems(found)) => {
                problems.extend(named(found));
                is_valid = false;
            }
            Err(LoadError::Unreadable(failure)) => {
                problems.push(format!("{}: {}", file.display(), failure.message));
                is_valid = false;
            }
        }
    }
    problems.extend(named(&same_names));
    (!files.is_empty()).then_some(ManifestCheck { manifests: files.len(), problems, is_valid })
}

/// Each problem with its place, on one line.
fn named(problems: &Problems) -> Vec<String> {
    let one =
        |problem: &Problem| format!("{}:{}: {}", problem.file(), problem.line(), problem.message());
    problems.iter().map(one).collect()
}

pub fn check(root: &Path, (paths, values): (&[PathBuf], &ValueArgs), json: bool) -> Exit {
    let all = ["jobs", "strategies"].map(PathBuf::from);
    let usual: Vec<PathBuf> = all.into_iter().filter(|path| root.join(path).is_dir()).collect();
    let CheckedFiles { files, same_names: twice } =
        check_files(root, if paths.is_empty() { &usual } else { paths }, values);
    if files.is_empty() {
        return tell(&Failure::new(Exit::Nothing, "no manifest was found to check"), json);
    }
    let count = files.len();
    let (mut worst, mut all) = (Exit::Ok, Vec::new());
    for (file, found) in files {
        match found {
            Ok(warnings) => {
                let late = first_start(root, &file, values);
                if !late.is_empty() {
                    all.push(problems_json(&late)["problems"].clone());
                    if !json {
                        say_problems(&late);
                    }
                }
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
    if !twice.is_empty() {
        all.push(problems_json(&twice)["problems"].clone());
        if !json {
            say_problems(&twice);
        }
        worst = Exit::Manifest;
    }
    let all: Vec<Value> =
        all.into_iter().filter_map(|list| list.as_array().cloned()).flatten().collect();
    if json {
        print_json(&json!({ "schema": "mjolnir.check/1", "manifests": count, "problems": all }));
    } else if worst == Exit::Ok {
        let what = if count == 1 { "manifest is" } else { "manifests are" };
        print(&format!("{count} {what} valid\n"));
    }
    worst
}

/// Checks a job, or a strategy: what lies below a folder of that name, or has entry rules and is not a job.
fn check_file(root: &Path, file: &Path, values: &ValueArgs) -> Result<Problems, LoadError> {
    let text = read_text(&root.join(file));
    let in_folder = file.ancestors().skip(1).any(|folder| folder.ends_with("strategies"));
    let looks_so = |text: &String| {
        let begins = |key: &str| text.lines().any(|line| line.trim_start().starts_with(key));
        begins("[[strategy.enter]]") && !begins("kind") && !begins("name")
    };
    if !in_folder && !text.as_ref().is_ok_and(looks_so) {
        let items = matrix_jobs(root, file);
        let each = if items.is_empty() {
            vec![file.to_owned()]
        } else {
            items.into_iter().map(PathBuf::from).collect()
        };
        let mut last = check_only(
            root,
            &JobArgs { values: values.clone(), ..JobArgs::of(file.to_owned()) },
            &facts(),
        );
        for job in each.into_iter().filter(|job| job != file) {
            if last.is_err() {
                break;
            }
            let job = JobArgs { values: values.clone(), ..JobArgs::of(job) };
            last = check_only(root, &job, &facts());
        }
        return last;
    }
    let text = text.map_err(|error| {
        LoadError::Unreadable(Failure::new(Exit::Manifest, format!("{}: {error}", file.display())))
    })?;
    let source = Source { path: file.display().to_string(), text };
    check_strategy(&source).map_err(LoadError::Problems)
}

/// The manifests among these whose job has the name of one before it.
fn same_names(root: &Path, files: &[PathBuf]) -> Problems {
    let named = |file: &PathBuf| {
        let path = file.display().to_string();
        let name = planned::name(root, &path)?;
        Some(DuplicateName { text: read_text(&root.join(file)).ok()?, path, name })
    };
    duplicate_names(&files.iter().filter_map(named).collect::<Vec<_>>())
}

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
    let rules = explained_rules(&loaded.resolved.manifest.job);
    let (path_width, value_width) = (width(|row| &row.path), width(|row| &row.value));
    let mut text = String::new();
    for row in &rows {
        let _ =
            writeln!(text, "{:path_width$}  {:value_width$}  {}", row.path, row.value, row.origin);
    }
    text.push_str(&rules);
    print(&text);
    Exit::Ok
}

/// What the rules of a job come to: how large they are, and how many bars they look back and why; nothing without rules.
fn explained_rules(job: &Job) -> String {
    let Ok((trading, _)) = trading_of(job) else { return String::new() };
    let timeframe = trading.series.timeframe();
    let values = language::Values::new();
    let Ok(rules) = language::CheckedStrategy::new(&trading.rules, &values, timeframe, &[]) else {
        return String::new();
    };
    let bars = rules.warm_up_bars();
    let told = match job {
        Job::Live(job) => job.live.horizon_bars,
        _ => None,
    };
    let start = FirstStart::new(&trading.series, bars, told);
    let blocks = Blocks::new(timeframe, bars, trading.cadence_bars);
    let block_days = blocks.block_ms() / DAY_MS;
    let names = rules.features().names().join("; ");
    let model = if trading.model.is_some() { ", beside those of the model" } else { "" };
    let mut text = format!(
        "\nrules: {}, {} operations\nfeatures{model}: {names}\n\
         warm-up: {}{model}\n",
        rules.rules().len(),
        rules.operations(),
        start.needs(),
    );
    derived(rules.warm_up(), 1, &mut text);
    let _ = writeln!(
        text,
        "a slot is answered by indicators that began one to two blocks of {block_days} days before: a start loads up to {} days of bars",
        2 * block_days
    );
    if let Some(gives) = start.gives() {
        let _ = writeln!(text, "{gives}");
    }
    if let Some(Late { message, command }) = start.late() {
        let _ = writeln!(text, "{message}; bring in older bars first:\n  {command}");
    }
    text
}

/// What is to be said about the first start of a live job: where its venue does not answer far enough back.
fn first_start(root: &Path, file: &Path, given: &ValueArgs) -> Problems {
    // A job that needs values of a run is not judged here.
    let job = JobArgs { values: given.clone(), ..JobArgs::of(file.to_owned()) };
    let Ok(loaded) = load(root, &job, &facts()) else {
        return Problems::default();
    };
    let Job::Live(job) = &loaded.resolved.manifest.job else { return Problems::default() };
    let (trading, values) = (&job.trading, language::Values::new());
    let timeframe = trading.series.timeframe();
    let rules = language::CheckedStrategy::new(&trading.rules, &values, timeframe, &[]);
    let (Ok(rules), Feed::Http) = (rules, job.live.feed) else { return Problems::default() };
    let venue = Venue::of(trading.series.exchange());
    let served = venue.map_or(Ok(()), |venue| venue.serves(trading.series.symbol(), timeframe));
    if let Err(fault) = served {
        let help = "choose another timeframe, or another venue".to_owned();
        return loaded.resolved.warning("market.timeframe", fault.to_string(), help);
    }
    let told = job.live.horizon_bars;
    match FirstStart::new(&trading.series, rules.warm_up_bars(), told).late() {
        Some(Late { message, command }) => {
            let help = format!("bring in older bars first: {command}");
            loaded.resolved.warning("market.exchange", message, help)
        }
        None => Problems::default(),
    }
}

fn derived(of: &Derivation, depth: usize, text: &mut String) {
    let how = if of.how.is_empty() { String::new() } else { format!(", {} of its own", of.how) };
    let _ = writeln!(text, "{}{} looks back {} bars{how}", "  ".repeat(depth), of.text, of.lag);
    for part in &of.parts {
        derived(part, depth + 1, text);
    }
}

pub fn show(root: &Path, args: &ShowArgs, json: bool) -> Exit {
    if let Some(ShowPart::Model { dir }) = &args.part {
        return show_model(root, dir, json);
    }
    let job = args.job.clone().unwrap_or_default();
    let is_job = find(root, &job).is_ok() || !matrix_jobs(root, &job).is_empty();
    if let Some(exit) = job.to_str().filter(|_| !is_job).and_then(|word| show_run(root, word, json))
    {
        return exit;
    }
    let job = JobArgs { values: args.values.clone(), ..JobArgs::of(job) };
    match load(root, &job, &facts()) {
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

pub fn list(root: &Path, json: bool) -> Exit {
    let mut jobs = Vec::new();
    for name in names(root) {
        let item = item_of(root, Path::new(&name));
        let file = find(root, Path::new(&name)).map(|(path, _)| path).unwrap_or_default();
        let path = match item {
            Some(_) => PathBuf::from(&name),
            None => Path::new("jobs").join(&name).with_extension("toml"),
        };
        let text = read_text(&file).unwrap_or_default();
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        let word =
            |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or("?").to_owned();
        let due = match planned::one(root, &path) {
            Ok(job) => job.schedules.iter().map(|each| planned::short(&each.due)).collect(),
            Err(_) => vec!["invalid: `runner check`".to_owned()],
        };
        jobs.push((path.display().to_string(), word("kind"), due, word("description")));
    }
    if json {
        let jobs: Vec<Value> = jobs
            .iter()
            .map(|(path, kind, due, about)| {
                json!({ "path": path, "kind": kind, "schedules": due, "description": about })
            })
            .collect();
        print_json(&json!({ "schema": "mjolnir.list/1", "jobs": jobs }));
    } else {
        let shown = |(path, kind, due, about): &(String, String, Vec<String>, String)| {
            let due = if due.is_empty() { "-".to_owned() } else { due.join(", ") };
            row([&plain(path), &plain(kind), &plain(&due), &plain(about)])
        };
        print(&table("", &jobs.iter().map(shown).collect::<Vec<_>>()));
    }
    if jobs.is_empty() { Exit::Nothing } else { Exit::Ok }
}

pub fn schema(of: SchemaOf) -> Exit {
    print_json(&match of {
        SchemaOf::Job => job_schema(),
        SchemaOf::Profile => profile_schema(),
    });
    Exit::Ok
}

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
