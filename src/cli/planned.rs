//! The schedules of the jobs, as their manifests have them.

use std::path::Path;

use super::{
    args::{JobArgs, ValueArgs},
    load::{LoadError, find, item_of, load_timetable, matrix_jobs, names, read_text},
};
use crate::{
    domain::cadence::Cadence,
    manifest::{Schedule, Trigger},
};

/// A job with its schedules.
#[derive(Debug, Clone)]
pub struct Planned {
    pub job: String,
    /// Its manifest, below the root.
    pub path: String,
    /// Its schedules, each resolved with its own params and profiles.
    pub schedules: Vec<Schedule>,
}

impl Planned {
    /// What records call one of its schedules.
    pub fn schedule_name(&self, schedule: &Schedule) -> String {
        format!("{}.{}", self.job, schedule.id)
    }
}

/// The schedules of one job, by its name or its file.
pub fn one(root: &Path, job: &Path) -> Result<Planned, LoadError> {
    let (_, path) = find(root, job).map_err(LoadError::Unreadable)?;
    let timetable = load_timetable(root, &JobArgs::of(job.to_owned()))?;
    let mut schedules = Vec::new();
    for schedule in timetable.schedules {
        schedules.push(own(root, job, schedule)?);
    }
    Ok(Planned { job: timetable.name, path, schedules })
}

/// The schedules of one job, or of every job of its matrix.
pub fn each(root: &Path, job: &Path) -> Result<Vec<Planned>, LoadError> {
    let items = matrix_jobs(root, job);
    if items.is_empty() {
        return Ok(vec![one(root, job)?]);
    }
    items.iter().map(|item| one(root, Path::new(item))).collect()
}

/// A schedule of a job with what its own params and profiles make of it.
pub fn own(root: &Path, job: &Path, schedule: Schedule) -> Result<Schedule, LoadError> {
    if schedule.params.is_empty() && schedule.profiles.is_empty() {
        return Ok(schedule);
    }
    let again = load_timetable(root, &started_by(job, &schedule))?;
    Ok(again.schedules.into_iter().find(|own| own.id == schedule.id).unwrap_or(schedule))
}

/// What a job is called with when this schedule starts it.
pub fn started_by(job: &Path, schedule: &Schedule) -> JobArgs {
    let Schedule { params, profiles, .. } = schedule.clone();
    let values = ValueArgs { profiles, ..ValueArgs::default() };
    JobArgs { scheduled: params, values, ..JobArgs::of(job.to_owned()) }
}

/// Every job in `jobs/`, by the name of its file.
pub fn all(root: &Path) -> Vec<(String, Result<Planned, LoadError>)> {
    names(root).into_iter().map(|name| (name.clone(), one(root, Path::new(&name)))).collect()
}

/// Whether there is a manifest of this name.
pub fn exists(root: &Path, job: &str) -> bool {
    find(root, Path::new(job)).is_ok()
}

/// The name in a manifest, also of one with problems.
pub fn name(root: &Path, job: &str) -> Option<String> {
    let (path, _) = find(root, Path::new(job)).ok()?;
    let own = read_text(&path).ok().and_then(|text| own_name(&text));
    let item = item_of(root, Path::new(job));
    let own = own.map(|own| item.map_or_else(|| own.clone(), |item| format!("{own}.{item}")));
    own.or_else(|| one(root, Path::new(job)).ok().map(|planned| planned.job))
}

/// The names of the jobs that a word means: of one, or of all of its matrix.
pub fn job_names(root: &Path, job: &str) -> Vec<String> {
    let items = matrix_jobs(root, Path::new(job));
    if items.is_empty() {
        return name(root, job).into_iter().collect();
    }
    items.iter().filter_map(|item| name(root, item)).collect()
}

/// The name that stands in a manifest itself.
pub fn own_name(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    Some(table.get("name")?.as_str()?.to_owned())
}

/// When a schedule is due, in short: its cron line, `every 10m`, `on boot`.
pub fn short(due: &Trigger) -> String {
    match due {
        Trigger::At(Cadence::Every(step)) => format!("every {}", humantime::format_duration(*step)),
        Trigger::At(Cadence::Cron { cron, .. }) => cron.to_string(),
        Trigger::On(event) => format!("on {}", event.name()),
    }
}
