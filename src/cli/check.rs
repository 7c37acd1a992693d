//! `runner check`: every problem of manifests at once, and what a first start of a loop would lack.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    args::{JobArgs, ValueArgs},
    load::{
        LoadError, check_only, facts, is_manifest, load, load_timetable, matrix_jobs, read_text,
    },
    output::{print, print_json},
    planned,
    refuse::{problems_json, say_problems, tell},
};
use crate::{
    exchange::venue::registry::Venue,
    exit::Exit,
    jobs::{
        context::Failure,
        preflight::ManifestCheck,
        venue::{FirstStart, Late},
    },
    language,
    manifest::{
        DuplicateName, Feed, Job, Problem, Problems, Source, check_strategy, duplicate_names,
    },
};

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
    // What several jobs have of one strategy is said to people once.
    let mut said = BTreeSet::new();
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
                let unsaid = warnings.unsaid(&mut said);
                if !json && !unsaid.is_empty() {
                    say_problems(&unsaid);
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
        for job in each.iter().filter(|job| *job != file) {
            if last.is_err() {
                break;
            }
            let job = JobArgs { values: values.clone(), ..JobArgs::of(job.clone()) };
            last = check_only(root, &job, &facts());
        }
        for job in &each {
            if last.is_ok() {
                starts(root, job)?;
            }
        }
        return last;
    }
    let text = text.map_err(|error| {
        LoadError::Unreadable(Failure::new(Exit::Manifest, format!("{}: {error}", file.display())))
    })?;
    let source = Source { path: file.display().to_string(), text };
    check_strategy(&source).map_err(LoadError::Problems)
}

/// Refuses a schedule that the service refuses: with what it gives, its job could not run.
fn starts(root: &Path, job: &Path) -> Result<(), LoadError> {
    for schedule in load_timetable(root, &JobArgs::of(job.to_owned()))?.schedules {
        let schedule = planned::own(root, job, schedule)?;
        if schedule.lacks.is_empty() {
            load(root, &planned::started_by(job, &schedule), &facts())?;
        }
    }
    Ok(())
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
