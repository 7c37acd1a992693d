//! How far a sweep is: what is played of what is planned, read from its folder.

use std::fmt::Write as _;

use serde::Serialize;

use super::{folder::SweepFolder, report::SweepDoc};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    store::{
        disk::{Disk as _, EntryKind},
        lock::is_held,
    },
};

/// How far a sweep is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepStatus {
    /// What it is called.
    pub id: String,
    /// `running`, `over`, `cancelled` or `unfinished`.
    pub state: &'static str,
    /// Trials.
    pub trials: usize,
    /// Of these, played.
    pub played: usize,
    /// Null markets that are searched.
    pub nulls: usize,
    /// Null markets that were asked for.
    pub null_sweeps: u32,
    /// Steps of the walk forward that are done.
    pub walk_steps: usize,
    /// The verdict, of one that is over.
    pub verdict: Option<String>,
}

impl SweepStatus {
    /// Reads the folder of a sweep.
    pub fn of(context: &Context<'_>, id: &str) -> Result<Self, Failure> {
        let folder = SweepFolder::new(context, id);
        let plan = folder.plan()?.ok_or_else(|| unknown(context, id))?;
        let played = folder.count(&plan)?;
        let many = |dir| -> Result<usize, Failure> {
            Ok(context
                .disk
                .list(dir)?
                .iter()
                .filter(|name| name.strip_suffix(".json").is_some())
                .count())
        };
        let report: Option<SweepDoc> = folder.json(&folder.report_path())?;
        // Looking must not take it from a sweep that starts.
        let is_held = is_held(&context.layout.sweep_lock(id));
        let state = match (&report, folder.is_cancelled(), is_held) {
            (_, _, true) => "running",
            (_, true, false) => "cancelled",
            (Some(_), false, false) => "over",
            (None, false, false) => "unfinished",
        };
        Ok(Self {
            id: id.to_owned(),
            state,
            trials: plan.trials.len(),
            played,
            nulls: many(&context.layout.sweep_nulls_dir(id))?,
            null_sweeps: plan.null_sweeps,
            walk_steps: many(&context.layout.sweep_walk_dir(id))?,
            verdict: report.map(|report| report.verdict.verdict),
        })
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let mut out =
            format!("{}: {}, {} of {} trials", self.id, self.state, self.played, self.trials);
        let _ = write!(out, ", {} of {} null markets", self.nulls, self.null_sweeps);
        if self.walk_steps > 0 {
            let _ = write!(out, ", {} steps forward", self.walk_steps);
        }
        if let Some(verdict) = &self.verdict {
            let _ = write!(out, ": {verdict}");
        }
        out.push('\n');
        out
    }
}

/// The sweeps that are here, by name.
pub fn sweeps(context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let dir = context.layout.sweeps_dir();
    let mut ids = Vec::new();
    for name in context.disk.list(&dir)? {
        let entry = context.disk.look(&dir.join(&name))?;
        let is_dir = entry.is_some_and(|entry| entry.kind == EntryKind::Dir);
        if is_dir && context.disk.len(&context.layout.sweep_plan(&name))?.is_some() {
            ids.push(name);
        }
    }
    Ok(ids)
}

/// The sweep of an id, or of the beginning of one.
pub fn named(context: &Context<'_>, word: &str) -> Result<String, Failure> {
    let all = sweeps(context)?;
    let found: Vec<&String> = all.iter().filter(|id| id.starts_with(word)).collect();
    match (all.iter().find(|id| *id == word), &found[..]) {
        (Some(id), _) => Ok(id.clone()),
        (None, [one]) => Ok((*one).clone()),
        (None, []) => Err(unknown(context, word)),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            Err(Failure::new(
                Exit::Usage,
                format!("`{word}` begins several sweeps: {}", names.join(", ")),
            ))
        }
    }
}

fn unknown(context: &Context<'_>, word: &str) -> Failure {
    let known = sweeps(context).unwrap_or_default();
    let known = if known.is_empty() {
        "this box does not have a sweep yet".to_owned()
    } else {
        format!("sweeps here: {}", known.join(", "))
    };
    Failure::new(Exit::Nothing, format!("sweep `{word}` does not exist; {known}"))
}

/// Asks a sweep for its end: it stops at the next block of its trials.
pub fn cancel(context: &Context<'_>, id: &str) -> Result<(), Failure> {
    let path = context.layout.sweep_cancelled(id);
    Ok(context.disk.replace(&path, format!("{}\n", context.started).as_bytes())?)
}
